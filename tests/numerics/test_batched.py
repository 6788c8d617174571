import jax
import jax.numpy as jnp
import numpy as np
import pytest

from collapsejax.numerics.batched import cholesky, seeds_last, solve_lower, solve_upper, unless


def positive_definite(dim, seeds=5):
    rows = np.random.default_rng(dim).normal(size=(seeds, dim, 2 * dim + 3))
    return np.einsum("sik,sjk->sij", rows, rows).astype(np.float32) / (2 * dim)


@pytest.mark.parametrize("dim", [1, 3, pytest.param(12, marks=pytest.mark.slow), 13, 40])
def test_cholesky_factors(dim):
    matrices = positive_definite(dim)
    exact = np.linalg.cholesky(matrices.astype(np.float64))
    lower = jax.jit(jax.vmap(cholesky))(matrices)
    np.testing.assert_allclose(lower, exact, rtol=2e-5, atol=2e-6)
    assert (np.triu(lower, 1) == 0).all()
    np.testing.assert_allclose(cholesky(matrices[0]), exact[0], rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("dim", [2, 12, 13, 40])
def test_triangular_systems_are_solved(dim):
    lower = np.linalg.cholesky(positive_definite(dim).astype(np.float64))
    right = np.random.default_rng(0).normal(size=(5, dim, 3))
    for solve, matrices in ((solve_lower, lower), (solve_upper, lower.transpose(0, 2, 1))):
        solved = jax.jit(jax.vmap(solve))(jnp.float32(matrices), jnp.float32(right))
        np.testing.assert_allclose(solved, np.linalg.solve(matrices, right), rtol=1e-4, atol=1e-4)


def test_lanes_work_under_any_map():
    """Over another axis, over one argument alone, and twice."""
    shapes = []

    @seeds_last
    def product(a, b):
        shapes.append((a.shape, b.shape))
        return a[0][None] * b

    a, b = np.arange(6.0).reshape(2, 3), np.arange(4.0).reshape(2, 2)
    np.testing.assert_array_equal(product(a[0], b[0]), 0 * b[0])
    np.testing.assert_array_equal(jax.vmap(product)(a, b), a[:, :1] * b)
    np.testing.assert_array_equal(jax.vmap(product, (1, None))(a, b[0]), a[0][:, None] * b[0])
    np.testing.assert_array_equal(jax.vmap(product, (None, 0))(a[1], b), a[1, 0] * b)
    twice = jax.jit(jax.vmap(jax.vmap(product, (0, None)), (None, 0)))(a, b)
    np.testing.assert_array_equal(twice, a[None, :, :1] * b[:, None])
    assert ((3, 2), (2, 2)) in shapes


def test_the_general_way_is_taken_where_the_quick_one_will_not_do():
    turns = []

    def general(x):
        jax.debug.callback(lambda: turns.append(1))
        return 2 * x

    enough, x = jnp.array([True, False, True]), jnp.arange(1.0, 4.0)
    one = jax.jit(lambda enough, x: unless(enough, -x, general, x))
    np.testing.assert_array_equal(jax.vmap(one)(enough, x), [-1, 4, -3])
    jax.effects_barrier()
    assert turns
    turns.clear()
    np.testing.assert_array_equal(jax.vmap(one)(~jnp.isnan(x), x), -x)
    jax.effects_barrier()
    assert not turns
