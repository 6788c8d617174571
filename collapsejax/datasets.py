"""What a model can be fitted to: weighted rows, and summaries of rows that can be merged."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from .base import Array, Values, pytree
from .factors import Factor, scatter_factor, sum_factor, zero_factor
from .rng import subset


@pytree
class Rows:
    """A buffer with room for C rows, filled from the front.

    `values`: pytree of (C, ...); `weights` (C,), 0 marks an empty slot; `count` (), the rows written so far.
    """

    values: Values
    weights: Array
    count: Array

    @classmethod
    def of(cls, values: Values) -> Rows:
        """A full buffer of rows of weight 1."""
        capacity = jax.tree.leaves(values)[0].shape[0]
        return cls(values, jnp.ones(capacity), jnp.int32(capacity))

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
        """Raises ValueError if `new` is larger than the whole buffer; what else overflows overwrites its end."""
        if new.capacity > self.capacity:
            raise ValueError(
                f"{new.capacity} rows do not fit into a buffer of {self.capacity}: raise the workflow's capacity"
            )

        def write(leaf: Array, rows: Array) -> Array:
            return jax.lax.dynamic_update_slice_in_dim(leaf, rows, self.count, axis=0)

        values = jax.tree.map(write, self.values, new.values)
        return Rows(values, write(self.weights, new.weights), self.count + new.count)

    def join(self, other: Rows) -> Rows:
        return self.empty(self.capacity + other.capacity).append(self).append(other)

    def scale(self, weight: Array) -> Rows:
        return Rows(self.values, self.weights * weight, self.count)

    def take(self, indices: Array) -> Rows:
        """The rows at `indices` (k,), with their weights, as a full buffer."""
        values = jax.tree.map(lambda leaf: leaf[indices], self.values)
        return Rows(values, self.weights[indices], jnp.int32(indices.shape[0]))

    def draw(self, key: Array, k: int) -> Rows:
        """Draw k of the `count` rows uniformly without replacement; with count = k, all of them in their order."""
        return self.take(subset(key, self.count, k))

    def resample(self, key: Array, k: int) -> Values:
        """Draw k values with replacement, with probabilities proportional to the weights: pytree of (k, ...).

        The uniforms behind it have 23 bits: a pool should have no more than some millions of rows.
        """
        cumulative = jnp.cumsum(self.weights)
        target = jax.random.uniform(key, (k,)) * cumulative[-1]
        indices = jnp.searchsorted(cumulative, target, side="right")
        # Rounding can carry a target up to the total, which lies behind the last row of positive weight.
        indices = jnp.minimum(indices, jnp.searchsorted(cumulative, cumulative[-1], side="left"))
        return self.take(indices).values


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
        total = jnp.matmul(rows.weights, rows.values, precision="highest")
        mean = total / jnp.where(weight > 0, weight, 1.0)
        return cls(weight, mean, scatter_factor(rows.values, rows.weights, mean))

    def empty(self, capacity: int) -> Moments:
        del capacity
        return Moments(jnp.zeros_like(self.weight), jnp.zeros_like(self.mean), zero_factor(self.mean))

    def clear(self) -> Moments:
        return self.empty(0)

    def append(self, new: Moments) -> Moments:
        """Chan's merge of centred moments. Source: Chan, Golub, LeVeque (1983), The American Statistician 37, 242."""
        total = self.weight + new.weight
        share = new.weight / jnp.where(total > 0, total, 1.0)
        step = new.mean - self.mean
        factor = sum_factor(self.factor, new.factor, jnp.sqrt(self.weight * share) * step)
        merged = Moments(total, self.mean + share * step, factor)
        merged = _choose(self.weight > 0, merged, new)
        return _choose(new.weight > 0, merged, self)

    def join(self, other: Moments) -> Moments:
        return self.append(other)

    def scale(self, weight: Array) -> Moments:
        return Moments(self.weight * weight, self.mean, self.factor.shift(jnp.log(weight) / 2))


@pytree
class KernelSums:
    """Rows, with the log of the kernel sum over them at each of m fixed held-out rows.

    `log_sums` (m,): log sum_i w_i k(test_j, x_i), -inf without data. Appending a batch costs only its own kernel sums,
    however many rows are there already.
    """

    rows: Rows
    log_sums: Array

    def empty(self, capacity: int) -> KernelSums:
        return KernelSums(self.rows.empty(capacity), jnp.full_like(self.log_sums, -jnp.inf))

    def clear(self) -> KernelSums:
        return KernelSums(self.rows.clear(), jnp.full_like(self.log_sums, -jnp.inf))

    def append(self, new: KernelSums) -> KernelSums:
        return KernelSums(self.rows.append(new.rows), jnp.logaddexp(self.log_sums, new.log_sums))

    def join(self, other: KernelSums) -> KernelSums:
        return KernelSums(self.rows.join(other.rows), jnp.logaddexp(self.log_sums, other.log_sums))

    def scale(self, weight: Array) -> KernelSums:
        return KernelSums(self.rows.scale(weight), self.log_sums + jnp.log(weight))


def _choose(condition: Array, a: Moments, b: Moments) -> Moments:
    return jax.tree.map(lambda x, y: jnp.where(condition, x, y), a, b)
