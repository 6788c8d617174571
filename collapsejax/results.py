"""Results as labelled arrays: metrics of many seeds with their names and units, and what they say in summary."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from .base import nearest

# Metric: (long name, units).
METRICS = {
    "trace_ratio": ("tr(fitted cov.) / tr(true cov.)", "1"),
    "mean_sq_error": ("Squared error of the fitted mean", "data units squared"),
    "logdet_ratio": ("log(det fitted / det true cov.)", "nats"),
    "kl": ("KL(fitted || true)", "nats"),
    "test_nll": ("Negative log-likelihood of held-out rows", "nats per row"),
}

STATISTICS = ("mean", "se", "median", "num_infinite")


def check_metrics(wanted: Sequence[str], known: Iterable[str]) -> None:
    """Raise ValueError, naming the nearest, unless all metrics `wanted` are `known` and there is one."""
    known = list(known)
    if not wanted:
        raise ValueError(f"metric: give at least one name of {', '.join(known)}")
    for name in wanted:
        if name not in known:
            raise ValueError(f"metric {name!r}: there is none; {nearest(name, known)}")


def to_dataset(
    metrics: Mapping[str, Mapping[str, np.ndarray]], num_samples: int, attributes: Mapping[str, Any]
) -> xr.Dataset:
    """A dataset with dimensions (workflow, seed, generation), one variable a metric.

    Args:
        metrics: for each workflow's name, arrays (S, G) by metric.
        num_samples: rows a generation (n), kept as a scalar coordinate.
        attributes: what made the numbers.

    Warns where a metric is NaN, saying where first: no built-in task gives one.
    """
    workflows = list(metrics)
    names = metrics[workflows[0]]
    variables = {
        name: (("workflow", "seed", "generation"), np.stack([metrics[workflow][name] for workflow in workflows]))
        for name in sorted(names, key=lambda name: list(METRICS).index(name) if name in METRICS else len(METRICS))
    }
    dataset = xr.Dataset(variables, attrs=dict(attributes))
    num_generations = dataset.sizes["generation"]
    dataset = dataset.assign_coords(
        # A dtype that zarr stores as it is, unlike NumPy's fixed-length strings.
        workflow=(
            "workflow",
            np.array(workflows, dtype=np.dtypes.StringDType()),
            {"long_name": "Which data each model is fitted to"},
        ),
        seed=("seed", np.arange(dataset.sizes["seed"]), {"long_name": "Seed"}),
        generation=("generation", np.arange(num_generations), {"long_name": "Generation, 0 = fitted to real data"}),
        iteration=("generation", np.arange(1, num_generations + 1), {"long_name": "Model-fitting iteration"}),
        num_samples=((), num_samples, {"long_name": "Samples per generation"}),
    )
    for name, variable in dataset.data_vars.items():
        variable.attrs["long_name"], variable.attrs["units"] = METRICS.get(name, (name, ""))
        _warn_of_nan(variable)
    return dataset


def _warn_of_nan(variable: xr.DataArray) -> None:
    missing = np.argwhere(np.isnan(variable.values))
    if len(missing):
        workflow, seed, generation = missing[np.argmin(missing[:, 2])]
        warnings.warn(
            f"{variable.name} is NaN in {len(np.unique(missing[:, :2], axis=0))} curves, first under "
            f"{variable.workflow.values[workflow]!r} for seed {seed} in generation {generation}",
            stacklevel=3,
        )


def summarize(variable: xr.DataArray) -> xr.DataArray:
    """Statistics of a metric over its seeds: dimension `seed` becomes `statistic`.

    "mean" and "se" (its standard error) are those of the finite values, and "num_infinite" says how many infinite ones
    there are; "median" is that of all. Without a finite value the mean is the infinite one; without two, se is NaN.
    """
    axis = variable.get_axis_num("seed")
    values = np.moveaxis(variable.values.astype(np.float64), axis, 0)
    finite = np.isfinite(values)
    count = finite.sum(axis=0)
    mean = np.where(finite, values, 0.0).sum(axis=0) / np.maximum(count, 1)
    deviations = np.where(finite, values - np.where(finite, mean, 0.0), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        se = np.sqrt((deviations**2).sum(axis=0) / (count - 1) / count)
    statistics = [np.where(count > 0, mean, values[0]), np.where(count > 1, se, np.nan)]
    statistics += [np.median(values, axis=0), np.isinf(values).sum(axis=0)]
    template = variable.isel(seed=0, drop=True)
    return xr.concat(
        [template.copy(data=data) for data in statistics],
        xr.DataArray(list(STATISTICS), dims="statistic"),
        coords="minimal",
    )


def milestones(num_generations: int) -> Sequence[int]:
    """Generations to show: those of iteration 1, 2, 5, 10, 20, 50, ... and the last."""
    steps = (first * 10**power for power in range(len(str(num_generations))) for first in (1, 2, 5))
    return [*(step - 1 for step in steps if step < num_generations), num_generations - 1]
