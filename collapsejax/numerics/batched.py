"""Small matrix operations that run for many seeds at once, with the seeds on the last axis.

Under vmap the matrices of the seeds lie one after the other in memory, and a loop over a row of ten numbers leaves a
CPU's vectors idle. With the seeds on the last axis, each scalar operation becomes a vector operation over seeds.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jax.experimental.layout import Layout, with_layout_constraint

from ..core.base import Array, PyTree

_BLOCK = 12  # columns that are written out one by one: ten times as fast as a loop, but slower to compile


def seeds_last(function: Callable[..., Array]) -> Callable[..., Array]:
    """A function of one seed's arrays, from one of arrays with the seeds on the last axis, which runs under vmap."""

    @custom_vmap
    def of_one(*arguments: Array) -> Array:
        return function(*(argument[..., None] for argument in arguments))[..., 0]

    @of_one.def_vmap
    def of_many(size: int, batched: list[bool], *arguments: Array) -> tuple[Array, bool]:
        seeds = (
            jnp.moveaxis(argument, 0, -1) if own else jnp.broadcast_to(argument[..., None], (*argument.shape, size))
            for argument, own in zip(arguments, batched, strict=True)
        )
        result = _in_order(function(*map(_in_order, seeds)))
        return jnp.moveaxis(result, -1, 0), True

    return functools.wraps(function)(of_one)


def unless(enough: Array, quick: PyTree, general: Callable[..., PyTree], *arguments: PyTree) -> PyTree:
    """`quick` where `enough` (), else `general(*arguments)`, of the same structure.

    It is a loop of one iteration or none: under vmap a condition would compute both branches for all seeds.
    """

    def iterate(carry: tuple[Array, PyTree]) -> tuple[Array, PyTree]:
        missing, _ = carry
        # XLA hoists what does not depend on the carry out of the loop, and would always run it.
        own = jax.tree.map(lambda leaf: jnp.where(missing, leaf, jnp.zeros_like(leaf)), arguments)
        return ~missing, general(*own)

    return jax.lax.while_loop(lambda carry: carry[0], iterate, (~enough, quick))[1]


def cholesky(matrix: Array) -> Array:
    """The lower-triangular L (d, d) with L L' = matrix (d, d), which is symmetric; NaN unless it is positive definite.

    A block of columns at a time: a matrix product subtracts what the columns before it explain.
    """
    dim = len(matrix)
    if dim <= _BLOCK:
        return jnp.tril(_eliminate(matrix, matrix))
    num_blocks = -(-dim // _BLOCK)
    size = num_blocks * _BLOCK
    padded = jnp.eye(size, dtype=matrix.dtype).at[:dim, :dim].set(matrix)

    def add_block(block: Array, lower: Array) -> Array:
        first = block * _BLOCK
        rows = jax.lax.dynamic_slice_in_dim(lower, first, _BLOCK)
        panel = jax.lax.dynamic_slice_in_dim(padded, first, _BLOCK, axis=1)
        panel = panel - jnp.matmul(lower, rows.T, precision="highest")
        columns = _eliminate(jax.lax.dynamic_slice_in_dim(panel, first, _BLOCK), panel)
        columns = jnp.where((jnp.arange(size) >= first)[:, None], columns, 0.0)
        return jax.lax.dynamic_update_slice_in_dim(lower, columns, first, axis=1)

    lower = jax.lax.fori_loop(0, num_blocks, add_block, jnp.zeros_like(padded))
    return jnp.tril(lower)[:dim, :dim]


def solve_lower(lower: Array, right: Array) -> Array:
    """The X (d, m) with lower X = right (d, m), for a lower-triangular matrix (d, d), by forward substitution.

    A block of rows at a time: what those before it explain is subtracted, and the rest multiplied by the inverse of
    the block on the diagonal.
    """
    if len(lower) <= _BLOCK:
        return _substitute(lower, right)

    dim, num_blocks = len(lower), -(-len(lower) // _BLOCK)
    size = num_blocks * _BLOCK
    padded = jnp.eye(size, dtype=lower.dtype).at[:dim, :dim].set(lower)
    target = jnp.zeros((size, right.shape[1]), right.dtype).at[:dim].set(right)
    places = jnp.arange(num_blocks)
    squares = padded.reshape(num_blocks, _BLOCK, num_blocks, _BLOCK)[places, :, places]
    inverses = jax.vmap(_substitute)(squares, jnp.broadcast_to(jnp.eye(_BLOCK), squares.shape))

    def solve_block(block: Array, solved: Array) -> Array:
        first = block * _BLOCK
        rows, left = (jax.lax.dynamic_slice_in_dim(whole, first, _BLOCK) for whole in (padded, target))
        left = left - jnp.matmul(rows, solved, precision="highest")
        return jax.lax.dynamic_update_slice_in_dim(
            solved, jnp.matmul(inverses[block], left, precision="highest"), first, axis=0
        )

    return jax.lax.fori_loop(0, num_blocks, solve_block, jnp.zeros_like(target))[:dim]


def solve_upper(upper: Array, right: Array) -> Array:
    """The X (d, m) with upper X = right (d, m), for an upper-triangular matrix (d, d), by backward substitution."""
    return solve_lower(upper[::-1, ::-1], right[::-1])[::-1]


@seeds_last
def _substitute(lower: Array, right: Array) -> Array:
    solved: list[Array] = []
    for row, left in zip(lower, right, strict=True):
        for j, known in enumerate(solved):
            left = left - row[j][None] * known
        solved.append(left / row[len(solved)][None])
    return jnp.stack(solved)


def _in_order(array: Array) -> Array:
    """The array with its last axis contiguous in memory; XLA would otherwise only relabel the axes."""
    return with_layout_constraint(array, Layout(major_to_minor=tuple(range(array.ndim))))


@seeds_last
def _eliminate(square: Array, panel: Array) -> Array:
    """The X (r, b) with X C' = panel (r, b), for square (b, b) = C C' with C lower triangular.

    Without a mask, and with explicit sums of terms: XLA vectorizes only these.
    """
    columns: list[Array] = []
    solved: list[Array] = []
    for k in range(len(square)):
        left, right = square[k:, k], panel[:, k]
        for j, (column, done) in enumerate(zip(columns, solved, strict=True)):
            left = left - column[k - j :] * column[k - j][None]
            right = right - done * column[k - j][None]
        inverse = jax.lax.rsqrt(left[0])[None]
        columns.append(left * inverse)
        solved.append(right * inverse)
    return jnp.stack(solved, axis=1)
