"""The grid of experiments that results are of, made again from what they say of themselves."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ..theory.curves import has_curves
from .grid import Grid, Index, expand
from .rebuild import TASK, WORKFLOW, NotRebuilt, Recorded

OTHERWISE = "give the curves with exact_curves(task, workflows, num_samples=..., num_generations=...)"


class Remade(NamedTuple):
    """The grid that results are of, made again as far as that goes.

    Attributes:
        labels: of the whole grid, by dimension.
        grid: of what could be made again; None where no theory is for the task.
        kept: by dimension of that grid the places in `labels` of what could be made again.
    """

    labels: dict[str, list]
    grid: Grid | None
    kept: dict[str, list[int]]

    @classmethod
    def of(cls, data: xr.Dataset) -> Remade:
        """That of some results. Raises ValueError where nothing can be made again."""
        for name in ("task", "workflows", "over", "num_samples", "num_generations"):
            if name not in data.attrs:
                raise ValueError(f"data: does not say what made it ({name!r} is not in its attributes); {OTHERWISE}")
        described = {name: json.loads(data.attrs[name]) for name in ("task", "workflows", "over")}
        origin = json.loads(data.attrs.get("origin", "{}"))
        recorded = Recorded(origin.get("own_classes", {}), origin.get("arrays", {}))
        if not has_curves(described["task"]["name"]) and described["task"]["name"] not in recorded.own_classes:
            return cls(origin.get("labels", {}), None, {})
        task = _made(recorded, [described["task"]], TASK).only("the task")
        workflows = _made(recorded, described["workflows"], WORKFLOW)
        lost = {described["workflows"][place]["name"] for place in workflows.lost}
        lost -= {workflow.name for workflow in workflows.values}
        over = {
            name: _made(recorded, values, name.split(".")[-1])
            for name, values in described["over"].items()
            if "." not in name or name.split(".")[0] not in lost
        }
        missing = [part.lost for part in (workflows, *over.values()) if part.lost]
        if missing and ("labels" not in origin or not all(part.values for part in (workflows, *over.values()))):
            raise ValueError(f"data: {next(iter(missing[0].values()))}, so it cannot be made again; {OTHERWISE}")
        for reason in dict.fromkeys(reason for lost in missing for reason in lost.values()):
            warnings.warn(f"exact curves are NaN where {reason}; {OTHERWISE}", stacklevel=4)
        num_samples = None if "num_samples" in over else int(np.ravel(data.attrs["num_samples"])[0])
        grid = expand(task, workflows.values, num_samples, {name: part.values for name, part in over.items()})
        kept = {grid.swept[name]: part.kept for name, part in over.items()} | {"workflow": workflows.kept}
        return cls(origin.get("labels", grid.dims), grid, kept)

    def places(self, needed: Mapping[str, Sequence[int]]) -> dict[Index, tuple]:
        """For the cells that are needed, their places among the needed ones; along other dimensions everywhere."""
        if self.grid is None:
            return {}
        places = {}
        for cell in self.grid.cells:
            full = {name: self.kept[name][place] for name, place in zip(self.grid.dims, cell.index, strict=True)}
            where = [
                np.flatnonzero(np.equal(chosen, full[name])) if name in full else np.arange(len(chosen))
                for name, chosen in needed.items()
            ]
            if all(map(len, where)):
                places[cell.index] = np.ix_(*where)
        return places


class _Made(NamedTuple):
    """Values that were made again, their places among those described, and why the others could not be."""

    values: list
    kept: list[int]
    lost: dict[int, str]

    def only(self, what: str) -> Any:
        if self.lost:
            raise ValueError(f"data: {what} cannot be made again, since {self.lost[0]}; {OTHERWISE}")
        return self.values[0]


def _made(recorded: Recorded, descriptions: Iterable[Any], field: str) -> _Made:
    values, kept, lost = [], [], {}
    for place, description in enumerate(descriptions):
        try:
            values.append(recorded.made(description, field))
            kept.append(place)
        except NotRebuilt as reason:
            lost[place] = str(reason)
    return _Made(values, kept, lost)
