"""Specifications of sweeps: a TOML file, or the same fields from elsewhere, made into the arguments of `sweep`."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.arguments import check_seed, nearest, shown
from ..core.checks import key_of
from ..store.files import check_name
from ..tasks import TASKS
from ..workflows import WORKFLOWS
from .schema import MAKERS, FieldError, check, make_task, make_workflows, names, settings
from .specification import Specification

_MOST_BYTES = 2**20  # of a file, which takes seconds to parse
_NEEDED = ("task", "workflow", "num_samples", "num_generations", "num_seeds")


def read(path: str | Path) -> dict[str, Any]:
    """The fields of the specification at `path`, of which `arguments` makes sense.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no TOML; says where.
    """
    path = Path(check_name(path))
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file; check the path")
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise ValueError(f"{path}: {size} bytes, and a specification has at most {_MOST_BYTES}; give a shorter one")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{path}: not a TOML file (its lists or tables are nested too deeply)") from None
    except ValueError as error:  # also of bytes that are no text, and of a number of thousands of digits
        raise ValueError(f"{path}: not a TOML file ({error})") from None


def line_of(path: str | Path, field: Sequence[str | int]) -> str:
    """Where a field such as ("gaussian", "dim") is in a TOML file, as " line 9:"; empty if it is not found.

    Of what is in a list or an inline table, the line on which that begins.
    """
    lines: dict[tuple, int] = {}
    places: Counter = Counter()
    table: tuple = ()
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        if heading := re.match(r"\s*(\[\[?)\s*([\w.-]+)\s*\]", line):
            table = tuple(heading[2].split("."))
            if heading[1] == "[[":
                places[table] += 1
                table += (places[table] - 1,)
        elif key := re.match(r"\s*[\"']?([\w.-]+)[\"']?\s*=", line):
            lines.setdefault((*table, *key[1].split(".")), number)
    known = (lines.get(tuple(field[:length])) for length in range(len(field), 0, -1))
    return next((f" line {number}:" for number in known if number), "")


def merged(table: Any, flags: Mapping[str, Any]) -> Any:
    """A table with what flags give; what is no table as it is, since `arguments` says so."""
    return {**table, **flags} if isinstance(table, Mapping) else table


def with_flags(task: str, fields: Mapping[str, Any], flags: Mapping[str, Any]) -> dict[str, Any]:
    """A task's fields, those that flags give replaced. Flags that are no fields of it are settings of its source.

    Raises ValueError for such settings without a source.
    """
    own, of_sources = settings(TASKS[task]), names(MAKERS)
    of_source = {name: value for name, value in flags.items() if name not in own and name in of_sources}
    fields = merged(fields, {name: value for name, value in flags.items() if name not in of_source})
    if not of_source or not isinstance(fields, Mapping):
        return fields
    sources = fields.get("source", own["source"].default if "source" in own else None)
    if sources is None:
        raise ValueError(f"{next(iter(of_source))}: belongs to a source of real data; name one with --source")
    several = isinstance(sources, list)
    tables = [{"name": one} if isinstance(one, str) else one for one in (sources if several else [sources])]
    tables = [merged(table, of_source) for table in tables]
    return {**fields, "source": tables if several else tables[0]}


def arguments(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `sweep` that a specification's fields make, and `chunk` if it is among them.

    Args:
        fields: those of `Specification`; a table named like the task with its fields, and tables named like workflows
            with their settings, where a list makes a dimension.

    Raises:
        FieldError: for a field that is missing, unknown or of another type, naming it.
        ValueError: for values that tasks, workflows and sources refuse.
    """
    known = settings(Specification)
    for name, value in fields.items():
        if name in known:
            check((name,), value, known[name].kinds)
    if (task := fields.get("task")) not in (None, *TASKS):
        raise FieldError(("task",), f"there is no {shown(task)}; {nearest(task, TASKS)}")
    tables = [*([task] if task else TASKS), *WORKFLOWS]
    for name in fields:
        if name not in (*known, *tables):
            raise FieldError((name,), f"there is no such field; {nearest(name, (*known, *tables))}")
    for name in _NEEDED:
        if name not in fields:
            raise FieldError((name,), "is missing; a sweep needs it")
    check_seed(fields.get("seed", 0))
    made, of_task = make_task(task, fields.get(task, {}))
    of_workflows = {name: fields[name] for name in WORKFLOWS if name in fields}
    workflows, over = make_workflows(fields["workflow"], of_workflows)
    given = {name: fields[name] for name in known if name in fields and name not in ("task", "workflow", "seed")}
    over = of_task | over
    if isinstance(given["num_samples"], list):
        over["num_samples"] = given.pop("num_samples")
    return {"task": made, "workflows": workflows, "over": over, "key": key_of(fields.get("seed", 0))} | given
