"""Random objects that jax.random does not have."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from .base import Array


def subset(key: Array, count: Array, k: int) -> Array:
    """k of the integers 0 ... count-1, uniformly without replacement, (k,) int32; `count` >= k may be traced.

    Floyd's algorithm (Bentley and Floyd 1987, Comm. ACM 30, 754): candidate i is uniform on the first
    count - k + i + 1 integers, and stands for the last of these if it was taken before. It costs k^2 comparisons
    whatever `count` is, and with k = count gives all of them in their order.
    """
    last = count - k + jnp.arange(k, dtype=jnp.int32)
    candidates = jax.random.randint(key, (k,), 0, last + 1, dtype=jnp.int32)

    def pick(i: Array, taken: Array) -> Array:
        return taken.at[i].set(jnp.where(jnp.any(taken == candidates[i]), last[i], candidates[i]))

    return jax.lax.fori_loop(0, k, pick, jnp.full(k, -1, jnp.int32))


def wishart_factor(key: Array, dim: int, degrees: Array) -> Array:
    """Lower-triangular A (d, d) with A A' ~ Wishart(I_d, degrees), degrees a traced number, also below d.

    Bartlett's decomposition: squared diagonal entries are chi-square with degrees - j (j = 0 ... d-1), entries below
    the diagonal standard normal; with degrees < d only the first `degrees` columns are there.
    Source: Bartlett (1933), Proc. R. Soc. Edinburgh 53; singular case Srivastava (2003), Ann. Statist. 31, 1537.
    """
    k_chi, k_normal = jax.random.split(key)
    left = degrees - jnp.arange(dim)
    present = left > 0
    log_chi_square = jnp.log(2.0) + jax.random.loggamma(k_chi, jnp.where(present, left, 1.0) / 2)
    normal = jnp.tril(jax.random.normal(k_normal, (dim, dim)), -1)
    return jnp.where(present[None, :], normal + jnp.diag(jnp.exp(log_chi_square / 2)), 0.0)
