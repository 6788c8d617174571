"""Statistics of a metric over any number of seeds, from states that can be merged: made on the device, in chunks.

A state holds exact moments and a sketch of the distribution. The sketch is a histogram of float32 numbers by their bit
patterns, which grow with the number and are, piece by piece, linear in its logarithm. Positive and negative numbers
have `BINS` bins each, of 2^level patterns, where level is the smallest that covers the numbers seen. Bins of one level
are unions of bins of the level below, so merged states hold the very counts that one pass over all seeds would have
given, whatever the chunks were.

A quantile lies in the right bin, so its relative error is at most the bin's relative width: 2 R / (BINS - 1) where
positive (or negative) numbers span R octaves, that is a factor 2^R. Between neighbouring ranks it is interpolated
linearly, as by `numpy.quantile`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .base import Array

BINS = 2048
_HIGHEST_LEVEL = 20  # 2^31 patterns in 2^11 bins
_NONE = 2**31 - 1  # the lowest pattern where there is no number; the highest is then 0

# Rows of State.moments. "low" and "high" are the lowest and highest bit patterns of positive and of negated numbers.
_CENTRED = ("count", "mean", "m2")
_CENTRED_LOG = ("positive", "mean_log", "m2_log")
_MOMENTS = (*_CENTRED, "min", "max", *_CENTRED_LOG, "minus_inf", "plus_inf", "nan")
_PATTERNS = ("low_positive", "high_positive", "low_negative", "high_negative")
_ROW = {name: row for row, name in enumerate(_MOMENTS + _PATTERNS)}
NUM_MOMENTS = len(_ROW)

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


class State(NamedTuple):
    """What is known of a metric's values in G generations: moments (15, G) and counts (2, G, BINS), maybe batched."""

    moments: Any
    counts: Any

    def __getitem__(self, key: Any) -> Any:
        return self.moments[..., _ROW[key], :] if isinstance(key, str) else tuple.__getitem__(self, key)


def state_bytes(num_generations: int) -> int:
    """Bytes of the state of one metric."""
    return (8 * NUM_MOMENTS + 4 * 2 * BINS) * num_generations


def reduce(values: Array, valid: Array) -> State:
    """The states of K metrics in m rows of b seeds: a pure function, to be traced with 64-bit types enabled.

    Args:
        values: (K, m, b, G) numbers, also infinite or NaN.
        valid: (m, b), False for seeds that do not count.

    Returns:
        State with leading axes (K, m).
    """
    over_rows = jax.vmap(_reduce_row)
    return jax.vmap(over_rows, in_axes=(0, None))(values, valid)


def _reduce_row(values: Array, valid: Array) -> State:
    valid = jnp.broadcast_to(valid[:, None], values.shape)
    finite, wide = valid & jnp.isfinite(values), values.astype(jnp.float64)
    count, mean, m2 = _centred(wide, finite)
    positive, negative = finite & (values > 0), finite & (values < 0)
    logs = jnp.log(jnp.where(positive, wide, 1.0))
    narrow = jnp.abs(jnp.clip(values, -_LARGEST, _LARGEST).astype(jnp.float32))
    patterns = jax.lax.bitcast_convert_type(narrow, jnp.int32)
    windows, bins = zip(*(_bins(patterns, chosen) for chosen in (positive, negative)), strict=True)
    # Zeros, and what does not count, go to a bin that is dropped.
    place = jnp.where(positive, bins[0], jnp.where(negative, BINS + bins[1], 2 * BINS))
    counts = jax.vmap(lambda column: jnp.zeros(2 * BINS + 1, jnp.int32).at[column].add(1), in_axes=1)(place)
    moments = [
        count,
        mean,
        m2,
        jnp.min(jnp.where(finite, wide, jnp.inf), axis=0),
        jnp.max(jnp.where(finite, wide, -jnp.inf), axis=0),
        *_centred(logs, positive),
        jnp.sum(valid & jnp.isneginf(values), axis=0),
        jnp.sum(valid & jnp.isposinf(values), axis=0),
        jnp.sum(valid & jnp.isnan(values), axis=0),
        *windows[0],
        *windows[1],
    ]
    moments = jnp.stack([row.astype(jnp.float64) for row in moments])
    return State(moments, jnp.moveaxis(counts[:, : 2 * BINS].reshape(-1, 2, BINS), 1, 0))


_LARGEST = float(np.finfo(np.float32).max)


