"""What synthetic rows are worth, as a table on stdout and as JSON."""

from __future__ import annotations

from typing import Any

import rich.console
import rich.table
import xarray as xr
from rich.box import SIMPLE

from ..results.statistics import mean_and_standard_error
from .output import console
from .tables import with_error


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
        before = with_error(alone.sel(num_real=number).item(), error.sel(num_real=number).item(), " ± ")
        added = with_error(at.best_difference.item(), at.best_difference_standard_error.item(), " ± ")
        best = at.best_num_synthetic.item()
        rows.add_row(str(number), before, str(best), added if best else "-")
    shown.print(rows)
