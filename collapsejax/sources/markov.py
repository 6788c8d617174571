"""Sequences of symbols from random Markov chains, of which every law is known exactly."""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core.arguments import check_count, check_positive
from ..core.base import Array, SequenceSource
from ..core.pytree import static
from ..numerics.random import chi
from ..numerics.threefry import fused, uniform

_MOST_CONTEXTS = 4096
_BLOCK = 64  # states that are eliminated before the others are told, by one matrix product
_TINY = np.finfo(np.float32).tiny
_LEAST = 1e-30  # probability that a context is given where float32 has lost it: its logarithm stays finite


class Chain(NamedTuple):
    """Log-probabilities of the next symbol after each of C = vocab^order contexts (C, vocab), and of contexts (C,).

    A context is the number whose digits in base vocab are its symbols, the oldest first. The latter law is the
    stationary one.
    """

    log_table: Array
    log_stationary: Array


class Markov(SequenceSource):
    """A stationary Markov chain whose table of transition probabilities is drawn anew for each seed.

    Args:
        order: symbols that the next one depends on.
        vocab: different symbols, 2 to 256; at most 4096 contexts, vocab^order.
        concentration: each row of the table is Dirichlet with this for all symbols: below 1 a context has few symbols
            that follow it often, far above 1 all follow alike.
        window: symbols of a row (L).

    The stationary law takes a time of some vocab^(3 order): nothing up to 500 contexts, seconds with 4096.

    Raises ValueError for an order, vocab or window that make no sense.
    """

    order: int = static(default=2)
    vocab: int = static(default=8)
    concentration: float = 0.3
    window: int = static(default=32)

    name: ClassVar[str] = "markov"
    paddable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_count("order", self.order)
        check_count("vocab", self.vocab, least=2)
        check_count("window", self.window)
        if self.vocab > 256:
            raise ValueError(f"vocab={self.vocab}: symbols are kept as bytes; use at most 256")
        # By the logarithm first, as the power of a large order would be a number of that many digits.
        if self.order > np.log2(_MOST_CONTEXTS) or self.vocab**self.order > _MOST_CONTEXTS:
            raise ValueError(
                f"order={self.order}, vocab={self.vocab}: vocab^order contexts are more than {_MOST_CONTEXTS}; "
                "lower one of them"
            )
        if self.window <= self.order:
            raise ValueError(f"window={self.window}: must be longer than the order, {self.order}")

    def __str__(self) -> str:
        table = f"Dirichlet({self.concentration}) rows"
        return f"Markov chain of order {self.order}, {self.vocab} symbols, {table}: windows of {self.window}"

    @property
    def vocab_size(self) -> int:
        return self.vocab

    def check(self, num_samples: int) -> None:
        del num_samples
        check_positive("concentration", self.concentration)

    def init(self, key: Array) -> Chain:
        """A table, and its stationary law.

        The logarithm of a Gamma(a) variable is that of a Gamma(a + 1) variable plus log(u) / a, which small a do not
        make vanish. Source: Marsaglia and Tsang (2000), ACM Trans. Math. Softw. 26, 363, section 6.
        """
        k_gamma, k_level = jax.random.split(fused(key))
        size, concentration = self.vocab ** (self.order + 1), jnp.asarray(self.concentration, dtype=jnp.float32)
        log_gamma = 2 * jnp.log(chi(k_gamma, jnp.full(size, 2 * concentration + 2)))
        log_level = jnp.log(uniform(jax.random.bits(k_level, (size,), jnp.uint32)))
        log_table = jax.nn.log_softmax((log_gamma + log_level / concentration).reshape(-1, self.vocab), axis=1)
        law = stationary_law(jnp.exp(log_table))
        return Chain(log_table, jnp.log(jnp.maximum(law, _LEAST)))

    def sample(self, key: Array, real: Chain, n: int) -> Array:
        """Draw n rows (n, L), each from the stationary law; a uniform for the first `order` symbols, one for each more.

        By inverse distribution functions in float32: what has a probability of 1e-7 may never come.
        """
        uniforms = uniform(jax.random.bits(fused(key), (n, self.window - self.order + 1), jnp.uint32))
        contexts, symbols = _cumulative(real.log_stationary), _cumulative(real.log_table)
        # Uniforms are above 0 and may be 1: the first whose sum reaches them is one that is possible.
        start = jnp.searchsorted(contexts, uniforms[:, 0] * contexts[-1])

        def step(context: Array, uniform: Array) -> tuple[Array, Array]:
            sums = symbols[context]
            token = jnp.sum(sums < uniform[:, None] * sums[:, -1:], axis=1)
            return self._next(context, token), token.astype(jnp.uint8)

        _, later = jax.lax.scan(step, start, uniforms[:, 1:].T)
        places = self.vocab ** np.arange(self.order)[::-1]
        first = start[:, None] // places[None, :] % self.vocab
        return jnp.concatenate([first.astype(jnp.uint8), later.T], axis=1)

    sample_test = sample
    sample_validation = sample

    def log_prob(self, real: Chain, tokens: Array) -> Array:
        """Log-probability (nats) of each of `tokens` (n, L) given those before it, (n, L)."""
        tokens = tokens.astype(jnp.int32)
        prefix, log_before, log_probs = jnp.zeros(len(tokens), jnp.int32), jnp.zeros(1), []
        for place in range(self.order):
            longer = self._next(prefix, tokens[:, place])
            log_after = jax.nn.logsumexp(real.log_stationary.reshape(self.vocab ** (place + 1), -1), axis=1)
            log_probs.append(log_after[longer] - log_before[prefix])
            prefix, log_before = longer, log_after

        def step(context: Array, token: Array) -> tuple[Array, Array]:
            return self._next(context, token), real.log_table[context, token]

        _, later = jax.lax.scan(step, prefix, tokens[:, self.order :].T)
        return jnp.concatenate([jnp.stack(log_probs, axis=1), later.T], axis=1)

    def entropy_rate(self, real: Chain) -> Array:
        """Entropy (nats) of a symbol given all before it, ()."""
        entropies = -jnp.sum(jnp.exp(real.log_table) * real.log_table, axis=1)
        return jnp.sum(jnp.exp(real.log_stationary) * entropies)

    def _next(self, context: Array, token: Array) -> Array:
        return context % self.vocab ** (self.order - 1) * self.vocab + token


