"""What the command line shows: progress on stderr, tables and times on stdout."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import rich.console
import rich.progress
import rich.table
import xarray as xr
from rich.box import SIMPLE

from .results import milestones, summarize


@contextlib.contextmanager
def progress(num_seeds: int) -> Iterator[Callable[[str, int], None]]:
    """Report seeds done to stderr: a bar a workflow in a terminal, else a line at each end."""
    console = rich.console.Console(stderr=True)
    if not console.is_terminal:
        last = {0: "compiling", num_seeds: f"{num_seeds} seeds done"}
        yield lambda workflow, done: done in last and console.print(f"{workflow}: {last[done]}", highlight=False)
        return
    with rich.progress.Progress(
        "{task.description}",
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        "seeds",
        rich.progress.TimeElapsedColumn(),
        console=console,
    ) as bars:
        tasks = {}

        def report(workflow: str, done: int) -> None:
            if workflow not in tasks:
                tasks[workflow] = bars.add_task(f"{workflow} (compiling)", total=num_seeds)
                return
            bars.update(tasks[workflow], completed=done, description=workflow)

        yield report


def print_tables(dataset: xr.Dataset, metrics: Sequence[str] | None) -> None:
    console = rich.console.Console()
    if not console.is_terminal:
        console.width = 120
    side_by_side = max(1, (console.width - 12) // 36)
    workflows = list(dataset.workflow.values)
    shown = milestones(dataset.sizes["generation"])
    for name in metrics or dataset.data_vars:
        statistics = summarize(dataset[name]).isel(generation=shown)
        console.print(f"{name}: {dataset[name].attrs['long_name']}", highlight=False)
        for first in range(0, len(workflows), side_by_side):
            console.print(
                _table(statistics.sel(workflow=workflows[first : first + side_by_side]), dataset.sizes["seed"])
            )


def _table(statistics: xr.DataArray, num_seeds: int) -> rich.table.Table:
    table = rich.table.Table(box=SIMPLE)
    table.add_column("\niteration", justify="right", no_wrap=True)
    for workflow in statistics.workflow.values:
        for heading in (f"{workflow}\nmean", "\ns.e.", "\nmedian"):
            table.add_column(heading, justify="right", no_wrap=True)
    for position, iteration in enumerate(statistics.iteration.values):
        cells = []
        for workflow in statistics.workflow.values:
            mean, se, median, infinite = statistics.sel(workflow=workflow).isel(generation=position).values
            mark = f" ({infinite:.0f} inf)" if 0 < infinite < num_seeds else ""
            cells += [f"{mean:.4g}{mark}", "-" if np.isnan(se) else f"{se:.2g}", f"{median:.4g}"]
        table.add_row(str(iteration), *cells)
    return table


def print_times(dataset: xr.Dataset) -> None:
    times = zip(dataset.workflow.values, dataset.compile_seconds, dataset.run_seconds, strict=True)
    for workflow, compiling, running in times:
        print(f"{workflow}: compiled in {compiling:.1f} s, ran in {running:.2f} s ({dataset.sizes['seed']} seeds)")
