"""Exact curves of a whole grid of experiments, labelled as their results are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from .. import theory
from ..core.base import Task, Workflow
from .grid import Experiments, Over, expand


def exact_curves(
    task: Task,
    workflows: Sequence[Workflow | str],
    *,
    num_samples: int | None = None,
    over: Over | None = None,
    num_generations: int,
) -> xr.Dataset:
    """`theory.curve` for every cell of a grid: dimensions as in the results of `sweep`, but for the seeds.

    A metric that is known in some cells is NaN in the others; one that is known nowhere is absent. Arguments and errors
    as of `sweep`.
    """
    grid = expand(task, workflows, num_samples, over)
    shape = (*map(len, grid.dims.values()), num_generations)
    experiments = Experiments.of(grid.cells)
    curves_of = [
        theory.curve(cell.task, cell.workflow, num_samples=cell.num_samples, num_generations=num_generations)
        for cell in experiments.cells
    ]
    metrics: dict[str, np.ndarray] = {}
    for index, place in experiments.place.items():
        for name, curve in curves_of[place].items():
            metrics.setdefault(name, np.full(shape, np.nan))[index] = curve
    iterations = ("generation", np.arange(num_generations) + 1)
    coords = {**grid.dims, "generation": np.arange(num_generations), "iteration": iterations}
    return xr.Dataset({name: ((*grid.dims, "generation"), curves) for name, curves in metrics.items()}, coords)
