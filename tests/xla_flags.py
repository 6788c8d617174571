"""XLA's flags for tests, most of whose time is compilation."""

import mmap
from importlib.util import find_spec
from pathlib import Path


def _is_known(flag):
    """Whether the installed XLA has this flag; one that it has not would end the process."""
    for library in Path(find_spec("jaxlib").origin).parent.glob("libjax_common.*"):
        with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(flag.encode()) >= 0
    return False


# Without LLVM's optimiser, and with the older of XLA's two ways to make kernels, it takes a third of the time.
_UNOPTIMISED = {"xla_backend_optimization_level": "0", "xla_cpu_use_fusion_emitters": "false"}
UNOPTIMISED = " ".join(f"--{flag}={value}" for flag, value in _UNOPTIMISED.items() if _is_known(flag))
