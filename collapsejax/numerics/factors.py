"""Triangular factors of covariances that survive collapse.

Under replace the eigenvalues of a fitted covariance fall exponentially, each at its own rate, so after some dozens of
generations float32 can neither hold nor factorize the matrix. It is therefore never formed: a `Factor` is F with
covariance F F', kept as columns of unit length beside the logarithms of their lengths, and a synthetic batch
multiplies it from the right by the (well-conditioned) factor of a standard Wishart matrix.

What linear algebra a generation needs is written out here rather than taken from LAPACK through `jnp.linalg`. jaxlib
0.10 spreads a batch of such calls over the threads that then wait for it, so a program on as many CPU devices as there
are cores waits forever; and over a batch of small matrices these loops are faster.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from ..core.base import Array
from ..core.pytree import Module
from .batched import cholesky, solve_lower, solve_upper, unless
from .float32 import exp2

# A pivot is taken for zero below this many roundings of the data it was computed from.
_PIVOT_ROUNDINGS = 8
# Correlations are factored where every coordinate keeps this share of its length beside those before it, which costs
# a factor 1 / share^2 of precision.
_SAFE_PIVOT = 0.05


class Factor(Module):
    """F = unit * exp(log_scale), lower triangular (d, d).

    `unit` (d, d) has columns of length 1, or 0 where `log_scale` (d,) is -inf. F F' is singular exactly where a
    diagonal entry of `unit` is zero.
    """

    unit: Array
    log_scale: Array

    @classmethod
    def of(cls, lower: Array) -> Factor:
        """A lower-triangular matrix (d, d) as a factor."""
        return from_columns(lower, jnp.zeros(lower.shape[0], lower.dtype))

    def dense(self) -> Array:
        """F as a matrix (d, d); entries under float32's smallest number become 0."""
        return self.unit * jnp.exp(self.log_scale)[None, :]

    def log_pivots(self) -> Array:
        """Log |F_jj|, (d,); -inf where singular. The log-determinant of F F' is twice their sum."""
        return jnp.log(jnp.abs(jnp.diagonal(self.unit))) + self.log_scale

    def shift(self, log_factor: Array) -> Factor:
        """exp(log_factor) F."""
        return Factor(self.unit, self.log_scale + log_factor)

    def times(self, lower: Array) -> Factor:
        """F @ lower for a lower-triangular (d, d) matrix, without leaving the log scale.

        Column j is a sum over columns i >= j of F, so the largest of those sets the scale of the result.
        """
        used = jnp.tri(self.unit.shape[0], dtype=bool)
        log_scale = jnp.max(jnp.where(used, self.log_scale[:, None], -jnp.inf), axis=0)
        finite = jnp.where(jnp.isneginf(log_scale), 0.0, log_scale)
        # Above the diagonal, where `lower` is zero, the difference may be of any size.
        below = jnp.minimum(self.log_scale[:, None] - finite[None, :], 0.0)
        relative = exp2(below * np.float32(np.log2(np.e)))
        return from_columns(jnp.matmul(self.unit, lower * relative, precision="highest"), log_scale)


def from_columns(columns: Array, log_scale: Array) -> Factor:
    """The factor with columns `columns` (d, d) times exp(`log_scale`) (d,), normalized to unit columns."""
    square = jnp.sum(columns**2, axis=0)
    inverse = jax.lax.rsqrt(jnp.where(square > 0, square, 1.0))
    return Factor(columns * inverse[None, :], jnp.where(square > 0, log_scale - jnp.log(inverse), -jnp.inf))


def zero_factor(like: Array) -> Factor:
    """The factor of a zero matrix, in the dimension and dtype of `like` (d,)."""
    return Factor(jnp.zeros((like.shape[0],) * 2, like.dtype), jnp.full_like(like, -jnp.inf))


