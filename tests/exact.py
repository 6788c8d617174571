"""Exact mean curves of the fitted covariance, in units of the true one, for the maximum-likelihood Gaussian (ddof=0).

Each follows from two facts: the scatter of n rows about their mean has expectation (n - 1) times the covariance they
were drawn from, and merging batches adds the scatter of their means.
"""

import numpy as np


def replace(n, generations):
    """(1 - 1/n)^t, t = 1 ... G."""
    return (1 - 1 / n) ** np.arange(1, generations + 1)


def accumulate(n, generations):
    """prod_{k <= t} (1 - 1 / (n k^2))."""
    return np.cumprod(1 - 1 / (n * np.arange(1, generations + 1) ** 2))


def accumulate_subsample(n, generations):
    """Expected covariance of n rows drawn without replacement from the pool of N = n t.

    The pool's covariance P loses the share delta_t = ((2n - 1) t - n) / (n (t + 1)^2 (n t - 1)) in step t, and a
    subsample's is (n - 1) N / (n (N - 1)) P.
    """
    t = np.arange(1, generations + 1)
    delta = ((2 * n - 1) * t - n) / (n * (t + 1) ** 2 * (n * t - 1))
    pool = (1 - 1 / n) * np.concatenate([[1], np.cumprod(1 - delta)[:-1]])
    rows = n * t
    return pool * (n - 1) * rows / (n * (rows - 1))


TRACE_RATIO = {"replace": replace, "accumulate": accumulate, "accumulate-subsample": accumulate_subsample}
