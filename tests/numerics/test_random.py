import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import GATE, assert_mean_is
from scipy import special, stats

from collapsejax.numerics import random
from collapsejax.numerics.random import chi, wishart_factor

NORMAL_ERROR = 6e-7  # relative, as documented
HALF_WORDS = np.unique(
    np.concatenate([np.arange(64), np.geomspace(64, 2**30, 20_000), 2**31 - np.geomspace(128, 2**30, 20_000)])
).astype(np.uint32)


def normals(words):
    return np.asarray(jax.jit(lambda words: random._normal_of(words))(words), np.float64)


def normal_error():
    """The largest relative error of normals, from words that lead from their far tail to 0."""
    found = normals(2 * HALF_WORDS)
    share = (HALF_WORDS.astype(np.float32) + np.float32(0.5)) * np.float32(2**-31)  # of normals that are larger in size
    return np.abs(found / -special.ndtri(share.astype(np.float64) / 2) - 1).max()


def test_normals_are_those_of_the_inverse_distribution_function():
    assert normal_error() < NORMAL_ERROR
    np.testing.assert_array_equal(normals(2 * HALF_WORDS + 1), -normals(2 * HALF_WORDS))
    assert normals(2 * HALF_WORDS).max() == pytest.approx(-special.ndtri(2.0**-33), rel=NORMAL_ERROR)


# The leading coefficients are so small that 0.04 % of them is below rounding.
@pytest.mark.parametrize(("name", "first"), [("_NORMAL_TAIL", 2), ("_NORMAL_CENTRE", 4)])
def test_coefficients_of_normals_have_the_digits_that_matter(monkeypatch, name, first):
    coefficients = getattr(random, name)
    for place in range(first, len(coefficients)):
        planted = [value * (1 + 4e-4 * (k == place)) for k, value in enumerate(coefficients)]
        monkeypatch.setattr(random, name, tuple(planted))
        assert normal_error() > NORMAL_ERROR, place


@pytest.mark.parametrize("degrees", [1, 2, 9, 999])
def test_chi_has_the_moments_of_its_law(key, degrees):
    sample = jax.jit(jax.vmap(lambda key: chi(key, jnp.array([degrees]))))(jax.random.split(key, 500_000))
    squares = np.asarray(sample, np.float64)[:, 0] ** 2
    law = stats.chi2(degrees)
    for power in (1, 2):
        assert_mean_is(squares**power, law.moment(power))
    log_mean = np.log(2) + jax.scipy.special.digamma(degrees / 2)
    assert abs((np.log(squares).mean() - log_mean) / (np.log(squares).std() / np.sqrt(len(squares)))) < GATE
    assert np.isfinite(sample).all()


@pytest.mark.parametrize("degrees", [2, 3, 9])
def test_wishart_factor_has_the_moments_of_a_wishart_matrix(key, degrees):
    """E W = m I and E (tr W)^2 = m^2 d^2 + 2 m d, also for m < d."""
    dim = 3
    factor = jax.jit(jax.vmap(lambda key: wishart_factor(key, dim, degrees)))(jax.random.split(key, 100_000))
    factor = np.asarray(factor, np.float64)
    assert (np.triu(factor, 1) == 0).all()
    matrix = factor @ factor.transpose(0, 2, 1)
    assert_mean_is(np.diagonal(matrix, axis1=1, axis2=2), degrees)
    off_diagonal = matrix[:, *np.tril_indices(dim, -1)]
    assert np.abs(off_diagonal.mean(axis=0) / (off_diagonal.std(axis=0) / np.sqrt(len(matrix)))).max() < GATE
    assert_mean_is(np.trace(matrix, axis1=1, axis2=2) ** 2, degrees**2 * dim**2 + 2 * degrees * dim)
    assert (np.linalg.matrix_rank(matrix, tol=1e-6) <= degrees).all()
