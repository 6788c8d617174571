"""Flags of the command line, made from what classes and functions declare."""

from __future__ import annotations

import contextlib
from collections.abc import Container, Mapping, Sequence
from typing import Annotated, Any, TypedDict, get_args, get_origin

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from . import declared
from .declared import REQUIRED, Maker, Setting

_METAVARS = {int: "INT", float: "FLOAT", str: "TEXT", bool: "{True,False}"}
_WANTED = {int: "is no whole number", float: "is no number", bool: "is neither True nor False"}


def _read(text: str, kinds: Sequence[type]) -> Any:
    """The value of the first of these kinds that a text can be read as; raises ValueError if there is none."""
    for kind in sorted(kinds, key=list(_METAVARS).index):
        with contextlib.suppress(ValueError, KeyError):
            return {"True": True, "False": False}[text] if kind is bool else kind(text)
    raise ValueError(f"{text!r} {' and '.join(_WANTED[kind] for kind in kinds)}")


def _value(kinds: Sequence[type], metavar: str, *, several: bool = False) -> PrimitiveConstructorSpec:
    """How a value of one of these kinds is read, or with `several` a list of such."""
    return PrimitiveConstructorSpec(
        nargs="*" if several else 1,
        metavar=metavar,
        instance_from_str=lambda texts: [_read(text, kinds) for text in texts] if several else _read(texts[0], kinds),
        is_instance=lambda value: value is None or isinstance(value, list if several else tuple(kinds)),
        str_from_instance=lambda value: [str(part) for part in value] if isinstance(value, list) else [str(value)],
    )


# A flag of this type alone stands for True.
_SWITCH = PrimitiveConstructorSpec(
    nargs=(0, 1),
    metavar="[{True,False}]",
    instance_from_str=lambda texts: texts != ["False"],
    is_instance=lambda value: isinstance(value, bool),
    str_from_instance=lambda value: [str(value)],
    choices=("True", "False"),
)

WORKFLOWS_HELP = f'{", ".join(declared.workflows())}: one or more; with settings as in "weighted(real_weight=0.6)".'


def optional(kind: Any, metavar: str, about: str | None = None) -> Any:
    """The type of a flag that may be left out; its help text is `about`, or in the docstring of its class."""
    several = get_origin(kind) is list
    spec = _value(get_args(kind) if several else (kind,), metavar, several=several)
    # The kind is for specifications, of which these are fields too.
    return Annotated[kind | None, spec, tyro.conf.arg(metavar=metavar, help=about, help_behavior_hint="")]


def positional(metavar: str, about: str | None = None) -> Any:
    """The type of a text that is given without a flag; `metavar` is what the help text calls it."""
    return Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar=metavar, help=about, help_behavior_hint="")]


def flags(
    title: str,
    makers: Mapping[str, Maker],
    *,
    several: bool = False,
    qualified: bool = False,
    without: Container[str] = (),
) -> type:
    """The type of a dictionary of the settings that are given on the command line, each of which is a flag.

    Args:
        title: stands above the flags in the help text.
        makers: classes and functions by the names that help texts call them. What they share is one flag.
        several: flags of fields of classes take several values.
        qualified: names of flags begin with those of makers, as in "weighted.real_weight".
        without: settings that have no flag here.
    """
    found: dict[str, list[tuple[str, Maker, Setting]]] = {}
    for called, maker in makers.items():
        for name, setting in maker.settings.items():
            if name not in without:
                flag, owner = (f"{called}.{name}", called) if qualified else (name, called)
                found.setdefault(flag, []).append((owner, maker, setting))
    types = {name: _flag(owners, several, qualified) for name, owners in found.items()}
    dictionary = TypedDict("Flags", types, total=False)
    dictionary.__doc__ = title
    return dictionary


def _flag(owners: list[tuple[str, Maker, Setting]], several: bool, qualified: bool) -> Any:
    kinds = list(dict.fromkeys(_kind(kind) for _, _, setting in owners for kind in setting.kinds))
    lists = [kind for kind in kinds if kind not in _METAVARS]
    scalars = [kind for kind in kinds if kind in _METAVARS] or list(get_args(lists[0]))
    metavar = "|".join(_METAVARS[kind] for kind in scalars)
    several = several and any(maker.is_class for _, maker, _ in owners)
    if several or len(lists) == len(kinds):
        metavar = f"{metavar} [{metavar} ...]"
        spec = _value(scalars, metavar, several=True)
    else:
        spec = _SWITCH if scalars == [bool] else _value(scalars, metavar)
    texts: dict[str, list[str]] = {}
    for name, _, setting in owners:
        texts.setdefault(_about(setting), []).append("" if qualified else name)
    about = "\n".join(f"{', '.join(names)}: {text}".removeprefix(": ") for text, names in texts.items())
    return Annotated[Any, spec, tyro.conf.arg(metavar=spec.metavar, help=about, help_behavior_hint="")]


def _kind(kind: Any) -> Any:
    return str if isinstance(kind, str) else kind


def _about(setting: Setting) -> str:
    sources = declared.sources()
    choices = [f" One of {', '.join(sources[kind])}." for kind in setting.kinds if kind in ("Source", "SequenceSource")]
    told = "" if setting.default in (None, REQUIRED) else f" (default: {setting.default})"
    return "".join([setting.help, *choices, told])
