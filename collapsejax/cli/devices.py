"""Which devices the command line uses."""

from __future__ import annotations

import contextlib
import os

import jax

from ..core.arguments import check_count


def split_cpu(number: int | None) -> None:
    """Make a CPU so many devices, or one for each core; too late, and left as it is, once JAX has been used."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", number or cores)


def chosen_devices(number: int | None = None) -> list[jax.Device]:
    """So many of this process's devices, by default all, a CPU being split into as many or one for each core."""
    if number is not None:
        check_count("devices", number)
    split_cpu(number)
    devices = jax.local_devices()
    if number is not None and number > len(devices):
        raise ValueError(f"devices={number}: there are {len(devices)} ({devices[0].device_kind}); ask for no more")
    return devices[:number]
