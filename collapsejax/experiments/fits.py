"""The two programs of a study of synthetic data: one fits a model in any cell, the other draws rows from it."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core.base import Array, PyTree, Task, Values
from ..core.checks import runs_in_turn
from ..data.rows import Rows
from ..loop import COMPILER_OPTIONS, as_array

# What a fit is for: those of a generator have random numbers of their own.
CELL, GENERATOR = 0, 1


class Rooms(NamedTuple):
    """Rows that there is room for: real ones, those of a teacher, which come behind them, and synthetic ones."""

    real: int
    teacher: int
    synthetic: int

    @property
    def fitted(self) -> int:
        """Real rows that one model may be fitted to."""
        return max(self.real, self.teacher)

    @property
    def drawn(self) -> int:
        return self.real + self.teacher


class Fitted(NamedTuple):
    """Of all seeds: fitted models, metrics (S,) by name, losses (S,) on validation rows or None."""

    params: PyTree
    metrics: dict[str, Array]
    loss: Array | None


class _Keys(NamedTuple):
    init: Array
    real: Array
    order: Array
    fit: Array
    sample: Array
    validation: Array


class Programs:
    """For seeds that have the `keys` (S,); those that compute losses on validation rows where settings are `tuned`."""

    def __init__(self, task: Task, rooms: Rooms, keys: Array, *, tuned: bool) -> None:
        self._task, self._rooms, self._keys, self._tuned = task, rooms, keys, tuned
        self._in_turn = runs_in_turn(task, jax.default_backend(), None)
        self._compiled: dict[Any, Any] = {}
        self._compile_seconds = self._run_seconds = 0.0

    @property
    def num_seeds(self) -> int:
        return len(self._keys)

    def metric_names(self) -> list[str]:
        return list(jax.eval_shape(self._all_fits, *self._arguments(), self.nothing_like()).metrics)

    def nothing_like(self) -> Values:
        """Shapes and dtypes of the synthetic rows of all seeds."""
        shapes = jax.eval_shape(lambda key: self._real_rows(self._task, key)[1], self._keys[0])
        sizes = (self.num_seeds, self._rooms.synthetic)
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(sizes + leaf.shape[1:], leaf.dtype), shapes)

    def nothing(self) -> Values:
        """What stands for synthetic rows where there are none."""
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), self.nothing_like())

    def fit(self, task: Task, which: tuple[int, int, int, int], synthetic: Values) -> Fitted:
        """Fit to `num_real` rows from the `first` on and to the first `num_synthetic` of the synthetic ones.

        Args:
            task: with the settings of the fit.
            which: (first, num_real, num_synthetic, use), of which `use` is `CELL` or `GENERATOR`.
            synthetic: rows of all seeds, (S, M, ...).
        """
        return self._run(self._all_fits, *self._arguments(task, which), synthetic)

    def write(self, task: Task, params: PyTree) -> Values:
        """Synthetic rows (S, M, ...) from fitted models of all seeds."""
        return self._run(self._all_writings, jax.tree.map(as_array, task), self._keys, params)

    def account(self) -> dict[str, Any]:
        """Numbers of compilations and seconds, as attributes."""
        seconds = dict(compile_seconds=self._compile_seconds, run_seconds=self._run_seconds)
        return dict(num_compilations=len(self._compiled)) | seconds

    def _arguments(self, task: Task | None = None, which: tuple[int, ...] = (0, 1, 0, CELL)) -> tuple:
        return jax.tree.map(as_array, self._task if task is None else task), self._keys, np.array(which, np.int32)

    def _run(self, function: Any, *arguments: Any) -> Any:
        program = (function.__name__, jax.tree.structure(arguments))
        if program not in self._compiled:
            start = time.perf_counter()
            self._compiled[program] = jax.jit(function).lower(*arguments).compile(COMPILER_OPTIONS)
            self._compile_seconds += time.perf_counter() - start
        start = time.perf_counter()
        result = jax.block_until_ready(self._compiled[program](*arguments))
        self._run_seconds += time.perf_counter() - start
        return result

    def _all_fits(self, task: Task, keys: Array, which: Array, synthetic: Values) -> Fitted:
        return self._of_seeds(lambda key, synthetic: self._fit(task, key, which, synthetic), keys, synthetic)

    def _all_writings(self, task: Task, keys: Array, params: PyTree) -> Values:
        return self._of_seeds(lambda key, params: self._write(task, key, params), keys, params)

    def _of_seeds(self, one_seed: Any, *lanes: PyTree) -> Any:
        return jax.lax.map(lambda lane: one_seed(*lane), lanes) if self._in_turn else jax.vmap(one_seed)(*lanes)

    def _fit(self, task: Task, key: Array, which: Array, synthetic: Values) -> Fitted:
        first, num_real, num_synthetic, use = which
        keys, task = _Keys(*jax.random.split(key, len(_Keys._fields))), task.at(jnp.int32(0))
        (truth, begin), real = self._real_rows(task, key)
        places = jnp.minimum(first + jnp.arange(self._rooms.fitted), self._rooms.drawn - 1)
        if not task.paddable:
            # Of a table all rows come in their order, and the first of them would be no random ones.
            places = jax.random.permutation(keys.order, self._rooms.drawn)[places]
        rows = Rows.of(jax.tree.map(lambda leaf: leaf[places], real), num_real).join(Rows.of(synthetic, num_synthetic))
        params = task.fit(jax.random.fold_in(keys.fit, use), truth, task.summarize(truth, rows), begin)
        metrics = {name: value.astype(float) for name, value in task.evaluate(truth, params).items()}
        loss = task.validation_loss(keys.validation, truth, params).astype(float) if self._tuned else None
        return Fitted(params, metrics, loss)

    def _write(self, task: Task, key: Array, params: PyTree) -> Values:
        keys, task = _Keys(*jax.random.split(key, len(_Keys._fields))), task.at(jnp.int32(0))
        # Drawn anew in each program, since it may hold what neither reads.
        truth, _ = task.init(keys.init, self._rooms.real)
        return task.sample(keys.sample, truth, params, self._rooms.synthetic)

    def _real_rows(self, task: Task, key: Array) -> tuple[tuple[PyTree, PyTree | None], Values]:
        """What `init` gives, and all real rows of a seed."""
        keys = _Keys(*jax.random.split(key, len(_Keys._fields)))
        truth, begin = task.init(keys.init, self._rooms.real)
        return (truth, begin), task.sample_real(keys.real, truth, self._rooms.drawn)
