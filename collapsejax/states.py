"""What is known of a metric over any number of seeds, as states that are made on the device and can be merged.

A state holds exact moments and a sketch of the distribution. The sketch is a histogram of float32 numbers by their bit
patterns, which grow with the number and are, piece by piece, linear in its logarithm. Positive and negative numbers
have `BINS` bins each, of 2^level patterns, where level is the smallest that covers the numbers seen. Bins of one level
are unions of bins of the level below, so merged states hold the very counts that one pass over all seeds would have
given, whatever the chunks were.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .base import Array

BINS = 2048
_HIGHEST_LEVEL = 20  # 2^31 patterns in 2^11 bins
NO_PATTERN = 2**31 - 1  # the lowest pattern where there is no number; the highest is then 0

# Rows of State.moments. "low" and "high" are the lowest and highest bit patterns of positive and of negated numbers.
CENTRED = ("count", "mean", "m2")
CENTRED_LOG = ("positive", "mean_log", "m2_log")
MOMENTS = (*CENTRED, "min", "max", *CENTRED_LOG, "minus_inf", "plus_inf", "nan")
_PATTERNS = ("low_positive", "high_positive", "low_negative", "high_negative")
_ROW = {name: row for row, name in enumerate(MOMENTS + _PATTERNS)}
NUM_MOMENTS = len(_ROW)


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
    low = jnp.min(jnp.where(chosen, patterns, NO_PATTERN), axis=0)
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
    for names in (CENTRED, CENTRED_LOG):
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


def window(state: State, side: str) -> tuple[np.ndarray, np.ndarray]:
    """The lowest pattern and the level of one side's bins."""
    low, high = state[f"low_{side}"].astype(np.int64), state[f"high_{side}"].astype(np.int64)
    return low, _level(np, low, high)


def _add_counts(total: State, part: State, side: int, name: str) -> None:
    """Add to the counts of `total`, whose moments are known, those of `part`, which cover no more."""
    (low, level), (part_low, part_level) = window(total, name), window(part, name)
    start, part_start, coarser = low >> level, part_low >> part_level, level - part_level
    for place in zip(*np.nonzero(part_low < NO_PATTERN), strict=True):
        *batch, generation = place
        row, bins = (state.counts[(*batch, side, generation)] for state in (total, part))
        if coarser[place]:
            np.add.at(row, ((part_start[place] + np.nonzero(bins)[0]) >> coarser[place]) - start[place], bins[bins > 0])
        else:
            offset = part_start[place] - start[place]
            row[offset:] += bins[: BINS - offset]
