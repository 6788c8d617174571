"""Argument checks of `synthetic_value`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from ..core.arguments import check_count, check_different, check_list, nearest
from ..core.base import Task
from ..core.checks import check_run
from ..workflows import Accumulate

_GENERATORS = ("self", "teacher")
_RESERVED = ("num_real", "num_synthetic", "seed", "candidate", "validation_loss")


def check_sizes(
    task: Task, num_real: Sequence[int], num_synthetic: Sequence[int], generator: str, teacher_rows: int
) -> int:
    """The rows of a teacher, 0 where there is none; raises ValueError for sizes that make no sense."""
    if generator not in _GENERATORS:
        raise ValueError(f"generator={generator!r}: there is none; {nearest(str(generator), _GENERATORS)}")
    for name, values, least in (("num_real", num_real, 1), ("num_synthetic", num_synthetic, 0)):
        check_list(name, values)
        for value in values:
            check_count(name, value, least=least)
        check_different(name, list(values))
    if not max(num_synthetic):
        raise ValueError(f"num_synthetic={list(num_synthetic)}: give at least one number above 0")
    if generator == "teacher":
        check_count("teacher_rows", teacher_rows)
    asked = [("num_real", min(num_real)), ("num_real", max(num_real))]
    if generator == "teacher":
        asked += [("teacher_rows", teacher_rows), ("num_real + teacher_rows", max(num_real) + teacher_rows)]
    for name, size in asked:
        try:
            check_run(task, Accumulate(), size, 1, rows=True)
        except ValueError as error:
            raise ValueError(str(error).replace("num_samples=", f"{name}=")) from None
    return int(teacher_rows) if generator == "teacher" else 0


def check_candidates(
    task: Task, tune: Mapping[str, Sequence[float]] | None, num_real: int
) -> tuple[str | None, list[float] | None]:
    """The field that is tuned and its candidates, ascending; raises ValueError for what makes no sense."""
    if tune is None:
        return None, None
    if len(tune) != 1:
        raise ValueError(f"tune: names {len(tune)} fields; give one")
    ((field, candidates),) = tune.items()
    known = [one.name for one in dataclasses.fields(task)]
    if field not in known:
        raise ValueError(f"tune: task {task.name!r} has no field {field!r}; {nearest(field, known)}")
    if task.validation_loss is None:
        raise ValueError(
            f"tune: task {task.name!r}, with its source, has no rows for validation; leave it out, choose another "
            "source, or give the task a method validation_loss(key, truth, params)"
        )
    check_list(f"tune: {field}", candidates)
    for value in candidates:
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            raise ValueError(f"tune: {field}={value!r}: candidates are numbers")
    check_different(f"tune: {field}", list(candidates))
    for value in candidates:
        try:
            check_run(dataclasses.replace(task, **{field: value}), Accumulate(), num_real, 1, rows=True)
        except ValueError as error:
            raise ValueError(f"tune: {error}") from None
    return field, sorted(value.item() if isinstance(value, np.generic) else value for value in candidates)


def check_names(metrics: Sequence[str], field: str | None) -> list[str]:
    """The metrics; raises ValueError where a dataset needs their name, or that of a field, for something else."""
    for name in (*metrics, *filter(None, [field])):
        if name in _RESERVED or (name == field and name in metrics):
            raise ValueError(f"{name}: results need this name for something else; rename the metric or field")
    return list(metrics)
