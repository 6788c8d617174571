"""Weighted rows: a buffer with room, and draws from it."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ..core.base import Array, Dataset, Values
from ..numerics.subsets import by_weight, subset


def _stored(values: Values) -> Values:
    """The same, in memory. A CPU would fuse a draw of rows into each of their uses, and draw them several times.

    It is the outcome of a condition that holds, which XLA does not know.
    """
    holds = jax.lax.optimization_barrier(jnp.bool_(True))
    return jax.lax.cond(holds, lambda values: values, lambda values: jax.tree.map(jnp.zeros_like, values), values)


class Rows(Dataset):
    """A buffer with room for C rows, filled from the front.

    `values`: pytree of (C, ...); `weights` (C,), 0 marks an empty slot; `count` (), the rows written so far.
    """

    values: Values
    weights: Array
    count: Array

    @classmethod
    def of(cls, values: Values, count: Array | None = None) -> Rows:
        """Rows of weight 1, all of `values` or the first `count`; what is behind these becomes 0."""
        capacity = jax.tree.leaves(values)[0].shape[0]
        if count is None:
            return cls(values, jnp.ones(capacity), jnp.int32(capacity))
        filled = jnp.arange(capacity) < count
        values = jax.tree.map(lambda leaf: jnp.where(jnp.expand_dims(filled, range(1, leaf.ndim)), leaf, 0), values)
        values = jax.lax.platform_dependent(values, cpu=_stored, default=lambda values: values)
        return cls(values, filled.astype(float), jnp.asarray(count, jnp.int32))

    @property
    def capacity(self) -> int:
        """C, a static number."""
        return self.weights.shape[0]

    def empty(self, capacity: int) -> Rows:
        values = jax.tree.map(lambda leaf: jnp.zeros((capacity, *leaf.shape[1:]), leaf.dtype), self.values)
        return Rows(values, jnp.zeros(capacity, self.weights.dtype), jnp.int32(0))

    def clear(self) -> Rows:
        return Rows(self.values, jnp.zeros_like(self.weights), jnp.zeros_like(self.count))

    def append(self, new: Rows) -> Rows:
        """Raises ValueError if `new` is larger than the whole buffer; what else overflows gets NaN weights.

        Slots of `new` behind its count are written too, and overwritten by what is appended next.
        """
        if new.capacity > self.capacity:
            raise ValueError(
                f"{new.capacity} rows do not fit into a buffer of {self.capacity}: raise the workflow's capacity"
            )

        def write(leaf: Array, rows: Array) -> Array:
            return jax.lax.dynamic_update_slice_in_dim(leaf, rows, self.count, axis=0)

        values, count = jax.tree.map(write, self.values, new.values), self.count + new.count
        weights = jnp.where(count > self.capacity, jnp.nan, new.weights)  # else rows would be lost without a word
        return Rows(values, write(self.weights, weights), count)

    def join(self, other: Rows) -> Rows:
        return self.empty(self.capacity + other.capacity).append(self).append(other)

    def scale(self, weight: Array) -> Rows:
        return Rows(self.values, self.weights * weight, self.count)

    def take(self, indices: Array) -> Rows:
        """The rows at `indices` (k,), with their weights, as a full buffer."""
        values = jax.tree.map(lambda leaf: leaf[indices], self.values)
        return Rows(values, self.weights[indices], jnp.int32(indices.shape[0]))

    def draw(self, key: Array, k: Array, room: int | None = None) -> Rows:
        """Draw k of the `count` rows uniformly without replacement; with count = k, all of them in their order.

        With a `room` for them k may be traced.
        """
        drawn = self.take(subset(key, self.count, k, room))
        if room is None:
            return drawn
        weights = jnp.where(jnp.arange(room) < k, drawn.weights, 0.0)
        return Rows(drawn.values, weights, jnp.asarray(k, jnp.int32))

    def resample(self, key: Array, k: int) -> Values:
        """Draw k values with replacement, with probabilities proportional to the weights: pytree of (k, ...).

        The uniforms behind it have 24 bits: a pool should have no more than some millions of rows.
        """
        return self.take(by_weight(key, k, self.count, self._equal(), jnp.cumsum, self.weights)).values

    def lottery(self) -> Lottery:
        """What draws rows again and again as `resample` does, adding up the weights but once."""
        present = jax.lax.cummax(jnp.where(self.weights > 0, jnp.arange(self.capacity), 0))
        return Lottery(self, self._equal(), jnp.cumsum(self.weights), present)

    def _equal(self) -> Array:
        filled = jnp.arange(self.capacity) < self.count
        return jnp.all(~filled | (self.weights == self.weights[0])) & (self.weights[0] != 0)


class Lottery(NamedTuple):
    """Rows to be drawn with replacement, by weight: whether weights are equal, their sums, the last present row (C,).

    What is drawn does not depend on the room behind the rows.
    """

    rows: Rows
    equal: Array
    sums: Array
    present: Array

    def draw(self, key: Array, k: int) -> Values:
        """K values: pytree of (k, ...). A row of weight 0 is never among them."""
        indices = by_weight(key, k, self.rows.count, self.equal, lambda: self.sums)
        # Sums that are rounded otherwise from one row to the next may rise at a row of weight 0.
        return self.rows.take(self.present[indices]).values


def weighted_sum(weights: Array, values: Array) -> Array:
    """sum_i w_i x_i, (d,); weights (C,), values (C, d)."""
    if values.shape[1] == 1:  # where all seeds have the same weights, these would be a matrix, and be transposed
        return jnp.matmul(values[:, 0], weights, precision="highest")[None]
    return jnp.matmul(weights, values, precision="highest")
