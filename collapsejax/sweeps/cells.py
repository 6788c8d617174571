"""Cells of a grid that share a program: those that differ in traced values alone, or can be made to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core.base import Array, Needs, Task, Workflow
from ..core.checks import Within, is_paddable, key_of, size_is_traced, uses_rows
from ..core.describe import describe, is_all_told
from ..loop import Result, as_array
from ..results.dataset import SAMPLES
from .grid import Cell, Experiments, Grid
from .one_of import alike

_MOST_PADDING = 10**8  # numbers of padding: 2 or 3 seconds of a core, as to compile the program they spare


class Settings(NamedTuple):
    """What all programs of a sweep share."""

    num_generations: int
    rows: bool
    summary: bool
    devices: tuple[jax.Device, ...]
    in_turn: bool = False  # a device runs one seed after the other, none in step


class Cells:
    """The cells that share a program: what all of them have, and stacked, what differs from cell to cell.

    They may differ in the values of traced fields; in the kinds of their workflows, of which the program then has them
    all; and in the number of samples. That is traced, or has to be one for which there is room: then all cells draw as
    many rows as the largest.
    """

    def __init__(self, cells: Sequence[Cell], settings: Settings) -> None:
        cells = with_like_workflows(cells)
        self.settings, self._first = settings, (cells[0].task, cells[0].workflow)
        leaves = [traced_leaves(cell) for cell in cells]
        self._structure = jax.tree.structure(self._first)
        self._varying = [len(cells) > 1 and not _all_equal(column) for column in zip(*leaves, strict=True)]
        self.leaves = [
            np.stack(column) if varies else column[0]
            for column, varies in zip(zip(*leaves, strict=True), self._varying, strict=True)
        ]
        sizes = [cell.num_samples for cell in cells]
        self._room = max(sizes)
        self._any_size = size_is_traced(cells[0].task, cells[0].workflow, settings.rows)
        self.sizes = np.array(sizes, np.int32) if self._any_size or min(sizes) < self._room else None

    def made_from(self) -> Any:
        """JSON values that say what a program for these cells depends on; None where a class of the user's does."""
        if not is_all_told(self._first):  # other cells differ in leaves alone
            return None
        leaves = [[np.shape(leaf), str(jnp.result_type(leaf))] for leaf in self.leaves]
        sizes = [self._room, self._any_size, None if self.sizes is None else self.sizes.shape]
        untraced = jax.tree.unflatten(self._structure, [None] * len(leaves))
        return [describe(untraced), leaves, self._varying, sizes, self.settings._replace(devices=())]

    def arguments(self, leaves: list[Array], sizes: Array | None, cell: Array) -> tuple[Task, Workflow, dict[str, Any]]:
        """Task, workflow and options of the run in a cell; `leaves` and `sizes` are this object's, in a program."""
        own = [leaf[cell] if varies else leaf for leaf, varies in zip(leaves, self._varying, strict=True)]
        task, workflow = jax.tree.unflatten(self._structure, own)
        size = self._room if sizes is None else sizes[cell]
        size = size if sizes is None or self._any_size else Within(size, self._room)
        options = dict(num_generations=self.settings.num_generations, rows=self.settings.rows)
        record = None if self.settings.summary else record_of_samples(task)
        return task, workflow, dict(num_samples=size, **options, record=record)


def traced_leaves(cell: Cell) -> list[np.ndarray | Array]:
    """The traced values of a cell; numbers in one dtype, so that cells with 1 and with 1.5 share a program."""
    return [as_array(leaf) for leaf in jax.tree.leaves((cell.task, cell.workflow))]


def _all_equal(column: Sequence[Any]) -> bool:
    return all(leaf is column[0] or np.array_equal(leaf, column[0]) for leaf in column[1:])


def record_of_samples(task: Task) -> Callable | None:
    """What records a task's text samples in every generation; None where it has none."""
    show = task.text_samples
    return show and (lambda truth, params, synthetic: show(truth, params))


def outputs(result: Result) -> dict[str, Array]:
    """What a program gives of a run: metrics, and what was recorded as text samples."""
    metrics = {name: value.astype(float) for name, value in result.metrics.items()}
    return metrics if result.recorded is None else metrics | {SAMPLES: result.recorded}


def with_like_workflows(cells: Sequence[Cell]) -> list[Cell]:
    """Cells whose workflows differ in traced values alone."""
    workflows = alike([cell.workflow for cell in cells])
    return [cell._replace(workflow=workflow) for cell, workflow in zip(cells, workflows, strict=True)]


def grouped(grid: Grid, settings: Settings, num_seeds: int) -> list[list[int]]:
    """The numbers of the cells that share a program, for each program, in the order of their first cells."""
    groups: dict[Any, list[int]] = {}
    for number, cell in enumerate(grid.cells):
        pooled = None
        if cell.task.long_running and cell.workflow.screen is None:
            # Rows and summaries are drawn differently only where the law of these is known.
            known = cell.task.exact_law is not None
            pooled = known and uses_rows(cell.task, cell.workflow, settings.rows)
            cell = cell._replace(workflow=None)
        shapes = tuple((jnp.shape(leaf), jnp.result_type(leaf)) for leaf in traced_leaves(cell))
        # Classes that JAX itself registers compare equal, whatever their fields are.
        program = (pooled, type(cell.workflow), jax.tree.structure((cell.task, cell.workflow)), shapes)
        groups.setdefault(program, []).append(number)
    parts = []
    for numbers in groups.values():
        cell, *_ = with_like_workflows([grid.cells[number] for number in numbers])
        if size_is_traced(cell.task, cell.workflow, settings.rows):
            parts.append(numbers)
        else:
            # Else JAX's random numbers for a row depend on how many rows they are drawn for.
            pads = is_paddable(cell.task, cell.workflow) and jax.config.jax_threefry_partitionable
            each = {grid.workflow_of(grid.cells[number]): grid.cells[number] for number in reversed(numbers)}.values()
            cost = max(_numbers_a_row(cell, settings) for cell in each) if pads else np.inf
            cost *= num_seeds * settings.num_generations
            parts += _sharing_room(grid, numbers, cost)
    return sorted(parts)


def _sharing_room(grid: Grid, numbers: list[int], cost: float) -> list[list[int]]:
    """Cells that differ in the number of samples, by the program they share, which draws the largest number for each.

    A row of padding costs so many numbers; a cell that would need too much padding begins another program.
    """
    by_size: dict[int, list[int]] = {}
    for number in numbers:
        by_size.setdefault(grid.cells[number].num_samples, []).append(number)
    parts, room = [], np.inf
    for size in sorted(by_size, reverse=True):
        experiments = Experiments.of([grid.cells[number] for number in by_size[size]])
        if (room - size) * len(experiments.cells) * cost > _MOST_PADDING:
            parts.append([])
            room = size
        parts[-1] += by_size[size]
    return [sorted(part) for part in parts]


def _numbers_a_row(cell: Cell, settings: Settings) -> float:
    """Numbers that each row of a batch adds to what a generation handles: its own, or those of all rows in a pool."""
    task, n = cell.task, cell.num_samples
    rows = jax.eval_shape(lambda key: task.sample_real(key, task.init(key, n)[0], n), key_of(0))
    numbers = sum(leaf.size for leaf in jax.tree.leaves(rows)) / n
    if cell.workflow.needs == Needs.DRAWS:
        return numbers
    return numbers * cell.workflow.capacity(n, settings.num_generations + 1) / n
