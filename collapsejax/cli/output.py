"""What the command line shows: progress on stderr, tables and times on stdout."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rich.console
import rich.progress
import rich.table
import xarray as xr
from rich.box import SIMPLE
from rich.filesize import decimal

from ..results.dataset import line_dimensions, metrics_in, milestones, summarize
from ..store.reader import Reader, Stored
from ..sweeps.plan import Plan
from ..sweeps.run import Progress, Timing
from ..sweeps.run import Report as ProgressReport

if TYPE_CHECKING:
    from ..validation.validate import Report

_SECONDS_BETWEEN_LINES = 10


@contextlib.contextmanager
def progress() -> Iterator[ProgressReport]:
    """Report how far a sweep has come to stderr: a bar in a terminal, else lines, one in some seconds."""
    console = rich.console.Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (
        "{task.description}",
        rich.progress.BarColumn(),
        "cells {task.fields[cells]}/{task.fields[num_cells]}, seeds {task.completed:.0f}/{task.total:.0f},",
        "{task.fields[speed]}",
        rich.progress.TimeRemainingColumn(),
    )
    with rich.progress.Progress(*columns, console=console) as bars:
        bar = None

        def report(progress: Progress) -> None:
            nonlocal bar
            counts = dict(cells=progress.cells, num_cells=progress.num_cells)
            if bar is None:
                bar = bars.add_task("", total=progress.num_seeds, completed=progress.seeds, speed="", **counts)
            totals = dict(total=progress.num_seeds, completed=progress.seeds)
            bars.update(bar, description=progress.doing, **totals, **counts)
            speed = bars.tasks[0].speed
            bars.update(bar, speed=f"{speed:.0f} seeds/s" if speed else "")

        yield report


class _Lines:
    def __init__(self, console: rich.console.Console) -> None:
        self._console, self._doing, self._next, self._began = console, "", 0.0, None

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        self._began = self._began or (now, progress.seeds)
        finished = progress.seeds == progress.num_seeds
        if progress.doing == self._doing and now < self._next and not finished:
            return
        self._doing, self._next = progress.doing, now + _SECONDS_BETWEEN_LINES
        since, before = self._began
        line = f"{progress.doing}: {progress.cells}/{progress.num_cells} cells"
        if progress.num_seeds:
            line += f", {progress.seeds}/{progress.num_seeds} seeds"
        if progress.seeds > before and now > since:
            speed = (progress.seeds - before) / (now - since)
            line += f", {speed:.0f} seeds/s, {duration((progress.num_seeds - progress.seeds) / speed)} left"
        self._console.print(line, highlight=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """Seconds in words, as "2 h 05 min"."""
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def print_rehearsal(plan: Plan, timings: Sequence[Timing]) -> None:
    """What a sweep would take, program by program and in all."""
    console, manifest = rich.console.Console(), plan.manifest
    table = rich.table.Table(box=SIMPLE)
    for heading in ("program", "compile", "1000 seeds", "all seeds"):
        table.add_column(heading, justify="left" if heading == "program" else "right")
    for timing in timings:
        seconds = timing.seconds_a_seed * timing.num_cells * manifest.num_seeds
        cells = (timing.compile_seconds, 1000 * timing.seconds_a_seed, seconds)
        table.add_row(timing.label, *map(duration, cells))
    console.print(table)
    compiling = sum(timing.compile_seconds for timing in timings)
    running = sum(timing.seconds_a_seed * timing.num_cells for timing in timings) * manifest.num_seeds
    states = [plan.state_bytes(numbers) for numbers in plan.groups]
    folder = plan.out.parent if plan.out else Path()
    print(f"cells: {len(plan.grid.cells)}, each of {manifest.num_seeds} seeds")
    print(f"compilations: {len(timings)}")
    print(f"bytes per seed: {_range(states)} of state, {plan.result_bytes} of results")
    print(f"chunk: {manifest.chunk} seeds, {len(manifest.chunks)} to a cell")
    print(f"disk: at most {decimal(plan.kept_bytes)}, of {decimal(shutil.disk_usage(folder).free)} that are free")
    print(f"time: about {duration(compiling + running)}, of it {duration(compiling)} compiling")


def print_sweep(sweep: Reader, examined: Sequence[Stored]) -> None:
    """What the store of a sweep holds, given all of it that was examined."""
    manifest = sweep.manifest
    _print_configuration(manifest.configuration, manifest.dims)
    print(f"num_seeds: {manifest.num_seeds}, in chunks of {manifest.chunk}")
    print(f"metrics: {', '.join(manifest.metrics)}")
    print(f"created: {manifest.attributes['created']}")
    print(f"shards: {sum(stored.complete for stored in examined)} of {len(examined)} complete")
    for complaint in sweep.complaints(examined):
        print(complaint)
    if written := [stored.record for stored in examined if stored.record]:
        print(f"written: {min(r.written for r in written)} to {max(r.written for r in written)}")
        print(f"computing: {duration(sum(record.seconds for record in written))}")
        for name in written[0].versions:
            print(f"{name}: {', '.join(sorted({str(record.versions.get(name)) for record in written}))}")


def print_saved(dataset: xr.Dataset, *, recorded: bool) -> None:
    """What a store holds that was saved at once, or a copy of one; whether it has checksums."""
    attributes = dataset.attrs | {"task": json.loads(dataset.attrs.get("task", "null"))}
    swept = ("workflow", *line_dimensions(dataset))
    _print_configuration(attributes, {name: dataset[name].values.tolist() for name in swept if name in dataset.dims})
    print(f"num_seeds: {attributes.get('num_seeds', dataset.sizes.get('seed', 'unknown'))}")
    print(f"metrics: {', '.join(metrics_in(dataset))}")
    for name in ("created", *(name for name in attributes if name.startswith("version_")), *_PLACES):
        if name in attributes:
            print(f"{name}: {attributes[name]}")
    print("checksums: of every file, compared" if recorded else "checksums: none, as another program made this copy")


_PLACES = ("platform", "device", "git_commit")


def _print_configuration(configuration: Mapping[str, Any], dims: Mapping[str, Sequence[Any]]) -> None:
    print(f"task: {json.dumps(configuration['task'])}")
    for name, labels in dims.items():
        print(f"{name}: {', '.join(map(str, labels))}")
    for name in ("num_samples", "num_generations", "keep", "rows", "key"):
        if name not in dims and name in configuration:
            print(f"{name}: {configuration[name]}")


def _range(numbers: Sequence[int]) -> str:
    return f"{min(numbers)}" if min(numbers) == max(numbers) else f"{min(numbers)} to {max(numbers)}"


def print_tables(dataset: xr.Dataset, metrics: Sequence[str] | None) -> None:
    """A table for each metric (default: all): mean, standard error and median by workflow, at some iterations."""
    console = rich.console.Console()
    if not console.is_terminal:
        console.width = 120
    side_by_side = max(1, (console.width - 12) // 36)
    workflows = list(dataset.workflow.values)
    shown = milestones(dataset.sizes["generation"])
    for name in metrics or metrics_in(dataset):
        statistics = summarize(dataset[name]).isel(generation=shown)
        console.print(f"{name}: {dataset[name].attrs['long_name']}", highlight=False)
        for first in range(0, len(workflows), side_by_side):
            console.print(_table(statistics.sel(workflow=workflows[first : first + side_by_side])))


def _table(statistics: xr.DataArray) -> rich.table.Table:
    table = rich.table.Table(box=SIMPLE)
    table.add_column("\niteration", justify="right", no_wrap=True)
    for workflow in statistics.workflow.values:
        for heading in (f"{workflow}\nmean", "\ns.e.", "\nmedian"):
            table.add_column(heading, justify="right", no_wrap=True)
    for position, iteration in enumerate(statistics.iteration.values):
        cells = []
        for workflow in statistics.workflow.values:
            column = statistics.sel(workflow=workflow).isel(generation=position)
            shown = column.sel(statistic=["mean", "standard_error", "median", "num_infinite", "count"]).values
            mean, standard_error, median, infinite, count = shown
            mark = f" ({infinite:.0f} inf)" if 0 < infinite < count else ""
            error = "-" if np.isnan(standard_error) else f"{standard_error:.2g}"
            cells += [f"{mean:.4g}{mark}", error, f"{median:.4g}"]
        table.add_row(str(iteration), *cells)
    return table


def print_validation(report: Report) -> None:
    """A table of comparisons, a row for each curve, at the iteration where it is furthest off; and the verdict."""
    from ..validation.validate import MOST_Z

    console = rich.console.Console()
    if not console.is_terminal:
        console.width = 160
    table = rich.table.Table(box=SIMPLE)
    for heading in ("cell", "n", "metric", "iteration", "mean", "s.e.", "exact", "relative", "z"):
        table.add_column(heading, justify="left" if heading in ("cell", "metric") else "right")
    curves = itertools.groupby(report.comparisons, key=lambda comparison: comparison[:4])
    for (_, cell, num_samples, metric), comparisons in curves:
        worst = max(comparisons, key=lambda comparison: abs(comparison.z))
        style = "bold red" if abs(worst.z) > MOST_Z else None
        numbers = (f"{worst.mean:.6g}", f"{worst.standard_error:.1e}", f"{worst.exact:.6g}", f"{worst.relative:+.1e}")
        table.add_row(cell, str(num_samples), metric, str(worst.iteration), *numbers, f"{worst.z:+.2f}", style=style)
    console.print(table)
    if report.planted:
        console.print(f"planted: {report.planted.metric} of {report.planted.cell}, n = {report.planted.num_samples}")
    low, high = report.rms_bounds
    console.print(
        f"{report.num_cells} cells of {report.num_seeds} seeds, {len(report.comparisons)} comparisons in "
        f"{duration(report.seconds)}: largest |z| {report.most:.2f} (at most {MOST_Z:g}), "
        f"r.m.s. {report.rms:.3f} (from {low:.2f} to {high:.2f}): {'passed' if report.passed else 'FAILED'}",
        highlight=False,
    )


def print_times(dataset: xr.Dataset) -> None:
    """A line for each workflow: the seconds to compile and to run."""
    times = zip(dataset.workflow.values, dataset.compile_seconds, dataset.run_seconds, strict=True)
    for workflow, compiling, running in times:
        print(f"{workflow}: compiled in {compiling:.1f} s, ran in {running:.2f} s ({dataset.num_seeds} seeds)")
