"""Triangular factors of the scatter of rows, and their numerical rank."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from ..core.base import Array
from .batched import unless
from .factors import Factor, correlation_root, drop, estimated_noise, from_columns, is_safe, triangle

_CLEAR = 1e4  # coordinates at least this many roundings of the data long are factored by their correlations
_SMALL_SQUARE = 1e-20  # below it, or above its inverse, products of rows may leave float32's range
_GOLDEN = 0x9E3779B1  # an odd number whose powers have all bits


def scatter_factor(rows: Array, weights: Array, mean: Array) -> Factor:
    """Factor of sum_i w_i (x_i - mean)(x_i - mean)'.  rows (C, d), weights (C,), mean (d,) = the weighted mean.

    With c rows of positive weight pivot j has c - 1 - j degrees of freedom; without any it is zero. A pivot below the
    rounding of the rows is zero as well, unless it has a single degree of freedom: such a pivot is small by chance with
    a probability of the order of its size, the others with that probability squared or less.
    """
    root = jnp.sqrt(weights)[:, None]
    offset = jnp.sqrt(jnp.sum(weights)) * mean
    centred, count = root * rows - root * mean[None, :], jnp.sum(weights > 0) - 1

    def reflected(rows: Array, offset: Array, count: Array) -> Factor:
        return _reflected(rows, offset, count - jnp.arange(rows.shape[1]))

    if len(rows) <= rows.shape[1]:  # singular: the correlations would be, too
        return reflected(centred, offset, count)
    return _factor(centred, offset, count, reflected)


def gram_factor(rows: Array, weights: Array) -> Factor:
    """Factor of sum_i w_i x_i x_i'.  rows (C, d), weights (C,); the last coordinate is a response to the others.

    Pivots are dropped as in `scatter_factor`. Rows with equal values of the others, as where a design is used again,
    count once in the degrees of freedom.
    """
    weighted = jnp.sqrt(weights)[:, None] * rows
    num_others = rows.shape[1] - 1

    def reflected(rows: Array, offset: Array, count: Array, others: Array, present: Array) -> Factor:
        distinct = _num_distinct(others, present)
        left = count - jnp.minimum(num_others, distinct)
        return _reflected(rows, offset, jnp.append(distinct - jnp.arange(num_others), left))

    present = weights > 0
    arguments = (weighted, jnp.zeros(rows.shape[1], rows.dtype), jnp.sum(present))
    if len(rows) < rows.shape[1]:
        return reflected(*arguments, rows[:, :-1], present)
    return _factor(*arguments, reflected, rows[:, :-1], present)


def _num_distinct(rows: Array, present: Array) -> Array:
    """The number of different rows among the `present` (C,) of rows (C, d), (); by hashes of 32 bits."""
    bits = jax.lax.bitcast_convert_type(rows.astype(jnp.float32), jnp.uint32)
    powers = np.array([pow(_GOLDEN, place + 1, 2**32) for place in range(rows.shape[1])], np.uint32)
    hashes = jnp.sum(bits * powers[None, :], axis=1, dtype=jnp.uint32)
    ordered = jnp.sort(jnp.where(present, hashes, jnp.uint32(2**32 - 1)))
    return 1 + jnp.sum(ordered[1:] != ordered[:-1]) - jnp.any(~present)


def _factor(rows: Array, offset: Array, count: Array, general: Callable[..., Factor], *arguments: Array) -> Factor:
    """Factor of rows' rows, of rank at most `count`; `rows` (C, d) carry the rounding of rows and `offset` (d,).

    It is computed by the Cholesky factor of the correlations, which is fast and as exact as reflections as long as no
    pivot is small, else by `general(rows, offset, count, *arguments)`.
    """
    gram = jnp.matmul(rows.T, rows, precision="highest")
    square = jnp.diagonal(gram)
    length, _, lower = correlation_root(gram)
    clear = jnp.all(square > (_CLEAR * jnp.finfo(rows.dtype).eps) ** 2 * (square + offset**2))
    within = jnp.all((square > _SMALL_SQUARE) & (square < 1 / _SMALL_SQUARE))
    enough = clear & within & is_safe(lower) & (count >= rows.shape[1])
    quick = from_columns(length[:, None] * lower, jnp.zeros_like(length))
    return unless(enough, quick, general, rows, offset, count, *arguments)


def _reflected(rows: Array, offset: Array, degrees: Array) -> Factor:
    """The same factor by Householder reflections; `degrees` (d,) of freedom of each pivot."""
    largest = jnp.max(jnp.abs(rows), initial=0.0)
    scale = jnp.where(largest > 0, largest, 1.0)
    lower = triangle(rows / scale)
    rounded = jnp.concatenate([rows, offset[None, :]]) / scale
    pivots = jnp.abs(jnp.diagonal(lower))
    # The first pivot that is noise spoils the estimates after it, which are therefore computed again without it.
    possible = (pivots > 0) & (degrees > 0)
    noise = estimated_noise(lower, rounded, possible)
    doubtful = (degrees >= 2) & (pivots <= noise)
    clear = possible & (jnp.cumsum(doubtful | (pivots == 0)) == 0)
    noise = unless(~jnp.any(doubtful), noise, estimated_noise, lower, rounded, clear)
    absent = (degrees <= 0) | ((degrees >= 2) & (pivots <= noise))
    return from_columns(drop(lower, absent, noise), jnp.full(rows.shape[1], jnp.log(scale)))
