"""Logarithm and exponential in float32, written out in operations that XLA fuses and vectorises on a CPU."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from ..core.base import Array

_LOG = (-1.2948805e-01, 1.4004637e-01, -1.2167192e-01, 1.4001185e-01, -1.6682303e-01, 2.0010746e-01)
_LOG += (-2.4999718e-01, 3.3333209e-01, -5.0000000e-01)
# 2^f for |f| <= 1/2 by powers of f, the highest first: fitted here, relative error 9e-8, and 1 at 0.
_EXP2 = (1.3264727e-03, 9.6715130e-03, 5.5507336e-02, 2.4022242e-01, 6.9314700e-01, 1.0)


def polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    """By Horner's rule, the highest power first."""
    value = jnp.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + np.float32(coefficient)
    return value


def log(x: Array) -> Array:
    """The logarithm of normal float32 numbers, to 1.5e-7: 2^e (1 + m) with m in [-1/3, 1/3]."""
    bits = jax.lax.bitcast_convert_type(x, jnp.int32)
    exponent = (bits - 0x3F2AAAAB) >> 23
    m = jax.lax.bitcast_convert_type(bits - (exponent << 23), jnp.float32) - 1
    return exponent.astype(jnp.float32) * np.float32(np.log(2)) + (m * m * polynomial(_LOG, m) + m)


def exp2(exponent: Array) -> Array:
    """2^exponent for an exponent of at most 0, to 2e-7; below -126 it stays at the smallest normal number."""
    if exponent.dtype != jnp.float32:
        return jnp.exp2(exponent)
    exponent = jnp.where(exponent < -126, np.float32(-126), exponent)
    power = polynomial(_EXP2, exponent - jnp.round(exponent))
    # The lowest bits of the sum are those of the nearest whole number.
    whole = jax.lax.bitcast_convert_type(exponent + np.float32(1.5 * 2**23), jnp.int32)
    return jax.lax.bitcast_convert_type(jax.lax.bitcast_convert_type(power, jnp.int32) + (whole << 23), jnp.float32)
