"""Programs on several devices, which need a process of their own."""

import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from small import Small

import collapsejax as cj

pytestmark = pytest.mark.slow

SIZE = dict(num_samples=6, num_generations=5, num_seeds=200, key=jax.random.key(20240615))


def test_devices_change_nothing(tmp_path):
    """Seeds shared by three devices, rows that they do not divide: not the last bit changes."""
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
import jax, collapsejax as cj
from small import Small
jax.config.update("jax_num_cpu_devices", 3)
size = dict(num_samples=6, num_generations=5, num_seeds=200, key=jax.random.key(20240615))
for keep in ("seeds", "summary"):
    dataset = cj.sweep(Small(), ["replace"], **size, keep=keep, out={str(tmp_path)!r} + "/" + keep)
    assert "3 x cpu" in dataset.attrs["device"]
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    for keep, rtol in (("seeds", 0), ("summary", 1e-12)):
        one, three = cj.sweep(Small(), ["replace"], **SIZE, keep=keep), cj.open(tmp_path / keep)
        assert list(one.data_vars) == list(three.data_vars)
        for name in one.data_vars:
            np.testing.assert_allclose(three[name], one[name], rtol=rtol)


def test_as_many_devices_as_cores():
    """LAPACK's batched calls would wait for one another forever here; a timeout is how that shows."""
    code = """
import os, jax, collapsejax as cj
jax.config.update("jax_num_cpu_devices", os.cpu_count())
size = dict(num_samples=20, num_generations=3, num_seeds=256 * os.cpu_count(), key=jax.random.key(0))
cj.sweep(cj.Gaussian(10), ["accumulate"], **size)
cj.sweep(cj.Gaussian(source=cj.sources.blobs()), ["accumulate"], **size)
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=240)
