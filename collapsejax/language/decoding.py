"""Sampling from a decoder, and the log-likelihood of rows."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ..core.arguments import check_count
from ..core.base import Array, PyTree
from ..numerics.threefry import fused, uniform
from .decoder import Decoder, log_likelihood_of

_BLOCK = 128  # rows at a time: at width 32 to 128 their keys, values and logits fit into a CPU's caches


def sample(
    key: Array, decoder: Decoder, variables: PyTree, n: int, temperature: Array, top_k: int | None = None
) -> Array:
    """Rows of tokens drawn from the model, (n, L) uint8. Up to rounding, a row does not depend on n.

    Logits are divided by `temperature`, which may be traced. With `top_k` only the k most probable symbols are drawn
    (and those exactly as probable as the k-th). A model with NaN parameters gives token 0 everywhere.

    Raises ValueError for a top_k that is not between 1 and the number of symbols.
    """
    if top_k is not None:
        check_count("top_k", top_k)
        if top_k > decoder.vocab_size:
            raise ValueError(f"top_k={top_k}: there are {decoder.vocab_size} symbols; use at most that, or None")

    def block(uniforms_BxL: Array) -> Array:
        def step(carry: tuple, uniforms_B: Array) -> tuple[tuple, Array]:
            before_B, position, caches = carry
            logits_BxV, caches = decoder.apply(variables, before_B, position, caches, method="step")
            tokens_B = draw(logits_BxV / temperature, uniforms_B, top_k)
            return (tokens_B, position + 1, caches), tokens_B.astype(jnp.uint8)

        batch = len(uniforms_BxL)
        begin_B = jnp.full(batch, decoder.vocab_size, jnp.int32)
        return jax.lax.scan(step, (begin_B, jnp.int32(0), decoder.start(batch)), uniforms_BxL.T)[1].T

    room = -(-n // _BLOCK) * _BLOCK if n > _BLOCK else n
    uniforms = uniform(jax.random.bits(fused(key), (room, decoder.window), jnp.uint32))
    return _in_blocks(block, uniforms)[:n]


def draw(logits_BxV: Array, uniforms_B: Array, top_k: int | None = None) -> Array:
    """Tokens (B,) int32 by inversion of their distribution function, from a uniform in (0, 1] each."""
    highest_Bx1 = jnp.max(logits_BxV, axis=-1, keepdims=True)
    weights_BxV = jnp.exp(logits_BxV - highest_Bx1)
    if top_k is not None:
        least_Bx1 = jax.lax.top_k(logits_BxV, top_k)[0][:, -1:]
        weights_BxV = jnp.where(logits_BxV >= least_Bx1, weights_BxV, 0.0)
    size = logits_BxV.shape[-1]
    # A matrix product is faster than a cumulative sum. The sums up to one symbol and up to the next add the same
    # numbers in the same order, and are equal where the next has no weight: it is never drawn.
    sums_BxV = jnp.matmul(weights_BxV, jnp.triu(jnp.ones((size, size))), precision="highest")
    return jnp.sum(sums_BxV < uniforms_B[:, None] * sums_BxV[:, -1:], axis=-1, dtype=jnp.int32)


def log_likelihood(decoder: Decoder, variables: PyTree, tokens_nxL: Array) -> Array:
    """Log-likelihood (nats) of each token given those before it, (n, L); -inf for a model with NaN parameters."""

    def block(tokens_BxL: Array) -> Array:
        return log_likelihood_of(decoder.apply(variables, tokens_BxL), tokens_BxL)

    n = len(tokens_nxL)
    padded = jnp.pad(tokens_nxL, ((0, -n % _BLOCK if n > _BLOCK else 0), (0, 0)))
    found_nxL = _in_blocks(block, padded)[:n]
    return jnp.where(jnp.isnan(found_nxL), -jnp.inf, found_nxL)


def _in_blocks(function: Callable[[Array], Array], rows: Array) -> Array:
    """`function` of rows (n, ...), `_BLOCK` rows at a time; n is a multiple of that, or below it."""
    if len(rows) <= _BLOCK:
        return function(rows)
    blocks = rows.reshape(-1, _BLOCK, *rows.shape[1:])
    result = jax.lax.map(function, blocks)
    return result.reshape(len(rows), *result.shape[2:])
