import os

# Most of the tests' time is compilation, and half of that is LLVM's optimiser. Set XLA_FLAGS to test optimised code.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import jax
import matplotlib
import pytest

matplotlib.use("agg")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def key():
    return jax.random.key(20240615)
