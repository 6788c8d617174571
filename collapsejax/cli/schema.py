"""Settings of tasks, sources and workflows: names, types, defaults and help texts, read off signatures and docstrings.

The keys of specifications, type checks and the names that a sweep is over come from here. `declared` has the same
settings without importing what they are of, for flags.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import docstring_parser

from ..core.arguments import nearest, shown
from ..core.base import SequenceSource, Source, Task, Workflow
from ..sources import SEQUENCES, SHAPES, make, table
from ..tasks import TASKS
from ..workflows import WORKFLOWS, find
from .declared import DEFAULTS, REQUIRED, Setting

SOURCES = {Source: {**SHAPES, "table": table}, SequenceSource: SEQUENCES}
MAKERS = {**SOURCES[Source], **SOURCES[SequenceSource]}
_KINDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


class FieldError(ValueError):
    """An error in one field of a specification; `path` has the names of its tables, places in lists, and its own."""

    def __init__(self, path: Sequence[str | int], message: str) -> None:
        super().__init__(f"{'.'.join(part for part in path if isinstance(part, str))}: {message}")
        self.path = tuple(path)


@functools.cache
def settings(maker: Callable) -> dict[str, Setting]:
    """The settings of a class, which are its fields, or of a function, by name."""
    hints, defaults = typing.get_type_hints(maker), DEFAULTS.get(maker.__name__, {})
    documented = docstring_parser.parse(maker.__doc__ or "", docstring_parser.DocstringStyle.GOOGLE).params
    texts = {one.arg_name: " ".join((one.description or "").split()) for one in documented}
    return {
        name: Setting(tuple(_kinds(hints[name])), defaults.get(name, parameter.default), texts.get(name, ""))
        for name, parameter in inspect.signature(maker).parameters.items()
    }


def names(makers: Mapping[str, Callable]) -> set[str]:
    """Names of all settings of these."""
    return {name for maker in makers.values() for name in settings(maker)}


def make_task(name: str, fields: Mapping[str, Any]) -> tuple[Task, dict[str, list]]:
    """The task of that name, and what is swept over: by name the values.

    Args:
        name: one of `TASKS`.
        fields: values of the task's fields; a list of several makes a dimension. A source is its name, a table with its
            name and settings, or a list of these.

    Raises:
        FieldError: for a field that is unknown, missing or of another type.
        ValueError: for values that the task refuses.
    """
    kind = TASKS[name]
    given, over = read((name,), fields, kind)
    for field, setting in settings(kind).items():
        if setting.default is REQUIRED and field not in given:
            raise FieldError((name, field), f"is missing: {setting.help}")
    return kind(**given), over


def make_workflows(texts: str | Sequence[str], tables: Mapping[str, Any]) -> tuple[list[Workflow], dict[str, list]]:
    """The workflows that texts name, with settings from the tables named like them; and what is swept over.

    Raises:
        FieldError: for a table of no such workflow, and for a setting that is unknown or of another type.
        ValueError: for texts that name no workflow, and values that one refuses.
    """
    workflows = [find(text) for text in ([texts] if isinstance(texts, str) else texts)]
    swept = {}
    for name, fields in tables.items():
        if name not in [workflow.name for workflow in workflows]:
            raise FieldError((name,), "there is no such workflow in this sweep; add it to workflow, or leave this out")
        given, over = read((name,), fields, type(WORKFLOWS[name]))
        workflows = [dataclasses.replace(one, **given) if one.name == name else one for one in workflows]
        swept |= {f"{name}.{setting}": values for setting, values in over.items()}
    return workflows, swept


def read(
    path: Sequence[str | int], fields: Any, maker: Callable, unknown: str = "there is no such field"
) -> tuple[dict[str, Any], dict[str, list]]:
    """Arguments for `maker` from a table of them, and what is swept: by name the values, the first of which is given.

    Only fields of a class can be swept: what a function makes of its arguments is no field.

    Raises:
        FieldError: for what is no table, for unknown names and for values of another type.
    """
    if not isinstance(fields, Mapping):
        raise FieldError(path, f"{fields!r}: want a table, [{'.'.join(map(str, path))}]")
    known = settings(maker)
    given, over = {}, {}
    # What is given first: it may be wrong, and a source may take seconds to make.
    for name, value in {**fields, **DEFAULTS.get(maker.__name__, {}), **fields}.items():
        where = (*path, name)
        if name not in known:
            raise FieldError(where, f"{unknown}; {nearest(name, known)}")
        kinds = known[name].kinds
        several = isinstance(value, list) and value != [] and isinstance(maker, type) and not _fits(value, kinds)
        parts = {(*where, place): one for place, one in enumerate(value)} if several else {where: value}
        made = [_value(part, one, kinds) for part, one in parts.items()]
        given[name], inner = made[0]
        if several:
            over[name] = [one for one, _ in made]
        if any(other != inner for _, other in made):
            raise FieldError(where, "a list in one of several tables makes no dimension; give each the same list")
        over |= {f"{name}.{setting}": values for setting, values in inner.items()}
    return given, over


def check(path: Sequence[str | int], value: Any, kinds: Sequence[Any]) -> None:
    """Raise FieldError unless `value` is of one of these kinds. One that is of the kind int is of `list[int]` too."""
    if value == []:
        raise FieldError(path, "an empty list; give at least one value")
    if not _fits(value, kinds):
        items = value if isinstance(value, list) else [value]
        wrong = next((item for item in items if not _fits(item, kinds)), value)
        raise FieldError(path, f"{shown(wrong)}: want {' or '.join(map(_name, kinds))}")
    if "\0" in "".join(part for part in (value if isinstance(value, list) else [value]) if isinstance(part, str)):
        raise FieldError(path, f"{shown(value)}: holds a NUL character; leave it out")


def _value(path: Sequence[str | int], value: Any, kinds: Sequence[Any]) -> tuple[Any, dict[str, list]]:
    """What a value in a table stands for, and the lists of several in it by name."""
    for kind in kinds:
        if kind in SOURCES:
            return _source(path, value, kind)
    if Workflow in kinds:
        check(path, value, (str,))
        return find(value), {}
    check(path, value, kinds)
    return value, {}


def _source(path: Sequence[str | int], value: Any, kind: type) -> tuple[Any, dict[str, list]]:
    if path == (value, "source"):  # a task's own law, of which it needs no source
        return None, {}
    options = {"name": value} if isinstance(value, str) else value
    if not isinstance(options, Mapping) or not isinstance(options.get("name"), str):
        raise FieldError(path, f"{value!r}: want a name, one of {', '.join(SOURCES[kind])}; or a table with a name")
    name, over = options["name"], {}
    options = {option: value for option, value in options.items() if option != "name"}
    if name in MAKERS:
        options, over = read(path, options, MAKERS[name], f"source {name!r} has no such setting")
    try:
        return make(name, **options), over
    except ValueError as error:
        raise FieldError(path, str(error)) from None


def _kinds(hint: Any) -> Iterator[Any]:
    """The types in a hint that values of specifications can have, each once."""
    union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    parts = typing.get_args(hint) if union else (hint,)
    parts = [str if part is Path else part for part in parts]
    parts = [list[typing.get_args(part)] if typing.get_origin(part) in (list, Sequence) else part for part in parts]
    known = (*_KINDS, *(list[kind] for kind in _KINDS), *SOURCES, Workflow)
    return iter(dict.fromkeys(part for part in parts if part in known))


def _fits(value: Any, kinds: Sequence[Any]) -> bool:
    return any(_is_a(value, kind) for kind in kinds)


def _is_a(value: Any, kind: Any) -> bool:
    if typing.get_origin(kind) is list:
        items = value if isinstance(value, list) else [value]
        return bool(items) and all(_is_a(item, *typing.get_args(kind)) for item in items)
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    return kind in _KINDS and isinstance(value, (int, float) if kind is float else kind)


def _name(kind: Any) -> str:
    return _KINDS[kind] if kind in _KINDS else f"{_KINDS[typing.get_args(kind)[0]]} or a list of such"
