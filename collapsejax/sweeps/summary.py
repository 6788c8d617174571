"""Results as a tidy table: statistics over the seeds beside exact means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ..results.dataset import metrics_in, summarize, with_iterations
from ..results.statistics import QUANTILES, z_scores
from ..theory import informative_by_seeds
from .exact_curves import exact_curves

if TYPE_CHECKING:
    import pandas as pd

_EXPECTED = 10.0  # times that all seeds together should see something, so that it says much if none did


def summary(data: xr.Dataset, exact: xr.Dataset | None = None) -> pd.DataFrame:
    """A tidy table of results, a row for each metric, workflow, swept value and iteration.

    Args:
        data: as from `sweep` or `open`, of all seeds or of statistics over them.
        exact: exact curves of these results, as from `exact_curves`. Default: `exact_curves(data)`, and none where the
            task or a workflow is of a class of one's own.

    Returns:
        A frame with the columns metric, workflow, one for each swept name, iteration; mean, standard_error, q0.025,
        q0.25, median, q0.75, q0.975 and count over the seeds; exact, and z = (mean - exact) / standard_error; and
        informative. What is not known is NaN, and so is z where all seeds have the exact value up to rounding, or 0 of
        what is too rare for so few. Where a mean is not informative, few seeds carry it, its standard error is too
        small and z says nothing: see `theory.informative_by_seeds`, and for stricter bounds `theory.informative`.
    """
    import pandas as pd

    exact = known_curves(data) if exact is None else with_iterations(exact, data)
    return pd.concat([_of_metric(data[name], exact.get(name)) for name in metrics_in(data)], ignore_index=True)


def known_curves(data: xr.Dataset) -> xr.Dataset:
    """`exact_curves(data)`, and no curve at all where results cannot say what made them."""
    try:
        return exact_curves(data)
    except ValueError:  # of classes of one's own, or of a table that has changed
        return xr.Dataset()


def _of_metric(variable: xr.DataArray, exact: xr.DataArray | None) -> pd.DataFrame:
    import pandas as pd

    statistics = summarize(variable).reset_coords(drop=True)
    one = statistics.isel(statistic=0, drop=True)
    swept = [name for name in one.dims if name not in ("workflow", "generation")]
    order = [name for name in ("workflow", *swept, "generation") if name in one.dims]
    names = ("mean", "standard_error", *QUANTILES, "count")
    columns = {name: statistics.sel(statistic=name, drop=True) for name in names}
    known = np.nan if exact is None else exact.reset_coords(drop=True).reindex_like(one)
    columns["exact"] = xr.full_like(one, 1.0, float) * known
    columns["z"] = xr.apply_ufunc(z_scores, columns["mean"], columns["standard_error"], columns["exact"])
    columns["informative"] = informative_by_seeds(statistics)
    unseen = (columns["mean"] == 0) & (columns["standard_error"] == 0)
    unseen &= abs(columns["exact"]) * columns["count"] < _EXPECTED
    columns["z"], columns["informative"] = columns["z"].where(~unseen), columns["informative"] & ~unseen
    table = pd.DataFrame({name: column.transpose(*order).to_series() for name, column in columns.items()}).reset_index()
    table.insert(0, "metric", variable.name)
    table.insert(list(table).index("generation"), "iteration", table.pop("generation") + 1)
    return table