def grown_factor(a: Factor, log_share: Array, lower: Array, step: Array) -> Factor:
    """Factor of A A' + A' S A' for S = exp(2 log_share) (lower lower' + step step'): A C with C C' = I + S.

    lower (d, d), step (d,). No collapsed matrix is factored or squared, and a singular one stays singular.
    """
    if len(step) == 1:  # XLA fuses this with its producer and its consumer, without a concatenation
        added = jnp.exp(2 * log_share) * (lower**2 + step[:, None] ** 2)
        return a.times(jnp.sqrt(1 + added))
    columns = jnp.exp(log_share) * jnp.concatenate([lower, step[:, None]], axis=1)
    grown = jnp.eye(len(step)) + jnp.matmul(columns, columns.T, precision="highest")
    return a.times(cholesky(grown))


def correlation_root(gram: Array) -> tuple[Array, Array, Array]:
    """Lengths (d,), their inverses (d,) and the Cholesky factor (d, d) of the correlations of a Gram matrix (d, d).

    The squares of the lengths are its diagonal; as the inverse of 0 stands 1.
    """
    length = jnp.sqrt(jnp.diagonal(gram))
    unit = 1 / jnp.where(length > 0, length, 1.0)
    return length, unit, cholesky(gram * unit[:, None] * unit[None, :])


def is_safe(lower: Array) -> Array:
    """Whether the Cholesky factor of correlations has no small pivot.

    The largest is 1, but a vanishing one may be infinite: XLA may compute it twice, round it to 0 once, and multiply
    the other by the inverse of that.
    """
    pivots = jnp.diagonal(lower)
    return jnp.all((pivots > _SAFE_PIVOT) & (pivots < 2))


def sum_factor(a: Factor, b: Factor, vector: Array) -> Factor:
    """Factor of A A' + B B' + v v', vector (d,).

    Adding never lowers a pivot, so a pivot of A or B is kept. One that neither has is kept only if it exceeds the
    rounding, since the columns of B are often combinations of those of A, and only up to the rank that the sum can
    have.
    """
    scale = jnp.maximum(jnp.max(a.log_scale), jnp.max(b.log_scale))
    scale = jnp.maximum(scale, jnp.log(jnp.max(jnp.abs(vector))))
    scale = jnp.where(jnp.isneginf(scale), 0.0, scale)
    parts = [a.shift(-scale).dense().T, b.shift(-scale).dense().T, vector[None, :] * jnp.exp(-scale)]
    stacked = jnp.concatenate(parts)
    lower = triangle(stacked)
    supported = (jnp.diagonal(a.unit) != 0) | (jnp.diagonal(b.unit) != 0)
    noise = estimated_noise(lower, stacked, supported)
    present = supported | (jnp.abs(jnp.diagonal(lower)) > noise)
    # The estimate ignores what new pivots explain. After the last possible pivot a column is rounding alone.
    rank = sum(jnp.sum(part.log_scale > -jnp.inf) for part in (a, b)) + jnp.any(vector != 0)
    behind = ~supported & (jnp.cumsum(present) - present >= rank)
    lower = jnp.where(behind[None, :], 0.0, drop(lower, ~present, noise))
    return from_columns(lower, jnp.broadcast_to(scale, vector.shape))


