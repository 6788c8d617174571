"""The generation loop of one seed: select, fit, evaluate, sample, update."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp

from ..core.base import Array, Dataset, PyTree, Task, Workflow
from ..core.checks import (
    Within,
    check_metrics_of,
    check_run,
    is_schedule,
    room_of,
    size_is_traced,
    size_of,
    uses_rows,
)
from ..data.rows import Rows
from ..numerics.threefry import fused, plain
from .returned import calling, check_begun, check_data, check_rows, check_same


class Result(NamedTuple):
    """Metrics by name, each (G,) from `run` and (S, G) from `run_seeds`; `recorded` has the same leading axes."""

    metrics: dict[str, Array]
    recorded: PyTree | None


class Running(NamedTuple):
    """A seed between two generations.

    Attributes:
        key: of all generations, ().
        truth: what `Task.init` fixed for this seed.
        state: of the workflow.
        params: the last fit where the task warm-starts, else None.
        generation: number of the one that comes next, ().
    """

    key: Array
    truth: PyTree
    state: PyTree
    params: PyTree | None
    generation: Array


class Experiment(NamedTuple):
    """One task under one workflow, with the representation of its data chosen: `begin` and `advance` are the loop."""

    task: Task
    workflow: Workflow
    num_samples: Any  # or (G,); traced, or `Within` a room, where `size_is_traced`, or `is_paddable`, allows it
    num_generations: int
    rows: bool  # rows are pooled, and summarized only after selection
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
    ) -> Self:
        """The experiment of these arguments, which are those of `run`; raises as that does."""
        check_run(task, workflow, num_samples, num_generations, rows)
        rows = uses_rows(task, workflow, rows, is_schedule(num_samples))
        return cls(task, workflow, num_samples, num_generations, rows, record)

    def begin(self, key: Array) -> Running:
        """The seed that `key` belongs to, before generation 0."""
        k_init, k_real, k_scan = jax.random.split(key, 3)
        n = self._batch_size(0)
        with calling(self.task, "init"):
            begun = self.task.init(k_init, size_of(n))
        check_begun(self.task, begun)
        truth, params = begun
        real = self._draw_real(k_real, truth, n)
        # The batch of the last generation is stored too, so the loop could be carried on.
        room = self.workflow.capacity(room_of(n), self.num_generations + 1)
        pool = jax.tree.map(real.empty, room)  # or one for each of several rooms
        with calling(self.workflow, "init"):
            state = settled(self.workflow.init(pool, real))
        return Running(k_scan, truth, state, params, jnp.int32(0))

    def step(self, running: Running) -> tuple[Running, Result]:
        """One generation. Its keys depend on the seed and its number alone: a shorter run begins a longer one."""
        truth, g = running.truth, running.generation
        # Not by a split, which would make all four, also those that nobody uses.
        keys = (jax.random.fold_in(fused(running.key), 4 * g + use) for use in range(4))
        k_select, k_fit, k_sample, k_update = map(plain, keys)  # JAX's own keys: `jax.random.poisson` wants them
        self = self._replace(task=self.task.at(g))
        with calling(self.workflow, "select"):
            train = self.workflow.select(k_select, running.state)
        check_data(self.workflow, "select", train)
        if self.rows:
            with calling(self.task, "summarize"):
                train = self.task.summarize(truth, train)
        with calling(self.task, "fit"):
            params = self.task.fit(k_fit, truth, train, running.params)
        with calling(self.task, "evaluate"):
            metrics = self.task.evaluate(truth, params)
        check_metrics_of(self.task, metrics)
        n = self._batch_size(g + 1)
        synthetic = self._draw_synthetic(k_sample, truth, params, n)
        recorded = None if self.record is None else self.record(truth, params, synthetic)

        def draw_real(key: Array, m: Any = None) -> Dataset:
            law = None if self.rows else self.task.exact_law
            if m is not None and law is not None and law.one_size:
                raise ValueError(
                    f"workflow {self.workflow.name!r}: asks draw_real for {m} rows, which task {self.task.name!r} has "
                    "to know before; set own_sizes = True in the class of the workflow"
                )
            return self._draw_real(key, truth, n if m is None else m)

        with calling(self.workflow, "update"):
            state = settled(self.workflow.update(k_update, running.state, synthetic, draw_real))
        check_same(self.workflow, "update", state, running.state, "the state before")
        if running.params is None:
            params = None
        else:
            check_same(self.task, "fit", params, running.params, "what it began from")
        return Running(running.key, truth, state, params, g + 1), Result(metrics, recorded)

    def advance(self, running: Running, num_generations: int) -> tuple[Running, Result]:
        """That many more generations, a static number, which is the leading axis of their results."""
        key, truth = running.key, running.truth  # which stay: what a scan carries is copied

        # The generation is counted in the carry: XLA fuses the reading of a list of them into the generators of bits,
        # which are then no longer vectorized on a CPU, and take seven times as long.
        def step(carry: tuple, _: None) -> tuple[tuple, Result]:
            later, result = self.step(Running(key, truth, *carry))
            return later[2:], result

        carry, results = jax.lax.scan(step, tuple(running[2:]), length=num_generations)
        return Running(key, truth, *carry), results

    def _batch_size(self, g: Any) -> Any:
        """Rows that model g is to be fitted to a batch of; behind the last generation, as many as in it."""
        if not is_schedule(self.num_samples):
            return self.num_samples
        size = jnp.asarray(self.num_samples)[jnp.minimum(g, self.num_generations - 1)]
        by_law = size_is_traced(self.task, self.workflow, self.rows)
        return size if by_law else Within(size, int(max(self.num_samples)))

    def _draw_real(self, key: Array, truth: PyTree, n: Any) -> Dataset:
        law = None if self.rows else self.task.exact_law
        if law is not None and law.real is not None:
            return law.real(key, truth, size_of(n))
        with calling(self.task, "sample_real"):
            values = self.task.sample_real(key, truth, room_of(n))
        check_rows(self.task, "sample_real", values, room_of(n))
        return self._represented(truth, values, n)

    def _draw_synthetic(self, key: Array, truth: PyTree, params: PyTree, n: Any) -> Dataset:
        law = None if self.rows else self.task.exact_law
        if law is not None:
            return law.synthetic(key, truth, params, size_of(n))
        if self.workflow.screen is None:
            return self._represented(truth, self._sampled(key, truth, params, room_of(n)), n)
        k_sample, k_screen = jax.random.split(key)
        values = self._sampled(k_sample, truth, params, self.workflow.num_candidates(n))
        return self.workflow.screen(k_screen, Rows.of(values), partial(self.task.log_density, truth), n)

    def _sampled(self, key: Array, truth: PyTree, params: PyTree, num_rows: int) -> PyTree:
        with calling(self.task, "sample"):
            values = self.task.sample(key, truth, params, num_rows)
        check_rows(self.task, "sample", values, num_rows)
        return values

    def _represented(self, truth: PyTree, values: PyTree, n: Any) -> Dataset:
        rows = Rows.of(values, n.size if isinstance(n, Within) else None)
        return rows if self.rows else self.task.summarize(truth, rows)


def settled(state: PyTree) -> PyTree:
    """The state of a workflow as it is carried: the same structure before and after every generation."""
    is_data = lambda part: isinstance(part, Dataset)
    return jax.tree.map(lambda part: part.settled() if is_data(part) else part, state, is_leaf=is_data)
