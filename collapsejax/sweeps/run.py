"""Sweeps: grids of experiments times many seeds, chunk by chunk, in memory or in a store that can be carried on."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ..core.base import Array, Task, Workflow
from ..results.dataset import SAMPLES
from ..results.sketch import Sketch
from ..store import datasets
from ..store.manifest import Shard
from ..store.shards import Shards
from ..workflows import WORKFLOWS
from .calls import Calls, joined
from .execution import Execution
from .grid import Experiments, Over
from .in_memory import Memory
from .long_runs import LongRuns
from .plan import Plan, make_plan
from .program import CallShape, Job, Program
from .progress import Progress, Report, shown


def sweep(
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
    progress: Report | bool | None = None,
) -> xr.Dataset:
    """Metrics of seeds 0 ... S-1 in every cell of a grid, as labelled arrays.

    The grid has every combination of `workflows` and of the values in `over`. Cells with workflows of one kind and the
    same static fields share one compiled program: they may differ in numbers, such as `sigma2`, a bandwidth or
    `real_weight`, and in `num_samples` where the exact law is known, or where the task is `paddable` and padding takes
    less time than another compilation.

    A long-running task (`Task.long_running`) has one program for all workflows but those that screen candidates. Its
    results are in `out` generation by generation, and a sweep that was killed goes on after the last that was finished.

    Args:
        task: what is fitted.
        workflows: the data it is fitted to; workflows or their names.
        num_samples: rows of the first real batch and of every synthetic batch (n), unless swept over.
        over: by name the values of what is swept, each a dimension of the result: a field of the task
            (`{"dim": [1, 3]}`) or of what is in its fields (`"noise"` or `"source.noise"`), a setting of a workflow
            (`"weighted.real_weight"`), or `"num_samples"`. A setting makes no difference to other workflows, which are
            simulated once for all its values.
        num_generations: models fitted (G).
        num_seeds: seeds (S). Workflows share a seed's random numbers where they share the representation of the data:
            with `rows=True` all of them start from the same real rows.
        key: the root of all randomness; seed s has the key `fold_in(key, s)` in every cell.
        keep: "seeds", every number of every seed; or "summary", statistics over the seeds
            (`collapsejax.results.statistics.STATISTICS`), reduced on the device: memory does not grow with the seeds,
            disk only with the chunks.
        rows: draw and pool rows even where the law of their summary is known.
        out: directory of a store. Where this sweep is there already, only what is missing is computed; it may have
            had fewer seeds. Default: results stay in memory.
        execution: chunks, devices, this process's share. Default: `Execution()`.
        progress: True for a bar with the time elapsed and left, False for none; or what is called with a `Progress`
            before the wait for each program, after each chunk, and after each generation of a long-running task. If it
            raises, what has been computed is in `out`. Default: a bar in a terminal or notebook.

    Returns:
        A dataset with a dimension for each name in `over`, workflow, seed or statistic, and generation; one variable a
        metric, and "samples", with two more dimensions, where the task has text samples and all seeds are kept.
        Its attributes hold configuration, versions, seconds and the number of compilations. With `out`, it is what
        `collapsejax.open` gives.

    Raises:
        FileNotFoundError: the folder of `out` is not there.
        ValueError: for sizes, parameters or names out of range, a key that is no typed one, or another sweep in `out`,
            before anything is compiled.
    """
    sizes = dict(num_samples=num_samples, num_generations=num_generations, num_seeds=num_seeds)
    options = dict(over=over, keep=keep, rows=rows, out=out, execution=execution)
    plan = make_plan(task, workflows, **sizes, key=key, **options)
    with shown(progress) as report:
        return carry_out(plan, report)


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
    """What a program of a sweep takes.

    Attributes:
        label: the cells that it serves.
        num_cells: how many of them are different experiments.
        compile_seconds: of its compilation.
        seconds_a_seed: of a seed in one cell.
    """

    label: str
    num_cells: int
    compile_seconds: float
    seconds_a_seed: float


def rehearse(plan: Plan, progress: Report | None = None) -> list[Timing]:
    """Compile every program of a plan and run as few seeds as it runs in step, writing nothing."""
    timings, cells_done = [], 0
    for numbers in plan.groups:
        label, cells = plan.grid.label([plan.grid.cells[number] for number in numbers]), plan.experiments(numbers).cells
        if progress:
            progress(Progress(f"timing {label}", cells_done, len(plan.grid.cells), 0, 0))
        batch = plan.shape(numbers, 1).batch
        seeds = min(batch * len(plan.settings.devices), plan.manifest.num_seeds)
        # Of a long-running task one generation tells enough.
        by_generation, length = cells[0].task.long_running, plan.manifest.num_generations
        simulated = 1 if by_generation else length
        program = Program(cells, plan.settings, by_generation=by_generation, num_generations=simulated)
        calls = Calls(program, plan.key, CallShape(1, seeds, batch), plan.settings.devices)
        start = time.perf_counter()
        calls([(0, 0, seeds)])
        seconds = (time.perf_counter() - start) * length / simulated
        timings.append(Timing(label, len(cells), calls.compile_seconds, seconds / seeds))
        cells_done += len(numbers)
    return timings


class _Run:
    """The share of a sweep that this process does."""

    def __init__(self, plan: Plan, results: Shards | Memory, report: Report) -> None:
        self._plan, self._results, self._report = plan, results, report
        place = Experiments.of(plan.grid.cells).place
        process, num_processes = plan.share
        # A shard's owner depends on the shard alone: processes agree without asking one another.
        mine = [s for s in plan.manifest.shards() if (place[s.cell] + s.chunk) % num_processes == process]
        self._there = {shard: results.num_seeds(shard) for shard in mine}
        self._num_seeds = sum(shard.stop - shard.first for shard in mine)
        self._seeds = sum(self._there.values())
        self._missing = Counter(shard.cell for shard, there in self._there.items() if there < shard.stop - shard.first)
        self._num_cells = len({shard.cell for shard in mine})
        self._todo = [shard for shard, there in self._there.items() if there < shard.stop - shard.first]
        self._workflow_of = {cell.index: plan.grid.workflow_of(cell) for cell in plan.grid.cells}
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
        for numbers in self._plan.groups:
            members = {self._plan.grid.cells[number].index for number in numbers}
            if todo := [shard for shard in self._todo if shard.cell in members]:
                self._one_group(numbers, todo)
        for name, where in self._nan.items():
            warnings.warn(f"{name} is NaN {where}", stacklevel=4)

    def _one_group(self, numbers: Sequence[int], todo: Sequence[Shard]) -> None:
        """Compute the shards `todo` of cells that share a program; those of one experiment are computed once."""
        plan, cells = self._plan, [self._plan.grid.cells[number] for number in numbers]
        label, experiments = plan.grid.label(cells), plan.experiments(numbers)
        shards_of: dict[Job, list[Shard]] = {}
        for shard in sorted(todo, key=lambda shard: (experiments.place[shard.cell], shard.chunk)):
            job = (experiments.place[shard.cell], shard.first + self._there[shard], shard.stop)
            shards_of.setdefault(job, []).append(shard)
        cells_of = Counter(experiments.place[cell] for cell in {shard.cell for shard in todo})
        self._tell(f"compiling {label}")
        if cells[0].task.long_running:
            # Also shards that are there: a call that was killed is to be the same call again.
            place = experiments.place
            num_jobs = len({(place[shard.cell], shard.chunk) for shard in self._there if shard.cell in place})

            def say(doing: str, jobs: Sequence[Job], share: float, resumed: bool) -> None:
                begun = sum((stop - first) * cells_of[cell] for cell, first, stop in jobs)
                self._tell(f"{label}, {doing}", share * begun, resumed)

            program = self._long_runs.program(experiments, plan.settings, there=self._there, say=say)
        else:
            num_jobs, program = len(shards_of), Program(experiments.cells, plan.settings)
        shape = plan.shape(numbers, num_jobs)
        calls = Calls(program, plan.key, shape, plan.settings.devices, self._tell)
        self._tell(label)
        for jobs in _batched(list(shards_of), shape.rows):
            compiling, start = calls.compile_seconds, time.perf_counter()
            results = calls(jobs)
            seconds = time.perf_counter() - start - (calls.compile_seconds - compiling)
            for job, metrics in zip(jobs, results, strict=True):
                for shard in shards_of[job]:
                    self._put(shard, metrics, seconds / len(jobs) / len(shards_of[job]))
                    self._tell(label)  # of each shard: whoever is told may stop here, and writing many takes long
        for workflow in (workflows := {self._workflow_of[shard.cell] for shard in todo}):
            self._compile_seconds[workflow] += calls.compile_seconds / len(workflows)
        self._num_compilations += calls.num_compilations

    def _put(self, shard: Shard, metrics: dict[str, Any], seconds: float) -> None:
        """Add metrics of the seeds of a shard that were missing, which took so many seconds."""
        self._look_for_nan(shard, metrics)
        there = self._there[shard]
        self._results.put(shard, joined([self._results.get(shard), metrics]) if there else metrics, seconds)
        self._seeds += shard.stop - shard.first - there
        self._missing -= Counter([shard.cell])  # keeps positive counts only
        self._run_seconds[self._workflow_of[shard.cell]] += seconds

    def forget_checkpoints(self) -> None:
        """Remove them, since all that they are for is complete."""
        self._long_runs.forget_checkpoints()

    def _tell(self, doing: str, begun: float = 0.0, resumed: bool = False) -> None:
        cells = self._num_cells - len(self._missing)
        self._report(Progress(doing, cells, self._num_cells, self._seeds, self._num_seeds, begun, resumed))

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
                if cell.workflow.name not in WORKFLOWS:
                    self._nan[name] += "; so it is where a workflow appends more rows than its `capacity`"


def _batched(jobs: Sequence[Job], size: int) -> Iterator[Sequence[Job]]:
    return (jobs[start : start + size] for start in range(0, len(jobs), size))
