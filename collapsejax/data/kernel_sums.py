"""Rows that carry their kernel sums at held-out rows, and their spread."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from ..core.base import Array, Dataset
from .rows import Rows, weighted_sum


class Spread(NamedTuple):
    """Weight () and mean (d,) of rows, and their weighted squared distances from it, added up ()."""

    weight: Array
    mean: Array
    square: Array

    @classmethod
    def of(cls, rows: Rows) -> Spread:
        """The spread of `rows`, whose values are one array (C, d)."""
        total = jnp.sum(rows.weights)
        values = jnp.where(rows.weights[:, None] > 0, rows.values, 0.0)  # not what an emptied buffer held before
        mean = weighted_sum(rows.weights, values) / jnp.where(total > 0, total, 1.0)
        square = weighted_sum(rows.weights, (values - mean[None, :]) ** 2)
        return cls(total, mean, jnp.sum(square))

    def empty(self) -> Spread:
        return Spread(*map(jnp.zeros_like, self))

    def merge(self, other: Spread) -> Spread:
        """Of both together. Source: Chan, Golub, LeVeque (1983), The American Statistician 37, 242."""
        total = self.weight + other.weight
        share = other.weight / jnp.where(total > 0, total, 1.0)
        step = other.mean - self.mean
        between = self.weight * share * jnp.sum(step**2)
        return Spread(total, self.mean + share * step, self.square + other.square + between)


class KernelSums(Dataset):
    """Rows, with the log of the kernel sum over them at each of m fixed held-out rows, and how they are spread.

    `log_sums` (m,): log sum_i w_i k(test_j, x_i), -inf without data. Appending a batch costs only its own kernel sums,
    however many rows are there already.
    """

    rows: Rows
    log_sums: Array
    spread: Spread

    def empty(self, capacity: int) -> KernelSums:
        return KernelSums(self.rows.empty(capacity), jnp.full_like(self.log_sums, -jnp.inf), self.spread.empty())

    def clear(self) -> KernelSums:
        return KernelSums(self.rows.clear(), jnp.full_like(self.log_sums, -jnp.inf), self.spread.empty())

    def append(self, new: KernelSums) -> KernelSums:
        return self._with(self.rows.append(new.rows), new)

    def join(self, other: KernelSums) -> KernelSums:
        return self._with(self.rows.join(other.rows), other)

    def _with(self, rows: Rows, other: KernelSums) -> KernelSums:
        return KernelSums(rows, jnp.logaddexp(self.log_sums, other.log_sums), self.spread.merge(other.spread))

    def scale(self, weight: Array) -> KernelSums:
        spread = self.spread._replace(weight=self.spread.weight * weight, square=self.spread.square * weight)
        return KernelSums(self.rows.scale(weight), self.log_sums + jnp.log(weight), spread)
