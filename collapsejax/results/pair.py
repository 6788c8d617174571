"""Results and the baseline that they are compared with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr

from .dataset import line_dimensions, metrics_in
from .metrics import LOSSES, check_metrics
from .verdict import Medians, Verdict, judge


class Pair:
    """Results of one workflow and their baseline, compared by a loss, which is the risk. Errors as in `diagnose`.

    Attributes:
        result, baseline: metrics of one workflow each.
        medians: their medians over the seeds.
        loss: the name of the metric that is the risk.
    """

    def __init__(self, result: xr.Dataset, baseline: xr.Dataset | None, loss: str | None) -> None:
        self.result = _one_workflow("result", result)
        self.baseline = self.result if baseline is None else _one_workflow("baseline", baseline)
        self._base_generation = 0 if baseline is None else -1
        if loss is not None:
            check_metrics([loss], metrics_in(self.result))
        self.medians = Medians([self.result, self.baseline])
        self.loss = loss or self.first_of(metric.name for metric in LOSSES)
        if self.loss is None:
            known = ", ".join(metrics_in(self.result))
            raise ValueError(f"result: none of its metrics is a known loss; give loss, one of {known}")
        if self.loss not in self.baseline:
            raise ValueError(f"baseline: has no {self.loss}; compare results of the same task, or give loss")

    @property
    def title(self) -> str:
        """What is compared, in a line."""
        own = self._base_generation == 0
        other = "its first generation" if own else f"{self.baseline.workflow.item()}, last generation"
        sizes = f"{self.medians.num_seeds} seeds, {self.result.sizes['generation']} generations"
        num_samples = np.max(self.result.num_samples.values)
        return f"{self.result.workflow.item()} (num_samples={num_samples}, {sizes}) against {other}; risk: {self.loss}"

    def first_of(self, names: Iterable[str]) -> str | None:
        """The first of these metrics that is there and finite in the first generation."""
        there = [name for name in names if name in self.result]
        finite = lambda name: np.isfinite(self.medians.of(largest(self.result[name]).isel(generation=[0]))).all()
        return next(filter(finite, there), None)

    def last_and_base(self, metric: str, *, sizes: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Medians (1 + R,) of the last generation and of the baseline; with `sizes`, (1 + R, sizes) of each size."""
        choose = (lambda variable: variable) if sizes else largest
        last = choose(self.result[metric]).isel(generation=-1)
        base = choose(self.baseline[metric]).isel(generation=self._base_generation)
        return self.medians.of(last), self.medians.of(base)

    def judge(self, name: str, statistic: np.ndarray, about: str, yes_above: float, no_below: float) -> Verdict:
        """The verdict on a statistic (1 + R,), see `verdict.judge`."""
        limits = dict(yes_above=yes_above, no_below=no_below)
        return judge(name, statistic, about, num_seeds=self.medians.num_seeds, **limits)


def _one_workflow(name: str, dataset: xr.Dataset) -> xr.Dataset:
    if "workflow" in dataset.dims:
        if dataset.sizes["workflow"] > 1:
            names = ", ".join(map(str, dataset.workflow.values))
            raise ValueError(f"{name}: has workflows {names}; choose one with .sel(workflow=...)")
        dataset = dataset.isel(workflow=0)
    if others := [dimension for dimension in line_dimensions(dataset) if dimension != "num_samples"]:
        raise ValueError(f"{name}: has dimensions {', '.join(others)}; choose a value of each with .sel")
    return dataset[metrics_in(dataset)]


def largest(variable: xr.DataArray) -> xr.DataArray:
    """The part of a variable for the largest number of samples."""
    if "num_samples" not in variable.dims:
        return variable
    return variable.isel(num_samples=int(np.argmax(variable.num_samples.values)))
