"""How long categorical data last: the time until a single outcome is left."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core.arguments import check_count
from ..core.base import Array, PyTree, Workflow
from ..core.checks import check_keys, check_run, uses_rows
from ..loop import Experiment, Running
from ..tasks import Categorical
from ..workflows import Replace, Window

_CELLS = 2**24  # seeds times outcomes that are in memory at a time
_BATCH = 128


class CollapseTimes(NamedTuple):
    """`iterations` (S,): models fitted until one outcome was left, the limit where that did not happen: `censored`."""

    iterations: np.ndarray
    censored: np.ndarray


def until_collapse(
    keys: Array, task: Categorical, workflow: Workflow | None = None, *, num_samples: int, limit: int
) -> CollapseTimes:
    """Simulate until a fitted model gives all probability to one outcome, in every seed, or to a limit.

    Generations run in blocks, the first of one generation and each as long as all before it. Between blocks seeds that
    have collapsed are dropped, and under replace or a window also the outcomes that are lost, each seed's in its own
    time: a generation costs what is left. A seed's time does not depend on which others are there.

    Args:
        keys: (S,) typed keys, as from `seed_keys`.
        task: the categorical distribution.
        workflow: the data it is fitted to. Default: Replace(), whose exact mean is `theory.outcomes.fixation_time`.
        num_samples: rows of the first real batch and of every synthetic batch (n).
        limit: models fitted at most; some workflows never lose an outcome.

    Returns:
        CollapseTimes of NumPy arrays (S,).

    Raises:
        ValueError: for another task, and sizes or parameters that make no sense, before anything is compiled.
    """
    check_keys(keys)
    if not isinstance(task, Categorical):
        raise ValueError(f"task {type(task).__name__}: only a Categorical has outcomes that can be lost")
    check_count("limit", limit)
    if np.ndim(num_samples):
        raise ValueError("num_samples: a schedule is for run_seeds; give one number")
    workflow = Replace() if workflow is None else workflow
    check_run(task, workflow, num_samples, 1, False)
    if uses_rows(task, workflow, False):
        raise ValueError(f"workflow {workflow.name!r}: it needs rows; choose one that works on counts")
    iterations = np.zeros(len(keys), np.int64)
    chunk = max(_BATCH, _CELLS // task.num_outcomes)
    for first in range(0, len(keys), chunk):
        iterations[first : first + chunk] = _of_chunk(keys[first : first + chunk], task, workflow, num_samples, limit)
    return CollapseTimes(np.where(iterations > 0, iterations, limit), iterations == 0)


class _Group(NamedTuple):
    """Seeds that are simulated together: their numbers (S,), and their `Running` in NumPy arrays (S, ...).

    It has key data in place of keys. Seeds are regrouped on the host: shapes that occur once would each be compiled on
    the device.
    """

    seeds: np.ndarray
    running: Running


def _of_chunk(keys: Array, task: Categorical, workflow: Workflow, num_samples: int, limit: int) -> np.ndarray:
    """Iterations (S,), 0 where the limit came first."""
    size = jnp.int32(num_samples)
    iterations = np.zeros(len(keys), np.int64)
    groups = [_Group(np.arange(len(keys)), jax.device_get(_begin(keys, task, workflow, size)))]
    stop = 1
    while groups:
        waiting = []
        for seeds, running in groups:
            filled, active = _filled(running, len(seeds))
            running, times = jax.device_get(_advance(filled, active, task, workflow, size, stop))
            iterations[seeds] = times[: len(seeds)]
            left = np.flatnonzero(times[: len(seeds)] == 0)
            waiting += _regrouped(seeds[left], jax.tree.map(lambda leaf, left=left: leaf[left], running), workflow)
        if stop == limit:
            break
        groups, stop = _merged(waiting), min(2 * stop, limit)
    return iterations


def _experiment(task: Categorical, workflow: Workflow, size: Array) -> Experiment:
    record = lambda truth, params, synthetic: jnp.sum(params.probs > 0)
    return Experiment(task, workflow, size, 1, False, record)


@jax.jit
def _begin(keys: Array, task: Categorical, workflow: Workflow, size: Array) -> Running:
    running = jax.vmap(_experiment(task, workflow, size).begin)(keys)
    return running._replace(key=jax.random.key_data(running.key))


@jax.jit
def _advance(
    running: Running, active: Array, task: Categorical, workflow: Workflow, size: Array, stop: Array
) -> tuple[Running, Array]:
    """Run active seeds up to generation `stop` - 1, and for each seed the iteration of its collapse, or 0."""
    experiment = _experiment(task, workflow, size)

    def advance(of_seed: tuple[Running, Array]) -> tuple[Running, Array]:
        running, active = of_seed
        key = jax.random.wrap_key_data(running.key)

        # Key and truth stay: what a loop carries is copied.
        def body(carry: tuple[PyTree, Array, Array]) -> tuple[PyTree, Array, Array]:
            state, g, _ = carry
            later, result = experiment.step(Running(key, running.truth, state, None, g))
            return later.state, later.generation, jnp.where(result.recorded == 1, later.generation, 0)

        going = lambda carry: active & (carry[1] < stop) & (carry[2] == 0)
        state, g, time = jax.lax.while_loop(going, body, (running.state, running.generation, jnp.int32(0)))
        return running._replace(state=state, generation=g), time

    # Few in step at a time: a rejection, and a generation, then waits for few others.
    return jax.lax.map(advance, (running, active), batch_size=_BATCH)


def _filled(running: Running, number: int) -> tuple[Running, np.ndarray]:
    """The seeds and copies that stay idle, up to 128 times a power of eight: few shapes, so few compilations."""
    filled = _BATCH * 8 ** int(np.ceil(np.log2(max(1.0, number / _BATCH)) / 3))
    places = np.minimum(np.arange(filled), number - 1)
    return jax.tree.map(lambda leaf: leaf[places], running), np.arange(filled) < number


def _regrouped(seeds: np.ndarray, running: Running, workflow: Workflow) -> list[_Group]:
    """Without the outcomes that are lost for good, a group for each number of outcomes: 2, 16, 128, ... or all."""
    if not len(seeds):
        return []
    if not isinstance(workflow, Replace | Window):
        return [_Group(seeds, running)]
    present = sum(np.sign(leaf) for leaf in jax.tree.leaves(running.state)) > 0
    order = np.argsort(~present, axis=1, kind="stable")
    number = np.maximum(2, present.sum(axis=1))
    width = np.minimum(2 * 8 ** np.ceil(np.log2(number / 2) / 3).astype(int), present.shape[1])
    groups = []
    for outcomes in np.unique(width):
        chosen = np.flatnonzero(width == outcomes)
        kept = order[chosen, :outcomes]
        take = lambda leaf, chosen=chosen, kept=kept: np.take_along_axis(leaf[chosen], kept, axis=1)
        key, generation = running.key[chosen], running.generation[chosen]
        truth, state = jax.tree.map(take, (running.truth, running.state))
        groups.append(_Group(seeds[chosen], Running(key, truth, state, None, generation)))
    return groups


def _merged(groups: list[_Group]) -> list[_Group]:
    """One group for each number of outcomes."""
    by_width: dict[int, list[_Group]] = {}
    for group in groups:
        by_width.setdefault(jax.tree.leaves(group.running.state)[0].shape[1], []).append(group)
    return [
        _Group(
            np.concatenate([part.seeds for part in parts]),
            jax.tree.map(lambda *leaves: np.concatenate(leaves), *(part.running for part in parts)),
        )
        for parts in by_width.values()
    ]
