"""The generator of Wishart factors fills the vectors of a processor in every dimension."""

import os
import platform
import re
import subprocess
import sys
from collections import Counter

import pytest
from xla_flags import accepted

DIMS = (2, 5, 10, 13)
_TRIES = 5  # XLA's writing of what it compiles ends some processes
_PROGRAM = f"""
import jax
from collapsejax.numerics.random import wishart_factor
keys = jax.random.split(jax.random.key(0), 256)
for dim in {DIMS}:
    jax.jit(jax.vmap(lambda key: wishart_factor(key, dim, 1000))).lower(keys).compile()
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="of vectors of x86")
def test_no_random_bits_are_computed_one_by_one(tmp_path):
    """Rotations, which nothing else than the hash behind the bits has, by the width of their vectors."""
    for attempt in range(_TRIES):
        folder = tmp_path / str(attempt)
        flags = accepted([f"--xla_dump_to={folder}", "--xla_cpu_max_isa=AVX2", "--xla_dump_emitter_re=llvm"])
        environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
        if not subprocess.run([sys.executable, "-c", _PROGRAM], env=environment, check=False).returncode:
            break
    code = [path.read_text() for path in folder.glob("*.ir-with-opt.ll")]
    widths = Counter(re.findall(r"call .*@llvm\.fshl\.(\w+)\(", "\n".join(code)))
    assert set(widths) == {"v8i32"}, widths
    assert widths["v8i32"] > 4 * 20 * len(DIMS)
