"""Compiled programs for costly tasks, of which a call does one generation: what is done can be kept in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ..core.base import Array, PyTree
from ..loop import COMPILER_OPTIONS, Experiment, Running
from .cells import Cells, Settings, outputs
from .grid import Cell
from .memory import bytes_of, free_bytes_of_each
from .program import Shape, lane_shapes, lanes_of, of_each_job
from .reduction import SEEDS, compiled_reduce, summarized

_LANES = PartitionSpec("seed")
Jobs = Sequence[tuple[int, int, int]]


class State(NamedTuple):
    """All that is carried from one generation of a call to the next; every leaf has the lanes of all devices in front.

    `valid`: whether a lane was asked for; `truth`: those of its leaves that generations read.
    """

    cell: Array
    valid: Array
    truth: list[Array]
    running: Running  # without the truth


class Saved(NamedTuple):
    """A call between two generations: its state, and the results of generations so far, a list of dicts of arrays."""

    state: State
    results: list[dict[str, np.ndarray]]


class Watch(Protocol):
    """Who is told of each generation of a call."""

    def resumed(self, jobs: Jobs, shape: Shape, like: Saved) -> Saved | None:
        """What was saved of such a call, like `like`, which has the results of one generation; None starts it anew."""

    def generation_done(self, jobs: Jobs, shape: Shape, saved: Saved) -> None:
        """A generation is done; `saved.state` may be used until this returns."""


class LongProgram:
    """Simulates seeds of cells that share it, as `programs.Program` does, generation by generation.

    It is two programs: what comes before generation 0, and any generation. On a device lanes run one after the other
    where that is asked for, and only those that have a seed; else `shape.together` in step. The memory for the state of
    a generation is that of the one before.

    Args:
        cells: experiments that differ in traced values, in workflows or in the number of samples.
        settings: what all programs of a sweep share.
        watch: is told of each generation. Default: nobody is.
        most: generations after which a call ends, its results being shorter.
    """

    def __init__(
        self, cells: Sequence[Cell], settings: Settings, watch: Watch | None = None, most: int | None = None
    ) -> None:
        self._settings, self._cells, self._watch = settings, Cells(cells, settings), watch
        self._num_generations = min(settings.num_generations, most or settings.num_generations)
        self._mesh = Mesh(np.array(settings.devices), ("seed",))
        everywhere = NamedSharding(self._mesh, PartitionSpec())
        self._leaves, self._sizes = jax.device_put((self._cells.leaves, self._cells.sizes), everywhere)
        self._begin = self._advance = self._reduce = None

    def lower(self, key: Array, shape: Shape) -> Callable[[], int]:
        """As of `programs.Program`."""
        self.shape = shape
        self._key = jax.device_put(key, NamedSharding(self._mesh, PartitionSpec()))
        self._trace(key)
        everywhere, lanes = PartitionSpec(), lane_shapes(shape, self._mesh)
        options = dict(mesh=self._mesh, check_vma=False)
        specs = (*[everywhere] * 3, SEEDS, SEEDS, everywhere)
        begin = jax.shard_map(partial(self._begin_lanes, shape), in_specs=specs, out_specs=_LANES, **options)
        begin = jax.jit(begin).lower(self._key, self._leaves, self._sizes, *lanes)
        state = _shapes(begin.out_info, NamedSharding(self._mesh, _LANES))
        specs, out_specs = (everywhere, everywhere, _LANES), (_LANES, SEEDS)
        advance = jax.shard_map(partial(self._advance_lanes, shape), in_specs=specs, out_specs=out_specs, **options)
        advance = jax.jit(advance, donate_argnums=2).lower(self._leaves, self._sizes, state)
        self._like = Saved(state, [_shapes(advance.out_info[1])])

        def compile() -> int:
            self._begin, self._advance = begin.compile(COMPILER_OPTIONS), advance.compile(COMPILER_OPTIONS)
            need = max(bytes_of(self._begin), bytes_of(self._advance))
            if self._settings.summary:
                values = tuple(self._like.results[0].values())
                sizes = (*values[0].shape, self._num_generations)
                self._reduce = compiled_reduce(self._mesh, len(values), sizes, values[0].dtype)
                need = max(need, bytes_of(self._reduce))
            return need

        return compile

    def free_bytes(self) -> int:
        """As of `programs.Program`."""
        return free_bytes_of_each(self._settings.devices)

    def __call__(self, jobs: Jobs) -> list[dict[str, Any]]:
        """As of `programs.Program`."""
        lanes = lanes_of(jobs, self.shape, self._mesh)
        saved = self._watch and self._watch.resumed(jobs, self.shape, self._like)
        if saved is None:
            begun = self._begin(self._key, self._leaves, self._sizes, *lanes)
            saved = Saved(begun, [])
        state, results = saved
        while len(results) < self._num_generations:
            state, outcome = self._advance(self._leaves, self._sizes, state)
            results = [*results, jax.device_get(outcome)]
            if self._watch:
                self._watch.generation_done(jobs, self.shape, Saved(state, results))
        metrics = joined_generations(results)
        if self._reduce is not None:
            metrics = jax.device_put(metrics, NamedSharding(self._mesh, SEEDS))
            return summarized(self._reduce, metrics, lanes.valid, len(jobs))
        return of_each_job(metrics, jobs)

    def _experiment(self, leaves: list[Array], sizes: Array | None, cell: Array) -> Experiment:
        task, workflow, options = self._cells.experiment(leaves, sizes, cell)
        return Experiment.of(task, workflow, **options)

    def _trace(self, key: Array) -> None:
        """Trace a generation of one lane, and find which leaves of the truth it reads.

        For the others nothing that makes them is computed.
        """

        def begin(leaves: list[Array], sizes: Array | None, key: Array) -> Running:
            return self._experiment(leaves, sizes, jnp.int32(0)).begin(key)

        def generation(
            truth: PyTree, leaves: list[Array], sizes: Array | None, cell: Array, running: Running
        ) -> tuple[Running, dict[str, Array]]:
            running = running._replace(truth=truth)
            running, result = self._experiment(leaves, sizes, cell).advance(running, 1)
            return running._replace(truth=None), outputs(jax.tree.map(lambda leaf: leaf[0], result))

        running = _shapes(jax.eval_shape(begin, self._leaves, self._sizes, key))
        cell, others = jax.ShapeDtypeStruct((), jnp.int32), running._replace(truth=None)
        arguments = (running.truth, self._leaves, self._sizes, cell, others)
        jaxpr, shapes = jax.make_jaxpr(generation, return_shape=True)(*arguments)
        evaluate, structure = jaxpr_as_fun(jaxpr), jax.tree.structure(shapes)
        self._generation = lambda *arguments: jax.tree.unflatten(structure, evaluate(*jax.tree.leaves(arguments)))
        uses = [jaxpr.jaxpr.outvars, *(equation.invars for equation in jaxpr.eqns)]
        read = {id(variable) for variables in uses for variable in variables}
        truth = jax.tree.leaves(running.truth)
        variables = jaxpr.jaxpr.invars[: len(truth)]
        is_key = lambda leaf: jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        self._unread = [
            None if id(variable) in read or is_key(leaf) else leaf
            for variable, leaf in zip(variables, truth, strict=True)
        ]

    def _begin_lanes(
        self, shape: Shape, key: Array, leaves: list[Array], sizes: Array | None, *lanes: *tuple[Array, Array, Array]
    ) -> State:
        def one_lane(lane: tuple[Array, Array, Array]) -> State:
            seed, valid, cell = lane
            running = self._experiment(leaves, sizes, cell).begin(jax.random.fold_in(key, seed))
            truth = jax.tree.leaves(running.truth)
            read = [leaf for leaf, unread in zip(truth, self._unread, strict=True) if unread is None]
            return State(cell, valid, read, running._replace(truth=None))

        seeds, valid, cells = lanes
        rows, width = seeds.shape
        lanes = (seeds.reshape(-1), valid.reshape(-1), jnp.repeat(cells, width))
        filled = jnp.arange(-(-rows * width // shape.together) * shape.together)
        return self._map(one_lane, jax.tree.map(lambda lane: lane[filled % (rows * width)], lanes), shape)

    def _advance_lanes(
        self, shape: Shape, leaves: list[Array], sizes: Array | None, state: State
    ) -> tuple[State, dict[str, Array]]:
        def one_lane(state: State) -> tuple[State, dict[str, Array]]:
            read = iter(state.truth)
            truth = [next(read) if leaf is None else jnp.zeros(leaf.shape, leaf.dtype) for leaf in self._unread]
            running, results = self._generation(truth, leaves, sizes, state.cell, state.running)
            return state._replace(running=running), results

        if self._settings.in_turn:
            state, results = _in_turn(one_lane, state)
        else:
            state, results = self._map(one_lane, state, shape)
        rows, width = shape.rows, -(-shape.seeds // self._mesh.size)
        return state, jax.tree.map(lambda leaf: leaf[: rows * width].reshape(rows, width, *leaf.shape[1:]), results)

    def _map(self, one_lane: Callable, lanes: PyTree, shape: Shape) -> PyTree:
        return jax.lax.map(one_lane, lanes, batch_size=None if self._settings.in_turn else shape.together)


def _in_turn(one_lane: Callable, state: State) -> tuple[State, dict[str, Array]]:
    """`one_lane` of each lane that has a seed, the state of each taking the place of that before it."""
    order = jnp.argsort(~state.valid)
    at = lambda tree, lane: jax.tree.map(lambda leaf: leaf[lane], tree)
    shapes = jax.eval_shape(one_lane, at(state, 0))[1]
    empty = jax.tree.map(lambda leaf: jnp.zeros((order.size, *leaf.shape), leaf.dtype), shapes)

    def body(number: Array, carry: tuple[State, dict[str, Array]]) -> tuple[State, dict[str, Array]]:
        lane = order[number]
        return jax.tree.map(lambda leaf, new: leaf.at[lane].set(new), carry, one_lane(at(carry[0], lane)))

    return jax.lax.fori_loop(0, jnp.sum(state.valid), body, (state, empty))


def _shapes(tree: PyTree, sharding: NamedSharding | None = None) -> PyTree:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree)


def joined_generations(results: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The results of generations (rows, seeds, ...) as arrays (rows, seeds, G, ...)."""
    return {name: np.stack([result[name] for result in results], axis=2) for name in results[0]}
