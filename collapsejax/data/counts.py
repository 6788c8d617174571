"""Counts of outcomes and totals of numbers, which can be merged."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ..core.base import Array, Dataset
from ..numerics.counts import multivariate_hypergeometric
from .rows import Rows


class Counts(Dataset):
    """How often each of K outcomes is there, (K,): whole numbers in float32 (exact to 2^24), or sums of weights."""

    counts: Array

    @classmethod
    def of(cls, rows: Rows, num_outcomes: int) -> Counts:
        """Counts of `rows`, whose values are outcomes (C,), by weight."""
        return cls(jnp.zeros(num_outcomes).at[rows.values].add(rows.weights))

    @property
    def capacity(self) -> Array:
        """Draws that are counted, ()."""
        return jnp.sum(self.counts)

    def empty(self, capacity: int) -> Counts:
        del capacity
        return Counts(jnp.zeros_like(self.counts))

    def clear(self) -> Counts:
        return self.empty(0)

    def append(self, new: Counts) -> Counts:
        return Counts(self.counts + new.counts)

    def join(self, other: Counts) -> Counts:
        return self.append(other)

    def scale(self, weight: Array) -> Counts:
        return Counts(self.counts * weight)

    def draw(self, key: Array, k: Array) -> Counts:
        """Draw k of whole counts uniformly without replacement; k may be traced."""
        return Counts(multivariate_hypergeometric(key, self.counts, k))


class Totals(Dataset):
    """Weight () and weighted total () of rows that are numbers."""

    weight: Array
    total: Array

    @classmethod
    def of(cls, rows: Rows) -> Totals:
        """The total of `rows`, whose values are numbers (C,)."""
        return cls(jnp.sum(rows.weights), jnp.sum(rows.weights * rows.values))

    def empty(self, capacity: int) -> Totals:
        del capacity
        return jax.tree.map(jnp.zeros_like, self)

    def clear(self) -> Totals:
        return self.empty(0)

    def append(self, new: Totals) -> Totals:
        return jax.tree.map(jnp.add, self, new)

    def join(self, other: Totals) -> Totals:
        return self.append(other)

    def scale(self, weight: Array) -> Totals:
        return Totals(self.weight * weight, self.total * weight)
