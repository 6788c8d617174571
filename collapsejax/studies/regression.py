"""Linear regression: Kazdan et al. 2024, "Collapse or Thrive?", arXiv 2410.16713.

Its protocol uses the first design matrix in every iteration. That is there with `published`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..tasks import LinearRegression
from .figures import metric_curves
from .findings import (
    Finding,
    Number,
    combined,
    factors,
    growth,
    in_order,
    late_growth,
    levelled,
    levels_off,
    number,
    of_cells,
    order,
)
from .study import COLLAPSE_OR_THRIVE, FEW_SAMPLES, SAMPLES, Cost, PartResult, Results, Study, Sweep

if TYPE_CHECKING:
    from ..plots.style import Figure


class RegressionStudy(Study):
    """Dimensions times noises times numbers of samples, by the test error."""

    name = "regression"
    title = "Linear regression"
    citation = COLLAPSE_OR_THRIVE
    claim = "replace diverges, accumulate stays bounded, accumulate-subsample lies between"
    full_cost = Cost(num_seeds=100, seconds=400)
    quick_cost = Cost(num_seeds=100, seconds=20)

    @property
    def form(self) -> str:
        return (
            "as published: one design for all batches" if self.published else "corrected: a new design for every batch"
        )

    @property
    def parts(self) -> Mapping[str, Sweep]:
        """A sweep for each dimension."""
        dims, samples = ((3,), FEW_SAMPLES) if self.quick else ((1, 3, 10, 32, 100), SAMPLES)
        over = {"sigma2": (0.1, 10.0) if self.quick else (0.1, 1.0, 10.0), "num_samples": samples}
        task = lambda dim: LinearRegression(dim, over["sigma2"][0], not self.published)
        return {f"dim={dim}": Sweep(task(dim), over, 100) for dim in dims}

    def figures(self, results: Results) -> dict[str, Figure]:
        """Curves of the test error.

        As many samples as features have errors without a mean, beside which others could not be seen: figures apart.
        """
        figures = {}
        for name, (part, dataset, exact) in results.items():
            apart = np.abs(dataset.num_samples.values - part.task.dim) <= 1
            for suffix, chosen in (("", ~apart), ("-num_samples=dim", apart)):
                if chosen.any():
                    own = PartResult(part, *(one.isel(num_samples=chosen) for one in (dataset, exact)))
                    excess = None if suffix else "test_mse"
                    figures |= metric_curves({f"{name}{suffix}": own}, ["test_mse"], excess=excess)
        return figures

    def finding(self, results: Results) -> Finding:
        """How the test error grew, and its last level beside theory.

        Verified if it grew more under replace than under accumulate-subsample, more there than under accumulate, and
        there by less than 10 % in the second half of the iterations, each as `findings.exceeds` has it; falsified if
        one of these is.
        """
        datasets = [result.dataset for result in results.values()]
        grown, late = growth(datasets, "test_mse", ratio=True), late_growth(datasets, "test_mse")
        numbers = factors(grown, "test error")
        for name, result in results.items():
            numbers += _last_errors(name, result)
        cells = sum(one.test_mse.sel(workflow="replace").isel(seed=0, generation=0).size for one in datasets)
        sentence = f"{order(grown, cells - len(grown['replace']))}; {levelled(late)}"
        return Finding(sentence, numbers, combined(in_order(grown), levels_off(late)))


def _last_errors(name: str, result: PartResult) -> list[Number]:
    """What n times the last test error over d sigma2 is, under replace and under accumulate."""
    (part, dataset, exact), numbers = result, []
    # Seeds' errors have a variance for n > d + 3 only, and mean something for few seeds well beyond.
    sizes = [n for n in dataset.num_samples.values if n >= 3 * part.task.dim + 10]
    scale = dataset.sigma2 * part.task.dim
    ours = dataset.test_mse.sel(num_samples=sizes).isel(generation=-1) / scale
    known = exact.test_mse.sel(num_samples=sizes).isel(generation=-1) / scale
    for workflow in ("replace", "accumulate"):
        values = of_cells((ours * dataset.num_samples).sel(workflow=workflow).expand_dims("generation", -1))
        expected = float((known * dataset.num_samples).sel(workflow=workflow).mean())
        label = f"{workflow}, {name}, last iteration: n (test error) / (d sigma2)"
        numbers.append(number(label, values[:, :, 0].mean(axis=0), expected))
    return numbers
