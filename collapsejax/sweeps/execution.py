"""How a sweep is executed; its numbers do not depend on it, but for rounding."""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Sequence

import jax
import numpy as np

from ..core.arguments import check_count


@dataclasses.dataclass(frozen=True)
class Execution:
    """How a sweep is executed.

    Args:
        chunk: seeds that are stored together, and no more of which are computed together. Default: as memory suggests.
        devices: share the seeds. Default: all that this process has.
        share: (i, N), to compute part i of N of the shards, beside other processes that write to the same store.
            Default: JAX's index of this process and number of processes.
        in_turn: whether a device runs one seed after the other instead of many in step. Default: on a CPU, for a
            task that is `long_running`.

    Raises ValueError for a chunk below 1, for devices that are none, and for a share that is none.
    """

    chunk: int | None = None
    devices: Sequence[jax.Device] | None = None
    share: tuple[int, int] | None = None
    in_turn: bool | None = None

    def __post_init__(self) -> None:
        if self.chunk is not None:
            check_count("chunk", self.chunk)
        if self.devices is not None:
            if isinstance(self.devices, str) or not isinstance(self.devices, Sequence | np.ndarray):
                raise ValueError(f"devices={self.devices!r}: want a list of devices, such as jax.devices()[:2]")
            if not len(self.devices):
                raise ValueError("devices=[]: give at least one device, or leave it out for all")
            for device in self.devices:
                if not isinstance(device, jax.Device):
                    raise ValueError(f"devices: {device!r} is no device; give those of jax.devices()")
        if self.share is not None:
            pair = isinstance(self.share, Sequence) and len(self.share) == 2
            whole = pair and all(isinstance(part, numbers.Integral) for part in self.share)
            if not whole or not 0 <= self.share[0] < self.share[1]:
                raise ValueError(f"share={self.share!r}: want (i, N) with 0 <= i < N")

    def chosen_devices(self) -> tuple[jax.Device, ...]:
        """The devices that share the seeds."""
        return tuple(jax.local_devices() if self.devices is None else self.devices)

    def chosen_share(self) -> tuple[int, int]:
        """The part of the shards that this process computes."""
        return self.share or (jax.process_index(), jax.process_count())
