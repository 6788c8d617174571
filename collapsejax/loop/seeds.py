"""Runs of one seed and of many, from one compiled program."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from ..core.arguments import check_count
from ..core.base import Array, Task, Workflow
from ..core.checks import check_key, check_keys, check_run, is_schedule, runs_in_turn, size_is_traced
from .experiment import Experiment, Result
from .memory import free_bytes
from .smallest import Seeds, check_memory

# The widest vectors that a CPU has: XLA takes those of 256 bits, and half as many numbers at a time. On a GPU XLA would
# try each kernel in several forms: minutes for that of a density estimate, and memory that large calls do not leave.
COMPILER_OPTIONS = {"xla_cpu_prefer_vector_width": 512, "xla_gpu_autotune_level": 0}


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
    """Metrics of one seed, generation by generation: a pure function of its arguments, to be jitted and mapped at will.

    Generation g = 0 is the model fitted to real data alone: the published "model-fitting iteration" is g + 1.

    Args:
        key: one typed key (`jax.random.key`).
        task: what is fitted.
        workflow: the data it is fitted to.
        num_samples: rows of the first real batch and of every synthetic batch (n). May be traced, and may be a
            schedule (G,), the rows of the batch that model g is first fitted to. That takes an `exact_law` of real and
            synthetic data and a workflow that needs no rows; or, not traced, a task and a workflow that are `paddable`.
        num_generations: models fitted (G), static.
        rows: draw and pool rows even where the law of their summary is known.
        record: `record(truth, params, synthetic) -> pytree`, called in every generation.

    Returns:
        Result with metrics (G,), and `recorded` with leading axis G.

    Raises:
        ValueError: for arguments out of range, swapped, or of another type; for what is no typed key; and for an
            `evaluate` that does not return scalars by name; where memory does not suffice, with the size that would.
    """
    check_key(key)
    sizes = dict(num_samples=num_samples, num_generations=num_generations)
    experiment = Experiment.of(task, workflow, **sizes, rows=rows, record=record)
    _check_memory(experiment, key)
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
    """Metrics of many seeds, from one compiled program.

    Args:
        keys: (S,) typed keys, as from `seed_keys`.
        task: what is fitted.
        workflow: the data it is fitted to.
        num_samples: rows of the first real batch and of every synthetic batch (n); or a schedule, as in `run`.
        num_generations: models fitted (G).
        rows: draw and pool rows even where the law of their summary is known.
        record: `record(truth, params, synthetic) -> pytree`, called in every generation.
        mesh: devices that share the seeds, all axes together; S need not be a multiple of their number.
        in_turn: whether a device runs one seed after the other, in the memory of one, instead of all of them in step.
            Default: on a CPU, for a task that is `long_running`.

    Returns:
        Result with metrics (S, G). A seed's numbers do not depend on which other seeds are there.

    Raises:
        ValueError: as `run`, before anything is compiled.
    """
    options = dict(num_samples=num_samples, num_generations=num_generations, rows=rows, record=record)
    check_keys(keys)
    _check_memory(Experiment.of(task, workflow, **options), keys, len(keys), mesh, in_turn)
    arguments, static = prepared(keys, task, workflow, **options, mesh=mesh, in_turn=in_turn)
    # Within a function that is being traced the options of that function hold.
    inside = isinstance(jnp.zeros(()), jax.core.Tracer)
    return (simulate_inside if inside else simulate)(*arguments, **static)


def prepared(
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
    """Positional and static arguments of `simulate`, checked. Arguments and errors as of `run_seeds`."""
    check_keys(keys)
    check_run(task, workflow, num_samples, num_generations, rows)
    scheduled = is_schedule(num_samples)
    traced = size_is_traced(task, workflow, rows, scheduled)
    task, workflow = jax.tree.map(as_array, (task, workflow))
    traced_size = jnp.asarray(num_samples, jnp.int32) if traced else None
    # Axes that are Explicit, make_mesh's default, would make every array inside carry its sharding in its type.
    mesh = None if mesh is None else Mesh(mesh.devices, mesh.axis_names)
    fixed_size = tuple(map(int, num_samples)) if scheduled else num_samples  # what is static has a hash
    static = dict(static_size=None if traced else fixed_size, num_generations=num_generations)
    static |= dict(
        rows=rows, record=record, mesh=mesh, in_turn=runs_in_turn(task, _devices(keys, mesh)[0].platform, in_turn)
    )
    return (keys, task, workflow, traced_size), static


def as_array(leaf: Any) -> Any:
    """Python and NumPy numbers in one dtype, so that another value of a field compiles nothing."""
    return np.asarray(leaf, jnp.result_type(float)) if isinstance(leaf, int | float | np.number) else leaf


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
simulate = jax.jit(_many_seeds, static_argnames=_STATIC, compiler_options=COMPILER_OPTIONS)
simulate_inside = jax.jit(_many_seeds, static_argnames=_STATIC)


def _devices(keys: Array, mesh: Mesh | None) -> list[jax.Device]:
    """Those that the seeds run on."""
    if mesh is not None:
        return list(mesh.devices.flat)
    return jax.devices()[:1] if isinstance(keys, jax.core.Tracer) else list(keys.devices())


def _check_memory(
    experiment: Experiment, keys: Array, num_seeds: int = 1, mesh: Mesh | None = None, in_turn: bool | None = None
) -> None:
    """Raise ValueError if memory does not suffice for these seeds, unless they are being traced and were checked."""
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((keys, experiment[:3]))):
        return
    devices = _devices(keys, mesh)
    platform = devices[0].platform
    free = free_bytes(devices[0]) * (1 if platform == "cpu" else len(devices))
    in_turn = runs_in_turn(experiment.task, platform, in_turn)
    results = 4 * num_seeds if in_turn else 4  # a generation, of one metric at least
    call = Seeds(experiment, 1 if in_turn else num_seeds)
    check_memory([call], lambda num_generations: results * num_generations, free)
