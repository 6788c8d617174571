"""What a study is made of: the base class `Study`, the kinds of its parts, and the results that a part gives."""

from __future__ import annotations

import abc
import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import xarray as xr

from ..core.base import Task, Workflow
from ..tasks import Categorical
from ..workflows import PUBLISHED
from .findings import Finding

if TYPE_CHECKING:
    from ..plots.style import Figure

COLLAPSE_OR_THRIVE = 'Kazdan et al. 2024, "Collapse or Thrive?", arXiv 2410.16713'
AS_PUBLISHED = "as published; of its protocol nothing is known to be wrong"

# The paper's numbers of samples, and those of coarse grids.
SAMPLES = (10, 32, 100, 316, 1000)
FEW_SAMPLES = (10, 32, 100, 316)


@dataclasses.dataclass(frozen=True)
class Sweep:
    """A grid for `collapsejax.sweep`, and for `collapsejax.exact_curves`.

    Args:
        task: what is fitted.
        over: by the name of a dimension its values, "num_samples" always among them.
        num_generations: models fitted (G).
        workflows: workflows or their names, a dimension in this order.
    """

    task: Task
    over: Mapping[str, Sequence[Any]]
    num_generations: int
    workflows: Sequence[Workflow | str] = PUBLISHED


@dataclasses.dataclass(frozen=True)
class CollapseTime:
    """For `collapsejax.until_collapse`: times until one of `num_outcomes` is left, for each of `num_samples`."""

    num_outcomes: int
    num_samples: Sequence[int]

    @property
    def task(self) -> Categorical:
        """The uniform distribution that the first real rows are drawn from."""
        return Categorical(self.num_outcomes)


@dataclasses.dataclass(frozen=True)
class ValueGrid:
    """A grid for `collapsejax.synthetic_value`, whose arguments these are."""

    task: Task
    num_real: Sequence[int]
    num_synthetic: Sequence[int]
    generator: str
    teacher_rows: int
    tune: Mapping[str, Sequence[float]] | None = None


Part = Sweep | CollapseTime | ValueGrid


class PartResult(NamedTuple):
    """A part, what was simulated of it, and what is known exactly.

    `dataset`: of a `Sweep` as `sweep` returns it, of a `ValueGrid` as `synthetic_value` does, and of a `CollapseTime`
    the variables collapse_time and censored (num_samples, seed), and exact (num_samples), NaN where that takes too
    long. `exact`: of a `Sweep` as `exact_curves` returns it, of other parts empty.
    """

    part: Part
    dataset: xr.Dataset
    exact: xr.Dataset


Results = Mapping[str, PartResult]


class Cost(NamedTuple):
    """`seconds`: about how long all parts take, on two cores and with nothing compiled before."""

    num_seeds: int
    seconds: float


@dataclasses.dataclass(frozen=True)
class Study(abc.ABC):
    """A published study: what is swept, its figures, and its finding. A new one is a subclass and a catalogue entry.

    A subclass sets these class variables; without one of them it cannot be defined:

    - `name`: what it is called on the command line and in the names of folders.
    - `title`: what it is about, for the index.
    - `citation`: the paper.
    - `claim`: what the paper found, which the finding's verdict is about.
    - `full_cost`, `quick_cost`: seeds and seconds of the two grids.

    `takes_long` is True for a study that is run by name only.

    Args:
        quick: coarse grids and few seeds.
        published: with the known errors of the published protocol.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    citation: ClassVar[str]
    claim: ClassVar[str]
    full_cost: ClassVar[Cost]
    quick_cost: ClassVar[Cost]
    takes_long: ClassVar[bool] = False

    quick: bool = False
    published: bool = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        wanted = inspect.get_annotations(Study)
        missing = [name for name, kind in wanted.items() if kind.startswith("ClassVar") and name not in dir(cls)]
        if missing:
            raise TypeError(f"{cls.__name__}: a study needs the class variables {', '.join(missing)}; add them")

    @property
    def num_seeds(self) -> int:
        """Seeds of every part (S)."""
        return self._cost.num_seeds

    @property
    def seconds(self) -> float:
        """About how long all parts take."""
        return self._cost.seconds

    @property
    def _cost(self) -> Cost:
        return self.quick_cost if self.quick else self.full_cost

    @property
    @abc.abstractmethod
    def form(self) -> str:
        """In which form of the published protocol this is run: as published, or corrected and how."""

    @property
    @abc.abstractmethod
    def parts(self) -> Mapping[str, Part]:
        """What is simulated, by names that files can have: each part has a store."""

    @abc.abstractmethod
    def figures(self, results: Results) -> Mapping[str, Figure]:
        """The figures of the results of all parts, by names that files can have."""

    @abc.abstractmethod
    def finding(self, results: Results) -> Finding:
        """What the results of all parts say of the claim; the docstring states the rule of the verdict."""
