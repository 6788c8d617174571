"""Workflows without real data but the first batch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ClassVar, NamedTuple

from ..core.arguments import check_count
from ..core.base import Array, Dataset, Needs, Workflow
from ..core.pytree import static
from ..data.rows import Rows

_MOST_BATCHES = 200  # of a window, which a program holds apart: the time to compile it grows with their square


class Replace(Workflow):
    """Each model is fitted to the previous model's batch, and to nothing else."""

    name: ClassVar[str] = "replace"

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


class Accumulate(Workflow):
    """Each model is fitted to the real data and every batch so far."""

    name: ClassVar[str] = "accumulate"

    def capacity(self, num_samples: int, num_generations: int) -> int:
        return num_samples * num_generations

    def init(self, pool: Dataset, real: Dataset) -> Dataset:
        return pool.append(real)

    def update(self, key: Array, state: Dataset, synthetic: Dataset, draw_real: Callable) -> Dataset:
        del key, draw_real
        return state.grow(synthetic)

    def select(self, key: Array, state: Dataset) -> Dataset:
        del key
        return state


class Subsampled(NamedTuple):
    """A growing pool, and the latest batch: a fit sees as many rows of the pool as that has."""

    pool: Dataset
    latest: Dataset


class AccumulateSubsample(Workflow):
    """Everything is kept, and each model is fitted to as many rows as a batch has, drawn without replacement."""

    name: ClassVar[str] = "accumulate-subsample"
    needs: ClassVar[Needs] = Needs.DRAWS
    paddable: ClassVar[bool] = True

    def capacity(self, num_samples: int, num_generations: int) -> int:
        return num_samples * num_generations

    def init(self, pool: Dataset, real: Dataset) -> Subsampled:
        return Subsampled(pool.append(real), real)

    def update(self, key: Array, state: Subsampled, synthetic: Dataset, draw_real: Callable) -> Subsampled:
        del key, draw_real
        return Subsampled(state.pool.append(synthetic), synthetic)

    def select(self, key: Array, state: Subsampled) -> Dataset:
        if isinstance(state.latest, Rows):  # which may have room for more than are there
            return state.pool.draw(key, state.latest.count, state.latest.capacity)
        return state.pool.draw(key, state.latest.capacity)


class Window(Workflow):
    """Each model is fitted to the latest batches, the real data being the first of all.

    Args:
        num_batches: how many batches.

    Raises ValueError for a num_batches below 1 or above 200.
    """

    num_batches: int = static(default=3)

    name: ClassVar[str] = "window"

    def __post_init__(self) -> None:
        check_count("num_batches", self.num_batches, most=_MOST_BATCHES, why="each being compiled on its own")

    def capacity(self, num_samples: int, num_generations: int) -> int:
        del num_generations
        return num_samples

    def init(self, pool: Dataset, real: Dataset) -> tuple[Dataset, ...]:
        return (real, *[pool] * (self.num_batches - 1))

    def update(
        self, key: Array, state: tuple[Dataset, ...], synthetic: Dataset, draw_real: Callable
    ) -> tuple[Dataset, ...]:
        del key, draw_real
        return (synthetic, *state[:-1])

    def select(self, key: Array, state: tuple[Dataset, ...]) -> Dataset:
        del key
        return functools.reduce(lambda union, batch: union.join(batch), state)
