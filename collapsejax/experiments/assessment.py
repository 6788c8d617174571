"""The results of `assess`: numbers, as JSON, and what they say in plain words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..results.verdict import Diagnosis
from .categories import Categories
from .columns import Column
from .fresh_needed import FreshNeeded
from .loss_growth import SIGMAS, LossGrowth
from .weighting import Weighting

if TYPE_CHECKING:
    from ..pages.parts import Page


def fresh_label(share: float, num_samples: int) -> str:
    """The name of the workflow with a share of fresh rows, and how many they are."""
    return f"fresh {share:g} ({round(share * num_samples)} rows)"


@dataclasses.dataclass(frozen=True)
class Course:
    """The held-out loss of one kind of model under one workflow.

    Attributes:
        workflow: what each model is fitted to, in words.
        fresh: share of new real rows in every training set after the first; None for a workflow of another kind.
        mean, low, high: of the loss over the seeds its mean and the middle 95 %, (G,).
        growth: mean growth over generation 0, (G,), with standard errors.
        reached: generation in which the growth exceeds the tolerance; None if in none. Then the same for the growth
            plus and minus 1.96 standard errors: the ends of a 95 % interval.
    """

    workflow: str
    fresh: float | None
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    growth: LossGrowth
    reached: int | None
    reached_early: int | None
    reached_late: int | None

    @classmethod
    def of(cls, workflow: str, fresh: float | None, losses: np.ndarray, tolerance: float) -> Self:
        """From the losses (S, G) of the seeds."""
        losses = np.asarray(losses, np.float64)
        growth = LossGrowth.of(losses)
        low, high = np.quantile(losses, [0.025, 0.975], axis=0, method="nearest")
        reached = (growth.generations(tolerance, sigmas) for sigmas in (0.0, SIGMAS, -SIGMAS))
        return cls(workflow, fresh, losses.mean(axis=0), low, high, growth, *reached)


@dataclasses.dataclass(frozen=True)
class Family:
    """What becomes of one kind of model.

    Attributes:
        model: "Gaussian", "KDE" or "language model".
        about: what is to be known of it, such as its bandwidth.
        loss, units: the held-out loss and its units.
        courses: of the loss, replace first.
        needed: the least share of fresh rows; None where it was not searched.
        weightings: what weighting the fresh rows would bring, for each number of them.
        spread: name of the metric of spread, and by workflow its exact means, (G,).
        diagnoses: by workflow.
        columns: what becomes of each under replace, the one that changes most first.
        outlying: share of rows that lie far out under replace, as in `Column`; 0.05 of the real ones do.
        written: texts that models wrote under replace, by generation.
    """

    model: str
    about: str
    loss: str
    units: str
    courses: tuple[Course, ...]
    needed: FreshNeeded | None
    weightings: tuple[Weighting, ...]
    spread: tuple[str, Mapping[str, np.ndarray]]
    diagnoses: Mapping[str, Diagnosis]
    columns: tuple[Column, ...] = ()
    outlying: tuple[float, float, float] | None = None
    written: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    def course(self, workflow: str) -> Course:
        """That of a workflow."""
        return next(course for course in self.courses if course.workflow == workflow)


@dataclasses.dataclass(frozen=True)
class Assessment:
    """What would become of data under model collapse. `text` says it in plain words, `to_json` has every number.

    Attributes:
        source: what was read, in words, line by line.
        settings: what was run: sizes, tolerance, shares, seconds, versions.
        families: of models.
        categories: of each column of them, what becomes of it.
        left_out: columns that were not assessed, and why.
    """

    source: tuple[str, ...]
    settings: Mapping[str, Any]
    families: tuple[Family, ...]
    categories: tuple[Categories, ...] = ()
    left_out: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the file or folder."""
        return Path(self.settings["path"]).name

    def text(self) -> str:
        """What the numbers say, in plain words."""
        from .plain_words import text

        return text(self)

    def __str__(self) -> str:
        return self.text()

    def page(self, command: str) -> Page:
        """An HTML page of it, for `pages.html_of`; `command` repeats it."""
        from .assessment_page import assessment_page

        return assessment_page(self, command)

    def to_json(self) -> dict[str, Any]:
        """Every number, as lists and dictionaries; infinite ones and those that are not numbers are None."""
        from .plain_words import unknown

        return _plain(self) | {"unknown": unknown(self), "text": self.text()}


def _plain(value: Any) -> Any:
    if isinstance(value, FreshNeeded):
        return {name: _plain(getattr(value, name)) for name in (*_names(value), "num_fresh")} | {"words": repr(value)}
    if isinstance(value, Diagnosis):
        return {"title": value.title, "verdicts": [_plain(verdict._asdict()) for verdict in value]}
    if dataclasses.is_dataclass(value):
        return {name: _plain(getattr(value, name)) for name in _names(value)}
    if isinstance(value, LossGrowth):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, tuple | list | np.ndarray):
        return [_plain(one) for one in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def _names(value: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(value)]
