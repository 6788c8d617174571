"""Random objects and densities that JAX does not have in this form."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core.base import Array
from .batched import seeds_last
from .float32 import log, polynomial
from .threefry import Stream, bits_by_column, fused, hashed, uniform


def normal(key: Array, shape: tuple[int, ...]) -> Array:
    """Standard normals (shape) in float32, each from 32 random bits by the inverse of the distribution function.

    Relative error below 6e-7 for |z| > 0.1, in the tails too, which end at 6.3 standard deviations (`jax.random.normal`
    uses 23 bits and ends at 5.4). Nearer to 0, where the probability is rounded to float32, the absolute error is below
    6e-8: 4e-5 of |z| = 1e-3. The form is Giles's (2011, GPU Computing Gems, ch. 10), z / x as polynomials in w =
    -log(1 - x^2) for |x| = 1 - u, with coefficients fitted here to u >= 2^-32. No operation in it is one that XLA would
    keep out of a fused loop.
    """
    if len(shape) == 2 and 2 < shape[1] < _LONG <= shape[0]:
        return _normal_of(bits_by_column(key, *shape)).T
    # In one row, for the same reason.
    return _normal_of(jax.random.bits(fused(key), (math.prod(shape),), jnp.uint32)).reshape(shape)


_LONG = 64  # numbers of an axis from which on it takes no longer to draw along it


def _normal_of(word: Array) -> Array:
    u = ((word >> np.uint32(1)).astype(jnp.float32) + 0.5) * np.float32(2**-31)
    w = jnp.maximum(-log(u * (2 - u)), 0.0)
    ratio = jnp.where(w < 5, polynomial(_NORMAL_CENTRE, w - 2.5), polynomial(_NORMAL_TAIL, jnp.sqrt(w) - 3.5))
    size = jax.lax.bitcast_convert_type((1 - u) * ratio, jnp.uint32)
    return jax.lax.bitcast_convert_type(size | (word << np.uint32(31)), jnp.float32)


_NORMAL_CENTRE = (4.0368988e-08, 4.8611224e-07, -4.9907208e-06, -6.2180734e-06, 3.0915071e-04, -1.7730099e-03)
_NORMAL_CENTRE += (-5.9081716e-03, 3.4880266e-01, 2.1233137e00)
_NORMAL_TAIL = (-1.6990258e-05, -2.5873139e-04, 8.3887088e-04, -1.0518993e-03, 1.3852338e-03, -2.8784757e-03)
_NORMAL_TAIL += (4.6734428e-03, 1.4246305e00, 4.7170877e00)


def chi(key: Array, degrees: Array) -> Array:
    """Independent chi variables with `degrees` (k,) of freedom, 1 or any number >= 2, (k,) float32.

    Source: Marsaglia and Tsang (2000), ACM Trans. Math. Softw. 26, 363. A normal and a uniform are rejected with a
    probability of about 0.06 / degrees, so the loop is rarely entered. With one degree it is the size of a normal.
    """
    stream, degrees = Stream.of(key), jnp.asarray(degrees)
    return _chi(lambda attempt: stream.words(attempt, degrees.shape), degrees)


def _chi(words: Callable[[Any], tuple[Array, Array]], degrees: Array) -> Array:
    """As `chi`, of any shape, by pairs of random words of this shape for each attempt."""
    degrees = degrees.astype(jnp.float32)
    single = degrees < 2
    offset = jnp.where(single, 1.0, degrees / 2) - 1 / 3
    width = 1 / (3 * jnp.sqrt(offset))

    def attempt(tries: Any) -> Array:
        first, second = words(tries)
        normal, level = _normal_of(first), uniform(second)
        step = jnp.maximum(width * normal, _JUST_ABOVE_MINUS_ONE)
        # log v - v + 1 + z^2 / 2 offset for v = (1 + step)^3: near 0 its first powers cancel, and are left out.
        series = -3 * step**4 * polynomial((-1 / 9, 1 / 8, -1 / 7, 1 / 6, -1 / 5, 1 / 4), step)
        exact = 3 * (log(1 + step) - step) - 3 * step**2 - step**3 + 4.5 * step**2
        fits = log(level) < offset * jnp.where(jnp.abs(step) < 0.1, series, exact)
        value = jnp.where(fits, jnp.sqrt(2 * offset * (1 + step)) * (1 + step), _REJECTED)
        return jnp.where(single, jnp.abs(normal), value)

    def again(carry: tuple[Array, Array]) -> tuple[Array, Array]:
        tries, value = carry
        return tries + 1, jnp.where(value == _REJECTED, attempt(tries), value)

    start = (jnp.uint32(1), attempt(0))
    return jax.lax.while_loop(lambda carry: jnp.any(carry[1] == _REJECTED), again, start)[1]


_REJECTED = -1.0  # in the place of the value: a second array would have the bits computed twice
_JUST_ABOVE_MINUS_ONE = np.nextafter(np.float32(-1), np.float32(0))  # where nothing is accepted


def wishart_factor(key: Array, dim: int, degrees: Array) -> Array:
    """Lower-triangular A (d, d) with A A' ~ Wishart(I_d, degrees), degrees a traced number, also below d.

    Bartlett's decomposition: squared diagonal entries are chi-square with degrees - j (j = 0 ... d-1), entries below
    the diagonal standard normal; with degrees < d only the first `degrees` columns are there.
    Source: Bartlett (1933), Proc. R. Soc. Edinburgh 53; singular case Srivastava (2003), Ann. Statist. 31, 1537.
    """
    left = degrees - jnp.arange(dim)
    present = left > 0
    if dim == 1:
        return jnp.where(present, chi(key, jnp.where(present, left, 1)), 0.0)[:, None]
    stream = Stream.of(key)
    return _bartlett(jnp.stack([stream.low, stream.high]), left)


@seeds_last
def _bartlett(key: Array, left: Array) -> Array:
    """The factor (d, d) from the words (2,) of a key and the degrees (d,) that the columns have left.

    Bits are those of `jax.random`: in rows of d numbers, of which few are a multiple of a vector's length, all of this
    would take up to eight times as long.
    """
    present, dim = left > 0, len(left)
    k_chi, k_normal = (hashed(*key, np.uint32(0), np.uint32(place)) for place in range(2))
    column = jax.lax.broadcasted_iota(jnp.uint32, left.shape, 0)
    words = lambda attempt: hashed(*(word[None] for word in k_chi), column, jnp.full_like(column, attempt))
    diagonal = _chi(words, jnp.where(present, left, 1))
    # Drawn for the upper triangle too: that takes less time than putting others into their places.
    place = jnp.arange(dim * dim, dtype=jnp.uint32).reshape(dim, dim, 1)
    place = jnp.broadcast_to(place, (dim, *left.shape))
    first, second = hashed(*(word[None, None] for word in k_normal), jnp.zeros_like(place), place)
    below, on = (mask[:, :, None] for mask in (jnp.tri(dim, k=-1, dtype=bool), jnp.eye(dim, dtype=bool)))
    lower = jnp.where(below, _normal_of(first ^ second), 0.0) + jnp.where(on, diagonal[:, None], 0.0)
    return jnp.where(present[None], lower, 0.0)


def normal_log_density(values: Array, scale: Array) -> Array:
    """Log-density (n,) of rows (n, d) under N(0, diag(scale^2)), scale (d,), in nats."""
    standard = values / scale[None, :]
    return -jnp.sum(standard**2, axis=1) / 2 - jnp.sum(jnp.log(scale)) - values.shape[1] / 2 * np.log(2 * np.pi)
