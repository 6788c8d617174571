"""Results of a store as tables: means with standard errors, beside exact ones, at some iterations."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..results.dataset import line_dimensions, milestones, summarize
from ..results.statistics import ABOUT_FEW_SEEDS, FEW_SEEDS
from ..theory import informative_by_seeds
from .cells import cells_of, some
from .parts import Cell as TableCell
from .parts import Table, with_error

_MOST_ROWS = 60


def metric_table(dataset: xr.Dataset, exact: xr.Dataset, metric: str) -> Table:
    """The table of a metric: a row for each cell and iteration, and columns for each workflow.

    Args:
        dataset: as from `sweep` or `open`.
        exact: as from `exact_curves`, without the metric where nothing is known.
        metric: name of a variable.
    """
    statistics, known = summarize(dataset[metric]), exact.get(metric)
    statistics = statistics.assign_coords(informative=informative_by_seeds(statistics))
    swept = line_dimensions(dataset)
    workflows = [str(name) for name in dataset.workflow.values]
    having = [name for name in workflows if known is not None and _is_known(known, name)]
    headings = [*swept, "iteration"]
    for name in workflows:
        headings += [name, "exact"] if name in having else [name]
    cells, generations = cells_of(dataset, swept), list(milestones(dataset.sizes["generation"]))
    if len(cells) * len(generations) > _MOST_ROWS:
        generations = generations[-1:]
    shown = some(cells, _MOST_ROWS)
    rows = []
    for cell in shown:
        of_cell, exactly = statistics.sel(cell), None if known is None else known.sel(cell)
        for generation in generations:
            row: list[TableCell] = [*cell.values(), generation + 1]
            for name in workflows:
                row.append(_measured(of_cell.sel(workflow=name).isel(generation=generation)))
                if name in having:
                    row.append(_exactly(exactly.sel(workflow=name).isel(generation=generation)))
            rows.append(row)
    label = dataset[metric].attrs.get("long_name", metric)
    left_out = f"; {len(shown)} of {len(cells)} cells" if len(shown) < len(cells) else ""
    marked = any(isinstance(one, str) and one.startswith(FEW_SEEDS) for row in rows for one in row)
    few = f"; {ABOUT_FEW_SEEDS}" if marked else ""
    return Table(headings, rows, f"{_with_units(dataset[metric], label)}: mean ± standard error{left_out}{few}")


def _with_units(variable: xr.DataArray, label: str) -> str:
    units = variable.attrs.get("units", "")
    return f"{label}, {units}" if units not in ("", "1") else label


def _is_known(known: xr.DataArray, workflow: str) -> bool:
    return workflow in known.workflow.values and bool(np.isfinite(known.sel(workflow=workflow)).any())


def _measured(statistics: xr.DataArray) -> str:
    names = ["mean", "standard_error", "num_infinite", "count"]
    mean, standard_error, infinite, count = statistics.sel(statistic=names).values
    few = "" if statistics.informative else FEW_SEEDS
    return few + with_error(mean, standard_error) + (f" ({infinite:.0f} inf)" if 0 < infinite < count else "")


def _exactly(value: xr.DataArray) -> TableCell:
    return float(value) if np.isfinite(value) else None
