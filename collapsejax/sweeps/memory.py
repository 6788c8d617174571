"""Bytes that programs need, and bytes that are free."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax


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


def bytes_of(compiled: Any) -> int:
    account = compiled.memory_analysis()
    need = account.temp_size_in_bytes + account.output_size_in_bytes + account.argument_size_in_bytes
    return need - account.alias_size_in_bytes  # arguments whose memory results take
