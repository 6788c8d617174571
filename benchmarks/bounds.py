"""The least time that a seed can take: what its generations cannot do without, at what that costs on this device.

The costs are those of whole loops at full speed, so a bound is one for this algorithm written as well as can be: that
normals are made of threefry's words, one block for each, is part of it, and so is that kernels are summed pair by pair.
What is not counted here only adds to the time. So are rows that a cache may hold: they cost nothing to move.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import measure

from collapsejax.loop import COMPILER_OPTIONS
from collapsejax.numerics.float32 import exp2
from collapsejax.numerics.random import normal
from collapsejax.numerics.threefry import fused

Array = jax.Array

REPEATS = 9  # of each loop; the median counts
TERMS = 16  # that a sum takes up at once, so that it is loaded and stored once for all of them
SMALL = 10  # rows and columns of a small matrix
LARGE_DIM = 64  # from which on products of (d, d) matrices cost what those of large ones cost
CACHE_BYTES = 2**25  # rows of a seed that need no more may stay in a cache


class Sizes(NamedTuple):
    """Sizes of a cell: features (d), rows of a batch (n), held-out rows (m), generations (G)."""

    dim: int
    num_samples: int
    num_test: int
    num_generations: int


class Widths(NamedTuple):
    """How much a loop works on at a time: numbers, small matrices, columns of a large one, numbers in memory."""

    numbers: int
    matrices: int
    columns: int
    memory: int


CPU_WIDTHS = Widths(2**15, 64, 512, 2**25)  # in the caches of a core, all but the last
DEVICE_WIDTHS = Widths(2**22, 2**14, 4096, 2**28)  # as many as an accelerator needs to be busy


def unit_costs() -> dict[str, float]:
    """Nanoseconds of each thing that bounds are made of, on this device: each the median of several loops.

    `words`: 32 random bits, a block of threefry. `normals`: standard normals, their bits included. `exponentials`: a
    Gaussian kernel of the distance along one feature, by the package's polynomial, which takes half the time of
    `jnp.exp`, as a term of a sum. `large_products` and `small_products`: a multiplication with its addition in products
    of matrices in float32; the small ones by the faster of `jnp.matmul` and sums with the batch on the last axis.
    `reads` and `writes`: a float32 from and to memory, more of it than the caches hold.
    """
    numbers, matrices, columns, memory = CPU_WIDTHS if jax.default_backend() == "cpu" else DEVICE_WIDTHS
    zeros, key = partial(jnp.zeros, numbers), fused(jax.random.key(0))

    def word(value: Array, data: Array, turn: Array) -> Array:
        return value ^ jax.random.bits(jax.random.fold_in(data, turn), value.shape, jnp.uint32)

    def one_normal(value: Array, data: Array, turn: Array) -> Array:
        return value + normal(jax.random.fold_in(data, turn), value.shape)

    def exponential(value: Array, data: Array, turn: Array) -> Array:
        rows = turn.astype(float) + data
        return sum(exp2(-((value - row) ** 2)) for row in rows) / TERMS

    def product(value: Array, data: Array, turn: Array) -> Array:
        del turn
        return jnp.matmul(value, data, precision="highest")

    def in_lanes(value: Array, data: Array, turn: Array) -> Array:
        del turn
        return sum(value[:, k, None] * data[None, k] for k in range(SMALL))

    def read(value: Array, data: Array, turn: Array) -> Array:
        return value + sum(jax.lax.dynamic_index_in_dim(data, turn, keepdims=False))

    def write(value: Array, data: None, turn: Array) -> Array:
        del data
        new = jnp.broadcast_to(turn.astype(float), value.shape[1:])
        return jax.lax.dynamic_update_index_in_dim(value, new, turn, 0)

    # Of entries such that the products are as large, and none becomes subnormal.
    large, small = partial(jnp.full, 2 * (columns,), 1 / columns), partial(jnp.full, fill_value=1 / SMALL)
    in_rows, in_columns, count = (matrices, SMALL, SMALL), (SMALL, SMALL, matrices), matrices * SMALL**3
    chunks, chunk = memory // (TERMS * numbers), TERMS * numbers
    stored = jnp.zeros((chunks, TERMS, numbers))
    return {
        "words": _nanoseconds(word, zeros(jnp.uint32), key, 256, numbers),
        "normals": _nanoseconds(one_normal, zeros(), key, 128, numbers),
        "exponentials": _nanoseconds(exponential, zeros(), jnp.arange(TERMS) / TERMS, 256, chunk),
        "large_products": _nanoseconds(product, large(), large(), 8, columns**3),
        "small_products": min(
            _nanoseconds(product, small(in_rows), small(in_rows), 256, count),
            _nanoseconds(in_lanes, small(in_columns), small(in_columns), 256, count),
        ),
        "reads": _nanoseconds(read, zeros(), stored, chunks, chunk),
        "writes": _nanoseconds(write, stored, None, chunks, chunk),
    }


def _nanoseconds(step: Callable, value: Array, data: Any, turns: int, count: int) -> float:
    """Of one of `count` things that `step(value, data, turn)` does, in a loop of so many turns on its own results.

    `value` is used up: the loop writes to it, as a copy would be timed too.
    """

    @partial(jax.jit, donate_argnums=0, compiler_options=COMPILER_OPTIONS)
    def loop(value: Array, data: Any) -> Array:
        # Turns are counted in the carry, as `collapsejax.run` says.
        def turn(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
            return (step(carry[0], data, carry[1]), carry[1] + 1), None

        return jax.lax.scan(turn, (value, jnp.int32(0)), length=turns)[0][0]

    def once() -> Array:
        nonlocal value
        value = loop(value, data)
        return value

    once()  # compiles
    return 1e9 * statistics.median(measure.seconds(once) for _ in range(REPEATS)) / (turns * count)


Counts = dict[str, float]


def counts(task: str, workflow: str, literal: bool, sizes: Sizes) -> Counts:
    """How many of each thing one generation of one seed needs, on average over the generations.

    `literal`: rows themselves are drawn and pooled. Of a product of triangles, and of a symmetric one, only the entries
    and terms that are not known beforehand count.
    """
    needs = {"gaussian": _literal_gaussian if literal else _exact_gaussian, "kde": _kde, "regression": _regression}
    number = needs[task](workflow, sizes)
    number["words"] = number.get("words", 0) + 1  # the key of the generation
    products = number.pop("products", 0)
    return number | {"large_products" if sizes.dim >= LARGE_DIM else "small_products": products}


def _exact_gaussian(workflow: str, sizes: Sizes) -> Counts:
    d = sizes.dim
    return {
        # Wishart's factor below the diagonal; a chi for each entry on it, from a normal; and the mean. What accepts a
        # chi is the other half of the block that made its normal.
        "normals": d * (d - 1) / 2 + d + d,
        # The factor times that of the mean's step, and the squares in its trace; and by the workflow: replace
        # multiplies two triangles; accumulate makes a Gram matrix of one, factors it, and multiplies by the result.
        "products": d**2 / 2 + d**2 / 2 + {"replace": 1, "accumulate": 3}[workflow] * d**3 / 6,
        "writes": 4,  # metrics, of more seeds than any cache holds
    }


def _literal_gaussian(workflow: str, sizes: Sizes) -> Counts:
    d, n = sizes.dim, sizes.num_samples
    fitted = {"accumulate": n * (sizes.num_generations + 1) / 2}.get(workflow, n)
    return {
        "normals": n * d,
        # A row is a triangle times its normals; one half of the scatter of all rows that are fitted; its factor.
        "products": n * d**2 / 2 + fitted * d**2 / 2 + d**3 / 6,
        **_moved(workflow, d, fitted, sizes, metrics=4),
    }


def _kde(workflow: str, sizes: Sizes) -> Counts:
    d, n, m = sizes.dim, sizes.num_samples, sizes.num_test
    moved = _moved(workflow, d, n, sizes, metrics=3)
    return {
        "exponentials": m * n,  # each held-out row with each row that is new: under accumulate the others are summed
        "normals": n * d,
        **moved,
        "words": moved.get("words", 0) + n,  # which row each new one is close to
    }


def _regression(workflow: str, sizes: Sizes) -> Counts:
    d, n = sizes.dim, sizes.num_samples
    # Weights by substitution in a triangle, and its product with their error for the test rows.
    fit = d**2 / 2 + d**2 / 2
    if workflow == "accumulate-subsample":
        return {
            "normals": n,  # noise: the design is fixed
            # What the weights predict, one half of the Gram matrix of the rows, its factor.
            "products": fit + n * d + n * d**2 / 2 + d**3 / 6,
            **_moved(workflow, d + 1, n, sizes, metrics=2),
        }
    # The Gram matrices of two triangles are added up and factored.
    merge = {"replace": 0, "accumulate": 2 * d**3 / 6 + d**3 / 6}[workflow]
    return {"normals": d, "products": fit + merge, "writes": 2}


def _moved(workflow: str, width: int, fitted: float, sizes: Sizes, *, metrics: int) -> Counts:
    """What it takes to choose rows and to move them, and numbers that are written as metrics.

    An index of a subset is computed in place of a word, and costs more. Rows come from memory, and go there, if all of
    a seed are more than a cache holds.
    """
    pooled = sizes.num_samples * (1 if workflow == "replace" else sizes.num_generations + 1)
    outside = 4 * width * pooled > CACHE_BYTES
    subset = {"words": sizes.num_samples} if workflow == "accumulate-subsample" else {}
    reads = {"reads": width * fitted} if outside else {}
    return {**subset, **reads, "writes": metrics + (width * sizes.num_samples if outside else 0)}


def bound(number: Counts, num_generations: int, costs: dict[str, float]) -> tuple[float, str]:
    """Seconds that a seed of so many generations takes at least, and the name of what takes most of them."""
    terms = {unit: amount * costs[unit] for unit, amount in number.items()}
    return 1e-9 * num_generations * sum(terms.values()), max(terms, key=terms.__getitem__)


def verdict(record: dict[str, Any]) -> str:
    """Whether a target is "met"; if not, whether the "bound" rules it out, or the program falls "short" of it."""
    if record["ratio"] >= record["target"]:
        return "met"
    return "bound" if record["reference_s"] / record["bound_s"] < record["target"] else "short"
