"""Cells of a grid that share a program: those that differ in traced values alone, or can be made to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core.base import Array, Task, Workflow
from ..core.checks import Within, knows, size_is_traced
from ..loop import Result
from ..results.dataset import SAMPLES
from .grid import Cell
from .one_of import alike


class Settings(NamedTuple):
    """What all programs of a sweep share."""

    num_generations: int
    literal_rows: bool
    summary: bool
    devices: tuple[jax.Device, ...]
    in_turn: bool = False  # a device does one seed after the other, none in step


class Cells:
    """The cells that share a program: what all of them have, and stacked, what differs from cell to cell.

    They may differ in the values of traced fields; in the kinds of their workflows, of which the program then has them
    all; and in the number of samples. That is traced, or has to be one for which there is room: then all cells draw as
    many rows as the largest.
    """

    def __init__(self, cells: Sequence[Cell], settings: Settings) -> None:
        cells = with_like_workflows(cells)
        self.settings = settings
        leaves = [traced_leaves(cell) for cell in cells]
        self._structure = jax.tree.structure((cells[0].task, cells[0].workflow))
        self._varying = [len(cells) > 1 and not _all_equal(column) for column in zip(*leaves, strict=True)]
        self.leaves = [
            np.stack(column) if varies else column[0]
            for column, varies in zip(zip(*leaves, strict=True), self._varying, strict=True)
        ]
        sizes = [cell.num_samples for cell in cells]
        self._room = max(sizes)
        self._any_size = size_is_traced(cells[0].task, cells[0].workflow, settings.literal_rows)
        self.sizes = np.array(sizes, np.int32) if self._any_size or min(sizes) < self._room else None

    def experiment(self, leaves: list[Array], sizes: Array | None, cell: Array) -> tuple[Task, Workflow, dict]:
        """Task, workflow and options of the run in a cell; `leaves` and `sizes` are this object's, in a program."""
        own = [leaf[cell] if varies else leaf for leaf, varies in zip(leaves, self._varying, strict=True)]
        task, workflow = jax.tree.unflatten(self._structure, own)
        size = self._room if sizes is None else sizes[cell]
        size = size if sizes is None or self._any_size else Within(size, self._room)
        options = dict(num_generations=self.settings.num_generations, rows=self.settings.literal_rows)
        record = None if self.settings.summary else specimens_of(task)
        return task, workflow, dict(num_samples=size, **options, record=record)


def traced_leaves(cell: Cell) -> list[np.ndarray | Array]:
    """The traced values of a cell; numbers in one dtype, so that cells with 1 and with 1.5 share a program."""
    dtype = jnp.zeros(()).dtype
    return [
        np.asarray(leaf, dtype) if isinstance(leaf, int | float | np.number) else leaf
        for leaf in jax.tree.leaves((cell.task, cell.workflow))
    ]


def _all_equal(column: Sequence[Any]) -> bool:
    return all(leaf is column[0] or np.array_equal(leaf, column[0]) for leaf in column[1:])


def specimens_of(task: Task) -> Callable | None:
    """What records a task's specimens in every generation; None where it has none."""
    return (lambda truth, params, synthetic: task.specimens(truth, params)) if knows(task, "specimens") else None


def outputs(result: Result) -> dict[str, Array]:
    """What a program gives of a run: metrics, and what was recorded as "specimens"."""
    metrics = {name: value.astype(float) for name, value in result.metrics.items()}
    return metrics if result.recorded is None else metrics | {SAMPLES: result.recorded}


def with_like_workflows(cells: Sequence[Cell]) -> list[Cell]:
    """Cells whose workflows differ in traced values alone."""
    workflows = alike([cell.workflow for cell in cells])
    return [cell._replace(workflow=workflow) for cell, workflow in zip(cells, workflows, strict=True)]
