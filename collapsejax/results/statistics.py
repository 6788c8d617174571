"""Statistics of a metric over the seeds: from sketches of any number of seeds, or from all values.

A quantile from a sketch lies in the right bin of its histogram, so its relative error is at most the bin's relative
width: 2 R / (BINS - 1) where the positive (or the negative) numbers span R octaves, that is a factor of 2^R. Between
neighbouring ranks quantiles are interpolated linearly, as by `numpy.quantile`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import xarray as xr

from .sketch import BINS, CENTRED, CENTRED_LOG, MOMENTS, NO_PATTERN, Sketch, merge, window

FEW_SEEDS = "*"  # before a mean that few seeds carry
ABOUT_FEW_SEEDS = f"{FEW_SEEDS} few seeds carry this mean, and its standard error is too small"
QUANTILES = {"q0.025": 0.025, "q0.25": 0.25, "median": 0.5, "q0.75": 0.75, "q0.975": 0.975}
STATISTICS = {
    "count": "number of seeds",
    "num_infinite": "seeds whose value is infinite; of the other statistics only quantiles include them",
    "num_nan": "seeds whose value is not a number; no other statistic but count includes them",
    "mean": "mean of the finite values",
    "standard_error": "standard error of that mean",
    "variance": "variance of the finite values, divided by their number less 1",
    "min": "smallest finite value",
    "max": "largest finite value",
    "mean_log": "mean of the logarithms (NaN unless all finite values are positive)",
    "variance_log": "variance of the logarithms, divided by their number less 1",
    **{name: f"quantile {share}" for name, share in QUANTILES.items()},
}


def mean_and_standard_error(values: xr.DataArray | np.ndarray) -> tuple:
    """The mean over the seeds and its standard error, s / sqrt(S), of the finite values.

    Args:
        values: of independent seeds: an xarray variable with a dimension "seed", or an array (..., S) with the seeds
            along its last axis.

    Returns:
        Two xarray variables without "seed", or two arrays (...). The mean is NaN without a finite value, the standard
        error without two.
    """
    return xr.apply_ufunc(_mean_and_standard_error, values, input_core_dims=[["seed"]], output_core_dims=[[], []])


def _mean_and_standard_error(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values = np.moveaxis(np.asarray(values, np.float64), -1, 0)
    count, mean, m2 = _centred(values, np.isfinite(values))
    return np.where(count > 0, mean, np.nan), _standard_error(_variance(m2, count), count)


def z_scores(mean: np.ndarray, standard_error: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """(mean - exact) / standard_error; NaN where one of them is unknown, and where seeds differ by rounding alone.

    Infinite where there is no positive standard error, and the mean is not the exact one.
    """
    mean, standard_error, exact = map(np.asarray, (mean, standard_error, exact))
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = mean - exact
        rounding = (standard_error <= 1e-6 * abs(exact)) & (abs(apart) <= 1e-5 * abs(exact))
        same = (apart == 0) | (mean == exact)
        return np.where(rounding | same & ~(standard_error > 0), np.nan, apart / standard_error)


def statistics(sketch: Sketch) -> np.ndarray:
    """The `STATISTICS` of the values behind a sketch, (statistic, G)."""
    ordered = _Ordered(sketch)
    number = sketch["count"] + sketch["minus_inf"] + sketch["plus_inf"]
    return _table({name: sketch[name] for name in MOMENTS}, _quantiles(ordered.at, number))


def tables(sketches: Iterable[Mapping[str, Sketch]]) -> dict[str, np.ndarray]:
    """The `STATISTICS` of each metric, (statistic, G), from its sketches of all chunks of seeds."""

    def merge_all(a: Mapping[str, Sketch], b: Mapping[str, Sketch]) -> dict[str, Sketch]:
        return {name: merge(a[name], b[name]) for name in a}

    return {name: statistics(sketch) for name, sketch in functools.reduce(merge_all, sketches).items()}


def exact_statistics(values: np.ndarray) -> np.ndarray:
    """The `STATISTICS` of values (S, ...), with exact quantiles: (statistic, ...)."""
    values = np.asarray(values, np.float64)
    finite, positive = np.isfinite(values), np.isfinite(values) & (values > 0)
    moments = {
        "min": np.where(finite, values, np.inf).min(axis=0),
        "max": np.where(finite, values, -np.inf).max(axis=0),
        "minus_inf": np.isneginf(values).sum(axis=0),
        "plus_inf": np.isposinf(values).sum(axis=0),
        "nan": np.isnan(values).sum(axis=0),
    }
    moments |= zip(CENTRED, _centred(values, finite), strict=True)
    moments |= zip(CENTRED_LOG, _centred(np.log(np.where(positive, values, 1.0)), positive), strict=True)
    ascending = np.sort(values, axis=0)  # NaN comes last

    def at(rank: np.ndarray) -> np.ndarray:
        return np.take_along_axis(ascending, rank.astype(int)[None], axis=0)[0]

    return _table(moments, _quantiles(at, len(values) - moments["nan"]))


def _centred(values: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number, mean and sum of squared deviations of the chosen values, along the first axis."""
    count = chosen.sum(axis=0)
    mean = np.where(chosen, values, 0.0).sum(axis=0) / np.maximum(count, 1)
    squares = np.where(chosen, values - np.where(chosen, mean, 0.0), 0.0) ** 2
    return count, mean, squares.sum(axis=0)


