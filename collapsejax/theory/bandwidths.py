"""Kernel density models: where their covariances go, per coordinate and in units of the true variance.

A sample is a training row plus noise of variance h^2, the squared bandwidth, or eta^2 times the training data's
unbiased variance. Curves of any workflow come from `recursion.follow` with `blur`; here are their limits and rates of
growth.

Derivations. Under replace the training variance obeys P' = (1 - 1/n) (P + h^2), a linear recursion, and the mean of a
batch drifts by the noise of all earlier ones: conservation of the second moment about the true mean gives error + P =
1 + (sum of the h^2 before). Where data accumulate, a pool of k + 1 batches takes the share 1 / (k + 1) of h^2, and
the sum is harmonic. With bandwidths proportional to the spread the same steps multiply: replace by (1 - 1/n) (1 +
eta^2 n / (n - 1)) = 1 - 1/n + eta^2 per generation, accumulate by 1 + eta^2 / (k + 1) up to summable terms.
"""

from __future__ import annotations

import numpy as np


def replace_spread_limit(num_samples: int, bandwidth: float) -> float:
    """(n - 1) h^2, of the training data; the model's covariance, h^2 more, tends to n h^2."""
    return (num_samples - 1) * bandwidth**2


def replace_error_asymptote(bandwidth: float, num_generations: int) -> np.ndarray:
    """h^2 t, (G,): leading order of the error of the mean under replace."""
    return bandwidth**2 * np.arange(1, num_generations + 1)


def accumulate_spread_asymptote(bandwidth: float, num_generations: int) -> np.ndarray:
    """h^2 log t, (G,): leading order of the spread of the pool under accumulate and accumulate-subsample.

    The n rows that a model is fitted to under accumulate-subsample have 1 - 1/n of it.
    """
    return bandwidth**2 * np.log(np.arange(1, num_generations + 1))


def replace_growth(num_samples: int, ratio: float) -> float:
    """1 - 1/n + eta^2, `ratio` being eta: the factor per generation of the spread under replace; below 1, collapse."""
    return 1 - 1 / num_samples + ratio**2


def accumulate_exponent(ratio: float) -> float:
    """eta^2, `ratio` being eta: the spread grows like t^(eta^2) under accumulate, and under accumulate-subsample."""
    return ratio**2