def _centred(values: Array, chosen: Array) -> tuple[Array, Array, Array]:
    """Number, mean and summed squared deviations of the chosen values, along the leading axis."""
    count = jnp.sum(chosen, axis=0)
    mean = jnp.sum(jnp.where(chosen, values, 0.0), axis=0) / jnp.maximum(count, 1)
    return count, mean, jnp.sum(jnp.where(chosen, (values - mean[None, :]) ** 2, 0.0), axis=0)


def _bins(patterns: Array, chosen: Array) -> tuple[tuple[Array, Array], Array]:
    """The (lowest, highest) of the chosen patterns, and the bin of each."""
    low = jnp.min(jnp.where(chosen, patterns, _NONE), axis=0)
    high = jnp.max(jnp.where(chosen, patterns, 0), axis=0)
    level = _level(jnp, low, high)
    return (low, high), (patterns >> level[None, :]) - (low >> level)[None, :]


def _level(numpy: Any, low: Any, high: Any) -> Any:
    """The smallest level at which BINS bins cover the patterns from `low` to `high`."""
    level = numpy.zeros_like(low)
    for _ in range(_HIGHEST_LEVEL):
        level = level + ((high >> level) - (low >> level) >= BINS)
    return level


def merge(a: State, b: State) -> State:
    """The state of the values behind both, in NumPy: commutative, and associative to the rounding of doubles."""
    moments = {name: a[name] + b[name] for name in ("minus_inf", "plus_inf", "nan")}
    for names in (_CENTRED, _CENTRED_LOG):
        moments |= zip(names, _merge_centred([a[name] for name in names], [b[name] for name in names]), strict=True)
    for name in ("min", "low_positive", "low_negative"):
        moments[name] = np.minimum(a[name], b[name])
    for name in ("max", "high_positive", "high_negative"):
        moments[name] = np.maximum(a[name], b[name])
    merged = State(np.stack([moments[name] for name in _ROW], axis=-2), np.zeros_like(a.counts))
    for part in (a, b):
        for side, name in enumerate(("positive", "negative")):
            _add_counts(merged, part, side, name)
    return merged


def _merge_centred(a: list[np.ndarray], b: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Source: Chan, Golub, LeVeque (1983), The American Statistician 37, 242."""
    count = a[0] + b[0]
    share = b[0] / np.maximum(count, 1)
    step = b[1] - a[1]
    return count, a[1] + share * step, a[2] + b[2] + a[0] * share * step**2


def _window(state: State, side: str) -> tuple[np.ndarray, np.ndarray]:
    """The lowest pattern and the level of one side's bins."""
    low, high = state[f"low_{side}"].astype(np.int64), state[f"high_{side}"].astype(np.int64)
    return low, _level(np, low, high)


def _add_counts(total: State, part: State, side: int, name: str) -> None:
    """Add to the counts of `total`, whose moments are known, those of `part`, which cover no more."""
    (low, level), (part_low, part_level) = _window(total, name), _window(part, name)
    start, part_start, coarser = low >> level, part_low >> part_level, level - part_level
    for place in zip(*np.nonzero(part_low < _NONE), strict=True):
        *batch, generation = place
        row, bins = (state.counts[(*batch, side, generation)] for state in (total, part))
        if coarser[place]:
            np.add.at(row, ((part_start[place] + np.nonzero(bins)[0]) >> coarser[place]) - start[place], bins[bins > 0])
        else:
            offset = part_start[place] - start[place]
            row[offset:] += bins[: BINS - offset]


def statistics(state: State) -> np.ndarray:
    """The `STATISTICS` of one metric, (statistic, G), of all values behind its state."""
    ordered = _Ordered(state)
    number = state["count"] + state["minus_inf"] + state["plus_inf"]
    return _table({name: state[name] for name in _MOMENTS}, _quantiles(ordered.at, number))


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
    for names, source, chosen in ((_CENTRED, values, finite), (_CENTRED_LOG, logs, positive)):
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
        low, level = _window(self._state, side)
        high = self._state[f"high_{side}"].astype(np.int64)
        first = ((low >> level) + place) << level
        pattern = first + np.floor(np.clip(position, 0, 1) * (np.int64(1) << level)).astype(np.int64)
        # What the bin has beyond the numbers seen is empty; so is the end of its last pattern.
        pattern = np.clip(np.minimum(pattern, first + (np.int64(1) << level) - 1), low, high)
        return np.clip(pattern, 0, _NONE - 1).astype(np.int32).view(np.float32).astype(np.float64)
