"""Whether memory suffices for the least that is computed at once, a seed of one experiment; nothing is compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from ..core.base import Task, Workflow
from ..core.checks import uses_rows
from ..core.pytree import Module
from .grid import Cell, paths_of, with_values
from .memory import state_bytes

# Up to so many rows or generations, and up to so much of anything else, a seed takes little: to look would take longer.
_FEW_ROWS, _FEW = 10**5, 1000
_MOST_TRIED = 4  # sizes
_DIGITS = (10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90)  # of sizes that are tried


class _Experiment(NamedTuple):
    """What decides how large a seed is."""

    task: Task
    workflow: Workflow
    num_samples: int
    num_generations: int

    def sizes(self) -> dict[str, int]:
        """Whole numbers by name, of fields the largest that has the name."""
        found = {"num_samples": self.num_samples, "num_generations": self.num_generations}
        for config in (self.task, self.workflow):
            for path, size in _whole_numbers(config).items():
                found[path[-1]] = max(size, found.get(path[-1], size))
        return found

    def with_size(self, name: str, size: int) -> _Experiment:
        """The same with another size wherever it is. Raises ValueError where that makes no sense."""
        if name in ("num_samples", "num_generations"):
            return self._replace(**{name: size})
        same = lambda config: [(path, size) for path, old in _whole_numbers(config).items() if path[-1] == name]
        parts = {part: with_values(getattr(self, part), same(getattr(self, part))) for part in ("task", "workflow")}
        return self._replace(**parts)

    def rows_held(self, rows: bool) -> int:
        """Rows in a pool and candidates, 0 where there are neither."""
        if self.task.exact_law is not None and not uses_rows(self.task, self.workflow, rows):
            return 0
        room = self.workflow.capacity(self.num_samples, self.num_generations + 1)
        return max(*jax.tree.leaves(room), self.workflow.num_candidates(self.num_samples))


def check_one_seed(
    cells: Sequence[Cell], num_generations: int, rows: bool, result_bytes: Callable[[int], int], free: int
) -> None:
    """Raise ValueError where a seed in one of some cells takes more than the bytes that are `free`.

    The error names a size that is to blame, and about the largest that fits. `result_bytes` are those of the results
    of so many generations.
    """

    def needed(experiment: _Experiment) -> int:
        task, workflow, num_samples, length = experiment
        sizes = dict(num_samples=num_samples, num_generations=length, rows=rows)
        return state_bytes(task, workflow, **sizes) + result_bytes(length)

    for experiment in _largest(cells, num_generations, rows):
        if (need := needed(experiment)) > free:
            raise ValueError(
                f"{_fix(experiment, needed, free)}: one seed needs {_gib(need)} of memory, and {_gib(free)} are free"
            )


def _largest(cells: Sequence[Cell], num_generations: int, rows: bool) -> list[_Experiment]:
    """Those with the largest of some size among experiments of their kind, if that is large at all."""
    found: dict[Any, tuple[int, _Experiment]] = {}
    for cell in cells:
        experiment = _Experiment(cell.task, cell.workflow, cell.num_samples, num_generations)
        for name, size in (experiment.sizes() | {"rows": experiment.rows_held(rows)}).items():
            few = _FEW_ROWS if name in ("num_samples", "num_generations", "rows") else _FEW
            kind = type(cell.task), type(cell.workflow), name
            if size > found.get(kind, (few, None))[0]:
                found[kind] = size, experiment
    return list({id(one): one for _, one in found.values()}.values())


def _fix(experiment: _Experiment, needed: Callable[[_Experiment], int], free: int) -> str:
    """The size that matters most, and about the largest that fits."""

    def bytes_with(name: str, size: int) -> float:
        try:
            return needed(experiment.with_size(name, size))
        except ValueError:
            return float("inf")

    sizes = experiment.sizes()
    largest = sorted((name for name in sizes if sizes[name] > 1), key=lambda name: -sizes[name])[:_MOST_TRIED]
    name = min(largest, key=lambda name: bytes_with(name, sizes[name] // 2))
    rounded = [digits * 10**power // 10 for power in range(10) for digits in _DIGITS]
    tried = [size for size in rounded if size < sizes[name]]
    low, high = 0, len(tried)  # those before `low` fit
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if bytes_with(name, tried[middle]) <= free else (low, middle)
    advice = f"use at most {tried[low - 1]}" if low else "use less, and less of the other sizes"
    return f"{name}={sizes[name]}, {advice}"


def _whole_numbers(config: Module) -> dict[tuple[str, ...], int]:
    """Those in the fields of a configuration, by their paths."""
    found = {}
    for path in paths_of(config):
        value = config
        for name in path:
            value = getattr(value, name)
        if type(value) is int:
            found[path] = value
    return found


def _gib(number: int) -> str:
    return f"{number / 2**30:,.1f} GiB"