def _cumulative(log_probs: Array) -> Array:
    """Sums of probabilities along the last axis, which rounding does not let fall."""
    return jax.lax.cummax(jnp.cumsum(jnp.exp(log_probs), axis=-1), axis=log_probs.ndim - 1)


def stationary_law(table: Array) -> Array:
    """The stationary law (C,) of contexts under a table (C, V) of probabilities of the next symbol, C a power of V.

    States are eliminated one after the other: the chain is watched only while it is in one of the others. No number is
    subtracted from another, so probabilities of any size keep their relative precision, also those of a chain that
    hardly ever leaves some of its states; where float32 has lost the ways between these, the law is one of several.
    Sources: Grassmann, Taksar and Heyman (1985), Oper. Res. 33, 1107; on the precision, O'Cinneide (1993), Numer. Math.
    65, 109.
    """
    num_states, vocab = table.shape
    size = vocab
    while size * vocab <= min(_BLOCK, num_states):
        size *= vocab
    # State (a, c) goes to (c, x) for symbols a and x, and the symbols c between them.
    same = jnp.eye(num_states // vocab)[None, :, :, None]
    chain = (table.reshape(vocab, -1, 1, vocab) * same).reshape(num_states, num_states)
    states = jnp.arange(num_states)

    def eliminate(block: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        chain, inflow = carry
        first = block * size
        out = jax.lax.dynamic_slice_in_dim(chain, first, size)
        into = jax.lax.dynamic_slice_in_dim(chain, first, size, axis=1).T
        start = out, into, jnp.ones(size)
        out, into, leaving = jax.lax.fori_loop(0, size, lambda k, carry: eliminate_one(k, first, *carry), start)
        beyond = (states >= first + size)[None, :]
        detours = jnp.matmul(jnp.where(beyond, into, 0.0).T, jnp.where(beyond, out, 0.0), precision="highest")
        return chain + detours, jax.lax.dynamic_update_slice_in_dim(inflow, into / leaving[:, None], first, axis=0)

    def eliminate_one(k: Array, first: Array, out: Array, into: Array, leaving: Array) -> tuple[Array, Array, Array]:
        """With the block's state k gone, the rows (b, C) of its states, those of ways into them, and its last `out`."""
        later = states > first + k
        ways = jnp.where(later, out[k], 0.0)
        total = jnp.maximum(jnp.sum(ways), _TINY)
        ways, entering = ways / total, jnp.where(later, into[k], 0.0)
        out = out + jax.lax.dynamic_slice_in_dim(entering, first, size)[:, None] * ways[None, :]
        into = into + jax.lax.dynamic_slice_in_dim(ways, first, size)[:, None] * entering[None, :]
        return out.at[k].set(ways), into.at[k].set(entering), leaving.at[k].set(total)

    _, inflow = jax.lax.fori_loop(0, num_states // size, eliminate, (chain, jnp.zeros_like(chain)))

    def put_back(i: Array, law: Array) -> Array:
        state = num_states - 2 - i
        mass = jnp.sum(law * inflow[state])
        return law.at[state].set(mass) / (1 + mass)

    return jax.lax.fori_loop(0, num_states - 1, put_back, jnp.zeros(num_states).at[-1].set(1.0))
