"""Diversity of rows of tokens, without a model. An n-gram is a run of n = `order` tokens."""

from __future__ import annotations

import jax.numpy as jnp
from jax.scipy.special import xlogy

from ..core.base import Array


def unigram_entropy(tokens_nxL: Array, vocab_size: int) -> Array:
    """Entropy (nats) of the frequencies of the symbols, ()."""
    symbols_V = jnp.arange(vocab_size, dtype=tokens_nxL.dtype)
    frequencies_V = jnp.mean(tokens_nxL.reshape(-1, 1) == symbols_V[None], axis=0)
    return -jnp.sum(xlogy(frequencies_V, frequencies_V))


def distinct_ngrams(tokens_nxL: Array, vocab_size: int, order: int = 3) -> Array:
    """The number of different n-grams over that of all n-grams of all rows, (). Raises as `repeated_ngrams`.

    It falls with the number of rows: compare samples of one size. Source: Li et al. (2016), arXiv 1510.03055, who
    divide by the number of tokens.
    """
    return _distinct(_codes(tokens_nxL, vocab_size, order).reshape(1, -1))


def repeated_ngrams(tokens_nxL: Array, vocab_size: int, order: int = 3) -> Array:
    """The share of the n-grams of a row that occur earlier in it, mean over the rows, ().

    Source: "seq-rep-n" of Welleck et al. (2020), arXiv 1908.04319: 1 - different n-grams / n-grams. Raises ValueError
    for an order that rows are too short for, or for which n-grams cannot be numbered in 32 bits.
    """
    return 1 - _distinct(_codes(tokens_nxL, vocab_size, order))


def _codes(tokens_nxL: Array, vocab_size: int, order: int) -> Array:
    """Numbers of the n-grams, (n, L - order + 1) uint32."""
    length = tokens_nxL.shape[1]
    if not 1 <= order <= length or vocab_size**order > 2**32:
        raise ValueError(
            f"order={order}: must lie between 1 and {length}, and {vocab_size}**order must be at most 2**32"
        )
    count = length - order + 1
    codes = jnp.zeros((len(tokens_nxL), count), jnp.uint32)
    for start in range(order):
        codes = codes * vocab_size + tokens_nxL[:, start : start + count].astype(jnp.uint32)
    return codes


def _distinct(codes_nxK: Array) -> Array:
    """Different codes of a row over all of them, mean over the rows, ()."""
    ordered_nxK = jnp.sort(codes_nxK, axis=1)
    num_changes_n = jnp.sum(ordered_nxK[:, 1:] != ordered_nxK[:, :-1], axis=1)
    return jnp.mean((1 + num_changes_n) / codes_nxK.shape[1])
