"""Where the means of simulated curves say something of the exact ones."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..theory import trusted

_MOST_SKEWNESS = 2.0  # of the distribution of a mean that is drawn with a band
_TIMES_SEEN = 8  # a variance that the tail suggests counts where it is this many times that of the seeds


def informative(line: xr.DataArray) -> np.ndarray:
    """Whether the mean of a generation and of all before it is informative, see `theory.trusted`, (G,).

    That of a metric with negative values always is. Where few seeds carry a mean, the variance over the seeds is too
    small. So where a log-normal variable with the same upper tail has a relative variance several times larger, that
    variance is used.

    Args:
        line: statistics of a metric, with dimensions statistic and generation.
    """
    of = {name: line.sel(statistic=name).values for name in ("mean", "variance", "min", "median", "q0.975", "count")}
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        seen = of["variance"] / of["mean"] ** 2
        by_tail = np.expm1((np.log(of["q0.975"] / of["median"]) / 1.96) ** 2)
        relative = np.where((of["median"] > 0) & (by_tail > _TIMES_SEEN * seen), by_tail, seen)
        good = (of["min"] < 0) | np.isnan(relative) | trusted(relative, of["count"], skewness=_MOST_SKEWNESS)
    return np.logical_and.accumulate(good | ~np.isfinite(of["mean"]))
