"""What a sweep is going to do: which cells share a program, how many seeds go together, what the store will hold."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core.arguments import check_count
from ..core.base import Array, Task, Workflow
from ..core.checks import check_key, check_run, is_costly, knows, runs_in_turn
from ..core.describe import describe
from ..loop import metric_names, result_shapes, state_bytes
from ..results.dataset import RESERVED, SAMPLES, in_order
from ..results.sketch import sketch_bytes as summary_bytes
from ..results.statistics import STATISTICS
from ..store.manifest import Manifest
from ..store.provenance import provenance
from ..store.shards import check_place
from .cells import Settings, specimens_of, with_like_workflows
from .grid import Cell, Grid, expand
from .grouping import grouped
from .memory import free_bytes, host_free_bytes
from .program import Shape

# Seeds in step on a CPU: as many as its caches hold the states of, but enough to make use of vectors.
_TOGETHER, _FEWEST_TOGETHER = 4096, 16
_TOGETHER_BYTES, _MOST_TOGETHER_BYTES = 2**18, 2**25
_CALL_BYTES = 2**26  # of states and results on a CPU, where larger calls are no faster
_SUMMARY_BYTES = 2**28
_REDUCING = 8  # bytes that summarising a number takes at its peak
_FEWEST_CHUNKS, _MOST_CHUNKS = 10, 1000  # of a cell: results and progress come between them, and each makes files
_FEWEST_SEEDS, _MOST_SEEDS = 128, 16384  # in a chunk that is chosen here
_MOST_SUMMARIZED = 2**17  # in one of a summary, whose files are no larger with more seeds
_MOST_IN_TURN = 16  # seeds of a costly task in a call, on each device: between two checkpoints each has a generation


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
        shape, dtype = self.manifest.samples or ((0,), np.dtype(np.uint8))
        a_generation = 4 * len(self.manifest.metrics) + math.prod(shape) * dtype.itemsize
        return self.manifest.num_generations * a_generation

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
        cells = with_like_workflows([self.grid.cells[number] for number in group])
        largest = max(cells, key=lambda cell: cell.num_samples)
        sizes = dict(num_samples=largest.num_samples, num_generations=self.settings.num_generations)
        return state_bytes(largest.task, largest.workflow, **sizes, rows=self.settings.literal_rows)

    def shape(self, group: Sequence[int], num_shards: int) -> Shape:
        """How much of a group one call does if there are so many shards to do."""
        if is_costly(self.grid.cells[group[0]].task):
            return self._long_shape(group, num_shards)
        state = self.state_bytes(group)
        device, num_devices = self.settings.devices[0], len(self.settings.devices)
        on_cpu = device.platform == "cpu"
        a_seed = state + self.result_bytes // 4 * (_REDUCING if self.settings.summary else 8)
        lanes = (_CALL_BYTES if on_cpu else num_devices * free_bytes(device) // 4) // a_seed
        # A power of two that depends on no chunk and no number of devices: it decides how results are rounded.
        most = self.manifest.num_seeds * len(group)
        together = min(_TOGETHER, max(_FEWEST_TOGETHER, _TOGETHER_BYTES // state), 2 ** (most - 1).bit_length())
        together = min(together, max(1, _MOST_TOGETHER_BYTES // state))
        together = 1 if self.settings.in_turn else 2 ** (together.bit_length() - 1)
        lanes = max(lanes, together * num_devices)
        seeds = min(self.manifest.chunk, self.manifest.num_seeds, lanes)
        rows = max(1, min(num_shards, lanes // seeds))
        if self.settings.summary:
            states = len(self.manifest.metrics) * summary_bytes(self.manifest.num_generations)
            rows = max(1, min(rows, _SUMMARY_BYTES // states))
        return Shape(rows, seeds, together if on_cpu else rows * -(-seeds // num_devices))

    def _long_shape(self, group: Sequence[int], num_shards: int) -> Shape:
        """The same for a costly task, whose call keeps the states of all its seeds from generation to generation."""
        device, num_devices = self.settings.devices[0], len(self.settings.devices)
        seeds = min(self.manifest.chunk, self.manifest.num_seeds)
        lanes = _MOST_IN_TURN * num_devices
        if not self.settings.in_turn:
            lanes = max(lanes, num_devices * free_bytes(device) // 4 // (self.state_bytes(group) + self.result_bytes))
        # As many calls as that takes, all of them equally large.
        num_calls = -(-num_shards // max(1, lanes // seeds))
        rows = -(-num_shards // num_calls)
        return Shape(rows, seeds, 1 if self.settings.in_turn else rows * -(-seeds // num_devices))


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
    in_turn: bool | None = None,
) -> Plan:
    """The plan of a sweep. Arguments and errors as in `sweep`; nothing is compiled or written."""
    share = share or (jax.process_index(), jax.process_count())
    _check(num_generations, num_seeds, keep, chunk, out, share)
    check_key(key)
    num_generations, num_seeds, chunk = int(num_generations), int(num_seeds), chunk and int(chunk)
    grid = expand(task, workflows, num_samples)
    devices = tuple(jax.local_devices() if devices is None else devices)
    in_turn = runs_in_turn(grid.cells[0].task, devices[0].platform, in_turn)
    settings = Settings(num_generations, rows, keep == "summary", devices, in_turn)
    for cell in grid.cells:
        check_run(cell.task, cell.workflow, cell.num_samples, num_generations, rows)
    groups = grouped(grid, settings, num_seeds, key)
    first = grid.cells[0]
    sizes = dict(num_samples=first.num_samples, num_generations=num_generations, rows=rows)
    metrics = in_order(metric_names(first.task, first.workflow, **sizes))
    if taken := {*metrics} & {*grid.dims, *RESERVED}:
        raise ValueError(f"metric {min(taken)!r}: results need this name for something else; rename the metric")
    specimens = None if settings.summary else _specimens([grid.cells[numbers[0]] for numbers in groups], settings)
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
    if specimens:
        configuration[SAMPLES] = specimens
    for name, value in configuration.items():
        try:
            configuration[name] = json.loads(json.dumps(value))  # with the types of one that was stored
        except TypeError as error:
            raise ValueError(f"{name}: {error}; use numbers, texts, arrays and dataclasses") from None
    texts = {"task", "workflows", "key", SAMPLES} & {*configuration}
    attributes = configuration | {name: json.dumps(configuration[name]) for name in sorted(texts)}
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    attributes |= {"num_seeds": num_seeds, "created": created, **provenance()}
    most = _MOST_IN_TURN * len(devices) if is_costly(first.task) and settings.in_turn else num_seeds
    chunk = chunk or _choose_chunk(num_seeds, len(grid.cells), num_generations * len(metrics), share[1], settings, most)
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


def _specimens(cells: Sequence[Cell], settings: Settings) -> dict[str, Any] | None:
    """Shape (k, L) of the largest specimens of cells and a dtype for all of them, None where the task has none."""
    if not knows(cells[0].task, "specimens"):
        return None
    kept = []
    for cell in cells:
        options = dict(num_generations=settings.num_generations, rows=settings.literal_rows)
        options |= dict(num_samples=cell.num_samples, record=specimens_of(cell.task))
        kept.append(result_shapes(cell.task, cell.workflow, **options).recorded)
        if not hasattr(kept[-1], "shape") or len(kept[-1].shape) != 3 or kept[-1].dtype.kind not in "uif":
            raise ValueError(f"specimens: task {cell.task.name!r} must give an array (k, L) of numbers")
    shape = [max(lengths) for lengths in zip(*(leaf.shape[1:] for leaf in kept), strict=True)]
    return {"shape": shape, "dtype": str(np.result_type(*(leaf.dtype for leaf in kept)))}


def _choose_chunk(
    num_seeds: int, num_cells: int, numbers_a_seed: int, num_processes: int, settings: Settings, most: int
) -> int:
    """Seeds of a chunk, so that its results fit into memory well and every process has one to do.

    At most so many, all chunks being equally large.
    """
    if most < num_seeds:
        num_seeds = -(-num_seeds // -(-num_seeds // most))
    chunk = -(-num_seeds // _FEWEST_CHUNKS)
    if settings.summary and settings.devices[0].platform == "cpu":
        chunk = min(chunk, _MOST_SUMMARIZED)
    elif settings.devices[0].platform == "cpu":
        chunk = min(chunk, _MOST_SEEDS, _CALL_BYTES // (_REDUCING * numbers_a_seed))
    else:
        chunk = min(chunk, free_bytes(settings.devices[0]) // 4 // (_REDUCING * numbers_a_seed))
    chunk = max(chunk, _FEWEST_SEEDS, -(-num_seeds // _MOST_CHUNKS))
    return min(chunk, num_seeds, -(-num_seeds * num_cells // num_processes))
