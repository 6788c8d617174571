"""The preset table of experiments that simulation and theory are compared on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp

from .. import sources
from ..core.base import Array, Task, Workflow
from ..core.describe import short_text
from ..tasks import KDE, Categorical, ExponentialFamily, Gaussian, LinearRegression
from ..tasks.wrapper import Wrapper
from ..workflows import Accumulate, AccumulateSubsample, Augment, FreshData, Replace, Weighted, Window


class Observed(Wrapper):
    """A Gaussian task with second moments as further metrics, and in one dimension the squared 2-Wasserstein distance.

    "trace_ratio^2", "logdet_ratio^2" and "mean_sq_error^2" are the squares of these metrics.
    """

    task: Gaussian

    name: ClassVar[str] = "gaussian"

    def evaluate(self, truth: Any, params: Any) -> dict[str, Array]:
        metrics = self.task.evaluate(truth, params)
        squares = {f"{name}^2": metrics[name] ** 2 for name in ("trace_ratio", "logdet_ratio", "mean_sq_error")}
        if self.task.dim == 1:
            apart = jnp.sqrt(metrics["trace_ratio"]) - 1
            squares["wasserstein_sq"] = metrics["mean_sq_error"] + self.task.sigma2 * apart**2
        return metrics | squares


class Case(NamedTuple):
    """Cells that share a program where they can: one task under one workflow, for each of `num_samples`."""

    task: Task
    workflow: Workflow
    num_samples: Sequence[int]
    iterations: Sequence[int]
    rows: bool = False

    @property
    def label(self) -> str:
        rows = ", rows" if self.rows else ""
        return f"{short_text(self.task)}, {short_text(self.workflow)}{rows}"


def cases() -> list[Case]:
    """The preset table."""
    moons = dict(source=sources.moons(), num_test=1)
    kde = KDE(bandwidth=0.3, **moons)
    scheduled = KDE(bandwidth=0.5, bandwidth_exponent=0.75, **moons)
    scaled = KDE(bandwidth="scott-scaled", **moons)
    cooled = Gaussian(2, sampling_temperature=0.8)
    line, steps = (Replace(), Accumulate(), AccumulateSubsample()), (1, 2, 5, 10)
    few = (1, 2, 5)
    mixed = (FreshData(4), Augment(), Weighted(0.6), Window(3))
    return [
        *(Case(Gaussian(1), workflow, (10, 12), (2, 4, 6)) for workflow in (*line, *mixed)),
        *(
            Case(Gaussian(3), workflow, (8, 20), few)
            for workflow in (Replace(), Accumulate(), Weighted(0.3), Window(2))
        ),
        *(Case(Gaussian(10), workflow, (14,), few) for workflow in (Replace(), Accumulate())),
        *(Case(Gaussian(3, ddof=1), workflow, (8, 20), few) for workflow in (Replace(), Accumulate(), FreshData(5))),
        *(Case(Gaussian(4), workflow, (3, 4), few) for workflow in (Replace(), Accumulate())),
        *(Case(Gaussian(*of), AccumulateSubsample(), (8,), few) for of in ((3,), (3, 1.0, 1), (9,))),
        *(Case(cooled, workflow, (6, 10), few) for workflow in (Replace(), Accumulate(), Augment())),
        *(Case(Gaussian(2), workflow, (6,), few, rows=True) for workflow in (Replace(), Augment())),
        Case(Gaussian(source=sources.moons()), Accumulate(), (6,), few),
        *(Case(LinearRegression(2), workflow, (12, 20), steps) for workflow in (*line[:2], *mixed[1:3])),
        *(Case(LinearRegression(9), workflow, (4,), steps) for workflow in line[:2]),
        *(Case(LinearRegression(2, fresh_design=True), workflow, (12, 20), steps) for workflow in line[:2]),
        Case(LinearRegression(2, refit_noise=True), Replace(), (12, 20), steps),
        *(Case(Categorical(6), workflow, (6, 12), steps) for workflow in line),
        *(
            Case(Categorical(20, "zipf"), workflow, (12, 30), steps)
            for workflow in (Replace(), AccumulateSubsample(), Window(3))
        ),
        *(
            Case(ExponentialFamily(*of), workflow, (10, 20), steps)
            for of in (("bernoulli", 0.3), ("poisson", 2.0), ("exponential", 2.0), ("gamma", 2.0, 3.0))
            for workflow in (Replace(), Accumulate())
        ),
        Case(ExponentialFamily("exponential", 2.0), Weighted(0.6), (10, 20), steps),
        Case(ExponentialFamily("poisson", 2.0), AccumulateSubsample(), (10,), steps),
        *(Case(kde, workflow, (6,), (1, 2, 8)) for workflow in (*line, FreshData(4), Weighted(0.6))),
        *(Case(scheduled, workflow, (6,), (1, 2, 8)) for workflow in line[1:]),
        *(Case(scaled, workflow, (8,), (1, 2, 8)) for workflow in line[:2]),
        Case(KDE(bandwidth=0.3, kernel="tophat", sampling_temperature=0.5, **moons), Replace(), (6,), (1, 2, 8)),
    ]
