"""The generation loop: select, fit, evaluate, sample, update; for one seed, and for many."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from .core.arguments import check_count
from .core.base import Array, Dataset, PyTree, Task, Workflow
from .core.checks import (
    Within,
    check_key,
    check_keys,
    check_no_names,
    check_run,
    is_literal,
    knows,
    room_of,
    runs_in_turn,
    size_is_traced,
    size_of,
)
from .data.rows import Rows
from .numerics.threefry import fused, plain


class Result(NamedTuple):
    """Metrics by name, each (G,) from `run` and (S, G) from `run_seeds`; `recorded` has the same leading axes."""

    metrics: dict[str, Array]
    recorded: PyTree | None


class _Carry(NamedTuple):
    state: PyTree
    params: PyTree | None  # None unless the task warm-starts


class Running(NamedTuple):
    """A seed between two generations: `key` () that of all of them, and the number () of the one that comes next."""

    key: Array
    truth: PyTree
    carry: _Carry
    generation: Array


class Experiment(NamedTuple):
    """What the pure functions below share: one task under one workflow, with the representation of its data chosen."""

    task: Task
    workflow: Workflow
    num_samples: Any  # a traced number, or (G,), where the laws of all summaries are known; or `Within` a room
    num_generations: int
    literal: bool  # rows are pooled, and summarised only after selection
    record: Callable | None

    @classmethod
    def of(
        cls,
        task: Task,
        workflow: Workflow,
        *,
        num_samples: Any,
        num_generations: int,
        rows: bool = False,
        record: Callable | None = None,
    ) -> Experiment:
        """The experiment that `loop.run` is asked for; raises as that does."""
        check_run(task, workflow, num_samples, num_generations, rows)
        return cls(task, workflow, num_samples, num_generations, is_literal(task, workflow, rows), record)

    def batch_size(self, g: Any) -> Any:
        """Rows that model g is to be fitted to a batch of; behind the last generation, as many as in it."""
        if isinstance(self.num_samples, Within) or jnp.ndim(self.num_samples) == 0:
            return self.num_samples
        return jnp.asarray(self.num_samples)[jnp.minimum(g, self.num_generations - 1)]

    def draw_real(self, key: Array, truth: PyTree, n: Any) -> Dataset:
        if not self.literal and knows(self.task, "sample_real_summary"):
            return self.task.sample_real_summary(key, truth, size_of(n))
        return self.represent(truth, self.task.sample_real(key, truth, room_of(n)), n)

    def draw_synthetic(self, key: Array, truth: PyTree, params: PyTree, n: Any) -> Dataset:
        if not self.literal and knows(self.task, "sample_summary"):
            return self.task.sample_summary(key, truth, params, size_of(n))
        if not hasattr(self.workflow, "screen"):
            return self.represent(truth, self.task.sample(key, truth, params, room_of(n)), n)
        k_sample, k_screen = jax.random.split(key)
        values = self.task.sample(k_sample, truth, params, self.workflow.num_candidates(n))
        return self.workflow.screen(k_screen, Rows.of(values), partial(self.task.log_density, truth), n)

    def represent(self, truth: PyTree, values: PyTree, n: Any) -> Dataset:
        rows = Rows.of(values, n.size if isinstance(n, Within) else None)
        return rows if self.literal else self.task.summarize(truth, rows)

    def start(self, key: Array) -> tuple[Array, PyTree, _Carry]:
        """(key of the generations, truth, the carry before generation 0) of the seed that `key` belongs to."""
        k_init, k_real, k_scan = jax.random.split(key, 3)
        n = self.batch_size(0)
        truth, params = self.task.init(k_init, size_of(n))
        real = self.draw_real(k_real, truth, n)
        # The batch of the last generation is stored too, so the loop could be carried on.
        room = self.workflow.capacity(room_of(n), self.num_generations + 1)
        pool = jax.tree.map(real.empty, room)  # or one for each of several rooms
        return k_scan, truth, _Carry(self.workflow.init(pool, real), params)

    def begin(self, key: Array) -> Running:
        """The seed that `key` belongs to, before generation 0."""
        return Running(*self.start(key), jnp.int32(0))

    def step(self, k_scan: Array, truth: PyTree, carry: _Carry, g: Array) -> tuple[_Carry, Result]:
        """Generation g. Its keys depend on the seed and on g alone, so a shorter run is the beginning of a longer."""
        # Not by a split, which would make all four, also those that nobody uses.
        keys = (jax.random.fold_in(fused(k_scan), 4 * g + use) for use in range(4))
        k_select, k_fit, k_sample, k_update = map(plain, keys)  # JAX's own keys: `jax.random.poisson` wants them
        if hasattr(self.task, "at"):
            self = self._replace(task=self.task.at(g))
        train = self.workflow.select(k_select, carry.state)
        if self.literal:
            train = self.task.summarize(truth, train)
        params = self.task.fit(k_fit, truth, train, carry.params)
        metrics = self.task.evaluate(truth, params)
        n = self.batch_size(g + 1)
        synthetic = self.draw_synthetic(k_sample, truth, params, n)
        recorded = None if self.record is None else self.record(truth, params, synthetic)

        def draw_real(key: Array, m: Any = None) -> Dataset:
            return self.draw_real(key, truth, n if m is None else m)

        state = self.workflow.update(k_update, carry.state, synthetic, draw_real)
        return _Carry(state, None if carry.params is None else params), Result(metrics, recorded)

    def advance(self, running: Running, num_generations: int) -> tuple[Running, Result]:
        """So many more generations, a static number, which is the leading axis of their results."""

        # The generation is counted in the carry: XLA fuses the reading of a list of them into the generators of bits,
        # which are then no longer vectorised on a CPU, and take seven times as long.
        def step(carry: tuple[_Carry, Array], _: None) -> tuple[tuple[_Carry, Array], Result]:
            state, result = self.step(running.key, running.truth, carry[0], carry[1])
            return (state, carry[1] + 1), result

        first = (running.carry, running.generation)
        (carry, generation), results = jax.lax.scan(step, first, length=num_generations)
        return running._replace(carry=carry, generation=generation), results


COMPILER_OPTIONS = {
    # The widest vectors that a CPU has: XLA takes those of 256 bits, and half as many numbers at a time.
    "xla_cpu_prefer_vector_width": 512,
    # Or a pool that is read and then written is copied in every generation, where what is written is known beforehand.
    "xla_cpu_copy_insertion_use_region_analysis": True,
}


def run(
    key: Array,
    task: Task,
    workflow: Workflow,
    *,
    num_samples: int,
    num_generations: int,
    rows: bool = False,
    record: Callable | None = None,
) -> Result:
    """Simulate one seed: a pure function of its arguments, to be jitted and mapped at will.

    Generation g = 0 is the model fitted to real data alone: the published "model-fitting iteration" is g + 1.

    Args:
        key: one typed key (`jax.random.key`).
        task: what is fitted.
        workflow: the data it is fitted to.
        num_samples: rows of the first real batch and of every synthetic batch (n). May be traced, and may be a
            schedule (G,), the rows of the batch that model g is first fitted to, where the task knows the laws of its
            summaries (see `base.Task`) and the workflow needs no rows.
        num_generations: models fitted (G), static.
        rows: draw and pool literal rows even where the law of their summary is known.
        record: `record(truth, params, synthetic) -> pytree`, called in every generation.

    Returns:
        Result with metrics (G,), and `recorded` with leading axis G.

    Raises:
        ValueError: for sizes or parameters that make no sense, and for what is no typed key.
    """
    check_key(key)
    sizes = dict(num_samples=num_samples, num_generations=num_generations)
    experiment = Experiment.of(task, workflow, **sizes, rows=rows, record=record)
    return experiment.advance(experiment.begin(key), num_generations)[1]


def seed_keys(key: Array, num_seeds: int) -> Array:
    """The keys of seeds 0 ... S-1, (S,): seed 37 has the same key whatever `num_seeds` is.

    Raises ValueError for what is no typed key.
    """
    check_count("num_seeds", num_seeds)
    check_key(key)
    return jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(num_seeds))


def run_seeds(
    keys: Array,
    task: Task,
    workflow: Workflow,
    *,
    num_samples: int,
    num_generations: int,
    rows: bool = False,
    record: Callable | None = None,
    mesh: Mesh | None = None,
    in_turn: bool | None = None,
) -> Result:
    """Simulate many seeds in one compiled program.

    Args:
        keys: (S,) typed keys, as from `seed_keys`.
        task: what is fitted.
        workflow: the data it is fitted to.
        num_samples: rows of the first real batch and of every synthetic batch (n); or a schedule, as in `run`.
        num_generations: models fitted (G).
        rows: draw and pool literal rows even where the law of their summary is known.
        record: `record(truth, params, synthetic) -> pytree`, called in every generation.
        mesh: devices that share the seeds, all axes together; S need not be a multiple of their number.
        in_turn: whether a device does one seed after the other, in the memory of one, instead of all of them in step.
            Default: on a CPU, for a task that says it is costly.

    Returns:
        Result with metrics (S, G). A seed's numbers do not depend on which other seeds are there.

    Raises:
        ValueError: for sizes or parameters that make no sense, before anything is compiled.
    """
    sizes = dict(num_samples=num_samples, num_generations=num_generations)
    options = dict(rows=rows, record=record, mesh=mesh, in_turn=in_turn)
    arguments, static = _prepare(keys, task, workflow, **sizes, **options)
    # Within a function that is being traced the options of that function hold.
    traced = isinstance(jnp.zeros(()), jax.core.Tracer)
    return (_simulate_inside if traced else _simulate)(*arguments, **static)


def state_bytes(task: Task, workflow: Workflow, *, num_samples: int, num_generations: int, rows: bool = False) -> int:
    """Bytes that one seed carries from generation to generation: what bounds the seeds that fit into memory.

    Nothing is compiled. Raises as `run_seeds`.
    """
    sizes = dict(num_samples=num_samples, num_generations=num_generations)
    experiment = Experiment.of(task, workflow, **sizes, rows=rows)
    _, truth, carry = jax.eval_shape(experiment.start, jax.random.key(0))
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves((truth, carry)))


def result_shapes(task: Task, workflow: Workflow, **options: Any) -> Result:
    """Shapes and dtypes of what `run` with these arguments returns; nothing is compiled. Raises as `run`."""
    return jax.eval_shape(lambda key: run(key, task, workflow, **options), jax.random.key(0))


def metric_names(task: Task, workflow: Workflow, **options: Any) -> list[str]:
    """Names of the metrics that `run` with these arguments returns; nothing is compiled. Raises as `run`."""
    return list(result_shapes(task, workflow, **options).metrics)


def _many_seeds(keys, task, workflow, traced_size, *, static_size, num_generations, rows, record, mesh, in_turn):
    def one_shard(keys, task, workflow, traced_size):
        size = static_size if traced_size is None else traced_size
        sizes = dict(num_samples=size, num_generations=num_generations)
        one_seed = lambda key: run(key, task, workflow, **sizes, rows=rows, record=record)
        return jax.lax.map(one_seed, keys) if in_turn else jax.vmap(one_seed)(keys)

    if mesh is None:
        return one_shard(keys, task, workflow, traced_size)
    num_seeds = keys.shape[0]
    padded = -num_seeds % mesh.size + num_seeds
    shared = PartitionSpec(mesh.axis_names)
    spread = jax.shard_map(
        one_shard, mesh=mesh, in_specs=(shared, *[PartitionSpec()] * 3), out_specs=shared, check_vma=False
    )
    result = spread(keys[jnp.arange(padded) % num_seeds], task, workflow, traced_size)
    return jax.tree.map(lambda leaf: leaf[:num_seeds], result)


_STATIC = ("static_size", "num_generations", "rows", "record", "mesh", "in_turn")
_simulate = jax.jit(_many_seeds, static_argnames=_STATIC, compiler_options=COMPILER_OPTIONS)
_simulate_inside = jax.jit(_many_seeds, static_argnames=_STATIC)


def _prepare(
    keys: Array,
    task: Task,
    workflow: Workflow,
    *,
    num_samples: int,
    num_generations: int,
    rows: bool = False,
    record: Callable | None = None,
    mesh: Mesh | None = None,
    in_turn: bool | None = None,
) -> tuple[tuple, dict[str, Any]]:
    """Positional and static arguments of `_simulate`, checked."""
    check_keys(keys)
    check_no_names(task, workflow)
    for name, part in (("task", task), ("workflow", workflow)):
        if jax.tree_util.all_leaves([part]):
            raise ValueError(f"{name}: want an object whose class is decorated with collapsejax.pytree, not {part!r}")
    check_run(task, workflow, num_samples, num_generations, rows)
    traced = size_is_traced(task, workflow, rows)
    task, workflow = jax.tree.map(_as_array, (task, workflow))
    traced_size = jnp.asarray(num_samples, jnp.int32) if traced else None
    # Axes that are Explicit, make_mesh's default, would make every array inside carry its sharding in its type.
    mesh = None if mesh is None else Mesh(mesh.devices, mesh.axis_names)
    static = dict(static_size=None if traced else num_samples, num_generations=num_generations)
    static |= dict(rows=rows, record=record, mesh=mesh, in_turn=runs_in_turn(task, _platform(keys, mesh), in_turn))
    return (keys, task, workflow, traced_size), static


def _platform(keys: Array, mesh: Mesh | None) -> str:
    """Of the devices that the seeds run on."""
    if mesh is not None:
        return mesh.devices.flat[0].platform
    return jax.default_backend() if isinstance(keys, jax.core.Tracer) else next(iter(keys.devices())).platform


def _as_array(leaf: Any) -> Any:
    """Python and NumPy numbers in one dtype, so that another value of a field compiles nothing."""
    return jnp.asarray(leaf, dtype=float) if isinstance(leaf, (int, float, np.number)) else leaf
