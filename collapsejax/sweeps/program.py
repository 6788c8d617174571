"""Compiled programs for grids: for any seeds of any of the cells that share one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ..core.base import Array, PyTree
from ..loop import COMPILER_OPTIONS, Experiment, Running
from ..loop.memory import bytes_of
from .cells import Cells, Settings, outputs
from .grid import Cell
from .kept_programs import found_or_compiled
from .reduction import SEEDS, compiled_reduction, reduced
from .unread import TracedGeneration

_EVERYWHERE, _IN_ONE_ROW = PartitionSpec(), PartitionSpec("seed")
Job = tuple[int, int, int]  # (cell, first, stop): the seeds first <= s < stop of a cell


class CallShape(NamedTuple):
    """How much one call computes: `rows` times `seeds` seeds, of which `batch` run in step on each device."""

    rows: int
    seeds: int
    batch: int

    def __str__(self) -> str:
        return f"{self.rows * self.seeds} seeds at a time"

    def halved(self) -> CallShape | None:
        """The next smaller shape; None where this is the smallest."""
        batch = -(-self.batch // 2)
        if self.rows > 1:
            return CallShape(-(-self.rows // 2), self.seeds, batch)
        if self.seeds > 1:
            return CallShape(1, -(-self.seeds // 2), batch)
        return None


class CallSeeds(NamedTuple):
    """Seeds of a call (rows, seeds), whether each was asked for, and the cell of each row (rows,)."""

    seeds: Any
    valid: Any
    cells: Any


class CallState(NamedTuple):
    """What a call carries from one generation to the next; every leaf has the seeds of all devices on its first axis.

    `valid`: whether a seed was asked for; `truth`: those of its leaves that generations read.
    """

    cell: Array
    valid: Array
    truth: list[Array]
    running: Running  # without the truth


class Saved(NamedTuple):
    """A call between two generations: its state, and the results of generations so far, a list of dicts of arrays."""

    state: CallState
    results: list[dict[str, np.ndarray]]


class Watch(Protocol):
    """Who is told of each generation of a call."""

    def resumed(self, jobs: Sequence[Job], shape: CallShape, like: Saved) -> Saved | None:
        """What was saved of such a call, like `like`, which has the results of one generation; None starts it anew."""

    def generation_done(self, jobs: Sequence[Job], shape: CallShape, saved: Saved) -> None:
        """A generation is done; `saved.state` may be used until this returns."""


class Program:
    """Simulates seeds of cells that share it, all generations at once or one by one.

    A call has `shape.rows` rows of `shape.seeds` seeds, a row belonging to one cell. Seeds run in batches of a fixed
    size, one after the other: numbers do not depend, not in the last bit, on how many batches a call has or which
    device has them, and memory holds the states of one batch only.

    Generation by generation, as for long-running tasks, a call carries the states of all its seeds, and what was done
    can be kept in between. It is two compiled programs then: what comes before generation 0, and any generation.

    Args:
        cells: experiments that differ in traced values, in workflows or in the number of samples.
        settings: what all programs of a sweep share.
        by_generation: whether generations run one by one.
        watch: is told of each generation, if they do. Default: nobody is.
        num_generations: generations after which a call ends, its results being shorter. Default: all.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        settings: Settings,
        *,
        by_generation: bool = False,
        watch: Watch | None = None,
        num_generations: int | None = None,
    ) -> None:
        self._settings, self._cells = settings, Cells(cells, settings)
        self._by_generation, self._watch = by_generation, watch
        self._num_generations = num_generations or settings.num_generations
        self._mesh = Mesh(np.array(settings.devices), ("seed",))
        self._values = jax.device_put((self._cells.leaves, self._cells.sizes), self._sharding(_EVERYWHERE))
        self._begin = self._advance = self._reduce = None

    def compile(self, key: Array, shape: CallShape) -> int:
        """Compile for calls of that shape; returns the bytes that a device needs for one, by the compiler's account."""
        self.shape, self._key = shape, jax.device_put(key, self._sharding(_EVERYWHERE))
        given = (_EVERYWHERE, _EVERYWHERE, SEEDS, SEEDS, _EVERYWHERE)
        seeds = call_seed_shapes(shape, self._mesh)
        if self._by_generation:
            self._generation = TracedGeneration(self._experiment, self._values, key)
            begin = self._sharded(self._begin_call, given, _IN_ONE_ROW).lower(self._key, self._values, *seeds)
            state = shapes_of(begin.out_info, self._sharding(_IN_ONE_ROW))
            advance = self._sharded(self._advance_call, (_EVERYWHERE, _IN_ONE_ROW), (_IN_ONE_ROW, SEEDS), donate=1)
            advance = advance.lower(self._values, state)
            self._begin, self._advance = begin.compile(COMPILER_OPTIONS), advance.compile(COMPILER_OPTIONS)
            self._like = Saved(state, [shapes_of(advance.out_info[1])])
            metrics = {
                name: jax.ShapeDtypeStruct((*leaf.shape, self._num_generations), leaf.dtype)
                for name, leaf in self._like.results[0].items()
            }
        else:
            lower = lambda: self._sharded(self._whole_call, given, SEEDS).lower(self._key, self._values, *seeds)
            self._begin = found_or_compiled(self._made_from, lower, self._settings.devices)
            metrics = self._begin.out_info
        if self._settings.summary:
            one, *_ = metrics.values()
            self._reduce = compiled_reduction(self._mesh, len(metrics), one.shape, one.dtype)
        return max(bytes_of(part) for part in (self._begin, self._advance, self._reduce) if part)

    def __call__(self, jobs: Sequence[Job]) -> list[dict[str, Any]]:
        """Simulate for each (cell, first, stop) the seeds first <= s < stop: at most `shape.rows` jobs.

        Returns:
            For each job its metrics by name: (stop - first, G) arrays, or a summary's `Sketch` of each. Where the task
            has text samples and this is no summary, "samples" are there too: (stop - first, G, k, L).
        """
        seeds = call_seeds(jobs, self.shape, self._mesh)
        metrics = self._run_generations(jobs, seeds) if self._by_generation else self._begun(seeds)
        if self._reduce is None:
            return of_each_job(jax.device_get(metrics), jobs)
        if self._by_generation:
            metrics = jax.device_put(metrics, self._sharding(SEEDS))
        return reduced(self._reduce, metrics, seeds.valid, len(jobs))

    def _begun(self, seeds: CallSeeds) -> Any:
        return self._begin(self._key, self._values, *seeds)

    def _run_generations(self, jobs: Sequence[Job], seeds: CallSeeds) -> dict[str, np.ndarray]:
        saved = self._watch and self._watch.resumed(jobs, self.shape, self._like)
        state, results = saved or Saved(self._begun(seeds), [])
        while len(results) < self._num_generations:
            state, outcome = self._advance(self._values, state)
            results = [*results, jax.device_get(outcome)]
            if self._watch:
                self._watch.generation_done(jobs, self.shape, Saved(state, results))
        return joined_generations(results)

    def _made_from(self) -> Any:
        """JSON values that say which program this is, as `found_or_compiled` wants them."""
        cells = self._cells.made_from()
        return cells and [cells, self.shape, self._num_generations, str(jax.random.key_impl(self._key))]

    def _experiment(self, values: Any, cell: Array) -> Experiment:
        task, workflow, options = self._cells.arguments(*values, cell)
        return Experiment.of(task, workflow, **options)

    def _whole_call(self, key: Array, values: Any, *seeds: *tuple[Array, Array, Array]) -> dict[str, Array]:
        def one_seed(of_call: tuple[Array, Array, Array]) -> dict[str, Array]:
            seed, _, cell = of_call
            experiment = self._experiment(values, cell)
            return outputs(
                experiment.advance(experiment.begin(jax.random.fold_in(key, seed)), self._num_generations)[1]
            )

        return self._in_rows(self._in_batches(one_seed, self._in_one_row(seeds)))

    def _begin_call(self, key: Array, values: Any, *seeds: *tuple[Array, Array, Array]) -> CallState:
        def one_seed(of_call: tuple[Array, Array, Array]) -> CallState:
            seed, valid, cell = of_call
            running = self._experiment(values, cell).begin(jax.random.fold_in(key, seed))
            return CallState(cell, valid, self._generation.read(running.truth), running._replace(truth=None))

        return self._in_batches(one_seed, self._in_one_row(seeds))

    def _advance_call(self, values: Any, state: CallState) -> tuple[CallState, dict[str, Array]]:
        def one_seed(state: CallState) -> tuple[CallState, dict[str, Array]]:
            running, results = self._generation(state.truth, values, state.cell, state.running)
            return state._replace(running=running), results

        one_after_another = _one_after_another if self._settings.in_turn else self._in_batches
        state, results = one_after_another(one_seed, state)
        return state, self._in_rows(results)

    def _in_one_row(self, seeds: Sequence[Array]) -> tuple[Array, Array, Array]:
        """The seeds of a device on one axis, in whole batches: a rest would be compiled again, otherwise rounded."""
        seeds, valid, cells = seeds
        rows, width = seeds.shape
        batch = self.shape.batch
        filled = jnp.arange(-(-rows * width // batch) * batch) % (rows * width)
        return seeds.reshape(-1)[filled], valid.reshape(-1)[filled], jnp.repeat(cells, width)[filled]

    def _in_batches(self, one_seed: Callable, seeds: PyTree) -> PyTree:
        return jax.lax.map(one_seed, seeds, batch_size=None if self._settings.in_turn else self.shape.batch)

    def _in_rows(self, metrics: dict[str, Array]) -> dict[str, Array]:
        rows, width = self.shape.rows, -(-self.shape.seeds // self._mesh.size)
        return jax.tree.map(lambda leaf: leaf[: rows * width].reshape(rows, width, *leaf.shape[1:]), metrics)

    def _sharding(self, spec: PartitionSpec) -> NamedSharding:
        return NamedSharding(self._mesh, spec)

    def _sharded(self, function: Callable, in_specs: Any, out_specs: Any, donate: int | None = None) -> Any:
        spread = jax.shard_map(function, mesh=self._mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False)
        return jax.jit(spread, donate_argnums=donate)


def _one_after_another(one_seed: Callable, state: CallState) -> tuple[CallState, dict[str, Array]]:
    """`one_seed` of each seed that was asked for, the state of each taking the place of that before it."""
    order = jnp.argsort(~state.valid)
    at = lambda tree, seed: jax.tree.map(lambda leaf: leaf[seed], tree)
    shapes = jax.eval_shape(one_seed, at(state, 0))[1]
    empty = jax.tree.map(lambda leaf: jnp.zeros((order.size, *leaf.shape), leaf.dtype), shapes)

    def body(number: Array, carry: tuple[CallState, dict[str, Array]]) -> tuple[CallState, dict[str, Array]]:
        seed = order[number]
        return jax.tree.map(lambda leaf, new: leaf.at[seed].set(new), carry, one_seed(at(carry[0], seed)))

    return jax.lax.fori_loop(0, jnp.sum(state.valid), body, (state, empty))


def call_seed_shapes(shape: CallShape, mesh: Mesh) -> CallSeeds:
    """Shapes and dtypes of the seeds of a call; the devices of `mesh` share each row."""
    seeds = (shape.rows, -(-shape.seeds // mesh.size) * mesh.size)
    sharding = NamedSharding(mesh, SEEDS)
    of_seeds = [jax.ShapeDtypeStruct(seeds, dtype, sharding=sharding) for dtype in (jnp.uint32, bool)]
    return CallSeeds(*of_seeds, jax.ShapeDtypeStruct((shape.rows,), jnp.int32))


def call_seeds(jobs: Sequence[Job], shape: CallShape, mesh: Mesh) -> CallSeeds:
    """The seeds of a call that does these jobs."""
    _, padded = call_seed_shapes(shape, mesh).seeds.shape
    table = np.zeros((shape.rows, 3), np.int64)
    table[: len(jobs)] = jobs
    cells, first = table[:, 0].astype(np.int32), table[:, 1].astype(np.uint32)
    count = np.maximum(table[:, 2] - table[:, 1], 0)  # a job may have none left
    offsets = np.arange(padded, dtype=np.uint32)[None, :]
    valid = offsets < count[:, None]
    # What fills a row up repeats its first seed, so that no loop runs longer for its sake.
    seeds = first[:, None] + np.where(valid, offsets, 0)
    return CallSeeds(*jax.device_put((seeds.astype(np.uint32), valid), NamedSharding(mesh, SEEDS)), cells)


def of_each_job(values: Mapping[str, np.ndarray], jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """For each job its seeds' part of `values`, which have the rows and seeds of a call in front."""
    counts = [max(stop - first, 0) for _, first, stop in jobs]
    return [{name: array[row, :count] for name, array in values.items()} for row, count in enumerate(counts)]


def joined_generations(results: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The results of generations (rows, seeds, ...) as arrays (rows, seeds, G, ...)."""
    return {name: np.stack([result[name] for result in results], axis=2) for name in results[0]}


def shapes_of(tree: PyTree, sharding: NamedSharding | None = None) -> PyTree:
    """Shapes and dtypes of the leaves, with this sharding."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree)
