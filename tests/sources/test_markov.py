import dataclasses
import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import GATE, PLANTED, assert_mean_is, z_scores

import collapsejax as cj
from collapsejax.sources.markov import stationary_law

# Compiled whole: one program each instead of one for every operation.
init = jax.jit(cj.sources.markov.init)
sample = jax.jit(cj.sources.markov.sample, static_argnums=3)
log_prob = jax.jit(cj.sources.markov.log_prob)


def transitions(table):
    """The matrix of a chain of contexts, written out in float64."""
    num_contexts, vocab = table.shape
    matrix = np.zeros((num_contexts, num_contexts))
    for context, symbol in itertools.product(range(num_contexts), range(vocab)):
        matrix[context, (context * vocab + symbol) % num_contexts] = table[context, symbol]
    return matrix / matrix.sum(axis=1, keepdims=True)


def table_of(chain):
    return np.exp(np.asarray(chain.log_table, np.float64))


def law_of(chain):
    return np.exp(np.asarray(chain.log_stationary, np.float64))


def code(tokens, vocab):
    """Rows of symbols as numbers in base vocab."""
    return np.asarray(tokens, int) @ vocab ** np.arange(tokens.shape[1])[::-1]


@pytest.mark.parametrize(("order", "vocab"), [(1, 70), (3, 5), (7, 2)])
def test_stationary_law_is_the_eigenvector(order, vocab):
    """Also of chains that are nearly reducible, and in blocks of states: 70 make one, 125 make five, 128 two."""
    make = jax.jit(jax.vmap(lambda a, key: cj.sources.markov(order, vocab, a).init(key)))
    concentrations = np.array([0.1, 0.3, 1.0, 30.0], np.float32)
    chains = make(concentrations, jax.random.split(jax.random.key(1), len(concentrations)))
    for log_table, log_law in zip(*chains, strict=True):
        chain = type(chains)(log_table, log_law)
        values, vectors = np.linalg.eig(transitions(table_of(chain)).T)
        vector = np.real(vectors[:, np.argmax(values.real)])
        np.testing.assert_allclose(law_of(chain), vector / vector.sum(), rtol=1e-4, atol=2e-6)


def test_stationary_law_keeps_what_is_rare():
    """Ways of 1e-9 and 1e-12 between two halves: no power of this matrix could be taken in float32."""
    table = np.array([[0.5, 0.5 - 1e-9, 1e-9], [0.25, 0.75, 0.0], [1e-12, 0.0, 1 - 1e-12]])
    law = np.asarray(stationary_law(jnp.asarray(table, dtype=jnp.float32)), np.float64)
    exact = np.array([0.25, 0.5, 250.0])  # 0.5 a = 0.25 b, and 1e-9 a = 1e-12 c
    np.testing.assert_allclose(law, exact / exact.sum(), rtol=1e-5)


@pytest.mark.parametrize("concentration", [1e-30, 1e-3, 0.01, 1e4, 1e30])
def test_extreme_tables_are_finite_and_stationary(key, concentration):
    """Tables whose rows float32 can hardly tell from certainties, or from the uniform law."""
    source = cj.sources.markov(2, 8, concentration)
    source.check(1)
    chain = init(source, key)
    assert np.isfinite(chain.log_table).all()
    assert np.isfinite(chain.log_stationary).all()
    law = law_of(chain)
    np.testing.assert_allclose(law.sum(), 1, rtol=1e-5)
    np.testing.assert_allclose(law @ transitions(table_of(chain)), law, atol=1e-6)
    rate = float(source.entropy_rate(chain))
    assert 0 <= rate <= np.log(8) * (1 + 1e-6)
    assert rate < 0.3 if concentration < 1 else rate == pytest.approx(np.log(8), rel=1e-3)
    assert np.isfinite(log_prob(source, chain, sample(source, key, chain, 20))).all()


@pytest.mark.parametrize("concentration", [0.3, 3.0])
def test_rows_of_a_table_are_dirichlet(concentration):
    """Second moments E p_i p_j of Dirichlet(a): a (a + 1) and a^2, over V a (V a + 1)."""
    keys = jax.random.split(jax.random.key(2), 10_000)
    tables = jax.jit(jax.vmap(cj.sources.markov.init, (None, 0)))(cj.sources.markov(1, 3, concentration), keys)
    p = np.exp(np.asarray(tables.log_table, np.float64)).reshape(-1, 3)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
    total = 3 * concentration * (3 * concentration + 1)
    exact = np.array([1 / 3, concentration * (concentration + 1) / total, concentration**2 / total])
    # Rows of one table share nothing.
    assert_mean_is(np.stack([p[:, 0], p[:, 0] ** 2, p[:, 0] * p[:, 1]], axis=1), exact)


SOURCE = cj.sources.markov(2, 3, 0.5, 12)


@pytest.fixture(scope="module")
def drawn():
    """A chain of order 2, and 200,000 rows of it."""
    chain = init(SOURCE, jax.random.key(3))
    return chain, sample(SOURCE, jax.random.key(4), chain, 200_000)


