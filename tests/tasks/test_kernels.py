import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

import collapsejax as cj
from collapsejax.numerics import float32 as elementary
from collapsejax.tasks import kernels
from collapsejax.tasks.kernels import KERNELS


def exact_log_sums(kernel, places, rows, bandwidth):
    """In float64, from the filled slots alone."""
    places, values, weights = (np.asarray(part, np.float64) for part in (places, rows.values, rows.weights))
    square = (((places[:, None] - values[None]) / np.asarray(bandwidth, np.float64)) ** 2).sum(axis=2)
    log_kernel = {"gaussian": -square / 2, "tophat": np.where(square < 1, 0.0, -np.inf)}[kernel]
    return logsumexp(log_kernel[:, weights > 0], b=weights[weights > 0], axis=1)


def some_places_and_rows(dim, offset=0.0, dtype=np.float32):
    """37 places and 50 rows, weighted, in a buffer for 70 that has seen other rows before."""
    rng = np.random.default_rng(dim)
    places, values = rng.normal(size=(37, dim)).astype(dtype) + dtype(offset), rng.normal(size=(70, dim)).astype(dtype)
    weights = np.append(rng.choice([0.25, 1.0, 3.0], 50), np.zeros(20)).astype(dtype)
    return jnp.asarray(places), cj.data.rows.Rows(jnp.asarray(values), jnp.asarray(weights), jnp.int32(50))


@pytest.mark.parametrize("place", ["blocks", "at once"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_kernel_sums_are_exact(monkeypatch, kernel, place):
    """In one, two and five dimensions; blocks of rows are for CPUs, everything at once for what else there is."""
    if place == "at once":
        monkeypatch.setattr(jax.lax, "platform_dependent", lambda *args, default, **blocks: default(*args))
    for dim in (1, 2, 5):
        places, rows = some_places_and_rows(dim)
        bandwidth = jnp.linspace(0.8, 1.4, dim)
        exact = exact_log_sums(kernel, places, rows, bandwidth)
        assert np.isfinite(exact).sum() > 10
        np.testing.assert_allclose(KERNELS[kernel].log_sums(places, rows, bandwidth), exact, rtol=2e-6, atol=2e-6)


def test_kernel_sums_of_far_places_are_exact():
    """200 bandwidths from all rows, where float32's kernels are 0: alone, beside near ones, and in one seed of two."""
    log_sums = jax.jit(kernels.log_gaussian_sums)
    (near, rows), far = some_places_and_rows(2), some_places_and_rows(2, 200.0)[0]
    bandwidth, mixed = jnp.full(2, 0.9), jnp.concatenate([near[:20], far[:17]])
    for places in (far, mixed):
        exact = exact_log_sums("gaussian", places, rows, bandwidth)
        assert exact.min() < -10_000
        np.testing.assert_allclose(log_sums(places, rows, bandwidth), exact, rtol=1e-6)
    both = jax.vmap(lambda places: log_sums(places, rows, bandwidth))(jnp.stack([near, mixed]))
    for got, places in zip(both, (near, mixed), strict=True):
        np.testing.assert_allclose(got, exact_log_sums("gaussian", places, rows, bandwidth), rtol=1e-6, atol=2e-6)


def test_empty_slots_may_be_nearer_than_all_rows():
    """One row at 0, 15 to 100 bandwidths away, and an empty slot beside each place."""
    places = jnp.linspace(15.0, 100.0, 200)[:, None]
    slots = jnp.concatenate([jnp.zeros((1, 1)), places])
    rows = cj.data.rows.Rows(slots, (jnp.arange(201) == 0).astype(float), jnp.int32(201))
    got = jax.jit(kernels.log_gaussian_sums)(places, rows, jnp.ones(1))
    np.testing.assert_allclose(got, -(places[:, 0] ** 2) / 2, rtol=1e-6)


@pytest.mark.slow
def test_kernel_sums_are_exact_around_the_second_look():
    """The first pass is trusted down to kernels of 2^-100: one row, 9 to 14 bandwidths away."""
    places = jnp.linspace(9.0, 14.0, 64)[:, None]
    got = kernels.log_gaussian_sums(places, cj.data.rows.Rows.of(jnp.zeros((1, 1))), jnp.ones(1))
    np.testing.assert_allclose(got, -(np.asarray(places, np.float64)[:, 0] ** 2) / 2, rtol=4e-7)


@pytest.mark.slow
def test_kernel_sums_in_double_precision():
    with jax.enable_x64(True):
        log_sums = jax.jit(kernels.log_gaussian_sums)
        for offset in (0.0, 200.0):
            places, rows = some_places_and_rows(2, offset, np.float64)
            got = log_sums(places, rows, jnp.full(2, 0.9))
            np.testing.assert_allclose(got, exact_log_sums("gaussian", places, rows, np.full(2, 0.9)), rtol=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
def test_kernel_sums_without_rows(kernel):
    """An emptied buffer and rows at infinity have no density anywhere; one such row adds nothing to the others."""
    places, rows = some_places_and_rows(2)
    log_sums, rest = jax.jit(KERNELS[kernel].log_sums), (rows.weights, rows.count)
    assert np.isneginf(log_sums(places, rows.clear(), jnp.ones(2))).all()
    assert np.isneginf(log_sums(places, rows.scale(0.0), jnp.ones(2))).all()
    assert np.isneginf(log_sums(places, cj.data.rows.Rows(rows.values + jnp.inf, *rest), jnp.ones(2))).all()
    some = cj.data.rows.Rows(rows.values.at[:7].set(jnp.inf), *rest)
    without = cj.data.rows.Rows(rows.values, rows.weights.at[:7].set(0.0), rows.count)
    np.testing.assert_allclose(log_sums(places, some, jnp.ones(2)), log_sums(places, without, jnp.ones(2)), rtol=1e-6)


def test_power_of_two():
    exponents = np.linspace(-126.0, 0.0, 200_001, dtype=np.float32)
    powers = np.asarray(jax.jit(elementary.exp2)(exponents), np.float64)
    assert np.abs(powers / 2.0 ** exponents.astype(np.float64) - 1).max() < 2e-7
    low = elementary.exp2(jnp.array([0.0, -126.0, -127.0, -1e30, -jnp.inf, jnp.nan]))
    np.testing.assert_array_equal(low, np.array([1.0, *[2.0**-126] * 4, np.nan], np.float32))
