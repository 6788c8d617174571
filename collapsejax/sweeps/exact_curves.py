"""Exact curves of a whole grid of experiments, labelled as their results are."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from .. import theory
from ..core.base import Task, Workflow
from .grid import Cell, Experiments, Index, Over, expand
from .remade import OTHERWISE, Remade


def exact_curves(
    task: Task | xr.Dataset,
    workflows: Sequence[Workflow | str] | None = None,
    *,
    num_samples: int | None = None,
    over: Over | None = None,
    num_generations: int | None = None,
) -> xr.Dataset:
    """`theory.curve` for every cell of a grid: dimensions as in the results of `sweep`, but for the seeds.

    A metric that is known in some cells is NaN in the others; one that is known nowhere is absent.

    Args:
        task: what is fitted; or results, as from `sweep` or `open`, which say of themselves what made them: nothing
            else is given then. Of results of which a part was selected the curves of that part are computed.
        workflows: as in `sweep`, like the others.
        num_samples: rows of a batch, unless they are swept.
        over: what is swept.
        num_generations: models fitted (G).

    Raises:
        ValueError: as `sweep`. For results whose task or workflows cannot be made again: they are of classes of one's
            own, have long arrays, or a table that has changed on disk. Where that is so in some cells alone, these are
            NaN, and a warning says why.
    """
    if isinstance(task, xr.Dataset):
        given = dict(workflows=workflows, num_samples=num_samples, over=over, num_generations=num_generations)
        if named := [name for name, value in given.items() if value is not None]:
            raise ValueError(f"{named[0]}: the results that are given say it themselves; leave it out")
        return _of_results(task)
    for name, value in dict(workflows=workflows, num_generations=num_generations).items():
        if value is None:
            raise ValueError(f"{name}: is missing; give it, or results of `sweep` alone")
    grid = expand(task, workflows, num_samples, over)
    places = {cell.index: cell.index for cell in grid.cells}
    return _labelled(_curves(grid.cells, num_generations), places, grid.dims, num_generations)


Curves = dict[Index, dict[str, np.ndarray]]


def _curves(cells: Sequence[Cell], num_generations: int) -> Curves:
    """The curves of each cell; those of one experiment are computed once."""
    experiments = Experiments.of(cells)
    curves_of = [
        theory.curve(cell.task, cell.workflow, num_samples=cell.num_samples, num_generations=num_generations)
        for cell in experiments.cells
    ]
    return {index: curves_of[place] for index, place in experiments.place.items()}


def _labelled(
    curves: Curves, places: Mapping[Index, tuple], dims: Mapping[str, Sequence], num_generations: int
) -> xr.Dataset:
    """Curves as a dataset with these dimensions, where `places` tells the place of each cell; elsewhere NaN."""
    shape = (*map(len, dims.values()), num_generations)
    metrics: dict[str, np.ndarray] = {}
    for index, place in places.items():
        for name, curve in curves[index].items():
            metrics.setdefault(name, np.full(shape, np.nan))[place] = curve
    iterations = ("generation", np.arange(num_generations) + 1)
    coords = {**dims, "generation": np.arange(num_generations), "iteration": iterations}
    return xr.Dataset({name: ((*dims, "generation"), curves) for name, curves in metrics.items()}, coords)


def _of_results(data: xr.Dataset) -> xr.Dataset:
    made = Remade.of(data)
    needed = {name: _needed(data, name, labels) for name, labels in made.labels.items()}
    generations = np.atleast_1d(data.generation.values) if "generation" in data.coords else None
    num_generations = int(data.attrs["num_generations"] if generations is None else generations.max() + 1)
    places = made.places(needed)
    cells = [cell for cell in made.grid.cells if cell.index in places] if made.grid else []
    with warnings.catch_warnings(action="ignore"):  # what tasks warn of they did when they were simulated
        curves = _curves(cells, num_generations)
    dims = {name: [made.labels[name][place] for place in chosen] for name, chosen in needed.items()}
    known = _labelled(curves, places, dims, num_generations)
    chosen = {name: 0 for name in dims if name not in data.dims}
    if generations is not None:
        known = known.isel(generation=generations if "generation" in data.dims else int(generations[0]))
    return known.isel(chosen).transpose(*(name for name in data.dims if name in known.dims), ...)


def _needed(data: xr.Dataset, name: str, labels: Sequence[Any]) -> list[int]:
    """The places of the labels that results have along a dimension that was swept."""
    if name not in data.coords:
        if len(labels) == 1:
            return [0]
        raise ValueError(f"{name}: is no longer in the results; select from it without drop=True")
    there = np.atleast_1d(data[name].values).tolist()
    for label in there:
        if label not in labels:
            raise ValueError(f"{name}={label!r}: is none of the values that the results were made with; {OTHERWISE}")
    return [labels.index(label) for label in there]