@pytest.mark.parametrize("place", [0, 5, 9])
def test_rows_have_the_law_of_the_chain(drawn, place):
    """Three symbols in a row, at the start, in the middle and at the end, against stationary law times table."""
    chain, tokens = drawn
    exact = (law_of(chain)[:, None] * table_of(chain)).ravel()
    found = np.eye(27)[code(np.asarray(tokens)[:, place : place + 3], 3)][:, exact > 1e-3]
    exact = exact[exact > 1e-3]
    assert len(exact) > 10
    assert np.abs(z_scores(found, exact)).max() < GATE
    assert np.abs(z_scores(found, PLANTED * exact)).max() > GATE


def test_a_chain_of_another_order_would_show(drawn):
    """Rows that forget all but the last symbol fail the same gate."""
    chain, _ = drawn
    joint = (law_of(chain)[:, None] * table_of(chain)).reshape(3, 3, 3)
    first = joint.sum(axis=0) / joint.sum(axis=(0, 2))[:, None]
    forgetful = cj.sources.markov(1, 3, 0.5, 12)
    short = chain._replace(
        log_table=jnp.log(jnp.asarray(first, dtype=jnp.float32)),
        log_stationary=jnp.log(jnp.asarray(joint.sum(axis=(0, 2)), dtype=jnp.float32)),
    )
    tokens = np.asarray(sample(forgetful, jax.random.key(5), short, 20_000))
    found = np.eye(27)[code(tokens[:, 5:8], 3)]
    kept = joint.ravel() > 1e-3
    assert np.abs(z_scores(found[:, kept], joint.ravel()[kept])).max() > GATE


def test_entropy_rate_is_the_mean_of_minus_log_prob(drawn):
    chain, tokens = drawn
    surprise = -np.asarray(log_prob(SOURCE, chain, tokens), np.float64)
    law, table = law_of(chain), table_of(chain)
    rate = -(law[:, None] * table * np.log(table)).sum()
    assert float(SOURCE.entropy_rate(chain)) == pytest.approx(rate, rel=1e-5)
    assert_mean_is(surprise[:, 2:].mean(axis=1), rate)
    symbols = law.reshape(3, 3).sum(axis=1)
    assert_mean_is(surprise[:, 0], -(symbols * np.log(symbols)).sum())


@pytest.mark.parametrize("order", [1, 3])
def test_log_probs_of_all_sequences_sum_to_one(key, order):
    source = cj.sources.markov(order, 3, 0.3, 5)
    chain = init(source, key)
    everything = jnp.asarray(list(itertools.product(range(3), repeat=5)), dtype=jnp.uint8)
    log_probs = np.asarray(log_prob(source, chain, everything), np.float64)
    assert log_probs.shape == (243, 5)
    prefixes = np.exp(log_probs.cumsum(axis=1))
    for place in range(5):
        # Each prefix is there once for every way to go on.
        assert prefixes[:, place].sum() / 3 ** (4 - place) == pytest.approx(1, abs=1e-5)
    # Stationary: the last symbols alone have the law of the first.
    last = code(np.asarray(everything)[:, -order:], 3)
    np.testing.assert_allclose(np.bincount(last, prefixes[:, -1]), law_of(chain), rtol=1e-4)


def test_rows_do_not_depend_on_how_many_are_drawn(drawn):
    chain, _ = drawn
    few, many = (np.asarray(sample(SOURCE, jax.random.key(6), chain, n)) for n in (7, 30))
    assert few.dtype == np.uint8
    np.testing.assert_array_equal(few, many[:7])
    other = np.asarray(sample(SOURCE, jax.random.key(7), chain, 7))
    assert not np.array_equal(few, other)


def test_seeds_have_tables_of_their_own_in_step_as_alone():
    keys = jax.random.split(jax.random.key(8), 3)
    together = jax.jit(jax.vmap(SOURCE.init))(keys)
    for seed in range(3):
        alone = init(SOURCE, keys[seed])
        np.testing.assert_allclose(together.log_stationary[seed], alone.log_stationary, rtol=1e-4, atol=1e-5)
    assert np.abs(table_of(alone) - np.exp(together.log_table[0])).max() > 0.01


def test_another_concentration_compiles_nothing():
    rates, traced_once = [], jax.jit(chex.assert_max_traces(cj.sources.markov.init, n=1))
    for concentration in (0.2, 0.5, 5.0):
        source = dataclasses.replace(SOURCE, concentration=concentration)
        rates.append(float(source.entropy_rate(traced_once(source, jax.random.key(0)))))
    assert rates == sorted(rates)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(order=0), "order=0: must be at least 1"),
        (dict(vocab=1), "vocab=1: must be at least 2"),
        (dict(order=1, vocab=257), "vocab=257: symbols are kept as bytes; use at most 256"),
        (dict(order=3, vocab=17), "vocab=17: vocab.order contexts are more than 4096; lower one"),
        (dict(order=10**9, vocab=2), "contexts are more than 4096"),
        (dict(window=2), "window=2: must be longer than the order, 2"),
        (dict(window=1.5), "window=1.5: must be a whole number"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        cj.sources.make("markov", **settings)


@pytest.mark.parametrize("concentration", [0.0, -1.0, np.nan, np.inf])
def test_bad_concentrations(concentration):
    with pytest.raises(ValueError, match="concentration="):
        cj.sources.markov(concentration=concentration).check(5)


def test_it_says_what_it_is():
    assert str(SOURCE) == "Markov chain of order 2, 3 symbols, Dirichlet(0.5) rows: windows of 12"
    assert (SOURCE.vocab_size, SOURCE.window) == (3, 12)
