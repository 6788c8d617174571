"""One-parameter families of models: expected squared error of the fitted mean.

A family is known by the variance V0 of the true member and by the curvature v2 of its variance as a function of the
mean, V(mu) = V0 + v1 (mu - mu0) + v2 (mu - mu0)^2; these are the natural exponential families with quadratic variance
functions (Morris 1982, Annals of Statistics 10), and the fit is the mean of the training data. n rows are drawn per
generation, t = 1 ... G, t = 1 fitted to real data alone.

Derivations. The fitted mean is unbiased, so E V(mu_t) = V0 + v2 M_t with M_t the error. Under replace M grows by E
V(mu_t) / n, so E V grows by the factor 1 + v2 / n; accumulate moves the mean of a pool of n t rows by 1 / t of that,
and 1 / (n t^2) takes the place of 1 / n. Under accumulate-subsample let C_t be the pool's variance over N - 1, N = n t.
The fit's error is M + C f, f = 1/n - 1/N, and its variance F = V0 + v2 (M + C f); the next batch's mean misses the
pool's by D = F / n + C f in square; so M' = M + D / (t + 1)^2 and (N + n - 1) C' = (N - 1) C + (n - 1) F + N n / (N +
n) D.

Leading constants: for n large, in any regular family, n M_t / V0 tends to c_t = t under replace and to the sum of 1/k^2
under accumulate. Under accumulate-subsample the step of the pool's mean is 1 / (t + 1) of a difference of variance (2 -
1/t) V0 / n, and the subsample adds (1 - 1/t) V0 / n. With p parameters, the expected Kullback-Leibler divergence from
the truth is c_t p / (2 n).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Family(NamedTuple):
    """`variance` of the true member (V0), and `curvature` of the variance as a function of the mean (v2)."""

    variance: float
    curvature: float


def bernoulli(prob: float) -> Family:
    """Coin flips: V = mu (1 - mu)."""
    return Family(prob * (1 - prob), -1.0)


def poisson(rate: float) -> Family:
    """Counts: V = mu."""
    return Family(rate, 0.0)


def exponential(mean: float) -> Family:
    """Waiting times: V = mu^2."""
    return gamma(1.0, mean)


def gamma(shape: float, mean: float) -> Family:
    """The gamma law of known shape: V = mu^2 / shape."""
    return Family(mean**2 / shape, 1 / shape)


def replace_error(family: Family, num_samples: int, num_generations: int) -> np.ndarray:
    """V0 ((1 + v2 / n)^t - 1) / v2, and V0 t / n for v2 = 0, (G,)."""
    return _error(family, np.full(num_generations, 1 / num_samples))


def accumulate_error(family: Family, num_samples: int, num_generations: int) -> np.ndarray:
    """V0 (prod_{k <= t} (1 + v2 / (n k^2)) - 1) / v2, and V0 / n times the sum of 1 / k^2 for v2 = 0, (G,)."""
    return _error(family, 1 / (num_samples * np.arange(1.0, num_generations + 1) ** 2))


def accumulate_error_limit(family: Family, num_samples: int) -> float:
    """V0 / v2 times sinh(y) / y - 1 for v2 > 0, and sin(y) / y - 1 for v2 < 0, where y = pi sqrt(|v2| / n).

    V0 pi^2 / (6 n) for v2 = 0.
    """
    variance, curvature = family
    if curvature == 0:
        return variance * np.pi**2 / (6 * num_samples)
    y = np.pi * np.sqrt(abs(curvature) / num_samples)
    return float(variance / curvature * ((np.sinh(y) if curvature > 0 else np.sin(y)) / y - 1))


def subsample_error(family: Family, num_samples: int, num_generations: int) -> np.ndarray:
    """Of the model, fitted to n rows of the pool, (G,): the recursion of the module's docstring."""
    return _subsample(family, num_samples, num_generations)[0]


def subsample_pool_error(family: Family, num_samples: int, num_generations: int) -> np.ndarray:
    """Of the mean of the whole pool, (G,)."""
    return _subsample(family, num_samples, num_generations)[1]


def replace_leading_constant(num_generations: int) -> np.ndarray:
    """c_t = t, (G,): what n / V0 times the error tends to for large n."""
    return np.arange(1.0, num_generations + 1)


def accumulate_leading_constant(num_generations: int) -> np.ndarray:
    """c_t = sum_{k <= t} 1 / k^2, (G,), which tends to pi^2 / 6."""
    return np.cumsum(np.arange(1.0, num_generations + 1) ** -2)


def subsample_leading_constant(num_generations: int) -> np.ndarray:
    """c_t = 1 + sum_{k < t} (2 - 1/k) / (k + 1)^2 + 1 - 1/t, (G,), which tends to pi^2 / 2 - 2."""
    t = np.arange(1.0, num_generations + 1)
    steps = (2 - 1 / t) / (t + 1) ** 2
    return 1 + np.cumsum(np.concatenate([[0.0], steps[:-1]])) + 1 - 1 / t


def _error(family: Family, steps: np.ndarray) -> np.ndarray:
    """M_t where M grows by steps[t] times the expected variance."""
    variance, curvature = family
    grown = variance * np.concatenate([[1.0], np.cumprod(1 + curvature * steps)[:-1]])
    return np.cumsum(steps * grown)


def _subsample(family: Family, num_samples: int, num_generations: int) -> np.ndarray:
    """Errors of the fit and of the pool, (2, G)."""
    (variance, curvature), n = family, num_samples
    errors = np.empty((2, num_generations))
    pool_error, pool = variance / n, variance
    for t in range(1, num_generations + 1):
        total = n * t
        drawing = pool * (1 / n - 1 / total)
        errors[:, t - 1] = pool_error + drawing, pool_error
        fitted = variance + curvature * (pool_error + drawing)
        offset = fitted / n + drawing
        pool_error += offset / (t + 1) ** 2
        scatter = (total - 1) * pool + (n - 1) * fitted + total * n / (total + n) * offset
        pool = scatter / (total + n - 1)
    return errors
