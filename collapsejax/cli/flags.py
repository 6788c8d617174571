"""Flags of the command line, made from the schema."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Container, Mapping
from typing import Annotated, Any, TypedDict, get_args

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from ..core.pytree import Module
from ..workflows import WORKFLOWS
from .schema import REQUIRED, SOURCES, Setting, settings

_METAVARS = {int: "INT", float: "FLOAT", str: "TEXT", bool: "{True,False}"}
# A flag of this type alone stands for True.
_SWITCH = PrimitiveConstructorSpec(
    nargs=(0, 1),
    metavar="[{True,False}]",
    instance_from_str=lambda texts: texts != ["False"],
    is_instance=lambda value: isinstance(value, bool),
    str_from_instance=lambda value: [str(value)],
    choices=("True", "False"),
)

WORKFLOWS_HELP = f'{", ".join(WORKFLOWS)}: one or more; with settings as in "weighted(real_weight=0.6)".'


def optional(kind: Any, metavar: str, about: str | None = None) -> Any:
    """The type of a flag that may be left out; its help text is `about`, or in the docstring of its class."""
    return Annotated[kind | None, tyro.conf.arg(metavar=metavar, help=about, help_behavior_hint="")]


def flags(
    title: str,
    makers: Mapping[str, Callable],
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
    found: dict[str, list[tuple[str, Callable, Setting]]] = {}
    for called, maker in makers.items():
        for name, setting in settings(maker).items():
            if name not in without:
                flag, owner = (f"{called}.{name}", "") if qualified else (name, called)
                found.setdefault(flag, []).append((owner, maker, setting))
    dictionary = TypedDict("Flags", {name: _flag(owners, several) for name, owners in found.items()}, total=False)
    dictionary.__doc__ = title
    return dictionary


def _flag(owners: list[tuple[str, Callable, Setting]], several: bool) -> Any:
    kinds = list(dict.fromkeys(_kind(kind) for _, _, setting in owners for kind in setting.kinds))
    lists = [kind for kind in kinds if kind not in _METAVARS]
    scalars = [kind for kind in kinds if kind in _METAVARS] or list(get_args(lists[0]))
    metavar = "|".join(_METAVARS[kind] for kind in scalars)
    kind = functools.reduce(operator.or_, scalars)
    several = several and any(isinstance(maker, type) for _, maker, _ in owners)
    if several or len(lists) == len(kinds):
        kind, metavar = list[kind], f"{metavar} [{metavar} ...]"
    elif kind is bool:
        kind, metavar = Annotated[Any, _SWITCH], None
    texts: dict[str, list[str]] = {}
    for name, _, setting in owners:
        texts.setdefault(_about(setting), []).append(name)
    about = "\n".join(f"{', '.join(names)}: {text}".removeprefix(": ") for text, names in texts.items())
    return Annotated[kind, tyro.conf.arg(metavar=metavar, help=about, help_behavior_hint="")]


def _kind(kind: Any) -> Any:
    return str if isinstance(kind, type) and issubclass(kind, Module) else kind


def _about(setting: Setting) -> str:
    choices = [f" One of {', '.join(SOURCES[kind])}." for kind in setting.kinds if kind in SOURCES]
    default = setting.default.name if isinstance(setting.default, Module) else setting.default
    told = "" if default in (None, REQUIRED) else f" (default: {default})"
    return "".join([setting.help, *choices, told])
