"""Workflows: which data the next model is fitted to."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

from .base import Array, Dataset, Workflow, nearest, pytree
from .datasets import Rows


@pytree
class Replace:
    """Each model is fitted to the previous model's batch, and to nothing else."""

    name: ClassVar[str] = "replace"
    needs_rows: ClassVar[bool] = False

    def capacity(self, num_samples: int, num_generations: int) -> int:
        del num_generations
        return num_samples

    def init(self, pool: Dataset, real: Dataset) -> Dataset:
        del pool  # one batch needs no room beside itself
        return real

    def update(self, key: Array, state: Dataset, synthetic: Dataset, draw_real: Callable) -> Dataset:
        del key, state, draw_real
        return synthetic

    def select(self, key: Array, state: Dataset) -> Dataset:
        del key
        return state


@pytree
class Accumulate:
    """Each model is fitted to the real data and every batch so far."""

    name: ClassVar[str] = "accumulate"
    needs_rows: ClassVar[bool] = False

    def capacity(self, num_samples: int, num_generations: int) -> int:
        return num_samples * num_generations

    def init(self, pool: Dataset, real: Dataset) -> Dataset:
        return pool.append(real)

    def update(self, key: Array, state: Dataset, synthetic: Dataset, draw_real: Callable) -> Dataset:
        del key, draw_real
        return state.append(synthetic)

    def select(self, key: Array, state: Dataset) -> Dataset:
        del key
        return state


class Subsampled(NamedTuple):
    """A growing pool, and the latest batch: a fit sees as many rows of the pool as that has."""

    pool: Rows
    latest: Rows


@pytree
class AccumulateSubsample:
    """Everything is kept, and each model is fitted to as many rows as a batch has, drawn without replacement."""

    name: ClassVar[str] = "accumulate-subsample"
    needs_rows: ClassVar[bool] = True

    def capacity(self, num_samples: int, num_generations: int) -> int:
        return num_samples * num_generations

    def init(self, pool: Rows, real: Rows) -> Subsampled:
        return Subsampled(pool.append(real), real)

    def update(self, key: Array, state: Subsampled, synthetic: Rows, draw_real: Callable) -> Subsampled:
        del key, draw_real
        return Subsampled(state.pool.append(synthetic), synthetic)

    def select(self, key: Array, state: Subsampled) -> Rows:
        return state.pool.draw(key, state.latest.capacity)


# In the order of the published figures.
WORKFLOWS = {workflow.name: workflow for workflow in (Replace(), AccumulateSubsample(), Accumulate())}


def find(name: str) -> Workflow:
    """The workflow of that name with its defaults. Raises ValueError, naming the nearest, if there is none."""
    if name not in WORKFLOWS:
        raise ValueError(f"workflow {name!r}: there is none; {nearest(name, WORKFLOWS)}")
    return WORKFLOWS[name]
