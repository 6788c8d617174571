"""Compiled programs for grids: for any seeds of any of the cells that share one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ..core.base import Array
from ..loop import COMPILER_OPTIONS, run
from .cells import Cells, Settings, outputs
from .grid import Cell
from .memory import bytes_of, free_bytes_of_each
from .reduction import SEEDS, compiled_reduce, summarized


class Shape(NamedTuple):
    """How much one call does: `rows` times `seeds` seeds, of which `together` are in step on each device."""

    rows: int
    seeds: int
    together: int

    def __str__(self) -> str:
        return f"{self.rows * self.seeds} seeds at a time"

    def halved(self) -> Shape | None:
        """The next smaller shape; None where this is the smallest."""
        together = -(-self.together // 2)
        if self.rows > 1:
            return Shape(-(-self.rows // 2), self.seeds, together)
        if self.seeds > 1:
            return Shape(1, -(-self.seeds // 2), together)
        return None


class Program:
    """Simulates seeds of cells that share it.

    A call has `shape.rows` rows of `shape.seeds` seeds, a row belonging to one cell. Seeds run `shape.together` at a
    time, one batch after the other: numbers do not depend, not in the last bit, on how many batches a call has or which
    device has them, and memory holds the states of one batch only.
    """

    def __init__(self, cells: Sequence[Cell], settings: Settings) -> None:
        self._settings, self._cells = settings, Cells(cells, settings)
        self._mesh = Mesh(np.array(settings.devices), ("seed",))
        everywhere = NamedSharding(self._mesh, PartitionSpec())
        self._leaves, self._sizes = jax.device_put((self._cells.leaves, self._cells.sizes), everywhere)
        self._simulate = self._reduce = None

    def lower(self, key: Array, shape: Shape) -> Callable[[], int]:
        """Trace for calls of that shape.

        What this gives compiles, and gives the bytes that a device needs for a call, by the compiler's account.
        """
        self.shape = shape
        body = jax.shard_map(
            partial(self._one_device, shape.together),
            mesh=self._mesh,
            in_specs=(*[PartitionSpec()] * 3, SEEDS, PartitionSpec()),
            out_specs=SEEDS,
            check_vma=False,
        )
        self._key = jax.device_put(key, NamedSharding(self._mesh, PartitionSpec()))
        seeds, _, cells = lane_shapes(shape, self._mesh)
        lowered = jax.jit(body).lower(self._key, self._leaves, self._sizes, seeds, cells)

        def compile() -> int:
            self._simulate = lowered.compile(COMPILER_OPTIONS)
            need = bytes_of(self._simulate)
            if self._settings.summary:
                values = tuple(lowered.out_info.values())
                self._reduce = compiled_reduce(self._mesh, len(values), values[0].shape, values[0].dtype)
                need = max(need, bytes_of(self._reduce))
            return need

        return compile

    def free_bytes(self) -> int:
        """Bytes that are free for a call: on accelerators those of each, on a CPU those of all its parts together."""
        return free_bytes_of_each(self._settings.devices)

    def __call__(self, jobs: Sequence[tuple[int, int, int]]) -> list[dict[str, Any]]:
        """Simulate for each (cell, first, stop) the seeds first <= s < stop: at most `shape.rows` jobs.

        Returns:
            For each job its metrics by name: (stop - first, G) arrays, or a summary's `Sketch` of each. Where the task
            has specimens and this is no summary, "specimens" are there too: (stop - first, G, k, L).
        """
        lanes = lanes_of(jobs, self.shape, self._mesh)
        metrics = self._simulate(self._key, self._leaves, self._sizes, lanes.seeds, lanes.cells)
        if self._reduce is not None:
            return summarized(self._reduce, metrics, lanes.valid, len(jobs))
        return of_each_job(jax.device_get(metrics), jobs)

    def _one_device(
        self, together: int, key: Array, leaves: list[Array], sizes: Array | None, seeds: Array, cells: Array
    ) -> dict[str, Array]:
        def one_seed(lane: tuple[Array, Array]) -> dict[str, Array]:
            seed, cell = lane
            task, workflow, options = self._cells.experiment(leaves, sizes, cell)
            return outputs(run(jax.random.fold_in(key, seed), task, workflow, **options))

        rows, width = seeds.shape
        lanes = (seeds.reshape(-1), jnp.repeat(cells, width))
        # Whole batches: what is left over would be compiled a second time, and rounded differently.
        filled = jnp.arange(-(-rows * width // together) * together) % (rows * width)
        batch_size = None if self._settings.in_turn else together
        metrics = jax.lax.map(one_seed, jax.tree.map(lambda lane: lane[filled], lanes), batch_size=batch_size)
        return jax.tree.map(lambda leaf: leaf[: rows * width].reshape(rows, width, *leaf.shape[1:]), metrics)


class Lanes(NamedTuple):
    """Seeds of a call (rows, seeds), which of them were asked for, and the cell of each row (rows,)."""

    seeds: Any
    valid: Any
    cells: Any


def lane_shapes(shape: Shape, mesh: Mesh) -> Lanes:
    """Shapes and dtypes of the lanes of a call; each row is shared by the devices of `mesh`."""
    seeds = (shape.rows, -(-shape.seeds // mesh.size) * mesh.size)
    sharding = NamedSharding(mesh, SEEDS)
    of_seeds = [jax.ShapeDtypeStruct(seeds, dtype, sharding=sharding) for dtype in (jnp.uint32, bool)]
    return Lanes(*of_seeds, jax.ShapeDtypeStruct((shape.rows,), jnp.int32))


def lanes_of(jobs: Sequence[tuple[int, int, int]], shape: Shape, mesh: Mesh) -> Lanes:
    """The lanes of a call that does these jobs."""
    _, padded = lane_shapes(shape, mesh).seeds.shape
    table = np.zeros((shape.rows, 3), np.int64)
    table[: len(jobs)] = jobs
    where, first = table[:, 0].astype(np.int32), table[:, 1].astype(np.uint32)
    count = np.maximum(table[:, 2] - table[:, 1], 0)  # a job may have none left
    offsets = np.arange(padded, dtype=np.uint32)[None, :]
    valid = offsets < count[:, None]
    # What fills a row up repeats its first seed, so that no loop runs longer for its sake.
    seeds = first[:, None] + np.where(valid, offsets, 0)
    return Lanes(*jax.device_put((seeds.astype(np.uint32), valid), NamedSharding(mesh, SEEDS)), where)


def of_each_job(values: Mapping[str, np.ndarray], jobs: Sequence[tuple[int, int, int]]) -> list[dict[str, Any]]:
    """For each job its seeds' part of `values`, which have the lanes of a call in front."""
    counts = [max(stop - first, 0) for _, first, stop in jobs]
    return [{name: array[row, :count] for name, array in values.items()} for row, count in enumerate(counts)]