def _variance(m2: np.ndarray, count: np.ndarray) -> np.ndarray:
    """The unbiased variance; NaN of fewer than two values."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(count > 1, m2 / (count - 1), np.nan)


def _standard_error(variance: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.sqrt(variance / np.maximum(count, 1))


def _table(moments: Mapping[str, np.ndarray], quantiles: Mapping[str, np.ndarray]) -> np.ndarray:
    count, positive = moments["count"], moments["positive"]
    infinite = moments["minus_inf"] + moments["plus_inf"]
    extreme = np.where(moments["plus_inf"] > 0, np.inf, np.where(moments["minus_inf"] > 0, -np.inf, np.nan))
    variance = _variance(moments["m2"], count)
    table = {
        "count": count + infinite + moments["nan"],
        "num_infinite": infinite,
        "num_nan": moments["nan"],
        "mean": np.where(count > 0, moments["mean"], extreme),
        "standard_error": _standard_error(variance, count),
        "variance": variance,
        "min": np.where(count > 0, moments["min"], extreme),
        "max": np.where(count > 0, moments["max"], extreme),
        "mean_log": np.where((positive == count) & (count > 0), moments["mean_log"], np.nan),
        "variance_log": np.where(positive == count, _variance(moments["m2_log"], positive), np.nan),
        **quantiles,
    }
    return np.stack([table[name] for name in STATISTICS])


def _quantiles(at: Callable[[np.ndarray], np.ndarray], number: np.ndarray) -> dict[str, np.ndarray]:
    """The quantiles of `number` values, where `at(rank)` gives the values of these ranks."""
    quantiles = {}
    for name, share in QUANTILES.items():
        rank = share * np.maximum(number - 1, 0)
        low, high = at(np.floor(rank)), at(np.ceil(rank))
        with np.errstate(invalid="ignore"):
            between = low + (high - low) * (rank - np.floor(rank))
        # Between a finite and an infinite value the quantile is the infinite one.
        between = np.where(np.isfinite(low) & np.isfinite(high), between, np.where(np.isfinite(low), high, low))
        quantiles[name] = np.where(number > 0, between, np.nan)
    return quantiles


class _Ordered:
    """The values behind a sketch in ascending order: -inf, negative bins, zeros, positive bins, +inf."""

    def __init__(self, sketch: Sketch) -> None:
        self._sketch = sketch
        zeros = sketch["count"] - sketch.counts.sum(axis=(0, 2))
        steps = [
            sketch["minus_inf"][None],
            sketch.counts[1].T[::-1],
            zeros[None],
            sketch.counts[0].T,
            sketch["plus_inf"][None],
        ]
        self._counts = np.concatenate(steps).astype(np.int64)
        self._up_to = np.cumsum(self._counts, axis=0)

    def at(self, rank: np.ndarray) -> np.ndarray:
        """The value of each generation's rank (G,), counted from 0; numbers in a bin are spread evenly over it."""
        step = np.minimum((self._up_to <= rank).sum(axis=0), len(self._counts) - 1)
        column = np.arange(len(rank))
        inside = self._counts[step, column]
        position = (rank - (self._up_to[step, column] - inside) + 0.5) / np.maximum(inside, 1)
        negative = -self._inside("negative", BINS - step, 1 - position)
        positive = self._inside("positive", step - BINS - 2, position)
        choices = [step == 0, step <= BINS, step == BINS + 1, step <= 2 * BINS + 1]
        return np.select(choices, [np.full(len(rank), -np.inf), negative, np.zeros(len(rank)), positive], np.inf)

    def _inside(self, side: str, place: np.ndarray, position: np.ndarray) -> np.ndarray:
        """The number at a position from 0 to 1 in a bin of one side."""
        low, level = window(self._sketch, side)
        high = self._sketch[f"high_{side}"].astype(np.int64)
        first = ((low >> level) + place) << level
        pattern = first + np.floor(np.clip(position, 0, 1) * (np.int64(1) << level)).astype(np.int64)
        # The part of a bin beyond the lowest and highest number seen is empty; so is the end of its last pattern.
        pattern = np.clip(np.minimum(pattern, first + (np.int64(1) << level) - 1), low, high)
        return np.clip(pattern, 0, NO_PATTERN - 1).astype(np.int32).view(np.float32).astype(np.float64)
