"""One generation after another: select, fit, evaluate, sample, update; of one seed, as far as it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .core.base import Array, Dataset, PyTree, Task, Workflow
from .core.checks import Within, check_run, is_literal, knows, room_of, size_of
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
