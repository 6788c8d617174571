"""First and second moments of rows that are kept no longer, which can be merged."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from ..core.base import Array
from ..core.pytree import pytree
from ..numerics.factors import Factor, grown_factor, regression_sum, sum_factor, zero_factor
from ..numerics.scatter import gram_factor, scatter_factor
from .rows import Rows, weighted_sum

T = TypeVar("T")


class Origin(NamedTuple):
    """How moments were drawn: mean `mean` + F step and factor F lower, F being `factor`; step (d,), lower (d, d)."""

    mean: Array
    factor: Factor
    lower: Array
    step: Array


@pytree
class Moments:
    """Weight (), mean (d,) and scatter about the mean of rows that are kept no longer; the scatter is factored."""

    weight: Array
    mean: Array
    factor: Factor

    @classmethod
    def of(cls, rows: Rows) -> Moments:
        """The moments of `rows`, whose values are one array (C, d)."""
        weight = jnp.sum(rows.weights)
        total = weighted_sum(rows.weights, rows.values)
        mean = total / jnp.where(weight > 0, weight, 1.0)
        return cls(weight, mean, scatter_factor(rows.values, rows.weights, mean))

    @classmethod
    def drawn(cls, weight: Array, origin: Origin) -> Moments:
        """The moments that `origin` tells of, which merging them with what the model was fitted to makes use of."""
        step = jnp.matmul(origin.factor.dense(), origin.step, precision="highest")
        return _noted(cls(weight, origin.mean + step, origin.factor.times(origin.lower)), origin)

    def empty(self, capacity: int) -> Moments:
        del capacity
        return _noted(Moments(jnp.zeros_like(self.weight), jnp.zeros_like(self.mean), zero_factor(self.mean)), _EMPTY)

    def clear(self) -> Moments:
        return self.empty(0)

    def append(self, new: Moments) -> Moments:
        """Chan's merge of centred moments. Source: Chan, Golub, LeVeque (1983), The American Statistician 37, 242."""
        if _note(self) is _EMPTY:
            return new
        total = self.weight + new.weight
        share = new.weight / jnp.where(total > 0, total, 1.0)
        step = new.mean - self.mean
        origin = _note(new)
        if isinstance(origin, Origin) and origin.mean is self.mean and origin.factor.unit is self.factor.unit:
            # Drawn from the model fitted to these very data: the same tracers, so the same numbers but for the scale.
            present = self.factor.log_scale > -jnp.inf
            log_share = jnp.max(jnp.where(present, origin.factor.log_scale - self.factor.log_scale, -jnp.inf))
            factor = grown_factor(self.factor, log_share, origin.lower, jnp.sqrt(self.weight * share) * origin.step)
            return Moments(total, self.mean + share * step, factor)
        factor = sum_factor(self.factor, new.factor, jnp.sqrt(self.weight * share) * step)
        merged = Moments(total, self.mean + share * step, factor)
        merged = _choose(self.weight > 0, merged, new)
        return _choose(new.weight > 0, merged, self)

    def join(self, other: Moments) -> Moments:
        return self.append(other)

    def scale(self, weight: Array) -> Moments:
        # Not the mean itself, by which `append` knows the data that a model was fitted to: none are left of weight 0.
        mean = jnp.where(weight > 0, self.mean, 0.0)
        return Moments(self.weight * weight, mean, self.factor.shift(jnp.log(weight) / 2))


@pytree
class Gram:
    """Weight () and Gram matrix of rows (x, y) of a regression that are kept no longer; the matrix is factored.

    `factor` is of sum_i w_i (x_i, y_i)(x_i, y_i)', of dimension d + 1: the triangle of the QR decomposition of the
    weighted rows, transposed.
    """

    weight: Array
    factor: Factor

    @classmethod
    def of(cls, rows: Rows) -> Gram:
        """The Gram matrix of `rows`, whose values are x (C, d) and y (C,)."""
        x, y = rows.values
        return cls(jnp.sum(rows.weights), gram_factor(jnp.concatenate([x, y[:, None]], axis=1), rows.weights))

    def empty(self, capacity: int) -> Gram:
        del capacity
        return _noted(Gram(jnp.zeros_like(self.weight), zero_factor(self.factor.log_scale)), _EMPTY)

    def clear(self) -> Gram:
        return self.empty(0)

    def append(self, new: Gram) -> Gram:
        if _note(self) is _EMPTY:
            return new
        factor = regression_sum(self.factor, new.factor)
        merged = _choose(self.weight > 0, Gram(self.weight + new.weight, factor), new)
        return _choose(new.weight > 0, merged, self)

    def join(self, other: Gram) -> Gram:
        return self.append(other)

    def scale(self, weight: Array) -> Gram:
        return Gram(self.weight * weight, self.factor.shift(jnp.log(weight) / 2))


# What is known of a summary while it is traced, beside its numbers: lost wherever it is taken apart as a pytree, and
# never needed, but it spares merging with nothing, and sums of matrices that have a common factor.
_EMPTY = "empty"


def _noted(summary: T, note: Any) -> T:
    object.__setattr__(summary, "_note", note)
    return summary


def _note(summary: Any) -> Any:
    return getattr(summary, "_note", None)


def _choose(condition: Array, a: T, b: T) -> T:
    return jax.tree.map(lambda x, y: jnp.where(condition, x, y), a, b)
