"""What becomes of the columns of a table: spread, shape and tails of what models write."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple, Self

import jax.numpy as jnp
import numpy as np

from ..core.base import Array, PyTree
from ..data.kernel_sums import KernelSums
from ..data.rows import Rows
from ..sources import Table

TAIL = 0.05  # of the rows
_LEVELS = np.arange(1, 20) / 20  # at which distributions are compared
_FINE = np.linspace(0, 1, 101)  # between which shares of real rows are interpolated


class Written(NamedTuple):
    """Of the rows that a model writes: for each column (d,), and () for all of them.

    Attributes:
        variance: over that of the real rows, with the number of rows less 1.
        shift: the largest difference of the cumulative distribution from that of the real rows, at 19 quantiles.
        below, above: share of the real rows that lie below, and above, the middle 95 % of these rows.
        outlying: share of the rows that lie further from the mean than 95 % of the real ones, in units of their
            covariance, ().
    """

    variance: Array
    shift: Array
    below: Array
    above: Array
    outlying: Array


@dataclasses.dataclass(frozen=True)
class Columns:
    """What `run_seeds` calls as `record`: the `Written` of each generation. Its numbers are those of the real rows."""

    edges: tuple[tuple[float, ...], ...]
    shares: tuple[tuple[float, ...], ...]
    quantiles: tuple[tuple[float, ...], ...]
    mean: tuple[float, ...]
    variance: tuple[float, ...]
    white: tuple[tuple[float, ...], ...]
    radius: float

    @classmethod
    def of(cls, source: Table) -> Self:
        """Of the rows that a table has to fit to."""
        rows = np.asarray(source.train, np.float32)
        edges, quantiles = (np.quantile(rows, levels, axis=0).T.astype(np.float32) for levels in (_LEVELS, _FINE))
        shares = (rows[:, :, None] <= edges[None]).mean(axis=0)
        mean, covariance = rows.mean(axis=0, dtype=float), np.cov(rows, rowvar=False, ddof=0).reshape(len(edges), -1)
        white = np.linalg.inv(np.linalg.cholesky(covariance))
        squares = np.sum(((rows - mean) @ white.T) ** 2, axis=1)
        tuples = lambda matrix: tuple(map(tuple, matrix.tolist()))
        numbers = (tuple(mean.tolist()), tuple(np.diagonal(covariance).tolist()), tuples(white))
        return cls(*map(tuples, (edges, shares, quantiles)), *numbers, float(np.quantile(squares, 1 - TAIL)))

    def __call__(self, truth: PyTree, params: PyTree, synthetic: Rows | KernelSums) -> Written:
        del truth, params
        rows = (synthetic.rows if isinstance(synthetic, KernelSums) else synthetic).values
        edges, shares = map(np.float32, (self.edges, self.shares))
        centred = rows - jnp.mean(rows, axis=0, keepdims=True)
        variance = jnp.sum(centred**2, axis=0) / (len(rows) - 1) / np.float32(self.variance)
        share = jnp.mean(rows[:, :, None] <= edges[None], axis=0, dtype=float)
        ends = jnp.quantile(rows, np.float32([TAIL / 2, 1 - TAIL / 2]), axis=0)
        levels = [jnp.interp(ends[:, j], np.float32(own), np.float32(_FINE)) for j, own in enumerate(self.quantiles)]
        below, to = jnp.stack(levels, axis=1)
        scaled = jnp.matmul(rows - np.float32(self.mean)[None, :], np.float32(self.white).T, precision="highest")
        return Written(
            variance,
            jnp.max(jnp.abs(share - shares), axis=1),
            below,
            1 - to,
            jnp.mean(jnp.sum(scaled**2, axis=1) > self.radius, dtype=float),
        )


@dataclasses.dataclass(frozen=True)
class Column:
    """What becomes of a column under replace: numbers of the first and of the last generation, means over the seeds.

    Each is a triple: first, last, and the standard error of their difference, in which seeds are paired.
    """

    name: str
    variance: tuple[float, float, float]
    shift: tuple[float, float, float]
    below: tuple[float, float, float]
    above: tuple[float, float, float]


def first_and_last(values: np.ndarray) -> tuple[float, float, float]:
    """Means over the seeds of the first and the last of (S, G), and the standard error of their difference."""
    values = np.asarray(values, np.float64)
    difference = values[:, -1] - values[:, 0]
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    return float(values[:, 0].mean()), float(values[:, -1].mean()), float(error)


def columns_of(names: tuple[str, ...], written: Written) -> tuple[Column, ...]:
    """The columns, the one whose distribution has changed most first, from `Written` of (S, G, d)."""
    found = [
        Column(name, *(first_and_last(values[:, :, place]) for values in written[:4]))
        for place, name in enumerate(names)
    ]
    return tuple(sorted(found, key=lambda column: column.shift[0] - column.shift[1]))
