"""Another task with something added: an abstract base class that passes everything else on to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from ..core.base import Array, Dataset, ExactLaw, Needs, PyTree, Task, Values


class Wrapper(Task):
    """A task that does what `task` does, unless that is long-running; a subclass overrides what is different.

    Where its truth and parameters hold more than those of `task`, it overrides `own_truth` and `own_params` as well.
    """

    task: Task

    def own_truth(self, truth: PyTree) -> PyTree:
        """The truth of `task`."""
        return truth

    def own_params(self, params: PyTree | None) -> PyTree | None:
        """The parameters of `task`."""
        return params

    @property
    def offers(self) -> Needs:
        return self.task.offers

    @property
    def paddable(self) -> bool:
        return self.task.paddable

    @property
    def exact_law(self) -> ExactLaw | None:
        law = self.task.exact_law
        if law is None:
            return None
        synthetic, real, one_size = law
        own = lambda key, truth, params, n: synthetic(key, self.own_truth(truth), self.own_params(params), n)
        return ExactLaw(own, real and (lambda key, truth, n: real(key, self.own_truth(truth), n)), one_size)

    @property
    def log_density(self) -> Callable[[PyTree, Values], Array] | None:
        known = self.task.log_density
        return known and (lambda truth, values: known(self.own_truth(truth), values))

    def check(self, num_samples: int) -> None:
        self.task.check(num_samples)

    def at(self, generation: Array) -> Task:
        return dataclasses.replace(self, task=self.task.at(generation))

    def init(self, key: Array, num_samples: int) -> tuple[PyTree, PyTree | None]:
        return self.task.init(key, num_samples)

    def sample_real(self, key: Array, truth: PyTree, n: int) -> Values:
        return self.task.sample_real(key, self.own_truth(truth), n)

    def summarize(self, truth: PyTree, rows: Dataset) -> Dataset:
        return self.task.summarize(self.own_truth(truth), rows)

    def fit(self, key: Array, truth: PyTree, train: Dataset, params: PyTree | None) -> PyTree:
        return self.task.fit(key, self.own_truth(truth), train, self.own_params(params))

    def sample(self, key: Array, truth: PyTree, params: PyTree, n: int) -> Values:
        return self.task.sample(key, self.own_truth(truth), self.own_params(params), n)

    def evaluate(self, truth: PyTree, params: PyTree) -> dict[str, Array]:
        return self.task.evaluate(self.own_truth(truth), self.own_params(params))
