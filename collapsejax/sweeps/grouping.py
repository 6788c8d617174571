"""Which cells of a grid share a program."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core.base import Array
from ..core.checks import is_costly, is_literal, is_paddable, knows, size_is_traced
from .cells import Settings, traced_leaves, with_like_workflows
from .grid import Cell, Grid

_MOST_WASTED = 10**8  # numbers in rows drawn in vain: 2 or 3 seconds of a core, as to compile the program they spare


def grouped(grid: Grid, settings: Settings, num_seeds: int, key: Array) -> list[list[int]]:
    """The numbers of the cells that share a program, for each program, in the order of their first cells."""
    groups: dict[Any, list[int]] = {}
    for number, cell in enumerate(grid.cells):
        literal = None
        if is_costly(cell.task) and not hasattr(cell.workflow, "screen"):
            # Rows and summaries are drawn differently only where the law of these is known.
            laws = knows(cell.task, "sample_summary") or knows(cell.task, "sample_real_summary")
            literal = laws and is_literal(cell.task, cell.workflow, settings.literal_rows)
            cell = cell._replace(workflow=None)
        shapes = tuple((jnp.shape(leaf), jnp.result_type(leaf)) for leaf in traced_leaves(cell))
        # Classes that JAX itself registers compare equal, whatever their fields are.
        program = (literal, type(cell.workflow), jax.tree.structure((cell.task, cell.workflow)), shapes)
        groups.setdefault(program, []).append(number)
    parts = []
    for numbers in groups.values():
        cell, *_ = with_like_workflows([grid.cells[number] for number in numbers])
        if size_is_traced(cell.task, cell.workflow, settings.literal_rows):
            parts.append(numbers)
        else:
            pads = is_paddable(cell.task, cell.workflow) and _rows_are_on_their_own(key)
            each = {grid.workflow_of(grid.cells[number]): grid.cells[number] for number in reversed(numbers)}.values()
            cost = max(_numbers_a_row(cell, settings) for cell in each) if pads else np.inf
            cost *= num_seeds * settings.num_generations
            parts += _sharing_room(grid, numbers, cost)
    return sorted(parts)


def _rows_are_on_their_own(key: Array) -> bool:
    """Whether JAX's random numbers for a row do not depend on how many rows they are drawn for."""
    return str(jax.random.key_impl(key)) == "threefry2x32" and jax.config.jax_threefry_partitionable


def _sharing_room(grid: Grid, numbers: list[int], cost: float) -> list[list[int]]:
    """Cells that differ in the number of samples, by the program they share, which draws the largest number for each.

    A row that a cell draws in vain costs so many numbers; one that would waste too many begins another program.
    """
    by_size: dict[int, list[int]] = {}
    for number in numbers:
        by_size.setdefault(grid.cells[number].num_samples, []).append(number)
    parts, room = [], np.inf
    for size in sorted(by_size, reverse=True):
        if (room - size) * len(by_size[size]) * cost > _MOST_WASTED:
            parts.append([])
            room = size
        parts[-1] += by_size[size]
    return [sorted(part) for part in parts]


def _numbers_a_row(cell: Cell, settings: Settings) -> float:
    """Numbers that each row of a batch adds to what a generation handles: its own, or those of all rows in a pool."""
    task, n = cell.task, cell.num_samples
    rows = jax.eval_shape(lambda key: task.sample_real(key, task.init(key, n)[0], n), jax.random.key(0))
    numbers = sum(leaf.size for leaf in jax.tree.leaves(rows)) / n
    if getattr(cell.workflow, "only_draws", False):
        return numbers
    return numbers * cell.workflow.capacity(n, settings.num_generations + 1) / n
