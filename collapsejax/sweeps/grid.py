"""Grids of experiments: values of fields, workflows and numbers of samples, made into cells."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.arguments import check_count, check_different, check_list, nearest
from ..core.base import RealData, Task, Workflow
from ..core.checks import check_task, check_workflow
from ..core.describe import fields_of, is_array, name_of
from ..core.pytree import Module
from ..results.dataset import RESERVED
from ..workflows import find

MOST_CELLS = 10**5
_MOST_NAMED = 3  # workflows in a label
Over = Mapping[str, Sequence[Any]]
Index = tuple[int, ...]


class Cell(NamedTuple):
    """One experiment of a grid: its place along each dimension, and what is run there."""

    index: Index
    task: Task
    workflow: Workflow
    num_samples: int


class Experiments(NamedTuple):
    """Different experiments among cells, each by the first cell that has it, and where there that of each cell is."""

    cells: list[Cell]
    place: dict[Index, int]

    @classmethod
    def of(cls, cells: Sequence[Cell]) -> Experiments:
        """Those of some cells of a `Grid`."""
        different, place, known = [], {}, {}
        for cell in cells:
            experiment = (id(cell.task), id(cell.workflow), cell.num_samples)
            if experiment not in known:
                known[experiment] = len(different)
                different.append(cell)
            place[cell.index] = known[experiment]
        return cls(different, place)


class Grid(NamedTuple):
    """All experiments of a sweep.

    Attributes:
        dims: for each dimension its labels, in order.
        cells: all experiments, the last dimension fastest. Those that a dimension makes no difference to, as a setting
            of another workflow, have the same task and workflow objects.
        workflows: as given, each once.
        over: what was swept, as given.
        swept: for each name in `over` the dimension that it makes.
    """

    dims: dict[str, list]
    cells: list[Cell]
    workflows: list[Workflow]
    over: dict[str, list]
    swept: dict[str, str]

    def workflow_of(self, cell: Cell) -> str:
        """The label of a cell's workflow."""
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


def expand(
    task: Task,
    workflows: Sequence[Workflow | str] | Workflow | str,
    num_samples: int | None = None,
    over: Over | None = None,
) -> Grid:
    """The grid of every combination of what is swept.

    Args:
        task: what is fitted.
        workflows: workflows or their names.
        num_samples: rows of a batch, unless they are swept.
        over: by name the values of what is swept, each a dimension: a field of the task ("dim") or of what is in its
            fields ("noise" or "source.noise"), a setting of a workflow ("weighted.real_weight"), or "num_samples".

    Raises:
        ValueError: for a name that is nowhere or may be several things, two names of one thing, no values, a duplicate
            value, more than 10^5 cells, and values out of range.
    """
    check_task(task)
    workflows = [workflows] if isinstance(workflows, str) or not isinstance(workflows, Sequence) else list(workflows)
    if not workflows:
        raise ValueError("workflows=[]: give at least one workflow")
    workflows = [find(workflow) if isinstance(workflow, str) else workflow for workflow in workflows]
    for workflow in workflows:
        check_workflow(workflow)
    over = _checked(over)
    sizes = _sizes(num_samples, over)
    in_task, in_workflows = {}, {}
    for name in over:
        if name != "num_samples":
            path, of_task = _path(name, task, workflows)
            if of_task:
                _check_not_read(name, path, task)
            (in_task if of_task else in_workflows)[name] = path
    swept = {**in_task, **in_workflows}
    _check_apart(swept)
    dimension_of = {name: _dimension(path, swept.values()) for name, path in swept.items()}
    dims = {dimension: _labels(name, over[name]) for name, dimension in dimension_of.items()}
    dims["workflow"] = _labels("workflows", workflows)
    if "num_samples" in over:
        dims["num_samples"] = _labels("num_samples", sizes)
        dimension_of["num_samples"] = "num_samples"
    number = int(np.prod([len(labels) for labels in dims.values()], dtype=float))
    if number > MOST_CELLS:
        lengths = " x ".join(f"{len(labels)} {name}" for name, labels in dims.items())
        raise ValueError(f"{lengths}: {number} cells are more than {MOST_CELLS}; sweep over fewer values")
    tasks = [with_values(task, zip(in_task.values(), values, strict=True)) for values in _product(over, in_task)]
    lists = _with_settings(workflows, in_workflows, over)
    indices = itertools.product(*(range(len(labels)) for labels in dims.values()))
    experiments = ((a, b, size) for a in tasks for group in lists for b in group for size in sizes)
    cells = [Cell(index, *experiment) for index, experiment in zip(indices, experiments, strict=True)]
    return Grid(dims, cells, workflows, over, dimension_of)


def _sizes(num_samples: int | None, over: Over) -> list[int]:
    if "num_samples" in over:
        if num_samples is not None:
            raise ValueError(f"num_samples={num_samples}: is swept over as well; give one of the two")
        sizes = over["num_samples"]
    elif num_samples is None:
        raise ValueError("num_samples: is missing; give a number, or several with over={'num_samples': [10, 100]}")
    elif np.ndim(num_samples):
        raise ValueError(f"num_samples={num_samples!r}: is one number; give several with over={{'num_samples': [...]}}")
    else:
        sizes = [num_samples]
    for size in sizes:
        check_count("num_samples", size)
    return list(map(int, sizes))


