"""What a sweep is going to do: which cells share a program, how many seeds run in step, what the store will hold."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core.arguments import check_count
from ..core.base import Array, Task, Workflow
from ..core.checks import check_key, runs_in_turn
from ..core.describe import describe, is_all_told, own_classes, small_arrays
from ..loop.experiment import Experiment
from ..loop.memory import free_bytes, host_free_bytes, metric_names, result_shapes, state_bytes
from ..loop.smallest import Seeds, check_memory
from ..results.dataset import RESERVED, SAMPLES, in_order
from ..results.sketch import sketch_bytes
from ..results.statistics import STATISTICS
from ..store.files import check_name
from ..store.manifest import Manifest
from ..store.provenance import provenance
from ..store.shards import check_place
from .cells import Settings, grouped, record_of_samples, with_like_workflows
from .execution import Execution
from .grid import Cell, Experiments, Grid, Over, expand
from .kept_programs import remembered
from .program import CallShape

# Seeds in step on a CPU: as many as its caches hold the states of, but enough to make use of vectors.
_BATCH, _SMALLEST_BATCH = 4096, 16
_BATCH_BYTES, _MOST_BATCH_BYTES = 2**18, 2**25
_CALL_BYTES = 2**26  # of states and results on a CPU, where larger calls are no faster
_SUMMARY_BYTES = 2**28
_REDUCING = 8  # bytes that summarizing a number takes at its peak
_FEWEST_CHUNKS, _MOST_CHUNKS = 10, 1000  # of a cell: results and progress come between them, and each makes files
_FEWEST_SEEDS, _MOST_SEEDS = 128, 16384  # in a chunk that is chosen here
_MOST_SUMMARIZED = 2**17  # in one of a summary, whose files are no larger with more seeds
_MOST_IN_TURN = 16  # seeds of a long-running task in a call, on each device, between two of its checkpoints


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
        return states * sketch_bytes(self.manifest.num_generations)

    def experiments(self, group: Sequence[int]) -> Experiments:
        """The experiments of a group, which its program simulates."""
        return Experiments.of([self.grid.cells[number] for number in group])

    def state_bytes(self, group: Sequence[int]) -> int:
        """Bytes that a seed carries from generation to generation, in the largest of a group's cells."""
        cells = with_like_workflows([self.grid.cells[number] for number in group])
        return _looked_up(state_bytes, max(cells, key=lambda cell: cell.num_samples), self.settings)

    def shape(self, group: Sequence[int], num_jobs: int) -> CallShape:
        """How much of a group one call computes if so many jobs are to be done, each a chunk of an experiment."""
        if self.grid.cells[group[0]].task.long_running:
            return self._long_shape(group, num_jobs)
        state = self.state_bytes(group)
        device, num_devices = self.settings.devices[0], len(self.settings.devices)
        on_cpu = device.platform == "cpu"
        a_seed = state + self.result_bytes // 4 * (_REDUCING if self.settings.summary else 8)
        seeds_a_call = (_CALL_BYTES if on_cpu else num_devices * free_bytes(device) // 4) // a_seed
        # A power of two that depends on no chunk and no number of devices: it decides how results are rounded.
        most = self.manifest.num_seeds * len(self.experiments(group).cells)
        batch = min(_BATCH, max(_SMALLEST_BATCH, _BATCH_BYTES // state), 2 ** (most - 1).bit_length())
        batch = min(batch, max(1, _MOST_BATCH_BYTES // state))
        batch = 1 if self.settings.in_turn else 2 ** (batch.bit_length() - 1)
        seeds_a_call = max(seeds_a_call, batch * num_devices)
        seeds = min(self.manifest.chunk, self.manifest.num_seeds, seeds_a_call)
        rows = max(1, min(num_jobs, seeds_a_call // seeds))
        if self.settings.summary:
            states = len(self.manifest.metrics) * sketch_bytes(self.manifest.num_generations)
            rows = max(1, min(rows, _SUMMARY_BYTES // states))
        return CallShape(rows, seeds, batch if on_cpu else rows * -(-seeds // num_devices))

    def _long_shape(self, group: Sequence[int], num_jobs: int) -> CallShape:
        """The same for a long-running task, whose call keeps the states of all its seeds between generations."""
        device, num_devices = self.settings.devices[0], len(self.settings.devices)
        seeds = min(self.manifest.chunk, self.manifest.num_seeds)
        seeds_a_call = _MOST_IN_TURN * num_devices
        if not self.settings.in_turn:
            a_seed = self.state_bytes(group) + self.result_bytes
            seeds_a_call = max(seeds_a_call, num_devices * free_bytes(device) // 4 // a_seed)
        # As many calls as that takes, all of them equally large.
        num_calls = -(-num_jobs // max(1, seeds_a_call // seeds))
        rows = -(-num_jobs // num_calls)
        return CallShape(rows, seeds, 1 if self.settings.in_turn else rows * -(-seeds // num_devices))


def make_plan(
    task: Task,
    workflows: Sequence[Workflow | str],
    *,
    num_samples: int | None = None,
    over: Over | None = None,
    num_generations: int,
    num_seeds: int,
    key: Array,
    keep: str = "seeds",
    rows: bool = False,
    out: str | Path | None = None,
    execution: Execution | None = None,
) -> Plan:
    """The plan of a sweep. Arguments and errors as of `sweep`; nothing is compiled or written."""
    execution = Execution() if execution is None else execution
    if not isinstance(execution, Execution):
        raise ValueError(f"execution={execution!r}: want a collapsejax.Execution")
    share, devices = execution.chosen_share(), execution.chosen_devices()
    _check(num_generations, num_seeds, keep, out, share)
    check_key(key)
    num_generations, num_seeds = int(num_generations), int(num_seeds)
    grid = expand(task, workflows, num_samples, over)
    first = grid.cells[0]
    in_turn = runs_in_turn(first.task, devices[0].platform, execution.in_turn)
    settings = Settings(num_generations, rows, keep == "summary", devices, in_turn)
    different = Experiments.of(grid.cells).cells
    options = lambda cell: dict(num_samples=cell.num_samples, num_generations=num_generations, rows=rows)
    alone = [Seeds(Experiment.of(cell.task, cell.workflow, **options(cell))) for cell in different]
    groups = grouped(grid, settings, num_seeds)
    metrics = in_order(_looked_up(metric_names, first, settings))
    check_memory(alone, lambda length: 4 * length * len(metrics), free_bytes(devices[0]))
    if taken := {*metrics} & {*grid.dims, *RESERVED}:
        raise ValueError(f"metric {min(taken)!r}: results need this name for something else; rename the metric")
    samples = None if settings.summary else _samples([grid.cells[numbers[0]] for numbers in groups], settings)
    configuration = {
        "task": describe(task),
        "workflows": [describe(workflow) for workflow in grid.workflows],
        "over": describe(grid.over),
        "num_samples": grid.dims.get("num_samples", first.num_samples),
        "num_generations": num_generations,
        "rows": int(rows),
        "keep": keep,
        "dtype": str(jnp.zeros(()).dtype),
        "key": jax.random.key_data(key).tolist(),
        "key_impl": str(jax.random.key_impl(key)),
    }
    if samples:
        configuration[SAMPLES] = samples
    for name, value in configuration.items():
        try:
            configuration[name] = json.loads(json.dumps(value))  # with the types of one that was stored
        except TypeError as error:
            raise ValueError(f"{name}: {error}; use numbers, texts, arrays and dataclasses") from None
    texts = {"task", "workflows", "over", "key", SAMPLES} & {*configuration}
    attributes = configuration | {name: json.dumps(configuration[name]) for name in sorted(texts)}
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    attributes |= {
        "num_seeds": num_seeds,
        "created": created,
        "origin": json.dumps(_origin(task, grid)),
        **provenance(),
    }
    most = _MOST_IN_TURN * len(devices) if first.task.long_running and settings.in_turn else num_seeds
    chunk = execution.chunk and int(execution.chunk)
    chunk = chunk or _choose_chunk(num_seeds, len(grid.cells), num_generations * len(metrics), share[1], settings, most)
    sizes = dict(num_seeds=num_seeds, num_generations=num_generations, chunk=chunk, summary=settings.summary)
    manifest = Manifest(configuration=configuration, dims=grid.dims, metrics=metrics, **sizes, attributes=attributes)
    plan = Plan(grid, settings, key, manifest, groups, None if out is None else Path(check_name(out)), share)
    if plan.out is not None:
        plan = plan._replace(manifest=check_place(plan.out, manifest))
    elif plan.kept_bytes > host_free_bytes():
        size, fits = f"{plan.kept_bytes / 2**30:.1f} GiB", num_seeds * host_free_bytes() // plan.kept_bytes
        fewer = f", or use at most num_seeds={fits}" if fits and not settings.summary else ""
        raise ValueError(f"keep={keep!r}: {size} of results are more than the memory that is free; give out{fewer}")
    return plan


def _origin(task: Task, grid: Grid) -> dict[str, Any]:
    """What descriptions leave out and `exact_curves` needs to make the grid again. It is no part of a fingerprint."""
    configs = [task, grid.workflows, grid.over]
    return {
        "labels": grid.dims,
        "swept": grid.swept,
        "own_classes": own_classes(configs),
        "arrays": small_arrays(configs),
    }


def _check(num_generations: int, num_seeds: int, keep: str, out: str | Path | None, share: tuple[int, int]) -> None:
    check_count("num_generations", num_generations)
    check_count("num_seeds", num_seeds)
    if keep not in ("seeds", "summary"):
        raise ValueError(f"keep={keep!r}: must be 'seeds' or 'summary'")
    if share[1] > 1 and out is None:
        raise ValueError(f"out: {share[1]} processes need a store that all of them write to; give out")


def _samples(cells: Sequence[Cell], settings: Settings) -> dict[str, Any] | None:
    """Shape (k, L) of the largest text samples of cells and a dtype for all of them, None where there are none."""
    if cells[0].task.text_samples is None:
        return None
    kept = []
    for cell in cells:
        options = dict(num_generations=settings.num_generations, rows=settings.rows)
        options |= dict(num_samples=cell.num_samples, record=record_of_samples(cell.task))
        kept.append(result_shapes(cell.task, cell.workflow, **options).recorded)
        one = kept[-1]
        if not isinstance(one, jax.ShapeDtypeStruct) or len(one.shape) != 3 or one.dtype.kind not in "uif":
            raise ValueError(f"task {cell.task.name!r}: text_samples must return an array (k, L) of numbers")
    shape = [max(lengths) for lengths in zip(*(leaf.shape[1:] for leaf in kept), strict=True)]
    return {"shape": shape, "dtype": str(np.result_type(*(leaf.dtype for leaf in kept)))}


def _looked_up(look_up: Callable[..., Any], cell: Cell, settings: Settings) -> Any:
    """What `state_bytes` or `metric_names`, which trace the task, tell of a cell."""
    options = dict(num_samples=cell.num_samples, num_generations=settings.num_generations, rows=settings.rows)
    configs = [cell.task, cell.workflow]
    made_from = lambda: [look_up.__name__, describe(configs), options] if is_all_told(configs) else None
    return remembered(made_from, lambda: look_up(*configs, **options))


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
