"""What a sweep is going to do: which cells share a program, how many seeds go together, what the store will hold."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .base import Array, Task, Workflow, check_count
from .checks import check_run, is_paddable, size_is_traced
from .files import provenance
from .grid import RESERVED, Cell, Grid, describe, expand
from .loop import metric_names, state_bytes
from .manifest import Manifest
from .programs import Settings, Shape, free_bytes, host_free_bytes, traced_leaves
from .results import in_order
from .shards import check_place
from .states import state_bytes as summary_bytes
from .summaries import STATISTICS

# Seeds in step on a CPU: as many as its caches hold the states of, but enough to make use of vectors.
_TOGETHER, _FEWEST_TOGETHER = 4096, 16
_TOGETHER_BYTES, _MOST_TOGETHER_BYTES = 2**18, 2**25
_CALL_BYTES = 2**26  # of states and results on a CPU, where larger calls are no faster
_SUMMARY_BYTES = 2**28
_REDUCING = 8  # bytes that summarising a number takes at its peak
_FEWEST_CHUNKS, _MOST_CHUNKS = 10, 1000  # of a cell: results and progress come between them, and each makes files
_FEWEST_SEEDS, _MOST_SEEDS = 128, 16384  # in a chunk that is chosen here
_MOST_SUMMARIZED = 2**17  # in one of a summary, whose files are no larger with more seeds
_MOST_WASTED = 10**8  # numbers in rows drawn in vain: 2 or 3 seconds of a core, as to compile the program they spare


class Plan(NamedTuple):
    """A sweep that is to be run, `share` (i, N) of it by this process; each of `groups` has a program for its cells."""

    grid: Grid
    settings: Settings
    key: Array
    manifest: Manifest
    groups: list[list[int]]
    out: Path | None
    share: tuple[int, int]

    @property
    def result_bytes(self) -> int:
        """Bytes of the results of a seed in one cell."""
        return 4 * self.manifest.num_generations * len(self.manifest.metrics)

    @property
    def kept_bytes(self) -> int:
        """Bytes of all that is kept, uncompressed."""
        cells = len(self.grid.cells)
        if not self.settings.summary:
            return cells * self.manifest.num_seeds * self.result_bytes
        if self.out is None:
            return 2 * cells * len(STATISTICS) * self.result_bytes  # tables of doubles
        states = cells * len(self.manifest.chunks) * len(self.manifest.metrics)
        return states * summary_bytes(self.manifest.num_generations)

    def state_bytes(self, group: Sequence[int]) -> int:
        """Bytes that a seed carries from generation to generation, in the largest of a group's cells."""
        largest = max((self.grid.cells[number] for number in group), key=lambda cell: cell.num_samples)
        sizes = dict(num_samples=largest.num_samples, num_generations=self.settings.num_generations)
        return state_bytes(largest.task, largest.workflow, **sizes, rows=self.settings.literal_rows)

    def shape(self, group: Sequence[int], num_shards: int) -> Shape:
        """How much of a group one call does if there are so many shards to do."""
        state = self.state_bytes(group)
        device, num_devices = self.settings.devices[0], len(self.settings.devices)
        on_cpu = device.platform == "cpu"
        a_seed = state + self.result_bytes // 4 * (_REDUCING if self.settings.summary else 8)
        lanes = (_CALL_BYTES if on_cpu else num_devices * free_bytes(device) // 4) // a_seed
        # A power of two that depends on no chunk and no number of devices: it decides how results are rounded.
        most = self.manifest.num_seeds * len(group)
        together = min(_TOGETHER, max(_FEWEST_TOGETHER, _TOGETHER_BYTES // state), 2 ** (most - 1).bit_length())
        together = min(together, max(1, _MOST_TOGETHER_BYTES // state))
        together = 2 ** (together.bit_length() - 1)
        lanes = max(lanes, together * num_devices)
        seeds = min(self.manifest.chunk, self.manifest.num_seeds, lanes)
        rows = max(1, min(num_shards, lanes // seeds))
        if self.settings.summary:
            states = len(self.manifest.metrics) * summary_bytes(self.manifest.num_generations)
            rows = max(1, min(rows, _SUMMARY_BYTES // states))
        return Shape(rows, seeds, together if on_cpu else rows * -(-seeds // num_devices))


def make_plan(
    task: Task,
    workflows: Sequence[Workflow | str],
    *,
    num_samples: int | Sequence[int],
    num_generations: int,
    num_seeds: int,
    key: Array,
    keep: str = "seeds",
    rows: bool = False,
    chunk: int | None = None,
    out: str | Path | None = None,
    devices: Sequence[jax.Device] | None = None,
    share: tuple[int, int] | None = None,
) -> Plan:
    """The plan of a sweep. Arguments and errors as in `sweep`; nothing is compiled or written."""
    share = share or (jax.process_index(), jax.process_count())
    _check(num_generations, num_seeds, keep, chunk, out, share)
    num_generations, num_seeds, chunk = int(num_generations), int(num_seeds), chunk and int(chunk)
    grid = expand(task, workflows, num_samples)
    devices = tuple(jax.local_devices() if devices is None else devices)
    settings = Settings(num_generations, rows, keep == "summary", devices)
    for cell in grid.cells:
        check_run(cell.task, cell.workflow, cell.num_samples, num_generations, rows)
    groups = _grouped(grid, settings, num_seeds, key)
    first = grid.cells[0]
    sizes = dict(num_samples=first.num_samples, num_generations=num_generations, rows=rows)
    metrics = in_order(metric_names(first.task, first.workflow, **sizes))
    if taken := {*metrics} & {*grid.dims, *RESERVED}:
        raise ValueError(f"metric {min(taken)!r}: results need this name for something else; rename the metric")
    configuration = {
        "task": describe(task),
        "workflows": [describe(workflow) for workflow in grid.workflows],
        "num_samples": grid.dims.get("num_samples", first.num_samples),
        "num_generations": num_generations,
        "rows": int(rows),
        "keep": keep,
        "dtype": str(jnp.zeros(()).dtype),
        "key": jax.random.key_data(key).tolist(),
        "key_impl": str(jax.random.key_impl(key)),
    }
    for name, value in configuration.items():
        try:
            configuration[name] = json.loads(json.dumps(value))  # with the types of one that was stored
        except TypeError as error:
            raise ValueError(f"{name}: {error}; use numbers, texts, arrays and dataclasses") from None
    attributes = configuration | {name: json.dumps(configuration[name]) for name in ("task", "workflows", "key")}
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    attributes |= {"num_seeds": num_seeds, "created": created, **provenance()}
    chunk = chunk or _choose_chunk(num_seeds, len(grid.cells), num_generations * len(metrics), share[1], settings)
    sizes = dict(num_seeds=num_seeds, num_generations=num_generations, chunk=chunk, summary=settings.summary)
    manifest = Manifest(configuration=configuration, dims=grid.dims, metrics=metrics, **sizes, attributes=attributes)
    plan = Plan(grid, settings, key, manifest, groups, None if out is None else Path(out), share)
    if plan.out is not None:
        plan = plan._replace(manifest=check_place(plan.out, manifest))
    elif plan.kept_bytes > host_free_bytes():
        size = f"{plan.kept_bytes / 2**30:.1f} GiB"
        raise ValueError(f"keep={keep!r}: {size} of results are more than the memory that is free; give out")
    return plan


def _check(
    num_generations: int, num_seeds: int, keep: str, chunk: int | None, out: str | Path | None, share: tuple[int, int]
) -> None:
    check_count("num_generations", num_generations)
    check_count("num_seeds", num_seeds)
    if num_seeds >= 2**31:
        raise ValueError(f"num_seeds={num_seeds}: must be below 2**31")
    if chunk is not None:
        check_count("chunk", chunk)
    if keep not in ("seeds", "summary"):
        raise ValueError(f"keep={keep!r}: must be 'seeds' or 'summary'")
    if not 0 <= share[0] < share[1]:
        raise ValueError(f"share={share}: want (i, N) with 0 <= i < N")
    if share[1] > 1 and out is None:
        raise ValueError(f"out: {share[1]} processes need a store that all of them write to; give out")


def _grouped(grid: Grid, settings: Settings, num_seeds: int, key: Array) -> list[list[int]]:
    """The numbers of the cells that share a program, for each program, in the order of their first cells."""
    groups: dict[Any, list[int]] = {}
    for number, cell in enumerate(grid.cells):
        shapes = tuple((jnp.shape(leaf), jnp.result_type(leaf)) for leaf in traced_leaves(cell))
        program = (grid.workflow_of(cell), jax.tree.structure((cell.task, cell.workflow)), shapes)
        groups.setdefault(program, []).append(number)
    parts = []
    for numbers in groups.values():
        cell = grid.cells[numbers[0]]
        if size_is_traced(cell.task, cell.workflow, settings.literal_rows):
            parts.append(numbers)
        else:
            pads = is_paddable(cell.task, cell.workflow) and _rows_are_on_their_own(key)
            cost = num_seeds * settings.num_generations * _numbers_a_row(cell, settings) if pads else np.inf
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


def _choose_chunk(num_seeds: int, num_cells: int, numbers_a_seed: int, num_processes: int, settings: Settings) -> int:
    """Seeds of a chunk, so that its results fit into memory well and every process has one to do."""
    chunk = -(-num_seeds // _FEWEST_CHUNKS)
    if settings.summary and settings.devices[0].platform == "cpu":
        chunk = min(chunk, _MOST_SUMMARIZED)
    elif settings.devices[0].platform == "cpu":
        chunk = min(chunk, _MOST_SEEDS, _CALL_BYTES // (_REDUCING * numbers_a_seed))
    else:
        chunk = min(chunk, free_bytes(settings.devices[0]) // 4 // (_REDUCING * numbers_a_seed))
    chunk = max(chunk, _FEWEST_SEEDS, -(-num_seeds // _MOST_CHUNKS))
    return min(chunk, num_seeds, -(-num_seeds * num_cells // num_processes))
