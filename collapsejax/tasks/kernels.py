"""Kernels of density estimates, and their sums over rows, where nearly all the time of an estimate goes."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial, reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ..core.base import Array
from ..data.rows import Rows
from ..numerics.float32 import exp2
from ..numerics.random import normal

_LANES = 16  # numbers in a CPU's longest vector: places beyond the last full one would be computed singly
_BLOCK = 16  # rows that a CPU adds at once, so that it loads and stores the sums once for all of them
_FAINT = 2.0**-100


def log_gaussian_sums(places: Array, rows: Rows, bandwidth: Array) -> Array:
    """Log sum_i w_i exp(-|t_j - x_i|^2 / 2), (m,), with distances in bandwidths: places (m, d), bandwidth (d,).

    One pass over the rows adds the kernels as they are. Only where that is not exact enough, because they are 2^-100
    and less on average, are they added once more, as multiples of the largest. That is the body of a loop that ends
    after one turn or before it: of a condition `vmap` would compute both sides.
    """
    num_places = places.shape[0]
    places = jnp.pad(places, ((0, -num_places % _LANES), (0, 0)), mode="edge")
    fold = partial(_fold, places, rows, bandwidth * math.sqrt(2 * math.log(2)))  # in these units, kernels are 2^-square
    sums = fold(rows.weights, jnp.add, lambda square, weight: weight * exp2(-square), 0.0)
    faint = sums <= _FAINT * jnp.sum(rows.weights)

    def add_again(carry: tuple[Array, Array]) -> tuple[Array, Array]:
        needed, log_sums = carry
        # XLA computes what does not depend on the carry before the loop, whether that has a turn or not.
        weights = jnp.where(needed, rows.weights, 0.0)
        nearest = fold(weights, jnp.minimum, lambda square, weight: jnp.where(weight > 0, square, jnp.inf), jnp.inf)
        found = jnp.isfinite(nearest)
        shift = jnp.where(found, nearest, 0.0)
        # An empty slot may be nearer than any row, and its kernel infinite.
        relative = lambda square, weight: weight * exp2(jnp.minimum(shift - square, 0.0))
        sums = fold(weights, jnp.add, relative, 0.0)
        shifted = jnp.where(found, jnp.log(sums) - math.log(2) * shift, -jnp.inf)
        return jnp.zeros_like(needed), jnp.where(faint, shifted, log_sums)

    _, log_sums = jax.lax.while_loop(lambda carry: carry[0], add_again, (jnp.any(faint), jnp.log(sums)))
    return log_sums[:num_places]


def log_tophat_sums(places: Array, rows: Rows, bandwidth: Array) -> Array:
    """Log of the weight of the rows that are less than a bandwidth away, (m,): places (m, d), bandwidth (d,)."""
    inside = lambda square, weight: jnp.where(square < 1, weight, 0.0)
    return jnp.log(_fold(places, rows, bandwidth, rows.weights, jnp.add, inside, 0.0))


def _fold(
    places: Array, rows: Rows, unit: Array, weights: Array, combine: Callable, term: Callable, start: float
) -> Array:
    """Combine `term(square, weight)` over the rows, (m,), with squared distances in `unit` (d,).

    From differences, feature by feature: squares by matrix product would cancel.
    """
    places, values = (places / unit[None, :]).T, rows.values / unit[None, :]

    @jax.jit  # traced once for all rows of a block
    def of_row(row: Array, weight: Array) -> Array:
        return term(sum((place - x) ** 2 for place, x in zip(places, row, strict=True)), weight)

    def at_once(values: Array, weights: Array, count: Array) -> Array:
        del count
        return combine.reduce(jax.vmap(of_row)(values, weights), axis=0)

    def in_blocks(values: Array, weights: Array, count: Array) -> Array:
        num_blocks = -(-len(values) // _BLOCK)
        size = -(-len(values) // num_blocks)
        padding = num_blocks * size - len(values)
        values, weights = jnp.pad(values, ((0, padding), (0, 0))), jnp.pad(weights, (0, padding))

        def add_block(i: Array, total: Array) -> Array:
            block = (jax.lax.dynamic_slice_in_dim(part, i * size, size) for part in (values, weights))
            return combine(total, reduce(combine, map(of_row, *block)))

        num_filled = jnp.minimum(-(-count // size), num_blocks)
        return jax.lax.fori_loop(0, num_filled, add_block, jnp.full(places.shape[1], start, places.dtype))

    # A CPU's compiler does not vectorize a sum over rows that is fused with its terms; an accelerator's does better
    # with one large kernel than with many small ones.
    return jax.lax.platform_dependent(values, weights, rows.count, cpu=in_blocks, default=at_once)


class Kernel(NamedTuple):
    """A radial kernel of bandwidth 1.

    `log_sums(places, rows, bandwidth)`: log of its sum over rows at places (m, d), but for a constant, (m,);
    `log_mass(d)`: log of its integral over d dimensions; `variance(d)`: of each of its d coordinates;
    `sample(key, n, d)`: n draws (n, d).
    """

    log_sums: Callable[[Array, Rows, Array], Array]
    log_mass: Callable[[int], float]
    variance: Callable[[int], float]
    sample: Callable[[Array, int, int], Array]


def _sample_ball(key: Array, n: int, d: int) -> Array:
    k_direction, k_radius = jax.random.split(key)
    direction = normal(k_direction, (n, d))
    radius = jax.random.uniform(k_radius, (n, 1)) ** (1 / d)
    return direction * radius / jnp.linalg.norm(direction, axis=1, keepdims=True)


KERNELS = {
    "gaussian": Kernel(
        log_gaussian_sums,
        lambda d: d / 2 * math.log(2 * math.pi),
        lambda d: 1.0,
        lambda key, n, d: normal(key, (n, d)),
    ),
    "tophat": Kernel(
        log_tophat_sums,
        lambda d: d / 2 * math.log(math.pi) - math.lgamma(d / 2 + 1),
        lambda d: 1 / (d + 2),
        _sample_ball,
    ),
}
