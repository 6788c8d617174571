"""How much a loss has grown since the models that were fitted to real data, over the seeds."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

SIGMAS = 1.96  # standard errors in half a 95 % interval


class LossGrowth(NamedTuple):
    """Mean growth of a loss over that of models fitted to real data alone, and its standard error, each (G,).

    A seed is compared with itself. Where the growth of some seed is infinite, or not a number, so is the mean.
    """

    mean: np.ndarray
    standard_error: np.ndarray

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
        return cls(np.where(finite, mean, np.inf), np.where(finite, error, 0.0))

    def most(self, sigmas: float = 0.0) -> float:
        """The largest growth of all generations, so many standard errors added to each."""
        return float(np.max(self.mean + sigmas * self.standard_error))

    def generations(self, tolerance: float, sigmas: float = 0.0) -> int | None:
        """The first generation in which the growth, so many standard errors added, is above a tolerance; or None."""
        above = self.mean + sigmas * self.standard_error > tolerance
        return int(np.argmax(above)) if above.any() else None
