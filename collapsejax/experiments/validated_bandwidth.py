"""The bandwidth of a kernel density estimate that suits rows which it was not fitted to."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from ..sources import Table

_CANDIDATES = np.geomspace(1 / 16, 2, 21)  # in units of Scott's rule
_VALIDATION = 0.2  # of the rows to fit to
_MOST_VALIDATION = 500  # rows
_DRAWS = 10


def validated_bandwidth(rows: Table, num_samples: int) -> tuple[float, str]:
    """The bandwidth with the least loss on validation rows, and how it was found; no held-out row has a part in it.

    The validation rows are the first fifth of the rows to fit to, which are in random order. The loss is the mean over
    ten draws of `num_samples` of the others, with a Gaussian kernel.
    """
    known = np.asarray(rows.train, np.float64)
    number = max(1, round(_VALIDATION * len(known)))
    validation, others = known[:number][:_MOST_VALIDATION], known[number:]
    n = min(num_samples, len(others))
    spread = math.sqrt(known.var(axis=0).mean())
    candidates = spread * n ** (-1 / (rows.dim + 4)) * _CANDIDATES
    draws = np.random.default_rng(0)
    fits = [others[draws.permutation(len(others))[:n]] for _ in range(_DRAWS)]
    losses = np.mean([[density_loss(fit, validation, width) for width in candidates] for fit in fits], axis=0)
    place = int(np.argmin(losses))
    bandwidth = float(f"{candidates[place]:.3g}")
    about = f"bandwidth {bandwidth:g}, the best of {len(candidates)} on {len(validation)} validation rows"
    if place == 0:
        about += ", the smallest of them: rows may repeat, or be rounded"
    return bandwidth, about + (", the largest of them" if place == len(candidates) - 1 else "")


def density_loss(fit: np.ndarray, rows: np.ndarray, bandwidth: float) -> float:
    """Mean negative log-density (nats) of rows (m, d) under a Gaussian kernel density estimate of `fit` (n, d)."""
    exponents = -cdist(rows, fit, "sqeuclidean") / (2 * bandwidth**2)
    mass = math.log(len(fit)) + fit.shape[1] * math.log(bandwidth * math.sqrt(2 * math.pi))
    return float(mass - logsumexp(exponents, axis=1).mean())
