"""First and second moments of rows that are kept no longer, which can be merged."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from ..core.base import Array, Dataset
from ..core.pytree import static
from ..numerics.factors import Factor, grown_factor, regression_sum, sum_factor, zero_factor
from ..numerics.scatter import gram_factor, scatter_factor
from .rows import Rows, weighted_sum


class Origin(NamedTuple):
    """How moments were drawn from a fitted Gaussian: their mean is `mean` + F step, and their factor F lower.

    F is `factor`, which has the `unit` of the factor of the moments that the Gaussian was fitted to; step (d,),
    lower (d, d).
    """

    mean: Array
    factor: Factor
    lower: Array
    step: Array


class Moments(Dataset):
    """Weight (), mean (d,) and scatter about the mean of rows that are kept no longer; the scatter is factored.

    `origin` says how they were drawn from a model, if they were, and `known_empty` whether there are no rows for sure;
    both hold for one generation only.
    """

    weight: Array
    mean: Array
    factor: Factor
    origin: Origin | None = None
    known_empty: bool = static(default=False)

    @classmethod
    def of(cls, rows: Rows) -> Moments:
        """The moments of `rows`, whose values are one array (C, d)."""
        weight = jnp.sum(rows.weights)
        total = weighted_sum(rows.weights, rows.values)
        mean = total / jnp.where(weight > 0, weight, 1.0)
        return cls(weight, mean, scatter_factor(rows.values, rows.weights, mean))

    @classmethod
    def drawn(cls, weight: Array, origin: Origin) -> Moments:
        """The moments that `origin` describes."""
        step = jnp.matmul(origin.factor.dense(), origin.step, precision="highest")
        return cls(weight, origin.mean + step, origin.factor.times(origin.lower), origin)

    def empty(self, capacity: int) -> Moments:
        del capacity
        return Moments(jnp.zeros_like(self.weight), jnp.zeros_like(self.mean), zero_factor(self.mean), known_empty=True)

    def clear(self) -> Moments:
        return self.empty(0)

    def append(self, new: Moments) -> Moments:
        """Chan's merge of centred moments. Source: Chan, Golub, LeVeque (1983), The American Statistician 37, 242."""
        if self.known_empty:
            return new
        total, mean, step, spread = self._merged_mean(new)
        merged = Moments(total, mean, sum_factor(self.factor, new.factor, spread * step))
        merged = _choose(self.weight > 0, merged, new.settled())
        return _choose(new.weight > 0, merged, self.settled())

    def grow(self, new: Moments) -> Moments:
        """`append(new)`, by a factor of what is added relative to this: nothing collapsed is factorized."""
        if new.origin is None or self.known_empty:
            return self.append(new)
        total, mean, _, spread = self._merged_mean(new)
        # The model has the same `unit` as these data: they differ in scale alone.
        present = self.factor.log_scale > -jnp.inf
        log_share = jnp.max(jnp.where(present, new.origin.factor.log_scale - self.factor.log_scale, -jnp.inf))
        factor = grown_factor(self.factor, log_share, new.origin.lower, spread * new.origin.step)
        return Moments(total, mean, factor)

    def _merged_mean(self, new: Moments) -> tuple[Array, Array, Array, Array]:
        """Weight and mean of both, the difference of their means (d,), and the root () of what its square counts."""
        total = self.weight + new.weight
        share = new.weight / jnp.where(total > 0, total, 1.0)
        step = new.mean - self.mean
        return total, self.mean + share * step, step, jnp.sqrt(self.weight * share)

    def join(self, other: Moments) -> Moments:
        return self.append(other)

    def scale(self, weight: Array) -> Moments:
        return Moments(self.weight * weight, self.mean, self.factor.shift(jnp.log(weight) / 2))

    def settled(self) -> Moments:
        return Moments(self.weight, self.mean, self.factor)


class Gram(Dataset):
    """Weight () and Gram matrix of rows (x, y) of a regression that are kept no longer; the matrix is factored.

    `factor` is of sum_i w_i (x_i, y_i)(x_i, y_i)', of dimension d + 1: the triangle of the QR decomposition of the
    weighted rows, transposed. `known_empty` is as in `Moments`.
    """

    weight: Array
    factor: Factor
    known_empty: bool = static(default=False)

    @classmethod
    def of(cls, rows: Rows) -> Gram:
        """The Gram matrix of `rows`, whose values are x (C, d) and y (C,)."""
        x, y = rows.values
        return cls(jnp.sum(rows.weights), gram_factor(jnp.concatenate([x, y[:, None]], axis=1), rows.weights))

    def empty(self, capacity: int) -> Gram:
        del capacity
        return Gram(jnp.zeros_like(self.weight), zero_factor(self.factor.log_scale), known_empty=True)

    def clear(self) -> Gram:
        return self.empty(0)

    def append(self, new: Gram) -> Gram:
        if self.known_empty:
            return new
        factor = regression_sum(self.factor, new.factor)
        merged = _choose(self.weight > 0, Gram(self.weight + new.weight, factor), new.settled())
        return _choose(new.weight > 0, merged, self.settled())

    def join(self, other: Gram) -> Gram:
        return self.append(other)

    def scale(self, weight: Array) -> Gram:
        return Gram(self.weight * weight, self.factor.shift(jnp.log(weight) / 2))

    def settled(self) -> Gram:
        return Gram(self.weight, self.factor)


T = TypeVar("T")


def _choose(condition: Array, a: T, b: T) -> T:
    return jax.tree.map(lambda x, y: jnp.where(condition, x, y), a, b)
