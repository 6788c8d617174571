"""What the benchmarks share: a process on one core, seconds, and lines of JSON that say who measured.

Imports neither NumPy nor JAX by itself: `prepare` has to come before them.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("jax", "jaxlib", "numpy", "scikit-learn", "collapsejax")


def prepare() -> None:
    """Make this process fit for timing: it compiles all programs itself and, where JAX uses a CPU, stays on one core.

    To be called before NumPy and JAX are imported, which read these settings once.
    """
    os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"
    if _platform() != "cpu":
        return
    for library in ("OPENBLAS", "OMP", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = "1"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _platform() -> str:
    """The platform that JAX will use. Another process asks JAX, since asking imports it."""
    if os.environ.get("JAX_PLATFORMS") == "cpu":
        return "cpu"
    command = [sys.executable, "-c", "import jax; print(jax.default_backend())"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()[-1]


def seconds(call: Callable[[], Any]) -> float:
    """Wall seconds until the result of a call is there."""
    import jax

    started = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - started


def cpu_share() -> Callable[[], float]:
    """A function that gives the CPU time of this process since now over the wall time."""
    wall, cpu = time.perf_counter(), time.process_time()
    return lambda: (time.process_time() - cpu) / (time.perf_counter() - wall)


def spread(name: str, times: Sequence[float], unit: float = 1.0) -> dict[str, float]:
    """Median, minimum and maximum of `times` over `unit`, as three fields of a record."""
    return {
        name: statistics.median(times) / unit,
        f"{name}_min": min(times) / unit,
        f"{name}_max": max(times) / unit,
    }


def peak_bytes() -> int:
    """Most bytes that were ever in use: of the device where it counts them, else of this process and its host."""
    import jax

    in_use = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return resident if in_use is None else in_use


def provenance(packages: Sequence[str] = PACKAGES) -> dict[str, Any]:
    """The device, the cores that the process may use, versions of `packages`, and the time."""
    import jax

    from collapsejax.store.provenance import installed_version

    device = jax.devices()[0]
    return {
        "device": {"platform": device.platform, "kind": device.device_kind, "cpu": _cpu_model()},
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "versions": {
            "python": platform.python_version(),
            **{package: installed_version(package) for package in packages},
        },
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def results_file(out: Path | None, prefix: str = "") -> Path:
    """`out`, or the file of this platform among the results; its folder is made."""
    import jax

    path = RESULTS / f"{prefix}{jax.default_backend()}.jsonl" if out is None else out
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def append(path: Path, record: dict[str, Any]) -> None:
    """Add one line of JSON to a file."""
    with path.open("a") as file:
        file.write(json.dumps(record) + "\n")
