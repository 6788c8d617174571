import contextlib
import gc
import os
from pathlib import Path

from xla_flags import use_unoptimized

use_unoptimized()  # unless XLA_FLAGS is set: empty, it tests what users run
# The command line keeps no compiled programs among the user's, in this process or in one that it starts.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"

import jax
import matplotlib
import pytest
from jax.experimental.compilation_cache import compilation_cache

import collapsejax as cj

matplotlib.use("agg")
# A sixth of the time of the tests was spent on looking for garbage among modules and traces.
cj.sweep  # noqa: B018  (which imports nearly all)
gc.freeze()
gc.set_threshold(50_000, 10, 10)
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def key():
    return jax.random.key(20240615)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Keep compiled programs, for a module that compiles the same ones again and again; gives the settings.

    A folder for each module, which one process runs: two processes must not write there at once.
    """
    settings = {
        "jax_enable_compilation_cache": True,
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("cache")),
        "jax_persistent_cache_min_compile_time_secs": 0,
    }
    before = {name: getattr(jax.config, name) for name in settings}
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    yield settings
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


_compiled = []  # one entry for each program that this process has compiled
_COMPILED = "/jax/core/compile/backend_compile_duration"
jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **more: _compiled.append(seconds) if event == _COMPILED else None
)


@pytest.fixture(scope="session")
def compilations():
    """`with compilations(at_most=0): ...` fails if JAX compiles a program there, be it of a single operation."""

    @contextlib.contextmanager
    def counting(at_most):
        before = len(_compiled)
        yield
        assert len(_compiled) - before <= at_most

    with pytest.raises(AssertionError), counting(at_most=0):
        jax.jit(lambda x: x + 1)(0.0)  # JAX still tells of compilations
    return counting


_looked = 0  # programs compiled when the memory maps were last counted


@pytest.fixture(autouse=True)
def few_programs():
    """Forget compiled programs in time: each takes 500 memory maps, Linux allows 65530, and LLVM crashes beyond."""
    global _looked
    yield
    maps = Path("/proc/self/maps")
    if len(_compiled) >= _looked + 10 and maps.exists():
        _looked = len(_compiled)
        if maps.read_bytes().count(b"\n") > 30_000:
            jax.clear_caches()
