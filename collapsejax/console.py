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
    shown = milestones(dataset.sizes["generation"])
    for name in metrics or dataset.data_vars:
        statistics = summarize(dataset[name]).isel(generation=shown)
        console.print(f"{name}: {dataset[name].attrs['long_name']}", highlight=False)
        table = rich.table.Table(box=SIMPLE)
        table.add_column("\niteration", justify="right", no_wrap=True)
        for workflow in dataset.workflow.values:
            for heading in (f"{workflow}\nmean", "\ns.e.", "\nmedian"):
                table.add_column(heading, justify="right", no_wrap=True)
        for position, generation in enumerate(shown):
            cells = []
            for workflow in dataset.workflow.values:
                mean, se, median, infinite = statistics.sel(workflow=workflow).isel(generation=position).values
                mark = f" ({infinite:.0f} inf)" if 0 < infinite < dataset.sizes["seed"] else ""
                cells += [f"{mean:.4g}{mark}", "-" if np.isnan(se) else f"{se:.2g}", f"{median:.4g}"]
            table.add_row(str(generation + 1), *cells)
        console.print(table)


def print_times(dataset: xr.Dataset) -> None:
    times = zip(dataset.workflow.values, dataset.compile_seconds, dataset.run_seconds, strict=True)
    for workflow, compiling, running in times:
        print(f"{workflow}: compiled in {compiling:.1f} s, ran in {running:.2f} s ({dataset.sizes['seed']} seeds)")
