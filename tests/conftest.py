import jax
import matplotlib
import pytest

matplotlib.use("agg")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def key():
    return jax.random.key(20240615)