def _checked(over: Any) -> dict[str, list]:
    if over is None:
        return {}
    if not isinstance(over, Mapping):
        raise ValueError(f"over={over!r}: want a dict of lists by name, such as {{'dim': [1, 3]}}")
    for name, values in over.items():
        if not isinstance(name, str):
            raise ValueError(f"over: {name!r} is no name; give the name of a field as a text")
        check_list(f"over: {name}", values)
    return {name: list(np.asarray(values) if is_array(values) else values) for name, values in over.items()}


def _path(name: str, task: Task, workflows: Sequence[Workflow]) -> tuple[tuple[str, ...], bool]:
    """Where a field is: its path in the task (True), or behind a workflow's name in that workflow (False)."""
    of_task = paths_of(task)
    of_workflows = [(workflow.name, *path) for workflow in workflows for path in paths_of(workflow)]
    wanted = tuple(name.split("."))
    if wanted in of_task:
        return wanted, True
    if (times := of_workflows.count(wanted)) > 1:
        raise ValueError(f"over: {name!r} is a setting of {times} of these workflows; give {wanted[0]!r} once")
    if times:
        return wanted, False
    if found := [path for path in of_task if path[-1:] == wanted]:
        if len(found) > 1:
            names = " or ".join(repr(".".join(path)) for path in found)
            raise ValueError(f"over: {name!r} may be {names}; write which")
        return found[0], True
    known = [".".join(path) for path in (*of_task, *of_workflows)]
    raise ValueError(
        f"over: {name!r} is no field of task {task.name!r} or of its source, and no setting of these workflows; "
        f"{nearest(name, known)}"
    )


def paths_of(config: Module) -> list[tuple[str, ...]]:
    """Paths of the fields of a configuration, and of configurations in its fields."""
    paths = []
    for name, value in fields_of(config):
        inner = paths_of(value) if isinstance(value, Module) else []
        paths += [(name,), *((name, *path) for path in inner)]
    return paths


def _check_not_read(name: str, path: tuple[str, ...], config: Module) -> None:
    for place, field in enumerate(path[:-1]):
        config = dict(fields_of(config))[field]
        if isinstance(config, RealData) and config.read_from_file:
            raise ValueError(
                f"over: {name!r} would change no row of {config!r}, which is read already; read it once for each value "
                f"and give these with over={{{'.'.join(path[: place + 1])!r}: [...]}}"
            )


def _check_apart(swept: Mapping[str, tuple[str, ...]]) -> None:
    names: dict[tuple[str, ...], str] = {}
    for name, path in swept.items():
        other = names.setdefault(path, name)
        if other != name:
            raise ValueError(f"over: {other!r} and {name!r} are the same field; give one of the two")


def _dimension(path: tuple[str, ...], paths: Any) -> str:
    """The name of the dimension that a swept field makes: the field's, with its path where others have that too."""
    name = path[-1] if [other[-1] for other in paths].count(path[-1]) == 1 else "_".join(path)
    if name in RESERVED:
        raise ValueError(f"over: {name!r} would make a dimension of this name, which results need; rename the field")
    return name


def _product(over: Over, names: Mapping[str, Any]) -> list[tuple]:
    return list(itertools.product(*(over[name] for name in names)))


def _with_settings(workflows: Sequence[Workflow], paths: Mapping[str, tuple[str, ...]], over: Over) -> list[list]:
    """For each combination of settings the workflows that have them; what they make no difference to is made once."""
    made: dict[tuple, Workflow] = {}
    lists = []
    for places in itertools.product(*(range(len(over[name])) for name in paths)):
        lists.append([])
        for number, workflow in enumerate(workflows):
            own = [(name, place) for name, place in zip(paths, places, strict=True) if paths[name][0] == workflow.name]
            if (number, *own) not in made:
                made[number, *own] = with_values(
                    workflow, [(paths[name][1:], over[name][place]) for name, place in own]
                )
            lists[-1].append(made[number, *own])
    return lists


def with_values(config: Any, changes: Any) -> Any:
    """`config` with values at paths: (path, value) pairs. It is made anew once, so that it checks them together."""
    inner: dict[str, list] = {}
    for path, value in changes:
        inner.setdefault(path[0], []).append((path[1:], value))
    known = dict(fields_of(config)) if dataclasses.is_dataclass(config) else {}
    if unknown := [name for name in inner if name not in known]:
        raise ValueError(f"over: {unknown[0]!r} is no field of {_text(config, True)}; sweep over the two apart")
    replaced = {}
    for name, group in inner.items():
        whole = [value for path, value in group if not path]
        base = whole[-1] if whole else known[name]
        replaced[name] = with_values(base, [(path, value) for path, value in group if path])
    return dataclasses.replace(config, **replaced) if replaced else config


def _labels(name: str, values: Sequence[Any]) -> list:
    """Numbers as they are, else texts."""
    if all(_is_number(value) for value in values):
        labels = [value.item() if isinstance(value, np.generic) else value for value in values]
    else:
        short = [_text(value, fields=False) for value in values]
        times = Counter(short)
        labels = [_text(value, times[text] > 1) for value, text in zip(values, short, strict=True)]
    check_different(name, labels)
    return labels


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _text(value: Any, fields: bool) -> str:
    if not dataclasses.is_dataclass(value):
        return str(value)
    settings = ", ".join(f"{field}={_text(inner, True)}" for field, inner in fields_of(value) if not is_array(inner))
    return f"{name_of(value)}({settings})" if fields and settings else name_of(value)
