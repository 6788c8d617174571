"""Statistics of a metric over the seeds: from states of any number of seeds, or from all values.

A quantile from a state lies in the right bin of its histogram, so its relative error is at most the bin's relative
width: 2 R / (BINS - 1) where positive (or negative) numbers span R octaves, that is a factor 2^R. Between neighbouring
ranks it is interpolated linearly, as by `numpy.quantile`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from .sketch import BINS, CENTRED, CENTRED_LOG, MOMENTS, NO_PATTERN, State, merge, window

QUANTILES = {"q0.025": 0.025, "q0.25": 0.25, "median": 0.5, "q0.75": 0.75, "q0.975": 0.975}
STATISTICS = {
    "count": "seeds",
    "num_infinite": "seeds whose value is infinite; they count in quantiles alone",
    "num_nan": "seeds whose value is not a number; they count nowhere else",
    "mean": "mean of the finite values",
    "se": "standard error of that mean",
    "variance": "variance of the finite values, divided by their number less 1",
    "min": "smallest finite value",
    "max": "largest finite value",
    "mean_log": "mean of the logarithms (NaN unless all finite values are positive)",
    "variance_log": "variance of the logarithms",
    **{name: f"quantile {share}" for name, share in QUANTILES.items()},
}


def statistics(state: State) -> np.ndarray:
    """The `STATISTICS` of one metric, (statistic, G), of all values behind its state."""
    ordered = _Ordered(state)
    number = state["count"] + state["minus_inf"] + state["plus_inf"]
    return _table({name: state[name] for name in MOMENTS}, _quantiles(ordered.at, number))


def tables(states: Iterable[Mapping[str, State]]) -> dict[str, np.ndarray]:
    """The statistics of each metric, (statistic, G), from the states of all its chunks."""

    def merge_all(a: Mapping[str, State], b: Mapping[str, State]) -> dict[str, State]:
        return {name: merge(a[name], b[name]) for name in a}

    return {name: statistics(state) for name, state in functools.reduce(merge_all, states).items()}


def exact_statistics(values: np.ndarray) -> np.ndarray:
    """The same of values (S, ...) that are all there, with exact quantiles: (statistic, ...)."""
    values = np.asarray(values, np.float64)
    finite, positive = np.isfinite(values), np.isfinite(values) & (values > 0)
    moments = {
        "min": np.where(finite, values, np.inf).min(axis=0),
        "max": np.where(finite, values, -np.inf).max(axis=0),
        "minus_inf": np.isneginf(values).sum(axis=0),
        "plus_inf": np.isposinf(values).sum(axis=0),
        "nan": np.isnan(values).sum(axis=0),
    }
    logs = np.log(np.where(positive, values, 1.0))
    for names, source, chosen in ((CENTRED, values, finite), (CENTRED_LOG, logs, positive)):
        count = chosen.sum(axis=0)
        mean = np.where(chosen, source, 0.0).sum(axis=0) / np.maximum(count, 1)
        squares = np.where(chosen, source - np.where(chosen, mean, 0.0), 0.0) ** 2
        moments |= zip(names, (count, mean, squares.sum(axis=0)), strict=True)
    ascending = np.sort(values, axis=0)  # NaN comes last

    def at(rank: np.ndarray) -> np.ndarray:
        return np.take_along_axis(ascending, rank.astype(int)[None], axis=0)[0]

    return _table(moments, _quantiles(at, len(values) - moments["nan"]))


def _table(moments: Mapping[str, np.ndarray], quantiles: Mapping[str, np.ndarray]) -> np.ndarray:
    count, positive = moments["count"], moments["positive"]
    infinite = moments["minus_inf"] + moments["plus_inf"]
    extreme = np.where(moments["plus_inf"] > 0, np.inf, np.where(moments["minus_inf"] > 0, -np.inf, np.nan))
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.where(count > 1, moments["m2"] / (count - 1), np.nan)
        variance_log = np.where((positive == count) & (count > 1), moments["m2_log"] / (count - 1), np.nan)
    table = {
        "count": count + infinite + moments["nan"],
        "num_infinite": infinite,
        "num_nan": moments["nan"],
        "mean": np.where(count > 0, moments["mean"], extreme),
        "se": np.sqrt(variance / np.maximum(count, 1)),
        "variance": variance,
        "min": np.where(count > 0, moments["min"], extreme),
        "max": np.where(count > 0, moments["max"], extreme),
        "mean_log": np.where((positive == count) & (count > 0), moments["mean_log"], np.nan),
        "variance_log": variance_log,
        **quantiles,
    }
    return np.stack([table[name] for name in STATISTICS])


def _quantiles(at: Callable[[np.ndarray], np.ndarray], number: np.ndarray) -> dict[str, np.ndarray]:
    """Quantiles of `number` values, of which `at` gives those of any ranks."""
    quantiles = {}
    for name, share in QUANTILES.items():
        rank = share * np.maximum(number - 1, 0)
        low, high = at(np.floor(rank)), at(np.ceil(rank))
        with np.errstate(invalid="ignore"):
            between = low + (high - low) * (rank - np.floor(rank))
        # Between a finite and an infinite value there is nothing but the infinite one.
        between = np.where(np.isfinite(low) & np.isfinite(high), between, np.where(np.isfinite(low), high, low))
        quantiles[name] = np.where(number > 0, between, np.nan)
    return quantiles


class _Ordered:
    """The values of a state in order: -inf, negative bins, zeros, positive bins, +inf."""

    def __init__(self, state: State) -> None:
        self._state = state
        zeros = state["count"] - state.counts.sum(axis=(0, 2))
        stairs = [
            state["minus_inf"][None],
            state.counts[1].T[::-1],
            zeros[None],
            state.counts[0].T,
            state["plus_inf"][None],
        ]
        self._counts = np.concatenate(stairs).astype(np.int64)
        self._up_to = np.cumsum(self._counts, axis=0)

    def at(self, rank: np.ndarray) -> np.ndarray:
        """The value of each generation's rank (G,), counted from 0; numbers in a bin are spread evenly over it."""
        stair = np.minimum((self._up_to <= rank).sum(axis=0), len(self._counts) - 1)
        column = np.arange(len(rank))
        inside = self._counts[stair, column]
        position = (rank - (self._up_to[stair, column] - inside) + 0.5) / np.maximum(inside, 1)
        negative = -self._inside("negative", BINS - stair, 1 - position)
        positive = self._inside("positive", stair - BINS - 2, position)
        choices = [stair == 0, stair <= BINS, stair == BINS + 1, stair <= 2 * BINS + 1]
        return np.select(choices, [np.full(len(rank), -np.inf), negative, np.zeros(len(rank)), positive], np.inf)

    def _inside(self, side: str, place: np.ndarray, position: np.ndarray) -> np.ndarray:
        """The number at a position from 0 to 1 in a bin of one side."""
        low, level = window(self._state, side)
        high = self._state[f"high_{side}"].astype(np.int64)
        first = ((low >> level) + place) << level
        pattern = first + np.floor(np.clip(position, 0, 1) * (np.int64(1) << level)).astype(np.int64)
        # What the bin has beyond the numbers seen is empty; so is the end of its last pattern.
        pattern = np.clip(np.minimum(pattern, first + (np.int64(1) << level) - 1), low, high)
        return np.clip(pattern, 0, NO_PATTERN - 1).astype(np.int32).view(np.float32).astype(np.float64)
