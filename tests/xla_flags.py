"""XLA's flags for tests, most of whose time is compilation."""

import os
import subprocess
import sys

# Without LLVM's optimiser, and with the older of XLA's two ways to make kernels, compilation takes a third of the time.
_UNOPTIMIZED = ("--xla_backend_optimization_level=0", "--xla_cpu_use_fusion_emitters=false")


def accepted(flags):
    """Those of `flags` that the installed XLA takes, joined; it ends the process for one that it does not know."""
    if _runs(flags):
        return " ".join(flags)
    return " ".join(flag for flag in flags if _runs([flag]))


def _runs(flags):
    environment = os.environ | {"XLA_FLAGS": " ".join(flags), "JAX_PLATFORMS": "cpu"}
    code = [sys.executable, "-c", "import jax; jax.devices()"]
    return subprocess.run(code, env=environment, capture_output=True, check=False).returncode == 0


def use_unoptimized():
    """Set XLA_FLAGS unless it is set already; worker processes of pytest inherit what the first process found."""
    if "XLA_FLAGS" not in os.environ:
        os.environ["XLA_FLAGS"] = accepted(_UNOPTIMIZED)
