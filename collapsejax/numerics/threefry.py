"""JAX's random bits, by code that XLA fuses into the loop that consumes them.

On a CPU, XLA compiles `jax.random`'s threefry as a loop of its own. Here the same hash is written out as operations on
uint32, which become part of the consuming loop: the bits are the same, at a fraction of the time, and programs compile
faster.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.random import define_prng_impl, threefry_prng_impl

from ..core.base import Array

_PLAIN = "threefry2x32"
_UNROLLED_KEYS = 16  # keys that a split computes one by one, so that XLA drops those that are not used


@jax.jit
def hashed(low: Array, high: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Threefry with 20 rounds of the counter (a, b) under the key (low, high). Source: Salmon et al. (2011), SC '11."""
    keys = (low, high, low ^ high ^ np.uint32(0x1BD11BDA))
    a, b = a + keys[0], b + keys[1]
    for group in range(5):
        for bits in ((13, 15, 26, 6), (17, 29, 16, 24))[group % 2]:
            a = a + b
            b = ((b << np.uint32(bits)) | (b >> np.uint32(32 - bits))) ^ a
        a, b = a + keys[(group + 1) % 3], b + (keys[(group + 2) % 3] + np.uint32(group + 1))
    return a, b


def _check_length(number: int) -> None:
    """Raise ValueError for more numbers in one draw than have counters of their own, and so are different."""
    if number > 2**32:
        raise ValueError(f"{number} random numbers in one draw: at most 2**32 differ; use fewer rows or features")


def _counters(shape: tuple[int, ...]) -> tuple[Array, Array]:
    _check_length(math.prod(shape))
    place = jax.lax.iota(jnp.uint32, math.prod(shape)).reshape(shape)
    return jnp.zeros_like(place), place


def _split(key: Array, shape: tuple[int, ...]) -> Array:
    if math.prod(shape) > _UNROLLED_KEYS:
        return jnp.stack(hashed(key[0], key[1], *_counters(shape)), axis=-1)
    keys = [jnp.stack(hashed(key[0], key[1], np.uint32(0), np.uint32(place))) for place in range(math.prod(shape))]
    return jnp.stack(keys).reshape(*shape, 2)


def _fold_in(key: Array, data: Array) -> Array:
    return jnp.stack(hashed(key[0], key[1], np.uint32(0), data.astype(jnp.uint32)))


def _random_bits(key: Array, bit_width: int, shape: tuple[int, ...]) -> Array:
    a, b = hashed(key[0], key[1], *_counters(shape))
    if bit_width == 64:
        return (a.astype(jnp.uint64) << np.uint64(32)) | b.astype(jnp.uint64)
    return (a ^ b).astype({8: jnp.uint8, 16: jnp.uint16, 32: jnp.uint32}[bit_width])


_FUSED = define_prng_impl(
    key_shape=(2,),
    seed=threefry_prng_impl.seed,
    split=_split,
    random_bits=_random_bits,
    fold_in=_fold_in,
    name="threefry2x32_fused",
    tag="tff",
)


def fused(keys: Array) -> Array:
    """The same keys with fusible random bits; keys of another implementation than threefry are returned unchanged.

    Functions of `jax.random` return the same numbers for them (with JAX's default `jax_threefry_partitionable`), except
    `jax.random.poisson`, which raises an error.
    """
    if str(jax.random.key_impl(keys)) != _PLAIN:
        return keys
    return jax.random.wrap_key_data(jax.random.key_data(keys), impl=_FUSED)


def plain(keys: Array) -> Array:
    """The keys from which `fused` made these."""
    if jax.random.key_impl(keys) != _FUSED:
        return keys
    return jax.random.wrap_key_data(jax.random.key_data(keys), impl=_PLAIN)


def bits_by_column(key: Array, num_rows: int, num_columns: int) -> Array:
    """The 32 random bits of `jax.random.bits` for a matrix, transposed: (num_columns, num_rows) uint32.

    They are computed column by column: a loop over a short row leaves most of a CPU's vector idle.
    """
    key = fused(key)
    if jax.random.key_impl(key) != _FUSED:
        return jax.random.bits(key, (num_rows, num_columns), jnp.uint32).T
    _check_length(num_rows * num_columns)
    row, column = (jax.lax.broadcasted_iota(jnp.uint32, (num_columns, num_rows), axis) for axis in (1, 0))
    place = row * np.uint32(num_columns) + column
    a, b = hashed(*jax.random.key_data(key), jnp.zeros_like(place), place)
    return a ^ b


class Stream(NamedTuple):
    """Pairs of random words for every position and attempt: 64 bits from a key, and the first position.

    A key is used for one stream and for nothing else.
    """

    low: Array
    high: Array
    start: Array

    @classmethod
    def of(cls, key: Array) -> Stream:
        data = jax.random.key_data(key)
        low, high = data if data.shape == (2,) else jax.random.bits(key, (2,), jnp.uint32)
        return cls(low, high, jnp.uint32(0))

    def words(self, attempt: Any, shape: tuple[int, ...]) -> tuple[Array, Array]:
        """Two arrays (shape) of 32 random bits each."""
        place = jax.lax.iota(jnp.uint32, math.prod(shape)).reshape(shape) + self.start
        return hashed(self.low, self.high, place, jnp.broadcast_to(jnp.uint32(attempt), shape))

    def uniforms(self, attempt: Any, shape: tuple[int, ...]) -> tuple[Array, Array]:
        """Two arrays (shape) of uniforms in (0, 1] with 32 bits, and full relative precision near 0."""
        return tuple(uniform(word) for word in self.words(attempt, shape))


def uniform(word: Array) -> Array:
    """A uniform in (0, 1] from 32 random bits, float32; its relative precision near 0 is that of the bits."""
    return (word.astype(jnp.float32) + 0.5) * np.float32(2**-32)
