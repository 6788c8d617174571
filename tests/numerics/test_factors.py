from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from collapsejax.numerics import factors
from collapsejax.numerics import scatter as row_factors
from collapsejax.numerics.factors import Factor, is_safe, zero_factor
from collapsejax.numerics.random import wishart_factor

# Each as one program: operation by operation takes far longer to compile.
grown_factor, regression_sum, sum_factor = map(
    jax.jit, (factors.grown_factor, factors.regression_sum, factors.sum_factor)
)
gram_factor, scatter_factor = map(jax.jit, (row_factors.gram_factor, row_factors.scatter_factor))


def covariance(factor):
    dense = np.asarray(factor.unit, np.float64) * np.exp(np.asarray(factor.log_scale, np.float64))
    return dense @ dense.T


@partial(jax.jit, static_argnums=(1, 2))
def start(key, dim, degrees):
    return Factor(jnp.eye(dim), jnp.zeros(dim)).times(wishart_factor(key, dim, degrees))


def test_scatter_factor_is_the_scatter(key):
    rows = 1000.0 + jax.random.normal(key, (50, 4)) * jnp.array([1e-1, 1.0, 10.0, 100.0])[None, :]
    weights = jnp.where(jnp.arange(50) < 40, 2.0, 0.0)
    mean = jnp.mean(rows[:40], axis=0)
    exact = np.asarray(rows[:40], np.float64)
    exact = 2 * (exact - exact.mean(axis=0)).T @ (exact - exact.mean(axis=0))
    np.testing.assert_allclose(covariance(scatter_factor(rows, weights, mean)), exact, rtol=2e-2, atol=1e-3)
    scale = np.sqrt(np.diagonal(exact))
    np.testing.assert_allclose(np.diagonal(covariance(scatter_factor(rows, weights, mean))), scale**2, rtol=5e-3)


@pytest.mark.parametrize("num_distinct", [3, 5, 8])
def test_rows_of_one_design_have_its_rank(key, num_distinct):
    """However often they are there, with whatever responses and weights."""
    k_design, k_response, k_weights = jax.random.split(key, 3)
    design = jax.random.normal(k_design, (num_distinct, 5))[jnp.arange(12) % num_distinct]
    response = jax.random.normal(k_response, (12,))
    weights = jnp.where(jnp.arange(12) < 10, jax.random.uniform(k_weights, (12,), minval=0.5), 0.0)
    rows = jnp.concatenate([design, response[:, None]], axis=1)
    factor = gram_factor(rows, weights)
    rank = min(num_distinct, 5)
    assert np.isfinite(factor.log_pivots()[:rank]).all()
    assert np.isneginf(factor.log_pivots()[rank:5]).all()
    double = np.asarray(rows, np.float64)
    exact = (np.asarray(weights, np.float64)[:, None] * double).T @ double
    np.testing.assert_allclose(covariance(factor), exact, rtol=1e-4, atol=1e-4)
    x, y = np.asarray(design[:10], np.float64), np.asarray(response[:10], np.float64)
    root = np.sqrt(np.asarray(weights[:10], np.float64))
    solved = np.linalg.lstsq(root[:, None] * x, root * y)[0]
    residuals = np.linalg.norm(root * (y - x @ solved))
    np.testing.assert_allclose(np.linalg.norm(factor.dense()[5, rank:]), residuals, rtol=1e-4)


