"""Results as labelled arrays: one variable for each metric, with named dimensions, units and statistics over seeds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ..core.arguments import nearest
from .metrics import METRICS, metric_labels
from .statistics import STATISTICS, exact_statistics

SAMPLES = "samples"
"""The variable of text samples: rows drawn from each model, kept to look at."""
RUNNING = "running"
SAMPLE_DIMENSIONS = ("sample", "position")
# Names that datasets and their stores use themselves, so that no metric and no swept field may have them.
RESERVED = ("workflow", "num_samples", "seed", "statistic", "generation", "iteration", "shards", "records")
RESERVED += (SAMPLES, *SAMPLE_DIMENSIONS, RUNNING)


def in_order(names: Iterable[str]) -> list[str]:
    """Names of variables in the order in which they are shown: known metrics, others, and text samples last."""
    known = list(METRICS)
    rank = lambda name: known.index(name) if name in known else len(known)
    return sorted(names, key=lambda name: (name == SAMPLES, rank(name)))


def metrics_in(dataset: xr.Dataset) -> list[str]:
    """Names of the metrics in a dataset, in the order in which they are shown."""
    return [name for name in in_order(map(str, dataset.data_vars)) if name != SAMPLES]


def check_workflow(name: str, dataset: xr.Dataset) -> None:
    """Raise ValueError, naming the nearest workflow, unless a dataset has results of the workflow `name`."""
    known = [str(workflow) for workflow in dataset.workflow.values]
    if name not in known:
        raise ValueError(f"workflow {name!r}: is not in the results; {nearest(name, known)}")


def with_iterations(exact: xr.Dataset, dataset: xr.Dataset) -> xr.Dataset:
    """Exact curves, also of one's own, with the iterations of the results that they belong to.

    Raises:
        ValueError: it is no dataset, or has other generations than the results.
    """
    if not isinstance(exact, xr.Dataset):
        example = 'xr.Dataset({"metric": ("generation", means)})'
        raise ValueError(f"exact: is a {type(exact).__name__}; give a dataset, such as {example}")
    if not exact.data_vars or "iteration" in exact.coords:
        return exact
    if exact.sizes.get("generation") != dataset.sizes["generation"]:
        raise ValueError(f"exact: {dict(exact.sizes)}; give curves along generation, {dataset.sizes['generation']}")
    return exact.assign_coords(iteration=("generation", dataset.iteration.values))


def coordinates(
    dims: Mapping[str, Sequence[Any]],
    num_samples: int | Sequence[int],
    *,
    num_seeds: int,
    num_generations: int,
    summary: bool,
) -> dict[str, xr.Variable]:
    """Coordinates of results with dimensions (*`dims`, seed or statistic, generation).

    Args:
        dims: for each swept dimension its labels.
        num_samples: rows per generation (n); a scalar coordinate unless it is one of `dims`.
        num_seeds: number of seeds (S).
        num_generations: number of generations (G).
        summary: True for a dimension "statistic" in place of "seed".
    """
    coords = {name: xr.Variable(name, _as_labels(labels), _COORDINATES.get(name)) for name, labels in dims.items()}
    if "num_samples" not in dims:
        coords["num_samples"] = xr.Variable((), num_samples, _COORDINATES["num_samples"])
    if summary:
        meanings = {"long_name": "Statistic over the seeds", **STATISTICS}
        coords["statistic"] = xr.Variable("statistic", _as_labels(list(STATISTICS)), meanings)
    else:
        coords["seed"] = xr.Variable("seed", np.arange(num_seeds), {"long_name": "Seed"})
    generations = np.arange(num_generations)
    coords["generation"] = xr.Variable("generation", generations, {"long_name": "Generation, 0 = fitted to real data"})
    coords["iteration"] = xr.Variable("generation", generations + 1, {"long_name": "Model-fitting iteration"})
    return coords


_COORDINATES = {
    "workflow": {"long_name": "Which data each model is fitted to"},
    "num_samples": {"long_name": "Samples per generation"},
}


def _as_labels(labels: Sequence[Any]) -> np.ndarray:
    # Zarr stores strings of variable length as they are, unlike NumPy's fixed-length strings.
    return np.array(labels, dtype=np.dtypes.StringDType() if isinstance(labels[0], str) else None)


def to_dataset(
    metrics: Mapping[str, np.ndarray],
    dims: Mapping[str, Sequence[Any]],
    num_samples: int | Sequence[int],
    attributes: Mapping[str, Any],
    *,
    summary: bool = False,
) -> xr.Dataset:
    """A dataset with one variable for each metric, one for text samples if there are any, and `coordinates`.

    Args:
        metrics: arrays by name, with one axis for each of `dims`, then seeds or statistics, then generations; text
            samples have two more axes, see `inner_dimensions`.
        dims: for each swept dimension its labels.
        num_samples: rows per generation (n).
        attributes: the configuration and versions that produced the numbers; "task" is JSON with the task's name.
        summary: True where the arrays hold statistics over the seeds.
    """
    names = in_order(metrics)
    *_, num_seeds, num_generations = metrics[names[0]].shape
    sizes = dict(num_seeds=num_seeds, num_generations=num_generations, summary=summary)
    axes = (*dims, "statistic" if summary else "seed", "generation")
    task = json.loads(attributes.get("task", "{}")).get("name")
    variables = {name: ((*axes, *inner_dimensions(name)), metrics[name], metric_labels(name, task)) for name in names}
    return xr.Dataset(variables, coordinates(dims, num_samples, **sizes), dict(attributes))


def inner_dimensions(name: str) -> tuple[str, ...]:
    """The dimensions of a variable after "generation": none for a metric, (sample, position) for text samples."""
    return SAMPLE_DIMENSIONS if name == SAMPLES else ()


def line_dimensions(dataset: xr.Dataset) -> list[str]:
    """The swept dimensions other than the workflow."""
    others = ("workflow", "seed", "statistic", "generation", *SAMPLE_DIMENSIONS)
    return [str(name) for name in dataset.dims if name not in others]


def summarize(variable: xr.DataArray) -> xr.DataArray:
    """Statistics of a metric over its seeds: "statistic" in place of "seed", with the labels `STATISTICS`.

    A metric that was already summarized is returned unchanged. Where no value is finite, the mean is infinite; with
    fewer than two finite values, the standard error is NaN.
    """
    if "statistic" in variable.dims:
        return variable
    axis = variable.get_axis_num("seed")
    values = np.moveaxis(variable.values, axis, 0)
    template = variable.isel(seed=0, drop=True)
    names = xr.Variable("statistic", _as_labels(list(STATISTICS)))
    return xr.concat(
        [template.copy(data=data) for data in exact_statistics(values)], names, coords="minimal"
    ).assign_coords(statistic=names)


def milestones(num_generations: int) -> Sequence[int]:
    """Generations to show: those of iterations 1, 2, 5, 10, 20, 50, ... and the last one."""
    steps = (first * 10**power for power in range(len(str(num_generations))) for first in (1, 2, 5))
    return [*(step - 1 for step in steps if step < num_generations), num_generations - 1]
