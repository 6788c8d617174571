"""Results as labelled arrays: metrics of many seeds with their names and units, and what they say in summary."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from .metrics import METRICS, metric_labels
from .statistics import STATISTICS, exact_statistics

# Names that results and their stores need for themselves.
RESERVED = ("workflow", "num_samples", "seed", "statistic", "generation", "iteration", "shards", "records")
SPECIMENS, RUNNING = "specimens", "running"
RESERVED += (SPECIMENS, "specimen", "position", RUNNING)


def in_order(names: Iterable[str]) -> list[str]:
    """Names of metrics as they are shown: those of `METRICS` first, and specimens, which are none, last."""
    known = list(METRICS)
    place = lambda name: known.index(name) if name in known else len(known)
    return sorted(names, key=lambda name: (name == SPECIMENS, place(name)))


def metrics_in(dataset: xr.Dataset) -> list[str]:
    """Names of the metrics in results, as they are shown."""
    return [name for name in in_order(map(str, dataset.data_vars)) if name != SPECIMENS]


def coordinates(
    dims: Mapping[str, Sequence[Any]],
    num_samples: int | Sequence[int],
    *,
    num_seeds: int,
    num_generations: int,
    summary: bool,
) -> dict[str, xr.Variable]:
    """Coordinates of results with dimensions (`dims`, seed or statistic, generation).

    Args:
        dims: labels of the cells along each dimension.
        num_samples: rows a generation (n), a scalar coordinate unless it is one of `dims`.
        num_seeds: seeds (S).
        num_generations: models fitted (G).
        summary: whether there is a dimension "statistic" in place of "seed".
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
    # Texts in a dtype that zarr stores as it is, unlike NumPy's fixed-length strings.
    return np.array(labels, dtype=np.dtypes.StringDType() if isinstance(labels[0], str) else None)


def to_dataset(
    metrics: Mapping[str, np.ndarray],
    dims: Mapping[str, Sequence[Any]],
    num_samples: int | Sequence[int],
    attributes: Mapping[str, Any],
    *,
    summary: bool = False,
) -> xr.Dataset:
    """A dataset with one variable a metric, maybe one of specimens, and the coordinates of `coordinates`.

    Args:
        metrics: by name, arrays with the axes of `dims`, then seeds or statistics, then generations; specimens have
            two more axes.
        dims: labels of the cells along each dimension.
        num_samples: rows a generation (n).
        attributes: what made the numbers.
        summary: whether there are statistics in place of seeds.
    """
    names = in_order(metrics)
    *_, num_seeds, num_generations = metrics[names[0]].shape
    sizes = dict(num_seeds=num_seeds, num_generations=num_generations, summary=summary)
    axes = (*dims, "statistic" if summary else "seed", "generation")
    task = json.loads(attributes.get("task", "{}")).get("name")
    variables = {name: ((*axes, *inner_dimensions(name)), metrics[name], metric_labels(name, task)) for name in names}
    return xr.Dataset(variables, coordinates(dims, num_samples, **sizes), dict(attributes))


def inner_dimensions(name: str) -> tuple[str, ...]:
    """The dimensions of a variable behind "generation": each seed and generation has a number, or a few specimens."""
    return ("specimen", "position") if name == SPECIMENS else ()


def line_dimensions(dataset: xr.Dataset) -> list[str]:
    """The dimensions of the grid other than workflow."""
    others = ("workflow", "seed", "statistic", "generation", *inner_dimensions(SPECIMENS))
    return [str(name) for name in dataset.dims if name not in others]


def summarize(variable: xr.DataArray) -> xr.DataArray:
    """Statistics of a metric over its seeds: dimension `seed` becomes `statistic`, see `summaries.STATISTICS`.

    A metric that has statistics already is returned as it is. Without a finite value the mean is the infinite one;
    without two, the standard error is NaN.
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
    """Generations to show: those of iteration 1, 2, 5, 10, 20, 50, ... and the last."""
    steps = (first * 10**power for power in range(len(str(num_generations))) for first in (1, 2, 5))
    return [*(step - 1 for step in steps if step < num_generations), num_generations - 1]
