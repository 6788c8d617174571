"""Logarithms and exponentials of float32 numbers, written in operations that XLA fuses and vectorizes on a CPU.

Two logarithms: `log` gives float32, for the inner loop of a simulation, where an error of 1.5e-7 is no more than that
of the numbers themselves. `log_to_double` gives float64 to its full precision, for statistics over seeds, where sums
over millions of logarithms must not accumulate the errors of float32.
"""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from ..core.base import Array

_LOG = (-1.2948805e-01, 1.4004637e-01, -1.2167192e-01, 1.4001185e-01, -1.6682303e-01, 2.0010746e-01)
_LOG += (-2.4999718e-01, 3.3333209e-01, -5.0000000e-01)
# 2^f for |f| <= 1/2 by powers of f, the highest first: fitted here, relative error 9e-8, and 1 at 0.
_EXP2 = (1.3264727e-03, 9.6715130e-03, 5.5507336e-02, 2.4022242e-01, 6.9314700e-01, 1.0)


def polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    """The polynomial's value at x by Horner's rule; `coefficients` begin with the highest power."""
    value = jnp.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + np.float32(coefficient)
    return value


def log(x: Array) -> Array:
    """The natural logarithm of positive normal float32 numbers, as float32, with an error of at most 1.5e-7.

    A number is 2^e (1 + m), with an integer e and m in [-1/3, 1/3].
    """
    bits = jax.lax.bitcast_convert_type(x, jnp.int32)
    exponent = (bits - 0x3F2AAAAB) >> 23
    m = jax.lax.bitcast_convert_type(bits - (exponent << 23), jnp.float32) - 1
    return exponent.astype(jnp.float32) * np.float32(np.log(2)) + (m * m * polynomial(_LOG, m) + m)


# log((1 + s) / (1 - s)) / s - 2 as a polynomial in s^2, the highest power first.
_LOG_SERIES = (
    1.479819860511658591e-01,
    1.531383769920937332e-01,
    1.818357216161805012e-01,
    2.222219843214978396e-01,
    2.857142874366239149e-01,
    3.999999999940941908e-01,
    6.666666666666735130e-01,
)
_SQRT_HALF = 0x3F3504F3  # the bit pattern of the square root of 1/2


def log_to_double(x: Array) -> Array:
    """The natural logarithm of positive normal numbers, as float64 and to its precision; needs 64-bit types enabled.

    A float32 number is 2^e (1 + f), with an integer e and 1 + f between the square roots of 1/2 and 2. On a CPU this is
    four times as fast as `jnp.log` of doubles, which is not vectorized. Other dtypes take `jnp.log`.

    Source: Sun Microsystems (1993), fdlibm, e_log.c.
    """
    if x.dtype != jnp.float32:
        return jnp.log(x.astype(jnp.float64))
    patterns = jax.lax.bitcast_convert_type(x, jnp.int32)
    exponent = (patterns - _SQRT_HALF) >> 23
    f = jax.lax.bitcast_convert_type(patterns - (exponent << 23), jnp.float32).astype(jnp.float64) - 1
    s = f / (2 + f)
    series = functools.reduce(lambda total, coefficient: total * s**2 + coefficient, (*_LOG_SERIES, 2.0))
    return exponent * math.log(2) + s * series


def exp2(exponent: Array) -> Array:
    """2^exponent for an exponent of at most 0, to 2e-7; below -126 it stays at the smallest normal number."""
    if exponent.dtype != jnp.float32:
        return jnp.exp2(exponent)
    exponent = jnp.where(exponent < -126, np.float32(-126), exponent)
    # A GPU's NaN has other bits than a CPU's, of which the shift below makes a number.
    with_nan = lambda exponent: jnp.where(jnp.isnan(exponent), exponent, _exp2_of_number(exponent))
    return jax.lax.platform_dependent(exponent, cpu=_exp2_of_number, default=with_nan)


def _exp2_of_number(exponent: Array) -> Array:
    power = polynomial(_EXP2, exponent - jnp.round(exponent))
    # The lowest bits of the sum are those of the nearest whole number.
    whole = jax.lax.bitcast_convert_type(exponent + np.float32(1.5 * 2**23), jnp.int32)
    return jax.lax.bitcast_convert_type(jax.lax.bitcast_convert_type(power, jnp.int32) + (whole << 23), jnp.float32)
