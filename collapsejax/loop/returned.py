"""What methods of tasks and workflows return, checked while the loop is traced, and whose error is raised."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from ..core.base import Dataset, PyTree, Task, Workflow


@contextlib.contextmanager
def calling(owner: Task | Workflow, method: str) -> Iterator[None]:
    """Add to an error which method it comes from; and to one of a Python `if` on a traced field, what to do."""
    try:
        yield
    except Exception as error:
        error.add_note(f"(raised in the method {method} of {_of(owner)})")
        if isinstance(error, jax.errors.ConcretizationTypeError):
            error.add_note(
                "JAX traces the fields of tasks and workflows: in place of `if`, use jnp.where; or declare a field "
                "that decides what is computed by `field: type = cj.static(default=...)`"
            )
        raise


def check_begun(task: Task, begun: Any) -> None:
    """Raise TypeError unless `Task.init` returned a pair."""
    if not isinstance(begun, tuple) or len(begun) != 2:
        raise TypeError(
            f"task {task.name!r}: init returns {_kind(begun)}; return two values, the truth and the parameters that "
            "the first fit begins from, or None"
        )


def check_data(owner: Task | Workflow, method: str, data: Any) -> None:
    """Raise TypeError unless a method returned data."""
    if not isinstance(data, Dataset):
        raise TypeError(f"{_of(owner)}: {method} returns {_kind(data)}; return data, as Rows or a summary")


def check_rows(task: Task, method: str, values: PyTree, num_rows: int) -> None:
    """Raise ValueError unless every array that a method drew has so many rows."""
    for shape in map(jnp.shape, jax.tree.leaves(values)):
        if shape[:1] != (num_rows,):
            raise ValueError(
                f"task {task.name!r}: {method} returns an array of shape {shape} for n = {num_rows} rows; "
                f"return ({num_rows}, ...)"
            )


def check_same(owner: Task | Workflow, method: str, new: PyTree, old: PyTree, of: str) -> None:
    """Raise TypeError unless what a method returned has the structure, shapes and dtypes of what is carried."""
    where = f"{_of(owner)}: {method} returns"
    if (found := jax.tree.structure(new)) != (wanted := jax.tree.structure(old)):
        raise TypeError(f"{where} {found}, and {of} is {wanted}; every generation must keep its structure")
    for (path, before), after in zip(jax.tree_util.tree_leaves_with_path(old), jax.tree.leaves(new), strict=True):
        one, other = jax.typeof(before), jax.typeof(after)
        if one.shape != other.shape or not (one.weak_type or one.dtype == other.dtype):
            part = jax.tree_util.keystr(path)
            raise TypeError(
                f"{where} {other.dtype}{list(other.shape)} as its part {part or 'itself'}, and {of} has "
                f"{one.dtype}{list(one.shape)} there; every generation must keep shapes and dtypes"
            )


def _of(owner: Task | Workflow) -> str:
    return f"{'workflow' if isinstance(owner, Workflow) else 'task'} {owner.name!r}"


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
