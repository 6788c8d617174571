"""What it brings to weigh fresh rows more than synthetic ones."""

from __future__ import annotations

import dataclasses
from typing import Self

from ..theory import mixing


@dataclasses.dataclass(frozen=True)
class Weighting:
    """Fresh and synthetic rows in every training set, of equal or of best weights, in the long run.

    Of the squared error of a fitted mean, which is known exactly for models that have the mean and the covariance of
    their training data; other errors are not. Source: `theory.mixing`.

    Attributes:
        num_fresh, num_synthetic: rows in every training set.
        equal: the error with equal weights, in units of that of all rows being real.
        best: the same with the best weights.
        ratio: how many times as much as a synthetic row a fresh one weighs then.
    """

    num_fresh: int
    num_synthetic: int
    equal: float
    best: float
    ratio: float

    @classmethod
    def of(cls, num_fresh: int, num_synthetic: int) -> Self:
        """Of at least one row of each kind."""
        n, m = num_fresh, num_synthetic
        weight = mixing.optimal_weight(n, m)
        errors = [mixing.weighted_steady(w, n, m).error * (n + m) for w in (n / (n + m), weight)]
        ratio = weight / n / ((1 - weight) / m)
        return cls(n, m, *map(float, (*errors, ratio)))
