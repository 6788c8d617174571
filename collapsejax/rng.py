"""Random objects and densities that JAX does not have in this form."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .base import Array


def subset(key: Array, count: Array, k: int) -> Array:
    """Draw k of the integers 0 ... count-1 uniformly without replacement, (k,) int32; `count` >= k may be traced.

    Floyd's algorithm (Bentley and Floyd 1987, Comm. ACM 30, 754): candidate i is uniform on the first
    count - k + i + 1 integers, and stands for the last of these if it was taken before. It costs k^2 comparisons
    whatever `count` is, and with k = count gives all of them in their order.
    """
    last = count - k + jnp.arange(k, dtype=jnp.int32)
    candidates = jax.random.randint(key, (k,), 0, last + 1, dtype=jnp.int32)

    def pick(i: Array, taken: Array) -> Array:
        return taken.at[i].set(jnp.where(jnp.any(taken == candidates[i]), last[i], candidates[i]))

    return jax.lax.fori_loop(0, k, pick, jnp.full(k, -1, jnp.int32))


def log_chi(key: Array, degrees: Array) -> Array:
    """Logarithms of independent chi variables with `degrees` (k,) >= 1 of freedom, (k,).

    All are tried at once until the last is accepted, where `jax.random.loggamma` loops over one variable after another
    and takes 1.9 times as long on a CPU (ten variables of each of 100 seeds).
    Source: Marsaglia and Tsang (2000), ACM Trans. Math. Softw. 26, 363, with their power of a uniform for 1 degree. The
    acceptance test is written in log1p: for many degrees its terms cancel.
    """
    shape = jnp.asarray(degrees, dtype=float) / 2
    offset = jnp.where(shape < 1, shape + 1, shape) - 1 / 3
    width = 1 / jnp.sqrt(9 * offset)

    def attempt(carry: tuple[Array, ...]) -> tuple[Array, ...]:
        tries, accepted, log_cube, log_power = carry
        # One call for both variables: every call site of the generator costs a tenth of a second to compile.
        low = np.nextafter(np.float32(-1), np.float32(0))
        uniform = jax.random.uniform(jax.random.fold_in(key, tries), (2, *offset.shape), minval=low, maxval=1.0)
        normal = np.sqrt(2) * jax.lax.erf_inv(uniform[0])
        log_level = jnp.log1p(uniform[1]) - np.log(2)
        step = jnp.maximum(width * normal, -1.0)  # at -1 the logarithm is -inf, and nothing is accepted
        log_step = jnp.log1p(step)
        bound = normal**2 / 2 + offset * (3 * (log_step - step) - 3 * step**2 - step**3)
        new = ~accepted & (log_level < bound)
        # A level below min(bound, 0) is as good as a fresh uniform once that is taken off.
        left_over = log_level - jnp.minimum(bound, 0.0)
        return (
            tries + 1,
            accepted | new,
            jnp.where(new, 3 * log_step, log_cube),
            jnp.where(new, left_over, log_power),
        )

    zeros = jnp.zeros(offset.shape)
    start = (jnp.int32(0), jnp.zeros(offset.shape, bool), zeros, zeros)
    *_, log_cube, log_power = jax.lax.while_loop(lambda carry: ~jnp.all(carry[1]), attempt, start)
    return (jnp.log(2 * offset) + log_cube + jnp.where(shape < 1, log_power / shape, 0.0)) / 2


def wishart_factor(key: Array, dim: int, degrees: Array) -> Array:
    """Lower-triangular A (d, d) with A A' ~ Wishart(I_d, degrees), degrees a traced number, also below d.

    Bartlett's decomposition: squared diagonal entries are chi-square with degrees - j (j = 0 ... d-1), entries below
    the diagonal standard normal; with degrees < d only the first `degrees` columns are there.
    Source: Bartlett (1933), Proc. R. Soc. Edinburgh 53; singular case Srivastava (2003), Ann. Statist. 31, 1537.
    """
    k_chi, k_normal = jax.random.split(key)
    left = degrees - jnp.arange(dim)
    present = left > 0
    chi = jnp.exp(log_chi(k_chi, jnp.where(present, left, 1)))
    # Drawn only for the d (d - 1) / 2 places below the diagonal; a gather, since scatters are slow under vmap.
    place = np.zeros((dim, dim), np.int32)
    place[np.tril_indices(dim, -1)] = np.arange(dim * (dim - 1) // 2)
    normal = jax.random.normal(k_normal, (max(1, dim * (dim - 1) // 2),))
    lower = jnp.where(np.tri(dim, k=-1, dtype=bool), normal[place], jnp.diag(chi))
    return jnp.where(present[None, :], lower, 0.0)


def normal_log_density(values: Array, scale: Array) -> Array:
    """Log-density (n,) of rows (n, d) under N(0, diag(scale^2)), scale (d,), in nats."""
    standard = values / scale[None, :]
    return -jnp.sum(standard**2, axis=1) / 2 - jnp.sum(jnp.log(scale)) - values.shape[1] / 2 * np.log(2 * np.pi)


class Stream(NamedTuple):
    """Uniforms for every place and try: 64 bits from a key, and the first place."""

    low: Array
    high: Array
    start: Array

    @classmethod
    def of(cls, key: Array) -> Stream:
        low, high = jax.random.bits(key, (2,), jnp.uint32)
        return cls(low, high, jnp.uint32(0))

    def uniforms(self, tries: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
        """Two arrays of uniforms in (0, 1] of 32 bits, fine near 0.

        Threefry with 20 rounds (Salmon et al. 2011, SC '11), written out: XLA fuses it into the loop around it, where
        jax.random takes ten times as long on a CPU.
        """
        keys = (self.low, self.high, self.low ^ self.high ^ np.uint32(0x1BD11BDA))
        a = jax.lax.iota(jnp.uint32, math.prod(shape)).reshape(shape) + (self.start + keys[0])
        b = jnp.broadcast_to(tries.astype(jnp.uint32) + keys[1], shape)
        for turn in range(5):
            for bits in ((13, 15, 26, 6), (17, 29, 16, 24))[turn % 2]:
                a = a + b
                b = ((b << bits) | (b >> (32 - bits))) ^ a
            a, b = a + keys[(turn + 1) % 3], b + (keys[(turn + 2) % 3] + np.uint32(turn + 1))
        return tuple((word.astype(jnp.float32) + 0.5) * np.float32(2**-32) for word in (a, b))