def regression_sum(a: Factor, b: Factor) -> Factor:
    """Factor of A A' + B B', as `sum_factor` with no vector, where the last of the d + 1 coordinates is a response.

    The d others seldom collapse, so the Cholesky factor of their sum is used, with the residuals of the response; where
    its pivots are small, reflections are.
    """
    scale = jnp.maximum(jnp.max(a.log_scale), jnp.max(b.log_scale))
    scale = jnp.where(jnp.isneginf(scale), 0.0, scale)
    parts = [part.shift(-scale).dense() for part in (a, b)]
    across, along, left = zip(*((part[:-1, :-1], part[-1, :-1], part[-1, -1]) for part in parts), strict=True)
    length, unit, root = correlation_root(sum(jnp.matmul(x, x.T, precision="highest") for x in across))
    products = sum(jnp.matmul(x, z, precision="highest") for x, z in zip(across, along, strict=True))
    response = solve_lower(root, (products * unit)[:, None])
    weights = solve_upper(root.T, response)[:, 0] * unit
    # The residuals of each part: a difference of squared lengths would cancel.
    residuals = [z - jnp.matmul(weights, x, precision="highest") for x, z in zip(across, along, strict=True)]
    residuals = jnp.concatenate([*residuals, jnp.stack(left)])
    largest = jnp.max(jnp.abs(residuals))
    size = largest * jnp.sqrt(jnp.sum((residuals / jnp.where(largest > 0, largest, 1.0)) ** 2))
    upper = jnp.concatenate([length[:, None] * root, jnp.zeros_like(response)], axis=1)
    lower = jnp.concatenate([upper, jnp.append(response[:, 0], size)[None, :]])
    fast = from_columns(lower, jnp.broadcast_to(scale, a.log_scale.shape))
    return unless(is_safe(root), fast, sum_factor, a, b, jnp.zeros_like(a.log_scale))


def triangle(rows: Array) -> Array:
    """Lower-triangular L (d, d) with L L' = rows' rows; rows (C, d), C >= 1.

    By Householder reflections, coordinate by coordinate; entries above the diagonal are ignored.
    """
    count, dim = rows.shape
    if dim == 1:
        return jnp.sqrt(jnp.sum(rows**2)).reshape(1, 1)
    # In units of the largest entry of each, so that squares of small numbers do not vanish.
    largest = jnp.max(jnp.abs(rows), axis=0)
    across = (rows / jnp.where(largest > 0, largest, 1.0)[None, :]).T

    def reflect(k: Array, across: Array) -> Array:
        direction = jnp.where(jnp.arange(count) >= k, across[k], 0.0)
        at_k = across[k, k]
        length = jnp.sqrt(jnp.sum(direction**2))
        direction = jnp.where(jnp.arange(count) == k, at_k + jnp.where(at_k > 0, length, -length), direction)
        half_square = length * (length + jnp.abs(at_k))
        projection = jnp.matmul(across, direction, precision="highest")
        projection = projection / jnp.where(half_square > 0, half_square, 1.0)
        return across - projection[:, None] * direction[None, :]

    across = jax.lax.fori_loop(0, min(count, dim), reflect, across)
    across = jnp.pad(across[:, :dim], ((0, 0), (0, max(0, dim - count))))
    return jnp.tril(across) * largest[:, None]


def estimated_noise(lower: Array, rows: Array, explaining: Array) -> Array:
    """The residual that rounding of `rows` (C, d) alone can leave of each coordinate, (d,).

    With c_k the coefficients of the `explaining` coordinates (d,) before it, the residual of coordinate j is
    x_j - sum_k c_k x_k, and so carries the rounding of x_j and of every x_k times c_k.
    """
    identity = jnp.eye(rows.shape[1])
    pivots = jnp.where(explaining, jnp.diagonal(lower), 1.0)
    unit = jnp.where(explaining[None, :], lower / pivots[None, :], identity)
    coefficients = solve_lower(unit, identity)
    rounding = jnp.finfo(rows.dtype).eps * jnp.sqrt(jnp.sum(rows**2, axis=0))
    return _PIVOT_ROUNDINGS * jnp.sqrt(jnp.sum((coefficients * rounding[None, :]) ** 2, axis=1))


def drop(lower: Array, absent: Array, noise: Array) -> Array:
    """The factor without the absent pivots and the noise below them, which would build up over the generations.

    Entries above the noise stay: they are variance of later coordinates.
    """
    column = absent[None, :] & (jnp.abs(lower) <= noise[:, None])
    return jnp.where(column | jnp.diag(absent), 0.0, lower)
