"""Gaussians, fitted by mean and covariance: Kazdan et al. 2024, "Collapse or Thrive?", arXiv 2410.16713."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ..tasks import Gaussian
from .figures import metric_curves
from .findings import (
    Finding,
    combined,
    factors,
    growth,
    in_order,
    late_growth,
    levelled,
    levels_off,
    num_generations,
    number,
    order,
)
from .study import AS_PUBLISHED, COLLAPSE_OR_THRIVE, FEW_SAMPLES, SAMPLES, Cost, Results, Study, Sweep

if TYPE_CHECKING:
    from ..plots.style import Figure


class GaussianStudy(Study):
    """Dimensions times numbers of samples, by the squared error of the fitted mean."""

    name = "gaussian"
    title = "Gaussians"
    citation = COLLAPSE_OR_THRIVE
    claim = "replace diverges, accumulate stays bounded, accumulate-subsample lies between"
    full_cost = Cost(num_seeds=100, seconds=100)
    quick_cost = Cost(num_seeds=200, seconds=20)
    form = f"{AS_PUBLISHED} (the covariance divided by n, determinants as logarithms)"

    @property
    def parts(self) -> Mapping[str, Sweep]:
        """A sweep for each dimension."""
        dims, samples = ((10,), FEW_SAMPLES) if self.quick else ((1, 3, 10, 31, 100), SAMPLES)
        return {f"dim={dim}": Sweep(Gaussian(dim), {"num_samples": samples}, 100) for dim in dims}

    def figures(self, results: Results) -> dict[str, Figure]:
        """Curves of the errors of mean and covariance."""
        metrics = ["mean_sq_error", "trace_ratio", "logdet_ratio"]
        return metric_curves(results, metrics, excess="mean_sq_error")

    def finding(self, results: Results) -> Finding:
        """How the error of the mean grew, and the level that it has under accumulate, beside theory.

        Verified if the error grew more under replace than under accumulate-subsample, more there than under accumulate,
        and there by less than 10 % in the second half of the iterations, each as `findings.exceeds` has it; falsified
        if one of these is.
        """
        datasets = [result.dataset for result in results.values()]
        grown = growth(datasets, "mean_sq_error", ratio=True)
        late = late_growth(datasets, "mean_sq_error")
        errors, expected, dims = 0.0, 0.0, 0
        for part, dataset, exact in results.values():
            scaled, known, sizes = plateau(dataset, exact)
            many = sizes >= sizes.max() / 10  # where n times the error is near its limit
            errors, expected = errors + scaled[many].mean(axis=0), expected + known[many].mean()
            dims += part.task.dim
        last = num_generations(datasets)
        label = f"accumulate, iteration {last}: n (error of the mean)^2 / (d sigma2); limit pi^2/6 = 1.645"
        level = number(label, errors / dims, expected / dims)
        sentence = (
            f"{order(grown)}; {levelled(late)}; the plateau n (error)^2 / (d sigma2) of accumulate is {level}, "
            f"by theory {level.exact:.4g} (for ever more samples and generations pi^2/6 = 1.645)"
        )
        verdict = combined(in_order(grown), levels_off(late))
        return Finding(sentence, [level, *factors(grown, "error of the mean")], verdict)


def plateau(dataset: xr.Dataset, exact: xr.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of a Gaussian of variance 1 in d dimensions under accumulate n |error of the mean|^2: (n, S), exactly (n,), n."""
    last = dataset.mean_sq_error.sel(workflow="accumulate").isel(generation=-1).transpose("num_samples", "seed")
    known = exact.mean_sq_error.sel(workflow="accumulate").isel(generation=-1)
    sizes = dataset.num_samples.values
    return last.values.astype(float) * sizes[:, None], known.values * sizes, sizes
