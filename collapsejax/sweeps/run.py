"""Sweeps: grids of experiments times many seeds, chunk by chunk, in memory or in a store that can be carried on."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import xarray as xr

from ..core.base import Array, Task, Workflow
from ..core.checks import is_costly
from ..results.dataset import SAMPLES
from ..results.sketch import Sketch
from ..store import datasets
from ..store.manifest import Shard
from ..store.shards import Shards
from .ahead import ahead
from .elastic import Compiled, Elastic, joined, lowered
from .grid import Cell
from .in_memory import Memory
from .long_program import LongProgram
from .long_runs import LongRuns
from .plan import Plan, make_plan
from .program import Program, Shape


class Progress(NamedTuple):
    """How far a sweep has come: what it is doing, and cells and seeds done of all; a seed counts in every cell."""

    doing: str
    cells: int
    num_cells: int
    seeds: int
    num_seeds: int


Report = Callable[[Progress], None]


def sweep(
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
    progress: Report | None = None,
) -> xr.Dataset:
    """Simulate seeds 0 ... S-1 in every cell of a grid: listed fields of `task` x `workflows` x `num_samples`.

    Cells with workflows of one kind and the same static fields share one compiled program: they may differ in numbers,
    such as `sigma2`, a bandwidth or `real_weight`, and in `num_samples` where the exact law is known, or where the task
    can do with room for more rows than there are (`base.Task`) and that takes less time than another compilation.

    A costly task (`base.Task`) has one program for all workflows but those that screen candidates. Its results are in
    `out` generation by generation, and a sweep that was killed goes on after the last that was finished.

    Args:
        task: what is fitted. A list in a field of it, or of its source, makes a dimension of that name.
        workflows: the data it is fitted to; workflows or their names.
        num_samples: rows of the first real batch and of every synthetic batch (n); a list makes a dimension.
        num_generations: models fitted (G).
        num_seeds: seeds (S). Workflows share a seed's random numbers where they share the representation of the data:
            with `rows=True` all of them start from the same real rows.
        key: the root of all randomness; seed s has the key `fold_in(key, s)` in every cell.
        keep: "seeds", every number of every seed; or "summary", statistics over the seeds (`summaries.STATISTICS`),
            reduced on the device: memory does not grow with the seeds, disk only with the chunks.
        rows: draw and pool literal rows even where the law of their summary is known.
        chunk: seeds that are stored together, and no more of which are computed together. Default: as memory suggests.
        out: directory of a store. Where this sweep is there already, only what is missing is computed; it may have
            had fewer seeds. Default: results stay in memory.
        devices: share the seeds. Default: all that this process has.
        share: (i, N), to compute part i of N of the shards, beside other processes that write to `out`. Default: JAX's
            index of this process and number of processes.
        in_turn: whether a device does one seed after the other instead of many in step. Default: on a CPU, for a
            costly task.
        progress: called before the wait for each program, after each chunk, and after each generation of a costly
            task. If it raises, what has been computed is in `out`.

    Returns:
        A dataset with a dimension for each list, workflow, seed or statistic, and generation; one variable a metric,
        and "specimens", with two more dimensions, where the task has them and all seeds are kept.
        Its attributes hold configuration, versions, seconds and the number of compilations. A compilation's seconds
        are those from its beginning to its end; others and the run go on beside it. With `out`, it is what
        `collapsejax.open` gives.

    Raises:
        FileNotFoundError: the folder of `out` is not there.
        ValueError: for sizes, parameters or names that make no sense, a key that is no typed one, or another sweep in
            `out`, before anything is compiled.
    """
    sizes = dict(num_samples=num_samples, num_generations=num_generations, num_seeds=num_seeds)
    options = dict(keep=keep, rows=rows, chunk=chunk, out=out, devices=devices, share=share, in_turn=in_turn)
    return carry_out(make_plan(task, workflows, **sizes, key=key, **options), progress)


def carry_out(plan: Plan, progress: Report | None = None) -> xr.Dataset:
    """Do what is planned. Returns and raises as `sweep`."""
    in_memory = contextlib.nullcontext(Memory(plan.manifest))
    with Shards.opened(plan.out, plan.manifest, *plan.share) if plan.out else in_memory as results:
        # A store that is carried on has chunks of its own.
        run = _Run(plan._replace(manifest=results.manifest), results, progress or (lambda progress: None))
        try:
            run.all_groups()
        except BaseException:
            with contextlib.suppress(OSError, ValueError):  # a full disk, a damaged file: the shards are safe
                results.finish()
            raise
        results.finish()
        run.forget_checkpoints()
    dataset = datasets.open(plan.out) if plan.out else results.dataset()
    return dataset.assign_attrs(run.account())


class Timing(NamedTuple):
    """What a program of a sweep takes: which cells it serves, seconds to compile, seconds for a seed in one cell."""

    label: str
    num_cells: int
    compile_seconds: float
    seconds_a_seed: float


def rehearse(plan: Plan, progress: Report | None = None) -> list[Timing]:
    """Compile every program of a plan and run as few seeds as it runs in step, writing nothing."""
    timings, num_cells = [], len(plan.grid.cells)
    for numbers in plan.groups:
        cells = [plan.grid.cells[number] for number in numbers]
        if progress:
            progress(Progress(f"timing {plan.grid.label(cells)}", sum(t.num_cells for t in timings), num_cells, 0, 0))
        together = plan.shape(numbers, 1).together
        seeds = min(together * len(plan.settings.devices), plan.manifest.num_seeds)
        # Of a costly task one generation tells enough.
        costly, length = is_costly(cells[0].task), plan.manifest.num_generations
        program = LongProgram(cells, plan.settings, most=1) if costly else Program(cells, plan.settings)
        elastic = Elastic(program, plan.key, Shape(1, seeds, together), lambda doing: None)
        start = time.perf_counter()
        elastic([(0, 0, seeds)])
        seconds = (time.perf_counter() - start) * (length if costly else 1)
        timings.append(Timing(plan.grid.label(cells), len(cells), elastic.compile_seconds, seconds / seeds))
    return timings


class _Group(NamedTuple):
    """Cells that share a program, shards of theirs that are to be computed, and how much one call does."""

    cells: list[Cell]
    label: str
    todo: list[Shard]
    program: Program | LongProgram
    shape: Shape


class _Run:
    """The share of a sweep that this process does."""

    def __init__(self, plan: Plan, results: Shards | Memory, report: Report) -> None:
        self._plan, self._results, self._report = plan, results, report
        number = {cell.index: number for number, cell in enumerate(plan.grid.cells)}
        process, num_processes = plan.share
        # A shard's owner depends on the shard alone: processes agree without asking one another.
        mine = [s for s in plan.manifest.shards() if (number[s.cell] + s.chunk) % num_processes == process]
        self._there = {shard: results.num_seeds(shard) for shard in mine}
        self._num_seeds = sum(shard.stop - shard.first for shard in mine)
        self._seeds = sum(self._there.values())
        self._missing = Counter(shard.cell for shard, there in self._there.items() if there < shard.stop - shard.first)
        self._num_cells = len({shard.cell for shard in mine})
        self._todo = [shard for shard, there in self._there.items() if there < shard.stop - shard.first]
        workflows = plan.grid.dims["workflow"]
        self._compile_seconds, self._run_seconds = dict.fromkeys(workflows, 0.0), dict.fromkeys(workflows, 0.0)
        self._num_compilations = 0
        self._nan: dict[str, str] = {}
        self._long_runs = LongRuns(results, plan.out, plan.share)

    def account(self) -> dict[str, Any]:
        """What this run took; seconds by workflow, those that share a program sharing its compilation equally."""
        return {
            "num_compilations": self._num_compilations,
            "compile_seconds": list(self._compile_seconds.values()),
            "run_seconds": list(self._run_seconds.values()),
        }

    def all_groups(self) -> None:
        lower = lambda group: lowered(group.program, self._plan.key, group.shape)
        with contextlib.closing(ahead(self._groups(), lower)) as groups:
            for group, early in groups:
                self._one_group(group, early)
        for name, where in self._nan.items():
            warnings.warn(f"{name} is NaN {where}", stacklevel=4)

    def _groups(self) -> Iterator[_Group]:
        """Those of which something is to be done."""
        grid, settings = self._plan.grid, self._plan.settings
        for numbers in self._plan.groups:
            cells = [grid.cells[number] for number in numbers]
            members, label, costly = {cell.index for cell in cells}, grid.label(cells), is_costly(cells[0].task)
            if todo := [shard for shard in self._todo if shard.cell in members]:
                # Of a costly task also shards that are there: a call that was killed is to be the same call again.
                num_shards = sum(shard.cell in members for shard in (self._there if costly else todo))
                say = lambda doing, label=label: self._tell(f"{label}, {doing}")
                make = partial(self._long_runs.program, there=self._there, say=say) if costly else Program
                yield _Group(cells, label, todo, make(cells, settings), self._plan.shape(numbers, num_shards))

    def _one_group(self, group: _Group, early: Callable[[], Compiled | None]) -> None:
        cells, label, todo, program, shape = group
        place = {cell.index: place for place, cell in enumerate(cells)}
        workflow_of = {cell.index: self._plan.grid.workflow_of(cell) for cell in cells}
        self._tell(f"compiling {label}")
        program = Elastic(program, self._plan.key, shape, self._tell, early())
        self._tell(label)
        for shards in (todo[start : start + shape.rows] for start in range(0, len(todo), shape.rows)):
            compiling, start = program.compile_seconds, time.perf_counter()
            jobs = [(place[shard.cell], shard.first + self._there[shard], shard.stop) for shard in shards]
            results = program(jobs)
            seconds = time.perf_counter() - start - (program.compile_seconds - compiling)
            for shard, metrics in zip(shards, results, strict=True):
                self._look_for_nan(shard, metrics)
                whole = joined([self._results.get(shard), metrics]) if self._there[shard] else metrics
                self._results.put(shard, whole, seconds / len(shards))
                self._seeds += shard.stop - shard.first - self._there[shard]
                self._missing -= Counter([shard.cell])  # keeps positive counts only
                self._run_seconds[workflow_of[shard.cell]] += seconds / len(shards)
            self._tell(label)
        for workflow in (workflows := {workflow_of[shard.cell] for shard in todo}):
            self._compile_seconds[workflow] += program.compile_seconds / len(workflows)
        self._num_compilations += program.num_compilations

    def forget_checkpoints(self) -> None:
        """Remove them, since all that they are for is complete."""
        self._long_runs.forget_checkpoints()

    def _tell(self, doing: str) -> None:
        cells = self._num_cells - len(self._missing)
        self._report(Progress(doing, cells, self._num_cells, self._seeds, self._num_seeds))

    def _look_for_nan(self, shard: Shard, metrics: dict[str, Any]) -> None:
        """Note where each metric is NaN for the first time; no built-in task gives one."""
        for name, values in metrics.items():
            if name == SAMPLES:
                continue
            nan = values["nan"] if isinstance(values, Sketch) else np.isnan(values).sum(axis=0)
            if nan.any() and name not in self._nan:
                cell = next(cell for cell in self._plan.grid.cells if cell.index == shard.cell)
                seeds = f"{nan.max():.0f} of seeds {shard.first} to {shard.stop - 1}"
                self._nan[name] = f"first in generation {np.argmax(nan > 0)} ({self._plan.grid.label([cell])}; {seeds})"
