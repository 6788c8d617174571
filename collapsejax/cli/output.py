"""What the command line shows: progress on stderr, tables and times on stdout."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rich.console
import rich.table
import xarray as xr
from rich.box import SIMPLE
from rich.filesize import decimal
from rich.measure import Measurement
from rich.text import Text

from ..results.dataset import metrics_in, milestones, summarize
from ..results.statistics import mean_and_standard_error
from ..sweeps.progress import Report as ProgressReport
from ..sweeps.progress import bar
from ..sweeps.summary import summary

if TYPE_CHECKING:
    from ..sweeps.plan import Plan
    from ..sweeps.run import Timing
    from ..validation.validate import Comparison, Report

# Iterations in a short table, and what is between a mean and its standard error: the first form that fits.
_FORMS = ((5, " ± "), (4, " ± "), (3, " ± "), (3, "±"), (2, " ± "))
_WIDE = 120  # where stdout is no terminal


@contextlib.contextmanager
def progress(*, quiet: bool) -> Iterator[ProgressReport]:
    """Report how far a sweep has come to stderr: a bar in a terminal, else lines; nothing if `quiet`."""
    with contextlib.nullcontext(lambda progress: None) if quiet else bar() as report:
        yield report


def console() -> rich.console.Console:
    """The console of stdout, as wide as the terminal; elsewhere as COLUMNS says, or 120 characters."""
    console = rich.console.Console(highlight=False, markup=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDE
    return console


def width() -> int:
    """Characters in a line of stdout."""
    return console().width


def print_json(value: Any) -> None:
    """Print a value as JSON; numbers that are not finite are null."""
    print(json.dumps(_finite(value), indent=1))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_written(*paths: str | None) -> None:
    """A line for each of these files that was asked for."""
    for path in paths:
        if path is not None:
            print(f"wrote {path}")


def duration(seconds: float) -> str:
    """Seconds in words, as "2 h 05 min"."""
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def print_rehearsal(plan: Plan, timings: Sequence[Timing]) -> None:
    """What a sweep would take, program by program and in all."""
    manifest = plan.manifest
    table = rich.table.Table(box=SIMPLE)
    for heading in ("program", "compile", "1000 seeds", "all seeds"):
        table.add_column(heading, justify="left" if heading == "program" else "right")
    for timing in timings:
        seconds = timing.seconds_a_seed * timing.num_cells * manifest.num_seeds
        cells = (timing.compile_seconds, 1000 * timing.seconds_a_seed, seconds)
        table.add_row(timing.label, *map(duration, cells))
    console().print(table)
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


def _range(numbers: Sequence[int]) -> str:
    return f"{min(numbers)}" if min(numbers) == max(numbers) else f"{min(numbers)} to {max(numbers)}"


def statistics_of(dataset: xr.Dataset, metrics: Sequence[str] | None, exact: xr.Dataset) -> dict[str, Any]:
    """What `run --json` shows: a record for each metric, workflow and iteration."""
    chosen = dataset if metrics is None else dataset[list(metrics)]
    table = summary(chosen, exact)
    task = json.loads(dataset.attrs["task"])["name"]
    return {"task": task, "num_seeds": dataset.attrs["num_seeds"], "statistics": table.to_dict("records")}


def print_tables(dataset: xr.Dataset, metrics: Sequence[str] | None, exact: xr.Dataset, *, full: bool = False) -> None:
    """A table for each metric (default: all): short, a line a workflow, or full, a line an iteration."""
    shown = console()
    for name in metrics or metrics_in(dataset):
        statistics = summarize(dataset[name])
        known = exact.get(name)
        shown.print(f"{name}: {dataset[name].attrs['long_name']}")
        for table in (_full_tables if full else _short_tables)(statistics, known, shown):
            shown.print(table)


def _short_tables(
    statistics: xr.DataArray, exact: xr.DataArray | None, shown: rich.console.Console
) -> Iterator[rich.table.Table]:
    """One table with the first, some and the last iteration, as many as there is room for."""
    places = milestones(statistics.sizes["generation"])
    for number, sign in _FORMS:
        chosen = np.unique(np.linspace(0, len(places) - 1, number).round().astype(int))
        table = _short_table(statistics.isel(generation=[places[place] for place in chosen]), exact, sign)
        if number == 2 or Measurement.get(shown, shown.options.update(max_width=10**4), table).maximum <= shown.width:
            break
    yield table


def _short_table(statistics: xr.DataArray, exact: xr.DataArray | None, sign: str) -> rich.table.Table:
    table = rich.table.Table(box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("\nworkflow", overflow="fold")
    measured = np.isfinite(statistics.sel(statistic="standard_error")).any().item()
    for iteration in statistics.iteration.values:
        heading = f"{'iteration ' if iteration == 1 else ''}{iteration}"
        table.add_column(f"{heading}\n{'mean ± s.e.' if measured else 'value'}", justify="right", no_wrap=True)
        if exact is not None:
            table.add_column("\nexact", justify="right", no_wrap=True, style="bold")
    for workflow in statistics.workflow.values:
        cells = []
        for generation in statistics.generation.values:
            at = dict(workflow=workflow, generation=generation)
            cells.append(_mean(statistics.sel(at), sign if measured else None))
            if exact is not None:
                cells.append(_number(exact.sel(at).item()))
        table.add_row(Text(str(workflow)), *cells)
    return table


def _full_tables(
    statistics: xr.DataArray, exact: xr.DataArray | None, shown: rich.console.Console
) -> Iterator[rich.table.Table]:
    """Tables of workflows side by side, as many as there is room for."""
    measured = np.isfinite(statistics.sel(statistic="standard_error")).any().item()
    columns = (2 if measured else 0) + 1 + (exact is not None)
    side_by_side = max(1, (shown.width - 12) // (12 * columns))
    workflows = list(statistics.workflow.values)
    places = milestones(statistics.sizes["generation"])
    for first in range(0, len(workflows), side_by_side):
        chosen = statistics.sel(workflow=workflows[first : first + side_by_side]).isel(generation=places)
        yield _full_table(chosen, exact, measured)


def _full_table(statistics: xr.DataArray, exact: xr.DataArray | None, measured: bool) -> rich.table.Table:
    table = rich.table.Table(box=SIMPLE)
    table.add_column("\niteration", justify="right", no_wrap=True)
    headings = ["mean", "s.e.", "median"] if measured else ["value"]
    headings += ["exact"] if exact is not None else []
    for workflow in statistics.workflow.values:
        for place, heading in enumerate(headings):
            table.add_column(f"{'' if place else workflow}\n{heading}", justify="right", no_wrap=True)
    for iteration, generation in zip(statistics.iteration.values, statistics.generation.values, strict=True):
        cells = []
        for workflow in statistics.workflow.values:
            at = dict(workflow=workflow, generation=generation)
            column = statistics.sel(at)
            cells.append(_mean(column))
            if measured:
                cells += [_number(column.sel(statistic="standard_error").item(), 2)]
                cells += [_number(column.sel(statistic="median").item())]
            if exact is not None:
                cells.append(_number(exact.sel(at).item()))
        table.add_row(str(iteration), *cells)
    return table


def _mean(column: xr.DataArray, sign: str | None = None) -> str:
    """The mean, with its standard error behind `sign`, and how many values are infinite of those that are not all."""
    names = ["mean", "standard_error", "num_infinite", "count"]
    mean, standard_error, infinite, count = column.sel(statistic=names).values
    mark = f" ({infinite:.0f} inf)" if 0 < infinite < count else ""
    if sign is None or not np.isfinite(standard_error):
        return f"{mean:.4g}{mark}"
    return f"{_with_error(mean, standard_error, sign)}{mark}"


def _with_error(mean: float, standard_error: float, sign: str) -> str:
    """A mean and its standard error, two digits of it and so many decimals of the mean."""
    if not (0.0005 <= standard_error < 1000 and abs(mean) < 10**5):
        return f"{mean:.4g}{sign}{standard_error:.2g}"
    decimals = max(1 - math.floor(math.log10(standard_error)), 0)  # two digits of the error
    return f"{mean:.{decimals}f}{sign}{standard_error:.{decimals}f}"


def _number(value: float, digits: int = 4) -> str:
    return "-" if np.isnan(value) else f"{value:.{digits}g}"


def print_validation(report: Report, *, full: bool) -> None:
    """A table of comparisons, a row for each cell or curve, at its largest |z|; and the verdict."""
    shown = console()
    shown.print((_curve_table if full else _cell_table)(report))
    if report.planted:
        shown.print(f"planted: {report.planted.metric} of {report.planted.cell}, n = {report.planted.num_samples}")
    from ..validation.validate import MOST_Z

    low, high = report.rms_bounds
    shown.print(
        f"{report.num_cells} cells of {report.num_seeds} seeds, {len(report.comparisons)} comparisons in "
        f"{duration(report.seconds)}: largest |z| {report.most:.2f} (at most {MOST_Z:g}), "
        f"r.m.s. {report.rms:.3f} (from {low:.2f} to {high:.2f}): {'passed' if report.passed else 'FAILED'}",
    )


def _cell_table(report: Report) -> rich.table.Table:
    table = rich.table.Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for heading in ("cell", "n", "curves", "largest |z|", "of", "iteration"):
        table.add_column(heading, justify="left" if heading in ("cell", "of") else "right", overflow="fold")
    for (_, cell, num_samples), comparisons in _grouped(report, 3):
        curves, worst = len({comparison.metric for comparison in comparisons}), _worst(comparisons)
        numbers = (str(num_samples), str(curves), f"{abs(worst.z):.2f}", worst.metric, str(worst.iteration))
        table.add_row(cell, *numbers, style=_style(worst))
    return table


def _curve_table(report: Report) -> rich.table.Table:
    table = rich.table.Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for heading in ("cell", "n", "metric", "iteration", "mean", "s.e.", "exact", "relative", "z"):
        table.add_column(heading, justify="left" if heading in ("cell", "metric") else "right", overflow="fold")
    for (_, cell, num_samples, metric), comparisons in _grouped(report, 4):
        worst = _worst(comparisons)
        numbers = (f"{worst.mean:.6g}", f"{worst.standard_error:.1e}", f"{worst.exact:.6g}", f"{worst.relative:+.1e}")
        row = (cell, str(num_samples), metric, str(worst.iteration), *numbers, f"{worst.z:+.2f}")
        table.add_row(*row, style=_style(worst))
    return table


def _grouped(report: Report, number: int) -> Iterator[tuple[tuple, list[Comparison]]]:
    """Comparisons that have the first fields in common, so many."""
    groups = itertools.groupby(report.comparisons, key=lambda comparison: comparison[:number])
    return ((key, [*comparisons]) for key, comparisons in groups)


def _worst(comparisons: Sequence[Comparison]) -> Comparison:
    return max(comparisons, key=lambda comparison: abs(comparison.z))


def _style(worst: Comparison) -> str | None:
    from ..validation.validate import MOST_Z

    return "bold red" if abs(worst.z) > MOST_Z else None


def value_records(dataset: xr.Dataset, table: xr.Dataset) -> dict[str, Any]:
    """What `synthetic-value --json` shows: by numbers of rows the loss, and what it differs from real rows alone by."""
    mean, error = mean_and_standard_error(dataset[table.metric].astype(float))
    columns = {"mean": mean, "standard_error": error}
    columns |= {name: table[name] for name in ("difference", "difference_standard_error")}
    frame = xr.Dataset(columns).to_dataframe().reset_index()
    best = table.best_num_synthetic.to_series().to_dict()
    return {"metric": table.metric, "best_num_synthetic": best, "cells": frame.to_dict("records")}


def print_value(dataset: xr.Dataset, table: xr.Dataset) -> None:
    """A line for each number of real rows: the loss, the best number of synthetic rows, and what these add."""
    shown, label = console(), dataset[table.metric].attrs["long_name"]
    alone, error = mean_and_standard_error(dataset[table.metric].sel(num_synthetic=0).astype(float))
    shown.print(f"{table.metric}: {label}")
    rows = rich.table.Table(box=SIMPLE)
    for heading in ("real rows", "loss of these alone", "best synthetic rows", "added to the loss"):
        rows.add_column(heading, justify="right")
    for number in dataset.num_real.values:
        at = table.sel(num_real=number)
        before = _with_error(alone.sel(num_real=number).item(), error.sel(num_real=number).item(), " ± ")
        added = _with_error(at.best_difference.item(), at.best_difference_standard_error.item(), " ± ")
        best = at.best_num_synthetic.item()
        rows.add_row(str(number), before, str(best), added if best else "-")
    shown.print(rows)


def print_times(dataset: xr.Dataset) -> None:
    """A line of the seconds to compile, and of those to run by workflow."""
    number = int(dataset.num_compilations)
    compiling = f"{number} program{'s' * (number != 1)} compiled or loaded in {sum(dataset.compile_seconds):.1f} s"
    times = zip(dataset.workflow.values, dataset.run_seconds, strict=True)
    running = ", ".join(f"{workflow} {seconds:.2f} s" for workflow, seconds in times)
    print(f"{compiling}; ran: {running} ({dataset.num_seeds} seeds)")
