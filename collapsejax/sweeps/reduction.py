"""The reduction of the metrics of many seeds to mergeable sketches, on the device."""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ..core.base import Array
from ..results.sketch import Sketch, merge, reduce

SEEDS = PartitionSpec(None, "seed")  # of arrays (rows, seeds, ...)


def reduced(reduction: Any, metrics: Mapping[str, Array], valid: Array, num_jobs: int) -> list[dict[str, Sketch]]:
    """For each job, a row of `metrics` (rows, seeds, G), the sketch of each metric."""
    parts = jax.device_get(reduction(list(metrics.values()), valid))
    return [dict(zip(metrics, _of_row(parts, row), strict=True)) for row in range(num_jobs)]


def compiled_reduction(mesh: Mesh, num_metrics: int, shape: tuple[int, int, int], dtype: Any) -> Any:
    """The compiled reduction of metrics of `shape`. Its sums are double, whatever JAX's default is.

    The parts of several devices are left apart, along the leading axis: no device waits for another.
    """
    arguments = (mesh, num_metrics, shape, dtype)
    with _lock_of(*arguments):  # of threads that need the same one compiles it
        return _compiled(*arguments)


@functools.lru_cache(maxsize=8)
def _lock_of(*arguments: Any) -> threading.Lock:
    del arguments
    return threading.Lock()


@functools.lru_cache(maxsize=8)
def _compiled(mesh: Mesh, num_metrics: int, shape: tuple[int, int, int], dtype: Any) -> Any:
    def on_one_device(metrics: list[Array], valid: Array) -> Sketch:
        return jax.tree.map(lambda leaf: leaf[None], reduce(metrics, valid, block))

    # As many numbers as a core's caches hold, or as all processors of an accelerator are busy with.
    block = 2**16 if mesh.devices.flat[0].platform == "cpu" else 2**24
    sharding = NamedSharding(mesh, SEEDS)
    values = [jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)] * num_metrics
    valid = jax.ShapeDtypeStruct(shape[:2], bool, sharding=sharding)
    options = dict(mesh=mesh, in_specs=SEEDS, out_specs=PartitionSpec("seed"), check_vma=False)
    with jax.enable_x64(True):
        return jax.jit(jax.shard_map(on_one_device, **options)).lower(values, valid).compile()


def _of_row(parts: Sketch, row: int) -> list[Sketch]:
    """The sketch of each metric in one row, from the devices' parts: leaves (devices, metrics, rows, ...)."""
    of_devices = [
        jax.tree.map(lambda leaf, device=device: leaf[device, :, row], parts) for device in range(len(parts[0]))
    ]
    joined = functools.reduce(merge, of_devices)
    return [jax.tree.map(lambda leaf, metric=metric: leaf[metric], joined) for metric in range(len(joined[0]))]
