"""How much a loss has grown since the models that were fitted to real data, over the seeds."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from scipy.special import stdtrit


class LossGrowth(NamedTuple):
    """Mean growth of a loss over that of models fitted to real data alone, and its standard error, each (G,).

    A seed is compared with itself. Where the growth of some seed is infinite, or not a number, so is the mean.
    `sigmas` are the standard errors in half a 95 % interval, by Student's t.
    """

    mean: np.ndarray
    standard_error: np.ndarray
    sigmas: float

    @classmethod
    def of(cls, losses: np.ndarray, real: np.ndarray | None = None) -> Self:
        """The growth of the losses (S, G) of at least two seeds.

        `real` are losses (S, G) of models fitted to real data alone in every generation. Default: those of generation
        0, whose mean is the same.
        """
        losses = np.asarray(losses, np.float64)
        real = losses[:, :1] if real is None else np.asarray(real, np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            grown = losses - real
            mean, error = grown.mean(axis=0), grown.std(axis=0, ddof=1) / np.sqrt(len(grown))
        finite = np.isfinite(mean)
        return cls(np.where(finite, mean, np.inf), np.where(finite, error, 0.0), float(stdtrit(len(losses) - 1, 0.975)))

    @property
    def half_length(self) -> np.ndarray:
        """Of the 95 % interval of the mean, (G,)."""
        return self.sigmas * self.standard_error

    def at(self, side: int) -> np.ndarray:
        """The mean for a `side` of 0, (G,); for -1 and 1 the lower and the upper end of its 95 % interval."""
        return self.mean + side * self.half_length

    def most(self, side: int = 0) -> float:
        """The largest growth of all generations, or that end of its interval."""
        return float(np.max(self.at(side)))

    def generations(self, tolerance: float, side: int = 0) -> int | None:
        """The first generation in which the growth, or that end of its interval, is above a tolerance; or None."""
        above = self.at(side) > tolerance
        return int(np.argmax(above)) if above.any() else None
