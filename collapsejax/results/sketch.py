"""The mergeable sketch of a metric over any number of seeds: exact moments and a histogram, computed on the device.

The histogram is of the bit patterns of float32 numbers, which increase with the number and are piecewise linear in its
logarithm. Positive and negative numbers have `BINS` bins each, of 2^level patterns, where level is the smallest that
covers the numbers seen. A bin of one level is the union of two bins of the level below, so merged sketches hold the
same counts as one pass over all seeds, however the seeds were divided. Subnormal numbers count as zeros.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core.base import Array
from ..numerics.float32 import log_to_double

BINS = 2048
_HIGHEST_LEVEL = 20  # 2^31 patterns in 2^11 bins
_FEWEST_SEEDS = 16  # in a block
NO_PATTERN = 2**31 - 1  # the lowest pattern where there is no number; the highest is then 0

# Rows of Sketch.moments. "low" and "high" are the lowest and highest bit patterns of positive and of negated numbers.
CENTRED = ("count", "mean", "m2")
CENTRED_LOG = ("positive", "mean_log", "m2_log")
MOMENTS = (*CENTRED, "min", "max", *CENTRED_LOG, "minus_inf", "plus_inf", "nan")
_PATTERNS = ("low_positive", "high_positive", "low_negative", "high_negative")
_ROW = {name: row for row, name in enumerate(MOMENTS + _PATTERNS)}
NUM_MOMENTS = len(_ROW)


class Sketch(NamedTuple):
    """The sketch of a metric in each of G generations: moments (15, G) and counts (2, G, BINS), maybe with batch axes.

    `sketch[name]` is the row of a moment, (G,). Counts are those of positive, then of negative numbers.
    """

    moments: Any
    counts: Any

    def __getitem__(self, key: Any) -> Any:
        return self.moments[..., _ROW[key], :] if isinstance(key, str) else tuple.__getitem__(self, key)


def sketch_bytes(num_generations: int) -> int:
    """Bytes of the sketch of one metric."""
    return (8 * NUM_MOMENTS + 4 * 2 * BINS) * num_generations


def reduce(metrics: Sequence[Array], valid: Array, block: int) -> Sketch:
    """The sketches of K metrics in m rows of b seeds: a pure function, to be traced with 64-bit types enabled.

    It passes over the blocks of seeds twice: for the moments, which decide where the bins are, and for the counts.

    Args:
        metrics: K arrays (m, b, G) of numbers, which may be infinite or NaN.
        valid: (m, b), False for seeds that do not count.
        block: how many numbers, of all metrics together, are processed at a time.

    Returns:
        Sketch with leading axes (K, m).
    """
    num_rows, num_seeds, num_generations = metrics[0].shape
    columns = (len(metrics), num_rows, num_generations)
    width = min(num_seeds, max(_FEWEST_SEEDS, block // math.prod(columns)))

    def cut(begin: Array) -> tuple[Array, Array]:
        # The last block ends with the last seed, so no padded copy is made; seeds it repeats do not count again.
        start = jnp.minimum(begin, num_seeds - width)
        *values, chosen = (jax.lax.dynamic_slice_in_dim(leaf, start, width, axis=1) for leaf in (*metrics, valid))
        chosen &= (start + jnp.arange(width) >= begin)[None, :]
        return _without_subnormals(jnp.stack(values)), chosen[None, :, :, None]

    def moments_with(moments: dict[str, Array], begin: Array) -> tuple[dict[str, Array], None]:
        return _merge_moments(jnp, moments, _moments(*cut(begin))), None

    begins = jnp.arange(0, num_seeds, width)
    moments, _ = jax.lax.scan(moments_with, {name: jnp.full(columns, _EMPTY[name]) for name in _ROW}, begins)
    sketch = Sketch(jnp.stack([moments[name] for name in _ROW], axis=-2), None)

    def counts_with(counts: Array, begin: Array) -> tuple[Array, None]:
        return counts.at[_places(sketch, *cut(begin)).reshape(-1)].add(1, mode="drop"), None

    counts, _ = jax.lax.scan(counts_with, jnp.zeros(2 * BINS * math.prod(columns), jnp.int32), begins)
    return sketch._replace(counts=counts.reshape(*columns[:2], 2, num_generations, BINS))


def _without_subnormals(values: Array) -> Array:
    """Values with zeros in place of subnormal numbers, which some processors and some of their threads flush."""
    return jnp.where(jnp.abs(values) < jnp.finfo(values.dtype).smallest_normal, 0, values)


def _moments(values: Array, valid: Array) -> dict[str, Array]:
    """The moments (K, m, G) of values (K, m, b, G), of which those with `valid` (1, m, b, 1) count."""
    finite, positive, negative, patterns = _signs(values, valid)
    infinite = {"minus_inf": valid & (values == -jnp.inf), "plus_inf": valid & (values == jnp.inf)}
    counts = {name: _number(chosen) for name, chosen in {**infinite, "nan": valid & jnp.isnan(values)}.items()}
    lowest, highest = functools.partial(jnp.min, axis=-2), functools.partial(jnp.max, axis=-2)
    extremes = {
        "min": lowest(jnp.where(finite, values, jnp.inf)),
        "max": highest(jnp.where(finite, values, -jnp.inf)),
        "low_positive": lowest(jnp.where(positive, patterns, NO_PATTERN)),
        "high_positive": highest(jnp.where(positive, patterns, 0)),
        "low_negative": lowest(jnp.where(negative, patterns, NO_PATTERN)),
        "high_negative": highest(jnp.where(negative, patterns, 0)),
    }
    centred = zip(CENTRED, _centred(values.astype(jnp.float64), finite), strict=True)
    logs = zip(CENTRED_LOG, _centred(log_to_double(jnp.where(positive, values, 1)), positive), strict=True)
    return {
        name: row.astype(jnp.float64) for name, row in {**counts, **extremes, **dict(centred), **dict(logs)}.items()
    }


def _signs(values: Array, valid: Array) -> tuple[Array, Array, Array, Array]:
    """Which valid values are finite, positive and negative, and the bit patterns of all values without their signs."""
    finite = valid & jnp.isfinite(values)
    narrow = jnp.abs(jnp.clip(values, -_LARGEST, _LARGEST).astype(jnp.float32))
    patterns = jax.lax.bitcast_convert_type(_without_subnormals(narrow), jnp.int32)
    return finite, finite & (values > 0), finite & (values < 0), patterns


_LARGEST = float(np.finfo(np.float32).max)


def _number(chosen: Array) -> Array:
    return jnp.sum(chosen, axis=-2, dtype=jnp.int32)


def _centred(values: Array, chosen: Array) -> tuple[Array, Array, Array]:
    """Number, mean and sum of squared deviations of the chosen values, along the last axis but one."""
    count = _number(chosen)
    mean = jnp.sum(jnp.where(chosen, values, 0.0), axis=-2) / jnp.maximum(count, 1)
    squares = jnp.where(chosen, (values - jnp.expand_dims(mean, -2)) ** 2, 0.0)
    return count, mean, jnp.sum(squares, axis=-2)


def _places(sketch: Sketch, values: Array, valid: Array) -> Array:
    """The index of each value's bin in the flattened counts of all columns; an index past the end for no bin.

    In the order (K, m, G, b), so that neighbouring values belong to one column, whose counts fit into a cache.
    """
    _, positive, negative, patterns = _signs(values, valid)
    num_metrics, num_rows, _, num_generations = values.shape
    sides = (num_metrics, num_rows, 2, num_generations)
    dtype = jnp.int32 if BINS * math.prod(sides) < 2**31 else jnp.int64
    first = BINS * jnp.arange(math.prod(sides), dtype=dtype).reshape(sides)
    places = jnp.full(values.shape, BINS * math.prod(sides), dtype)
    for side, (name, chosen) in enumerate((("positive", positive), ("negative", negative))):
        low, level = (leaf[:, :, None].astype(jnp.int32) for leaf in window(sketch, name, jnp))
        places = jnp.where(chosen, (patterns >> level) + (first[:, :, side, None] - (low >> level)), places)
    return jnp.moveaxis(places, -2, -1)


def _level(numpy: Any, low: Any, high: Any) -> Any:
    """The smallest level at which BINS bins cover the patterns from `low` to `high`."""
    levels = numpy.arange(_HIGHEST_LEVEL).reshape(-1, *(1 for _ in low.shape))
    return numpy.sum((high[None] >> levels) - (low[None] >> levels) >= BINS, axis=0)


def merge(a: Sketch, b: Sketch) -> Sketch:
    """The sketch of the values of both, in NumPy: commutative, and associative up to the rounding of doubles."""
    moments = _merge_moments(np, a, b)
    merged = Sketch(np.stack([moments[name] for name in _ROW], axis=-2), np.zeros_like(a.counts))
    for part in (a, b):
        for side, name in enumerate(("positive", "negative")):
            _add_counts(merged, part, side, name)
    return merged


def _merge_moments(numpy: Any, a: Mapping[str, Any] | Sketch, b: Mapping[str, Any] | Sketch) -> dict[str, Any]:
    moments = {name: a[name] + b[name] for name in ("minus_inf", "plus_inf", "nan")}
    for names in (CENTRED, CENTRED_LOG):
        of_both = _merge_centred(numpy, [a[name] for name in names], [b[name] for name in names])
        moments |= zip(names, of_both, strict=True)
    for name in ("min", "low_positive", "low_negative"):
        moments[name] = numpy.minimum(a[name], b[name])
    for name in ("max", "high_positive", "high_negative"):
        moments[name] = numpy.maximum(a[name], b[name])
    return moments


# The moments of no values.
_EMPTY = dict.fromkeys(_ROW, 0.0) | dict(min=np.inf, max=-np.inf, low_positive=NO_PATTERN, low_negative=NO_PATTERN)


def _merge_centred(numpy: Any, a: Sequence[Any], b: Sequence[Any]) -> tuple[Any, Any, Any]:
    """Number, mean and sum of squared deviations of both sets of values.

    Source: Chan, Golub, LeVeque (1983), The American Statistician 37, 242.
    """
    count = a[0] + b[0]
    share = b[0] / numpy.maximum(count, 1)
    step = b[1] - a[1]
    return count, a[1] + share * step, a[2] + b[2] + a[0] * share * step**2


def window(sketch: Sketch, side: str, numpy: Any = np) -> tuple[Any, Any]:
    """The lowest pattern and the level of the bins of one side, "positive" or "negative"."""
    low, high = (sketch[f"{end}_{side}"].astype(numpy.int64) for end in ("low", "high"))
    return low, _level(numpy, low, high)


def _add_counts(total: Sketch, part: Sketch, side: int, name: str) -> None:
    """Add in place the counts of `part` to those of `total`, whose moments already cover it."""
    (low, level), (part_low, part_level) = window(total, name), window(part, name)
    coarser = level - part_level
    # How many bins of the part's level lie between the first bin of the total and the first of the part.
    lead = (part_low >> part_level) - (low >> level << coarser)
    counts, more = total.counts[..., side, :, :], part.counts[..., side, :, :]
    moved = (part_low < NO_PATTERN) & ((coarser > 0) | (lead > 0))
    np.add(counts, more, out=counts, where=~moved[..., None])
    for place, step, first in zip(zip(*np.nonzero(moved), strict=True), 1 << coarser[moved], lead[moved], strict=True):
        row, bins = counts[place], more[place]
        if step > 1:
            bins = np.add.reduceat(bins, np.maximum(np.arange(-(first % step), BINS, step), 0))
        row[first // step :][: len(bins)] += bins[: BINS - first // step]
