"""Specifications of sweeps: a TOML file, or the same fields from elsewhere, made into the arguments of `sweep`."""

from __future__ import annotations

import dataclasses
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from ..core.arguments import check_count, nearest
from ..core.base import SequenceSource, Source
from ..sources import SEQUENCES, SHAPES, make
from ..tasks import TASKS

_FIELDS = {
    "task": str,
    "workflow": list[str] | str,
    "num_samples": list[int] | int,
    "num_generations": int,
    "num_seeds": int,
    "seed": int,
    "keep": str,
    "chunk": int,
    "rows": bool,
}
_NEEDED = ("task", "workflow", "num_samples", "num_generations", "num_seeds")
# What a task starts from if nothing is said of it.
_DEFAULTS = {"kde": {"source": "moons", "bandwidth": 0.1}, "transformer": {"source": "text"}}


def read(path: str | Path) -> dict[str, Any]:
    """The fields of the specification at `path`, of which `arguments` makes sense.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no TOML; says where.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file; check the path")
    try:
        return tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a TOML file ({error})") from None


def line_of(path: str | Path, name: str) -> str:
    """Where a field such as "gaussian.dim" is in a TOML file, as " line 9:"; empty if it is not found."""
    *tables, field = name.split(".")
    table = ""
    for number, line in enumerate(Path(path).read_text().splitlines(), start=1):
        if heading := re.match(r"\s*\[+\s*([\w.-]+)", line):
            table = heading[1]
        if re.match(rf"\s*[\"']?{re.escape(field)}[\"']?\s*=", line) and table == ".".join(tables):
            return f" line {number}:"
    return ""


class FieldError(ValueError):
    """A mistake in one field of a specification, `name`."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name


def arguments(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `sweep` that a specification's fields make.

    Args:
        fields: task, workflow, num_samples, num_generations and num_seeds; if wanted seed (default 0), keep, chunk and
            rows; and a table named like the task with its fields, of which a list makes a dimension. A source is the
            name of one, a table with its name and settings, or a list of these.

    Raises:
        FieldError: for a field that is missing, unknown or of another type, naming it.
        ValueError: for values that tasks and sources refuse.
    """
    for name, value in fields.items():
        if name in _FIELDS:
            _check_type(name, value, _FIELDS[name])
    if (task := fields.get("task")) not in (None, *TASKS):
        raise FieldError("task", f"there is no {task!r}; {nearest(task, TASKS)}")
    known = [*_FIELDS, *([task] if task else TASKS)]
    for name in fields:
        if name not in known:
            raise FieldError(name, f"there is no such field; {nearest(name, known)}")
    for name in _NEEDED:
        if name not in fields:
            raise FieldError(name, "is missing; a sweep needs it")
    seed = fields.get("seed", 0)
    check_count("seed", seed, least=0)
    if seed >= 2**32:
        raise ValueError(f"seed={seed}: must be below 2**32")
    options = {name: fields[name] for name in ("num_generations", "num_seeds")}
    options |= {name: fields[name] for name in ("keep", "chunk", "rows") if name in fields}
    own = fields.get(task, {})
    if not isinstance(own, Mapping):
        raise FieldError(task, f"{own!r}: want a table of the task's fields, [{task}]")
    return dict(
        task=_make_task(task, {name: first(value) for name, value in given.items()}),
        over=over,
        workflows=fields["workflow"],
        key=jax.random.key(seed),
        **options,
    )


def _make_task(name: str, fields: Mapping[str, Any]) -> Any:
    kind = TASKS[name]
    hints = typing.get_type_hints(kind)
    known = [field.name for field in dataclasses.fields(kind)]
    values = {}
    for field, value in fields.items():
        path = f"{name}.{field}"
        if field not in known:
            raise FieldError(path, f"there is no such field; {nearest(field, known)}")
        if sources := [names for kind, names in _SOURCES.items() if kind in _kinds(hints[field])]:
            several = isinstance(value, list)
            made = [_make_source(path, one, sources[0]) for one in (value if several else [value])]
            values[field] = made if several else made[0]
        else:
            _check_type(path, value, list[hints[field]] | hints[field])
            values[field] = value
    return kind(**values)


_SOURCES = {Source: [*SHAPES, "table"], SequenceSource: list(SEQUENCES)}


def _make_source(path: str, value: Any, names: list[str]) -> Any:
    if isinstance(value, str):
        return make(value)
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise FieldError(path, f"{value!r}: want a name, one of {', '.join(names)}; or a table with a name")
    options = dict(value)
    return make(options.pop("name"), **options)


def _check_type(name: str, value: Any, hint: Any) -> None:
    kinds = list(_kinds(hint))
    if isinstance(value, list) and list in map(typing.get_origin, kinds):
        (inner,) = (typing.get_args(kind)[0] for kind in kinds if typing.get_origin(kind) is list)
        if not value:
            raise FieldError(name, "an empty list makes no cell; give at least one value")
        for one in value:
            _check_type(name, one, inner)
    elif not any(_is_a(value, kind) for kind in kinds):
        wanted = " or ".join(_NAMES[kind] for kind in kinds if kind in _NAMES)
        raise FieldError(name, f"{value!r}: want {wanted}")


_NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def _kinds(hint: Any) -> typing.Iterator[Any]:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        for part in typing.get_args(hint):
            yield from _kinds(part)
    else:
        yield hint


def _is_a(value: Any, kind: Any) -> bool:
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    return isinstance(value, (int, float) if kind is float else kind) if kind in _NAMES else False
