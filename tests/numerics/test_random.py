import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import GATE, assert_mean_is
from scipy import stats

from collapsejax.numerics.random import chi, wishart_factor


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
