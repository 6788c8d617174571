"""Layers of the decoder as pure functions of arrays, with gradients that are fast on a CPU.

Axis letters: B rows, L tokens of a row (M where they are attended to), N = B L tokens, row by row, H heads, E features
of a head, D = H E features, V symbols.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from ..core.base import Array

_ROTARY_BASE = 10_000.0


@jax.custom_vjp
def lookup(table_VxD: Array, tokens_N: Array) -> Array:
    """Rows of the table, (N, D).

    The gradient is a product with one-hot tokens. The gradient of indexing is a scatter, whose order of additions on a
    GPU is not fixed: the same key would give other bits.
    """
    return table_VxD[tokens_N]


def _lookup_forward(table_VxD: Array, tokens_N: Array) -> tuple[Array, tuple[Array, Array]]:
    return table_VxD[tokens_N], (table_VxD, tokens_N)


def _lookup_backward(residuals: tuple[Array, Array], gradient_NxD: Array) -> tuple[Array, None]:
    table_VxD, tokens_N = residuals
    one_hot_NxV = jax.nn.one_hot(tokens_N, len(table_VxD), dtype=gradient_NxD.dtype)
    return one_hot_NxV.T @ gradient_NxD, None


lookup.defvjp(_lookup_forward, _lookup_backward)


@jax.custom_vjp
def dense(x_NxI: Array, kernel_IxO: Array) -> Array:
    """The product (N, O), with a gradient of the kernel that is fast on a CPU also where I > O."""
    return x_NxI @ kernel_IxO


def _dense_forward(x_NxI: Array, kernel_IxO: Array) -> tuple[Array, tuple[Array, Array]]:
    return x_NxI @ kernel_IxO, (x_NxI, kernel_IxO)


def _dense_backward(residuals: tuple[Array, Array], gradient_NxO: Array) -> tuple[Array, Array]:
    x_NxI, kernel_IxO = residuals
    if x_NxI.shape[1] <= gradient_NxO.shape[1]:
        return gradient_NxO @ kernel_IxO.T, x_NxI.T @ gradient_NxO
    return gradient_NxO @ kernel_IxO.T, jax.lax.optimization_barrier(_transposed(gradient_NxO) @ x_NxI).T


dense.defvjp(_dense_forward, _dense_backward)


@jax.custom_vjp
def product(a_BxHxLxM: Array, b_BxHxMxE: Array) -> Array:
    """The product (B, H, L, E) for each row and head, with gradients that are fast on a CPU."""
    return a_BxHxLxM @ b_BxHxMxE


def _product_forward(a_BxHxLxM: Array, b_BxHxMxE: Array) -> tuple[Array, tuple[Array, Array]]:
    return a_BxHxLxM @ b_BxHxMxE, (a_BxHxLxM, b_BxHxMxE)


def _product_backward(residuals: tuple[Array, Array], gradient_BxHxLxE: Array) -> tuple[Array, Array]:
    a_BxHxLxM, b_BxHxMxE = residuals
    return gradient_BxHxLxE @ b_BxHxMxE.swapaxes(2, 3), _transposed(a_BxHxLxM) @ gradient_BxHxLxE


product.defvjp(_product_forward, _product_backward)


def _transposed(matrix: Array) -> Array:
    """The transpose, materialized: XLA:CPU has no fast product with a transposed left factor."""
    return jax.lax.optimization_barrier(matrix.swapaxes(-1, -2))


def split_heads(x_NxD: Array, length: int, heads: int) -> Array:
    """The heads (B, H, L, E) of (N, D): the layout with the fastest products; decoding is twice as fast."""
    x_BxLxHxE = x_NxD.reshape(-1, length, heads, x_NxD.shape[-1] // heads)
    return x_BxLxHxE.transpose(0, 2, 1, 3)


def merge_heads(x_BxHxLxE: Array) -> Array:
    """(N, D) from its heads: the inverse of `split_heads`."""
    batch, heads, length, size = x_BxHxLxE.shape
    return x_BxHxLxE.transpose(0, 2, 1, 3).reshape(batch * length, heads * size)


def attend(q_BxHxLxE: Array, k_BxHxMxE: Array, v_BxHxMxE: Array, seen_LxM: Array) -> Array:
    """Softmax attention, (B, H, L, E), of each position to those that `seen_LxM` allows. The softmax is in float32.

    Masked positions have weight, and so gradient, exactly 0.
    """
    scores_BxHxLxM = product(q_BxHxLxE * q_BxHxLxE.shape[-1] ** -0.5, k_BxHxMxE.swapaxes(2, 3))
    scores_BxHxLxM = jnp.where(seen_LxM[None, None], scores_BxHxLxM.astype(jnp.float32), -jnp.inf)
    weights_BxHxLxM = jax.nn.softmax(scores_BxHxLxM, axis=-1).astype(v_BxHxMxE.dtype)
    return product(weights_BxHxLxM, v_BxHxMxE)


def rotation(length: int, size: int) -> np.ndarray:
    """Cosines and sines (2, L, E / 2) of the angles of rotary positions, for each pair of a head's features.

    Source: Su et al. (2021), RoFormer, arXiv 2104.09864, equation 15.
    """
    frequencies = _ROTARY_BASE ** (-np.arange(0, size, 2) / size)
    angles = np.arange(length)[:, None] * frequencies
    return np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def rotate(x_BxHxLxE: Array, rotation_2xLxF: Array) -> Array:
    """Queries or keys, rotated; features i and i + E / 2 are a pair."""
    cosine, sine = rotation_2xLxF[:, None, None].astype(x_BxHxLxE.dtype)
    first, second = jnp.split(x_BxHxLxE, 2, axis=-1)
    return jnp.concatenate([first * cosine - second * sine, first * sine + second * cosine], axis=-1)
