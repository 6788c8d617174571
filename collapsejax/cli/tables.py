"""Tables of means on stdout, with standard errors and exact means."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import rich.console
import rich.table
import xarray as xr
from rich.box import SIMPLE
from rich.measure import Measurement
from rich.text import Text

from ..results.dataset import metrics_in, milestones, summarize
from ..results.statistics import ABOUT_FEW_SEEDS, FEW_SEEDS
from ..sweeps.summary import summary
from ..theory import informative_by_seeds
from .output import console

# Iterations in a short table, and what is between a mean and its standard error: the first form that fits.
_FORMS = ((5, " ± "), (4, " ± "), (3, " ± "), (3, "±"), (2, " ± "))


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
        statistics = statistics.assign_coords(informative=informative_by_seeds(statistics))
        for table in (_full_tables if full else _short_tables)(statistics, known, shown):
            shown.print(table)
            cells = [cell for column in table.columns for cell in column.cells if isinstance(cell, str)]
            if any(cell.startswith(FEW_SEEDS) for cell in cells):
                shown.print(f" {ABOUT_FEW_SEEDS}")


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
    """The mean, marked if few seeds carry it, with its standard error behind `sign`, and how many values are infinite.

    Their number is left out where all of them are.
    """
    names = ["mean", "standard_error", "num_infinite", "count"]
    mean, standard_error, infinite, count = column.sel(statistic=names).values
    known = sign is not None and np.isfinite(standard_error)
    told = with_error(mean, standard_error, sign) if known else f"{mean:.4g}"
    few = "" if column.informative else FEW_SEEDS
    return f"{few}{told} ({infinite:.0f} inf)" if 0 < infinite < count else f"{few}{told}"


def with_error(mean: float, standard_error: float, sign: str) -> str:
    """A mean and its standard error, two digits of it and so many decimals of the mean."""
    if not (0.0005 <= standard_error < 1000 and abs(mean) < 10**5):
        return f"{mean:.4g}{sign}{standard_error:.2g}"
    decimals = max(1 - math.floor(math.log10(standard_error)), 0)  # two digits of the error
    return f"{mean:.{decimals}f}{sign}{standard_error:.{decimals}f}"


def _number(value: float, digits: int = 4) -> str:
    return "-" if np.isnan(value) else f"{value:.{digits}g}"