@pytest.mark.slow
def test_times_multiplies(key):
    factor = start(key, 5, 7)
    lower = wishart_factor(jax.random.key(1), 5, 6)
    product = np.asarray(factor.dense(), np.float64) @ np.asarray(lower, np.float64)
    np.testing.assert_allclose(covariance(factor.times(lower)), product @ product.T, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_products_never_leave_range(key):
    """The log pivots of 3000 factors add up, to float32's rounding, however small the matrix has become."""
    lowers = jax.vmap(lambda key: wishart_factor(key, 4, 9) / 3)(jax.random.split(key, 3000))
    factor, _ = jax.lax.scan(lambda f, a: (f.times(a), None), Factor(jnp.eye(4), jnp.zeros(4)), lowers)
    exact = np.log(np.asarray(jnp.diagonal(lowers, axis1=1, axis2=2), np.float64)).sum(axis=0)
    assert exact.min() < -600  # far below float32's smallest number, e^-87
    np.testing.assert_allclose(factor.log_pivots(), exact, rtol=1e-4)
    assert np.isfinite(np.asarray(factor.unit)).all()


def test_sum_adds(key):
    a, b, vector = start(key, 4, 6), start(jax.random.key(2), 4, 6).shift(2.0), jnp.arange(4.0)
    exact = covariance(a) + covariance(b) + np.outer(vector, vector)
    np.testing.assert_allclose(covariance(sum_factor(a, b, vector)), exact, rtol=1e-5, atol=1e-4)
    zero = zero_factor(vector)
    np.testing.assert_allclose(covariance(sum_factor(a, zero, 0 * vector)), covariance(a), rtol=1e-5, atol=1e-5)
    assert np.isneginf(sum_factor(zero, zero, 0 * vector).log_scale).all()


def test_grown_factor_is_the_sum_it_stands_for(key):
    a, lower, step = start(key, 5, 9), wishart_factor(jax.random.key(2), 5, 8), jnp.arange(5.0) / 3
    drawn = a.shift(-0.7)
    exact = covariance(a) + covariance(drawn.times(lower))
    exact = exact + np.outer(drawn.dense() @ step, drawn.dense() @ step)
    np.testing.assert_allclose(covariance(grown_factor(a, -0.7, lower, step)), exact, rtol=1e-5, atol=1e-4)
    singular = start(key, 5, 3)
    assert np.isneginf(grown_factor(singular, 0.0, lower, step).log_pivots()[3:]).all()
    np.testing.assert_allclose(covariance(grown_factor(a, -jnp.inf, lower, step)), covariance(a), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("degrees", "log_ratio"), [((9, 8), 0.0), ((3, 9), 0.0), ((2, 2), 0.0), ((9, 8), -30.0)])
def test_sums_of_regressions_are_sums(key, degrees, log_ratio):
    """By Cholesky's factor or, where a design has few rows, by reflections."""
    a, b = start(key, 5, degrees[0]), start(jax.random.key(2), 5, degrees[1]).shift(log_ratio)
    total, reflected = regression_sum(a, b), sum_factor(a, b, jnp.zeros(5))
    np.testing.assert_allclose(covariance(total), covariance(a) + covariance(b), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(total.log_pivots(), reflected.log_pivots(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9999])
def test_rows_are_factored_alike_by_either_way(key, correlation):
    """Strong correlations leave a small pivot, and go by reflections; both ways are exact."""
    mix = jnp.array([[1.0, 0, 0], [correlation, jnp.sqrt(1 - correlation**2), 0], [0.1, 0.2, 1e-3]])
    rows = jax.random.normal(key, (40, 3)) @ mix.T
    mean = jnp.mean(rows, axis=0)
    exact = np.asarray(rows, np.float64) - np.asarray(rows, np.float64).mean(axis=0)
    pivots = np.diagonal(np.linalg.cholesky(exact.T @ exact))
    factor = scatter_factor(rows, jnp.ones(40), mean)
    np.testing.assert_allclose(np.exp(factor.log_pivots()), pivots, rtol=1e-3)  # 4e-4 on a GPU; by the other way 6 %


@pytest.mark.parametrize("rank", [4, *(pytest.param(r, marks=pytest.mark.slow) for r in (1, 6))])
def test_sums_within_a_subspace_stay_singular(key, rank):
    """Batches drawn from the pool's own Gaussian add no direction: pivots beyond the rank stay exactly zero."""

    def accumulated(key):
        def step(pool, key):
            k_batch, k_mean = jax.random.split(key)
            batch = pool.shift(-1.0).times(wishart_factor(k_batch, 7, rank))
            return sum_factor(pool, batch, pool.dense() @ jax.random.normal(k_mean, (7,)) / 5), None

        k_start, k_steps = jax.random.split(key)
        return jax.lax.scan(step, start(k_start, 7, rank), jax.random.split(k_steps, 50))[0].log_pivots()

    pivots = np.asarray(jax.jit(jax.vmap(accumulated))(jax.random.split(key, 300)))
    assert np.isneginf(pivots[:, rank:]).all()
    assert np.isfinite(pivots[:, :rank]).all()


def test_sums_of_new_directions_have_the_rank_of_both(key):
    """Rounding is taken for no pivot behind the last there can be, where what new pivots explain leaves much of it."""
    parts = jax.random.normal(key, (300, 2, 15, 40))

    def summed(parts):
        total = sum_factor(*(gram_factor(part, jnp.ones(15)) for part in parts), jnp.zeros(40))
        return total.log_pivots(), total.log_scale, total.dense()

    log_pivots, log_scale, dense = map(np.asarray, jax.jit(jax.vmap(summed))(parts))
    assert np.isfinite(log_pivots[:, :30]).all()
    assert np.isneginf(log_scale[:, 30:]).all()
    exact = np.einsum("sbni,sbnj->sij", *[np.asarray(parts, np.float64)] * 2)
    np.testing.assert_allclose(np.einsum("sik,sjk->sij", *[dense.astype(np.float64)] * 2), exact, atol=1e-4)


def test_sum_with_new_directions_becomes_regular(key):
    old, fresh = start(key, 5, 3), start(jax.random.key(3), 5, 9)
    assert np.isneginf(old.log_pivots()).any()
    assert np.isfinite(sum_factor(old, fresh, jnp.zeros(5)).log_pivots()).all()


@pytest.mark.parametrize("count", [2, 5, 6, 40])
def test_rows_have_the_rank_that_their_number_allows(key, count):
    rows = jax.random.normal(key, (300, count, 5))
    factors = jax.vmap(lambda rows: scatter_factor(rows, jnp.ones(count), jnp.mean(rows, axis=0)))(rows)
    pivots = np.asarray(jax.vmap(Factor.log_pivots)(factors))
    assert np.isneginf(pivots[:, count - 1 :]).all()
    assert np.isfinite(pivots[:, : count - 1]).all()


def test_equal_rows_have_no_scatter():
    rows = jnp.full((10, 3), 0.1)
    factor = scatter_factor(rows, jnp.ones(10), jnp.full(3, 0.1) * (1 + 2e-7))
    assert np.isneginf(factor.log_pivots()).all()


def test_pivots_that_vanish_are_not_taken_for_safe():
    """Nor where they come out as infinite or as no number."""
    for pivot, safe in ((0.5, True), (0.04, False), (0.0, False), (np.nan, False), (np.inf, False)):
        assert is_safe(jnp.diag(jnp.array([1.0, 0.5, pivot]))) == safe
