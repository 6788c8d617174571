import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import GATE
from scipy import special, stats

import collapsejax as cj
from collapsejax.numerics.random import chi, normal
from collapsejax.numerics.threefry import Stream, bits_by_column, fused, plain

SAME = {
    "bits": lambda key: jax.random.bits(key, (3, 5)),
    "bytes": lambda key: jax.random.bits(key, (7,), jnp.uint8),
    "few keys": lambda key: jax.random.key_data(jax.random.split(key, (2, 3))),
    "many keys": lambda key: jax.random.key_data(jax.random.split(key, 100)),
    "fold_in": lambda key: jax.random.key_data(jax.random.fold_in(key, 77)),
    "normal": lambda key: jax.random.normal(key, (9,)),
    "randint": lambda key: jax.random.randint(key, (9,), 0, 10**6),
    "choice": lambda key: jax.random.choice(key, 50, (5,), replace=False),
}


@pytest.mark.parametrize("name", SAME)
def test_fused_keys_give_the_numbers_of_jax(key, name):
    keys = jax.random.split(key, 3)
    np.testing.assert_array_equal(jax.vmap(SAME[name])(fused(keys)), jax.vmap(SAME[name])(keys))
    assert (plain(fused(keys)) == keys).all()


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_bits_by_column_are_those_of_jax(impl):
    key = jax.random.key(0, impl=impl)
    np.testing.assert_array_equal(bits_by_column(key, 70, 5).T, jax.random.bits(key, (70, 5)))


def test_rows_of_normals_do_not_depend_on_how_many_there_are(key):
    """Some are drawn by column, others not."""
    np.testing.assert_array_equal(normal(key, (100, 5))[:9], normal(key, (9, 5)))


def test_other_generators_are_left_alone():
    key = jax.random.key(0, impl="rbg")
    assert fused(key) is key
    assert plain(key) is key


def test_tasks_of_users_may_draw_poisson_numbers(key):
    """`jax.random.poisson` refuses fused keys."""

    class Mean(cj.Task):
        name = "mean"

        def init(self, key, num_samples):
            return jnp.float32(5.0), None

        def sample_real(self, key, truth, n):
            return jax.random.poisson(key, truth, (n,)).astype(float)

        def summarize(self, truth, rows):
            return rows

        def fit(self, key, truth, train, params):
            return jnp.sum(train.weights * train.values) / jnp.sum(train.weights)

        def sample(self, key, truth, params, n):
            return jax.random.poisson(key, params, (n,)).astype(float)

        def evaluate(self, truth, params):
            return {"mean": params}

    size = dict(num_samples=20, num_generations=3)
    result = cj.run_seeds(cj.seed_keys(key, 5), Mean(), cj.AccumulateSubsample(), **size)
    assert np.isfinite(result.metrics["mean"]).all()


def drawn(key, count, batch=1000):
    """`count` normals of as many seeds and counters as it takes."""
    keys = jax.random.split(key, count // batch)
    return np.asarray(jax.jit(jax.vmap(lambda key: normal(key, (batch,))))(keys), np.float64).ravel()


def moment_scores(values):
    orders = np.arange(1, 9)
    exact = np.where(orders % 2, 0, special.factorial2(np.maximum(orders - 1, 1)))
    variance = special.factorial2(2 * orders - 1) - exact**2
    return np.array([(np.mean(values**p) - m) for p, m in zip(orders, exact, strict=True)]) / np.sqrt(
        variance / len(values)
    )


def distance(values, distribution):
    """Kolmogorov's distance times the root of the number: above 2.3 with a probability of 5e-5."""
    return stats.kstest(values, distribution).statistic * np.sqrt(len(values))


@pytest.mark.parametrize("count", [2 * 10**5, pytest.param(10**7, marks=pytest.mark.slow)])
def test_normals_are_normal(key, count):
    values = drawn(key, count)
    assert np.abs(moment_scores(values)).max() < GATE
    assert distance(values, stats.norm.cdf) < 2.3
    assert np.abs(moment_scores(1.02 * values)).max() > GATE  # a wrong scale would be seen
    assert distance(values + 0.02, stats.norm.cdf) > 2.3


def test_normals_are_the_inverse_of_the_distribution_function(key):
    word = np.asarray(jax.random.bits(key, (10**5,)))
    share = ((word >> 1).astype(np.float64) + 0.5) * 2.0**-31
    exact = np.where(word & 1, -1, 1) * np.sqrt(2) * special.erfcinv(share)
    np.testing.assert_allclose(normal(key, (10**5,)), exact, rtol=1e-6, atol=1e-7)
    assert np.abs(exact).max() > 4


@pytest.mark.parametrize("degrees", [1, 3, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 9, 99, 10**6))])
def test_chi_variables_have_their_distribution(key, degrees):
    keys = jax.random.split(key, 1000)
    values = np.asarray(jax.jit(jax.vmap(lambda key: chi(key, jnp.full(300, degrees))))(keys), np.float64).ravel()
    assert distance(values, stats.chi(degrees).cdf) < 2.3
    assert distance(values, stats.chi(degrees * 1.05).cdf) > 2.3


def correlation_scores(a, b):
    """Of two samples, of their squares, and of one with the square of the other."""
    pairs = [(a, b), (a**2, b**2), (a, b**2), (a**2, b)]
    return np.array([np.corrcoef(x, y)[0, 1] for x, y in pairs]) * np.sqrt(len(a))


def test_seeds_generations_and_counters_are_independent(key):
    def of_seed(key):
        generations = jax.vmap(lambda g: normal(jax.random.fold_in(key, g), (20,)))(jnp.arange(20))
        return generations, Stream.of(key).uniforms(0, (400,))[0], Stream.of(key).uniforms(1, (400,))[0]

    values, tries, more = jax.jit(jax.vmap(of_seed))(cj.seed_keys(key, 2500))
    values, tries, more = (np.asarray(part, np.float64) for part in (values, tries, more))
    for axis in range(3):
        one, next_one = (np.take(values, places, axis).ravel() for places in (range(19), range(1, 20)))
        assert np.abs(correlation_scores(one, next_one)).max() < GATE
    assert np.abs(correlation_scores(tries.ravel() - 0.5, more.ravel() - 0.5)).max() < GATE
    shared = values.ravel() + 0.02 * np.roll(values.ravel(), 1)  # a planted dependence of 2 %
    assert np.abs(correlation_scores(values.ravel()[:-1], shared[1:])).max() > GATE
