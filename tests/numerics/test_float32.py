import jax
import jax.numpy as jnp
import numpy as np

from collapsejax.numerics.float32 import log, log_to_double


def positive_numbers():
    """Normal float32 numbers of all magnitudes, and many near 1."""
    rng = np.random.default_rng(4)
    numbers = np.concatenate([np.exp(rng.uniform(-87, 88, 10000)), 1 + 1e-4 * rng.normal(size=10000), [1.0]])
    return numbers.astype(np.float32)


def test_logarithms_to_doubles_are_as_exact_as_doubles():
    numbers = positive_numbers()
    with jax.enable_x64(True):
        found = np.asarray(jax.jit(log_to_double)(jnp.asarray(numbers)))
    np.testing.assert_allclose(found, np.log(numbers.astype(np.float64)), rtol=1e-15)


def test_logarithms_of_doubles_are_those_of_jax():
    numbers = np.geomspace(1e-300, 1e300, 100)
    with jax.enable_x64(True):
        found = np.asarray(jax.jit(log_to_double)(jnp.asarray(numbers)))
    np.testing.assert_allclose(found, np.log(numbers), rtol=1e-15)


def test_float32_logarithms_have_the_documented_error():
    """1.5e-7 of the logarithm, or where that is smaller of 1."""
    numbers = positive_numbers()
    found = np.asarray(jax.jit(log)(jnp.asarray(numbers)))
    assert found.dtype == np.float32
    exact = np.log(numbers.astype(np.float64))
    assert np.max(np.abs(found - exact) / np.maximum(np.abs(exact), 1.0)) < 1.5e-7
