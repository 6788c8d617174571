"""Draws of whole numbers: by weight with replacement, and uniformly without."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from ..core.base import Array
from .batched import unless
from .threefry import Stream, fused, uniform


def by_weight(key: Array, k: int, count: Array, equal: Array, sums: Callable[..., Array], *arguments: Array) -> Array:
    """Draw k of the integers 0 ... count-1 with replacement, (k,) int32, by weights that are `equal` or not.

    `sums(*arguments)` are those of the weights up to each integer; an integer may be drawn where its sum is larger
    than the one before.
    """
    uniforms = uniform(jax.random.bits(fused(key), (k,), jnp.uint32))

    def search(*arguments: Array) -> Array:
        cumulative = sums(*arguments)
        return jnp.searchsorted(cumulative, uniforms * cumulative[count - 1], side="left").astype(jnp.int32)

    quick = jnp.clip(jnp.ceil(uniforms * count) - 1, 0, count - 1).astype(jnp.int32)
    return unless(equal, quick, search, *arguments)


def subset(key: Array, count: Array, k: Array, room: int | None = None) -> Array:
    """Draw k of the integers 0 ... count-1 uniformly without replacement, (k,) int32; `count` >= k may be traced.

    With a `room`, k may be traced as well: (room,), of which the first k are the same whatever the room is, and the
    others repeat the last of them. With k = count all come in their order.

    These are the first images of a random permutation, so that k integers take time in k and no memory of what is
    taken. The integers stand in a grid, row by row, of which the last may be shorter. In turn every row is rotated, by
    an amount of its own, and every column: a Feistel network in mixed radix (Black and Rogaway 2002, CT-RSA, LNCS 2271,
    114) whose grid ends where the integers do, so that no image has to be drawn again. The amounts are hashes of 64
    bits from the key. If they were independent, the law of any two images would be within 1e-6 of that of two draws (in
    total variation), whatever `count` is.
    """
    room = k if room is None else room
    low, high = Stream.of(key).words(0, ())
    count = jnp.asarray(count, jnp.int32).astype(jnp.uint32)
    width = jnp.ceil(jnp.sqrt(count.astype(jnp.float32))).astype(jnp.uint32)
    height = jax.lax.div(count + width - 1, width)
    last = count - width * (height - 1)
    index = jnp.arange(-(-room // _LANES) * _LANES, dtype=jnp.int32)
    index = jnp.minimum(index, jnp.asarray(k, jnp.int32) - 1)

    def turn(i: Array, place: tuple[Array, Array]) -> tuple[Array, Array]:
        column, row = place
        salt = low + 2 * i.astype(jnp.uint32) * _GOLDEN
        column = _rotate(column, jnp.where(row == height - 1, last, width), row + salt, high)
        row = _rotate(row, jnp.where(column < last, height, height - 1), column + salt + _GOLDEN, high)
        return column, row

    def turn_again(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        return carry[0] + 1, *turn(carry[0], carry[1:])

    # Two loops, since one of a traced length would be slower under `vmap`, which has each turn choose what goes on.
    place = jax.lax.fori_loop(0, _TURNS, turn, _divide(index, width))
    num_turns = jnp.where(count < _FEW, _TURNS_OF_FEW, _TURNS)
    start = (jnp.int32(_TURNS), *place)
    _, column, row = jax.lax.while_loop(lambda carry: carry[0] < num_turns, turn_again, start)
    image = (column + width * row).astype(jnp.int32)
    return jnp.where(count == jnp.asarray(k).astype(jnp.uint32), index, image)[:room]


_LANES = 16  # numbers in a CPU's longest vector: indices beyond the last full one would be computed singly
_TURNS, _FEW, _TURNS_OF_FEW = 7, 128, 20
_GOLDEN = np.uint32(0x9E3779B9)


def _divide(index: Array, width: Array) -> tuple[Array, Array]:
    """Remainder and quotient of index / width, for quotients below 2^16, by float32: XLA's own is not vectorized."""
    quotient = (index.astype(jnp.float32) * ((1 - 2.0**-21) / width.astype(jnp.float32))).astype(jnp.int32)
    quotient = quotient.astype(jnp.uint32)
    rest = index.astype(jnp.uint32) - quotient * width  # below twice the width
    return jnp.minimum(rest, rest - width), quotient + (rest >= width).astype(jnp.uint32)


def _rotate(place: Array, length: Array, word: Array, salt: Array) -> Array:
    """`place` plus a hash of `word` and `salt`, modulo `length` < 2^16.

    Source: the multipliers are those of Wellons's hash-prospector (2018), "lowbias32".
    """
    word = word * np.uint32(0x7FEB352D)
    word = ((word ^ (word >> 16)) + salt) * np.uint32(0x846CA68B)
    place = place + (((word >> 16) * length) >> 16)
    return jnp.minimum(place, place - length)  # a difference below 0 is huge
