"""How long categorical data last: the time until a single outcome is left."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core.arguments import check_count
from ..core.base import Array, Workflow
from ..core.checks import check_keys, check_run, is_literal
from ..loop import Experiment
from ..tasks import Categorical
from ..workflows import Replace, Window

_CELLS = 2**24  # seeds times outcomes that are in memory at a time
_TOGETHER = 128


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
    if is_literal(task, workflow, False):
        raise ValueError(f"workflow {workflow.name!r}: it needs rows; choose one that works on counts")
    iterations = np.zeros(len(keys), np.int64)
    chunk = max(_TOGETHER, _CELLS // task.num_outcomes)
    for first in range(0, len(keys), chunk):
        iterations[first : first + chunk] = _of_chunk(keys[first : first + chunk], task, workflow, num_samples, limit)
    return CollapseTimes(np.where(iterations > 0, iterations, limit), iterations == 0)


class _Lanes(NamedTuple):
    """Seeds that are done together: their numbers (S,), and (key data, truth, carry) in NumPy arrays (S, ...).

    They are regrouped on the host: shapes that come once would each be compiled there.
    """

    seeds: np.ndarray
    state: Any


def _of_chunk(keys: Array, task: Categorical, workflow: Workflow, num_samples: int, limit: int) -> np.ndarray:
    """Iterations (S,), 0 where the limit came first."""
    size = jnp.int32(num_samples)
    iterations = np.zeros(len(keys), np.int64)
    groups = [_Lanes(np.arange(len(keys)), jax.device_get(_start(keys, task, workflow, size)))]
    first, length = 0, 1
    while groups and first < limit:
        stop = min(first + length, limit)
        waiting = []
        for seeds, state in groups:
            filled, active = _filled(state, len(seeds))
            state, times = jax.device_get(_advance(filled, active, task, workflow, size, first, stop))
            iterations[seeds] = times[: len(seeds)]
            left = np.flatnonzero(times[: len(seeds)] == 0)
            waiting += _regrouped(seeds[left], jax.tree.map(lambda leaf, left=left: leaf[left], state), workflow)
        groups, first, length = _merged(waiting), stop, stop
    return iterations


def _experiment(task: Categorical, workflow: Workflow, size: Array) -> Experiment:
    record = lambda truth, params, synthetic: jnp.sum(params.probs > 0)
    return Experiment(task, workflow, size, 1, False, record)


@jax.jit
def _start(keys: Array, task: Categorical, workflow: Workflow, size: Array) -> Any:
    k_scan, truth, carry = jax.vmap(_experiment(task, workflow, size).start)(keys)
    return jax.random.key_data(k_scan), truth, carry


@jax.jit
def _advance(
    state: Any, active: Array, task: Categorical, workflow: Workflow, size: Array, first: Array, stop: Array
) -> Any:
    """Run generations first <= g < stop; returns the state, and for each lane the iteration of its collapse or 0."""
    experiment = _experiment(task, workflow, size)

    def advance(lane: Any) -> Any:
        (k_data, truth, carry), active = lane
        k_scan = jax.random.wrap_key_data(k_data)

        def body(loop: tuple[Any, Array, Array]) -> tuple[Any, Array, Array]:
            carry, time, g = loop
            carry, result = experiment.step(k_scan, truth, carry, g)
            return carry, jnp.where(result.recorded == 1, g + 1, time), g + 1

        going = lambda loop: active & (loop[2] < stop) & (loop[1] == 0)
        carry, time, _ = jax.lax.while_loop(going, body, (carry, jnp.int32(0), first))
        return (k_data, truth, carry), time

    # Few in step at a time: a rejection, and a generation, then waits for few others.
    return jax.lax.map(advance, (state, active), batch_size=_TOGETHER)


def _filled(state: Any, number: int) -> tuple[Any, np.ndarray]:
    """The state with idle lanes added, up to 128 times a power of eight: few shapes, so few compilations."""
    lanes = _TOGETHER * 8 ** int(np.ceil(np.log2(max(1.0, number / _TOGETHER)) / 3))
    places = np.minimum(np.arange(lanes), number - 1)
    return jax.tree.map(lambda leaf: leaf[places], state), np.arange(lanes) < number


def _regrouped(seeds: np.ndarray, state: Any, workflow: Workflow) -> list[_Lanes]:
    """Without the outcomes that are lost for good, a group for each number of outcomes: 2, 16, 128, ... or all."""
    if not len(seeds):
        return []
    if not isinstance(workflow, Replace | Window):
        return [_Lanes(seeds, state)]
    k_data, truth, carry = state
    present = sum(np.sign(leaf) for leaf in jax.tree.leaves(carry)) > 0
    order = np.argsort(~present, axis=1, kind="stable")
    number = np.maximum(2, present.sum(axis=1))
    width = np.minimum(2 * 8 ** np.ceil(np.log2(number / 2) / 3).astype(int), present.shape[1])
    groups = []
    for outcomes in np.unique(width):
        chosen = np.flatnonzero(width == outcomes)
        kept = order[chosen, :outcomes]
        take = lambda leaf, chosen=chosen, kept=kept: np.take_along_axis(leaf[chosen], kept, axis=1)
        groups.append(_Lanes(seeds[chosen], (k_data[chosen], *jax.tree.map(take, (truth, carry)))))
    return groups


def _merged(groups: list[_Lanes]) -> list[_Lanes]:
    """One group for each number of outcomes."""
    by_width: dict[int, list[_Lanes]] = {}
    for lanes in groups:
        by_width.setdefault(jax.tree.leaves(lanes.state[2])[0].shape[1], []).append(lanes)
    return [
        _Lanes(
            np.concatenate([part.seeds for part in parts]),
            jax.tree.map(lambda *leaves: np.concatenate(leaves), *(part.state for part in parts)),
        )
        for parts in by_width.values()
    ]
