"""Whether memory suffices for the least that is computed at once; nothing is compiled to find that out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from ..core.describe import fields_of
from ..core.pytree import Module
from .experiment import Experiment
from .memory import state_bytes

# Up to these sizes, and up to so much of anything else, a call takes little: to look would take longer.
_LITTLE = {"num_samples": 10**5, "num_generations": 10**5, "rows": 10**5, "num_seeds": 10**4}
_LITTLE_ELSE = 1000
# Bytes at the peak of a call, by those that it carries from generation to generation. The compiler's account was 5.7
# to 9.0 times for summaries (d = 1000) and 2.4 to 5.3 times for rows: what fits must not be refused.
_PEAK_OF_SUMMARIES, _PEAK_OF_ROWS = 5, 2
_MOST_TRIED = 4  # sizes
_DIGITS = (10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90)  # of sizes that are tried


class Seeds(NamedTuple):
    """Seeds of one experiment that are computed at once."""

    experiment: Experiment
    num_seeds: int = 1

    def sizes(self) -> dict[str, int]:
        """Whole numbers by name, of fields the largest that has the name."""
        task, workflow, num_samples, num_generations = self.experiment[:4]
        found = dict(num_seeds=self.num_seeds, num_samples=int(np.max(num_samples)), num_generations=num_generations)
        for config in (task, workflow):
            for name, size in _whole_numbers(config):
                found[name] = max(size, found.get(name, size))
        return found

    def with_size(self, name: str, size: int) -> Seeds:
        """The same with another size wherever it is. Raises ValueError where that makes no sense."""
        if name == "num_seeds":
            return self._replace(num_seeds=size)
        if name in ("num_samples", "num_generations"):
            return self._replace(experiment=self.experiment._replace(**{name: size}))
        parts = {part: _with_number(getattr(self.experiment, part), name, size) for part in ("task", "workflow")}
        return self._replace(experiment=self.experiment._replace(**parts))

    @property
    def holds_rows(self) -> bool:
        """Whether rows are drawn, not a summary of them."""
        return self.experiment.rows or self.experiment.task.exact_law is None

    def rows_held(self) -> int:
        """Rows in pools and candidates, 0 where there are neither."""
        _, workflow, num_samples, num_generations = self.experiment[:4]
        if not self.holds_rows:
            return 0
        num_samples = int(np.max(num_samples))
        room = workflow.capacity(num_samples, num_generations + 1)
        return self.num_seeds * max(*jax.tree.leaves(room), workflow.num_candidates(num_samples))

    def peak_bytes(self) -> int:
        """Bytes that the seeds take at the least, without their results."""
        task, workflow, num_samples, num_generations, rows, _ = self.experiment
        sizes = dict(num_samples=num_samples, num_generations=num_generations, rows=rows)
        peak = _PEAK_OF_ROWS if self.holds_rows else _PEAK_OF_SUMMARIES
        return peak * self.num_seeds * state_bytes(task, workflow, **sizes)


def check_memory(calls: Sequence[Seeds], result_bytes: Callable[[int], int], free: int) -> None:
    """Raise ValueError where one of some calls takes more than the bytes that are `free`.

    The error names a size that is to blame, and about the largest that fits. `result_bytes` are those of the results of
    one seed of so many generations.
    """

    def needed(seeds: Seeds) -> int:
        return seeds.peak_bytes() + seeds.num_seeds * result_bytes(seeds.experiment.num_generations)

    for seeds in _largest(calls):
        if (need := needed(seeds)) > free:
            who = "one seed needs" if seeds.num_seeds == 1 else f"{seeds.num_seeds} seeds need"
            raise ValueError(f"{_fix(seeds, needed, free)}: {who} {_gib(need)} of memory, and {_gib(free)} are free")


def _largest(calls: Sequence[Seeds]) -> list[Seeds]:
    """Those with the largest of some size among calls of their kind, if that is large at all."""
    found: dict[Any, tuple[int, Seeds]] = {}
    for seeds in calls:
        for name, size in (seeds.sizes() | {"rows": seeds.rows_held()}).items():
            kind = type(seeds.experiment.task), type(seeds.experiment.workflow), name
            if size > found.get(kind, (_LITTLE.get(name, _LITTLE_ELSE), None))[0]:
                found[kind] = size, seeds
    return list({id(seeds): seeds for _, seeds in found.values()}.values())


def _fix(seeds: Seeds, needed: Callable[[Seeds], int], free: int) -> str:
    """The size that matters most, and about the largest that fits."""

    def bytes_with(name: str, size: int) -> float:
        try:
            return needed(seeds.with_size(name, size))
        except ValueError:
            return float("inf")

    sizes = seeds.sizes()
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


def _whole_numbers(config: Module) -> list[tuple[str, int]]:
    """Those in the fields of a configuration and of configurations in it, by the names of the fields."""
    found = []
    for name, value in fields_of(config):
        if isinstance(value, Module):
            found += _whole_numbers(value)
        elif type(value) is int:
            found.append((name, value))
    return found


def _with_number(config: Module, name: str, number: int) -> Module:
    """A configuration with a whole number in each field of a name that has one."""
    changed = {}
    for field, value in fields_of(config):
        if isinstance(value, Module):
            changed[field] = _with_number(value, name, number)
        elif field == name and type(value) is int:
            changed[field] = number
    return dataclasses.replace(config, **changed) if changed else config


def _gib(number: int) -> str:
    return f"{number / 2**30:,.1f} GiB"
