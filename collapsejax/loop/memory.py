"""Shapes and bytes of runs and programs, and bytes that are free; nothing is compiled here.

Sweeps choose from them how much a call computes, and halve that where it does not fit.
"""

from __future__ import annotations

import contextlib
import math
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

from ..core.base import Array, Task, Workflow
from ..core.checks import key_of
from .experiment import Experiment, Result


def result_shapes(task: Task, workflow: Workflow, **options: Any) -> Result:
    """Shapes and dtypes of what `run` with these arguments returns. Raises as `run`."""
    experiment = Experiment.of(task, workflow, **options)
    return _shapes(lambda key: experiment.advance(experiment.begin(key), experiment.num_generations)[1])


def metric_names(task: Task, workflow: Workflow, **options: Any) -> list[str]:
    """Names of the metrics that `run` with these arguments returns. Raises as `run`."""
    return list(result_shapes(task, workflow, **options).metrics)


def state_bytes(task: Task, workflow: Workflow, *, num_samples: int, num_generations: int, rows: bool = False) -> int:
    """Bytes that one seed carries from generation to generation, and those of candidates that a verifier looks at.

    They bound the seeds that fit into memory. Raises as `run`.
    """
    sizes = dict(num_samples=num_samples, num_generations=num_generations)
    experiment = Experiment.of(task, workflow, **sizes, rows=rows)

    def held(key: Array) -> Any:
        running = experiment.begin(key)
        screened = workflow.screen is not None
        candidates = screened and task.sample_real(key, running.truth, workflow.num_candidates(num_samples))
        return running.truth, running.state, running.params, candidates if screened else ()

    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(_shapes(held)))


def _shapes(of_seed: Callable[[Array], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Explicitly requested dtype")  # of sizes that will be found to be too large
        return jax.eval_shape(of_seed, key_of(0))


def bytes_of(compiled: Any) -> int:
    """Bytes that a device needs for a call of a compiled program, by the compiler's account."""
    account = compiled.memory_analysis()
    need = account.temp_size_in_bytes + account.output_size_in_bytes + account.argument_size_in_bytes
    return need - account.alias_size_in_bytes  # arguments whose memory results take


def free_bytes_of_each(devices: Sequence[jax.Device]) -> int:
    """Bytes that are free for a call: on accelerators those of each, on a CPU those of all its parts together."""
    return free_bytes(devices[0]) // (len(devices) if devices[0].platform == "cpu" else 1)


def free_bytes(device: jax.Device) -> int:
    """Bytes of memory that a device has left, by its own account; where it gives none, those of its host."""
    account = None if device.platform == "cpu" else device.memory_stats()
    if account and {"bytes_limit", "bytes_in_use"} <= set(account):
        return account["bytes_limit"] - account["bytes_in_use"]
    return host_free_bytes()


def host_free_bytes() -> int:
    """Bytes of memory that the system calls available, or all that there is where it does not say."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
