"""Workflows that mix real data with the latest synthetic batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from ..core.arguments import check_count, check_share
from ..core.base import Array, Dataset, Workflow
from ..core.pytree import static


class FreshData(Workflow):
    """Each model is fitted to the latest synthetic batch and new rows of real data: the fresh data loop.

    Args:
        num_fresh: new rows of real data in each generation.

    Raises ValueError for a num_fresh below 0.
    """

    num_fresh: int = static(default=10)

    name: ClassVar[str] = "fresh-data"

    def __post_init__(self) -> None:
        check_count("num_fresh", self.num_fresh, least=0)

    @property
    def own_sizes(self) -> bool:
        return self.num_fresh > 0

    def capacity(self, num_samples: int, num_generations: int) -> int:
        del num_generations
        return num_samples + self.num_fresh

    def init(self, pool: Dataset, real: Dataset) -> Dataset:
        return pool.append(real)

    def update(self, key: Array, state: Dataset, synthetic: Dataset, draw_real: Callable) -> Dataset:
        latest = state.clear().append(synthetic)
        return latest.append(draw_real(key, self.num_fresh)) if self.num_fresh else latest

    def select(self, key: Array, state: Dataset) -> Dataset:
        del key
        return state


class Augmented(NamedTuple):
    """The first real data, and the latest synthetic batch, empty in the beginning."""

    real: Dataset
    synthetic: Dataset


class Augment(Workflow):
    """Each model is fitted to the first real data and the latest synthetic batch: the synthetic augmentation loop."""

    name: ClassVar[str] = "augment"

    def capacity(self, num_samples: int, num_generations: int) -> int:
        del num_generations
        return num_samples

    def init(self, pool: Dataset, real: Dataset) -> Augmented:
        return Augmented(real, pool)

    def update(self, key: Array, state: Augmented, synthetic: Dataset, draw_real: Callable) -> Augmented:
        del key, draw_real
        return Augmented(state.real, synthetic)

    def select(self, key: Array, state: Augmented) -> Dataset:
        del key
        return state.real.join(state.synthetic)


class Mixed(NamedTuple):
    """New real data, the latest synthetic batch, and the weight of the real data: 1 while there is nothing else."""

    real: Dataset
    synthetic: Dataset
    real_weight: Any


class Weighted(Workflow):
    """Each model is fitted to as many new rows of real data as synthetic ones, real and synthetic rows being weighted.

    Args:
        real_weight: weight w of a real row; that of a synthetic one is 1 - w.

    Raises ValueError for a weight outside [0, 1].
    """

    real_weight: float = 0.5

    name: ClassVar[str] = "weighted"

    def check(self, num_samples: int) -> None:
        del num_samples
        check_share("real_weight", self.real_weight)

    def capacity(self, num_samples: int, num_generations: int) -> int:
        del num_generations
        return num_samples

    def init(self, pool: Dataset, real: Dataset) -> Mixed:
        return Mixed(real, pool, 1 + 0 * self.real_weight)

    def update(self, key: Array, state: Mixed, synthetic: Dataset, draw_real: Callable) -> Mixed:
        return Mixed(draw_real(key), synthetic, self.real_weight)

    def select(self, key: Array, state: Mixed) -> Dataset:
        del key
        return state.real.scale(state.real_weight).join(state.synthetic.scale(1 - state.real_weight))
