"""What an assessment finds: the courses of losses, what becomes of models, columns and categories."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from ..results.verdict import Diagnosis
from .categories import Categories
from .columns import Column
from .fresh_needed import FreshNeeded
from .loss_growth import LossGrowth
from .weighting import Weighting


def fresh_label(share: float, num_samples: int) -> str:
    """The name of the workflow with a share of fresh rows, and how many they are."""
    return f"fresh {share:g} ({round(share * num_samples)} of {num_samples})"


@dataclasses.dataclass(frozen=True)
class Course:
    """The held-out loss of one kind of model under one workflow.

    Attributes:
        workflow: what each model is fitted to, in words.
        fresh: share of new real rows in every training set after the first; None for a workflow of another kind.
        mean, low, high: of the loss over the seeds its mean and the middle 95 %, (G,).
        growth: mean growth over generation 0, (G,), with standard errors.
        reached: generation in which the growth exceeds the tolerance; None if in none. Then the same for the
            upper and the lower ends of the growth's 95 % intervals.
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
        reached = (growth.generations(tolerance, side) for side in (0, 1, -1))
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
        weightings: what weighting the fresh rows would bring, for each number of them; none where it is not known.
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


@dataclasses.dataclass(frozen=True, repr=False)
class Findings:
    """What was found of data: the base class of `Assessment`.

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
