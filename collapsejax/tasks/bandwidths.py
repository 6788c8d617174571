"""Rules for the bandwidth of a kernel density estimate."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp

from ..core.base import Array
from ..core.pytree import Module, static
from ..data.rows import Rows


class BandwidthRule(Module):
    """A rule of thumb: bandwidth = factor(N, d), times each feature's standard deviation where `scaled`.

    N counts the rows of positive weight, whatever their weights are. The squared standard deviation is the weighted
    mean of squared distances from the weighted mean, times N / (N - 1): with equal weights the usual unbiased variance,
    with others neither unbiased nor that of an effective sample size.
    """

    name: str = static()
    factor: Callable[[Array, int], Array] = static()
    scaled: bool = static()

    def of(self, rows: Rows) -> Array:
        """The bandwidth of each feature, (d,), for N rows of positive weight."""
        dim = rows.values.shape[1]
        count = jnp.sum(rows.weights > 0).astype(float)
        width = jnp.full(dim, self.factor(count, dim))
        return width * _standard_deviation(rows) if self.scaled else width


class Width(Module):
    """A bandwidth that is a number in this generation, and another one in the next."""

    value: Array

    def of(self, rows: Rows) -> Array:
        """The bandwidth of each feature, (d,)."""
        return jnp.full(rows.values.shape[1], self.value)


def _scott(count: Array, dim: int) -> Array:
    return count ** (-1 / (dim + 4))


def _silverman(count: Array, dim: int) -> Array:
    return (count * (dim + 2) / 4) ** (-1 / (dim + 4))


def _standard_deviation(rows: Rows) -> Array:
    """Weighted standard deviation of each feature, with N - 1, (d,); scaled so that its squares stay in range.

    Exactly 0 where all rows agree, of which the mean rounds to something else.
    """
    used = rows.weights[:, None] > 0
    least, most = (
        jnp.min(jnp.where(used, rows.values, jnp.inf), axis=0),
        jnp.max(jnp.where(used, rows.values, -jnp.inf), axis=0),
    )
    weights = (rows.weights / jnp.sum(rows.weights))[:, None]
    count = jnp.sum(rows.weights > 0)
    centred = rows.values - jnp.sum(weights * rows.values, axis=0, keepdims=True)
    centred = jnp.where(weights > 0, centred, 0.0)
    largest = jnp.max(jnp.abs(centred), axis=0)
    scale = jnp.where(largest > 0, largest, 1.0)
    variance = jnp.sum(weights * (centred / scale[None, :]) ** 2, axis=0)
    return jnp.where(least == most, 0.0, scale * jnp.sqrt(variance * count / (count - 1)))


# scikit-learn's "scott" and "silverman", which the published experiments use, ignore the scale of the data; the
# scaled ones are the rules of Scott (1992) and Silverman (1986) themselves, feature by feature.
BANDWIDTH_RULES = {
    rule.name: rule
    for rule in (
        BandwidthRule("scott", _scott, False),
        BandwidthRule("silverman", _silverman, False),
        BandwidthRule("scott-scaled", _scott, True),
        BandwidthRule("silverman-scaled", _silverman, True),
    )
}
