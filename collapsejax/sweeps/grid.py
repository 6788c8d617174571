"""Grids of experiments: lists in a task's fields, workflows and numbers of samples, made into cells."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.arguments import check_count
from ..core.base import Task, Workflow
from ..core.describe import fields_of, is_array
from ..core.pytree import listed_fields
from ..results.dataset import RESERVED
from ..workflows import find

MOST_CELLS = 10**5
_MOST_NAMED = 3  # workflows in a label


class Cell(NamedTuple):
    """One experiment of a grid: its place along each dimension, and what is run there."""

    index: tuple[int, ...]
    task: Task
    workflow: Workflow
    num_samples: int


class Grid(NamedTuple):
    """`dims`: for each dimension its labels, in order; `cells`: all experiments, the last dimension fastest."""

    dims: dict[str, list]
    cells: list[Cell]
    workflows: list[Workflow]

    def workflow_of(self, cell: Cell) -> str:
        return self.dims["workflow"][cell.index[list(self.dims).index("workflow")]]

    def label(self, cells: Sequence[Cell]) -> str:
        """What cells have in common, as in "replace, dim=3 (5 cells)"."""
        common = {}
        for place, (name, labels) in enumerate(self.dims.items()):
            places = {cell.index[place] for cell in cells}
            if len(places) == 1 or name == "workflow":
                common[name] = [labels[number] for number in sorted(places)]
        workflows = common.pop("workflow")
        if len(workflows) > _MOST_NAMED:
            workflows = [f"{len(workflows)} workflows from {workflows[0]} to {workflows[-1]}"]
        parts = [*workflows, *(f"{name}={label}" for name, (label,) in common.items())]
        return ", ".join(parts) + (f" ({len(cells)} cells)" if len(cells) > 1 else "")


def expand(task: Task, workflows: Sequence[Workflow | str] | Workflow | str, num_samples: int | Sequence[int]) -> Grid:
    """The grid of every combination of `task`'s listed fields, `workflows` and `num_samples`.

    Args:
        task: a task whose fields, and those of its source, may hold lists: each makes a dimension of that name.
        workflows: workflows or their names.
        num_samples: a number, or a list of numbers, which makes a dimension.

    Raises:
        ValueError: for an empty list, a value that stands there twice, more than 10^5 cells, or values and names that
            make no sense.
    """
    workflows = [workflows] if isinstance(workflows, str) or not isinstance(workflows, Sequence) else list(workflows)
    workflows = [find(workflow) if isinstance(workflow, str) else workflow for workflow in workflows]
    for workflow in workflows:
        if listed := listed_fields(workflow):
            raise ValueError(f"workflow {workflow.name!r}: {'.'.join(listed[0])} holds a list; give a workflow each")
    paths = listed_fields(task)
    names = [path[-1] for path in paths]
    names = ["_".join(path) if names.count(path[-1]) > 1 else path[-1] for path in paths]
    for name in names:
        if name in RESERVED:
            raise ValueError(f"{name}: a list makes a dimension of this name, which results need; rename the field")
    values = {name: _at(task, path) for name, path in zip(names, paths, strict=True)}
    values["workflow"] = workflows
    if isinstance(num_samples, list | tuple | range | np.ndarray):
        values["num_samples"] = list(num_samples)
    dims = {name: _labels(name, listed) for name, listed in values.items()}
    number = int(np.prod([len(labels) for labels in dims.values()], dtype=float))
    if number > MOST_CELLS:
        lengths = " x ".join(f"{len(labels)} {name}" for name, labels in dims.items())
        raise ValueError(f"{lengths}: {number} cells are more than {MOST_CELLS}; shorten the lists")
    sizes = values.get("num_samples", [num_samples])
    for size in sizes:
        check_count("num_samples", size)
    tasks = [_with(task, paths, combination) for combination in itertools.product(*(values[name] for name in names))]
    indices = itertools.product(*(range(len(labels)) for labels in dims.values()))
    experiments = itertools.product(tasks, workflows, map(int, sizes))
    cells = [Cell(index, *experiment) for index, experiment in zip(indices, experiments, strict=True)]
    return Grid(dims, cells, workflows)


def _at(config: Any, path: Sequence[str]) -> Any:
    for name in path:
        config = getattr(config, name)
    return config


def _with(config: Any, paths: Sequence[tuple[str, ...]], values: Sequence[Any]) -> Any:
    """`config` with the values put at the paths; it is made anew once, so that it checks them together."""
    changes = {}
    for name, group in itertools.groupby(zip(paths, values, strict=True), lambda pair: pair[0][0]):
        inner = [(path[1:], value) for path, value in group]
        changes[name] = inner[0][1] if not inner[0][0] else _with(getattr(config, name), *zip(*inner, strict=True))
    return dataclasses.replace(config, **changes) if changes else config


def _labels(name: str, values: Sequence[Any]) -> list:
    """Numbers as they are, else texts."""
    if not values:
        raise ValueError(f"{name}=[]: an empty list makes no cell; give at least one value")
    if all(_is_number(value) for value in values):
        labels = [value.item() if hasattr(value, "item") else value for value in values]
    else:
        short = [_text(value, fields=False) for value in values]
        times = Counter(short)
        labels = [_text(value, times[text] > 1) for value, text in zip(values, short, strict=True)]
    (label, times), *_ = Counter(labels).most_common(1)
    if times > 1:
        raise ValueError(f"{name}: {label} stands there {times} times; give each of them once")
    return labels


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _text(value: Any, fields: bool) -> str:
    if not dataclasses.is_dataclass(value):
        return str(value)
    name = getattr(value, "name", type(value).__name__)
    settings = ", ".join(f"{field}={_text(inner, True)}" for field, inner in fields_of(value) if not is_array(inner))
    return f"{name}({settings})" if fields and settings else name
