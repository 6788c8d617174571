r"""Closed forms for the loops that mix real data into every training set: moments, steady states, best weights.

Units and generations as everywhere in this package: t = 1 ... G, t = 1 fitted to real data alone; "spread" S is the
expected fitted variance in units of the true one, "error" M the expected squared error of the fitted mean in the same
units. `temperature` multiplies the covariance of what is sampled. Of n = n_r + n_s training rows, b = n_r / n are real
and a = n_s / n synthetic.

Derivations, with T for the temperature. Fresh data: the next training set has the mean error M', and S' is what its
rows are from the true mean in square less M', times n / (n - ddof):

$$M' = a^2 \left( M + \frac{T S}{n_s} \right) + \frac{b^2}{n_r}, \qquad
S' = \left( b + a (M + T S) - M' \right) \frac{n}{n - \text{ddof}}$$

In the steady state for ddof = 0 the error is (b + a T S) / (n (1 - a^2)), and eliminating it gives S. Augmentation: the
same about the mean of the fixed real rows and in units of their covariance, relative to which they have no error; that
mean has the error 1 / n_r, and that covariance is 1 - 1 / n_r in expectation. Weighted: the same as fresh data with
shares of weight w and 1 - w in place of b and a. For n real and m synthetic rows the steady error is f(w) / h(w),

$$f(w) = \frac{w^2}{n} + \frac{(1 - w)^2}{m}, \qquad h(w) = 1 - \left( 1 - \frac{1}{m} \right) (1 - w)^2$$

Where the derivative vanishes it is also f'(w) / h'(w), and the two say that the error is w / n and that

$$(m - 1) \frac{w^2}{n} + \left( 1 + \frac{1}{n} \right) w = 1$$

Published: the loops are the fresh data loop and the synthetic augmentation loop of Alemohammad et al. (2023),
"Self-Consuming Generative Models Go MAD", arXiv 2307.01850; the golden ratio as the best weight for many samples is in
He, Xu and Cheng (2025), "Golden Ratio Weighting Prevents Model Collapse".
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np


class Shares(NamedTuple):
    """What one generation of a loop with real data passes on, for any of the three loops.

    `synthetic`: share a of the weight that synthetic rows have. `noise`: a^2 / n_s, what the variance of what is
    sampled adds to the squared error of the mean. `real`: what the new real rows add to it. `weight`: that of all
    training rows, from which a ddof is subtracted.
    """

    synthetic: float
    noise: float
    real: float
    weight: float

    @classmethod
    def of(cls, synthetic: float, num_synthetic: int, num_real: int, weight: float, *, fixed: bool = False) -> Self:
        """Of shares a and 1 - a of so many rows; `fixed` real rows add nothing new after the first generation."""
        a = synthetic
        return cls(a, a**2 / num_synthetic, 0.0 if fixed else (1 - a) ** 2 / num_real, weight)

    def steady(self, temperature: float = 1.0, ddof: float = 0) -> SpreadError:
        r"""The steady state of the two recursions in the module's docstring, which are linear in (M, S).

        Infinite where the spectral radius of their matrix is 1 or more.
        """
        a, factor = self.synthetic, self.weight / (self.weight - ddof)
        error = np.array([a**2, self.noise * temperature])
        spread = factor * (np.array([a, a * temperature]) - error)
        step, start = np.stack([error, spread]), np.array([self.real, factor * (1 - a - self.real)])
        if np.abs(np.linalg.eigvals(step)).max() >= 1:
            return SpreadError(np.inf, np.inf)
        settled = np.linalg.solve(np.eye(2) - step, start)
        return SpreadError(float(settled[1]), float(settled[0]))

    def steady_error(self, curvature: float, temperature: float = 1.0) -> float:
        """The steady error where models have the variance 1 + `curvature` M: (real + noise T) / (1 - a^2 - noise T v2).

        It solves M = a^2 M + real + noise T (1 + v2 M); infinite without a solution above 0.
        """
        left = 1 - self.synthetic**2 - self.noise * temperature * curvature
        return (self.real + self.noise * temperature) / left if left > 0 else np.inf


class SpreadError(NamedTuple):
    """Expected fitted variance and squared error of the fitted mean: curves (G,), or numbers in a steady state."""

    spread: np.ndarray | float
    error: np.ndarray | float


def fresh_data(
    num_real: int,
    num_synthetic: int,
    num_generations: int,
    *,
    temperature: float = 1.0,
    ddof: float = 0,
    num_first: int | None = None,
) -> SpreadError:
    """The fresh data loop, each (G,): n_r new real rows and n_s synthetic ones in every generation after the first.

    The first model is fitted to `num_first` real rows, as many as `num_synthetic` unless given.
    """
    n = num_real + num_synthetic
    first = num_synthetic if num_first is None else num_first
    start = (1 - 1 / first) * first / (first - ddof), 1 / first
    return _iterate(num_real / n, num_real / n**2, n, temperature, ddof, start, num_generations)


def fresh_data_steady(num_real: int, num_synthetic: int, temperature: float = 1.0) -> SpreadError:
    r"""The steady state of `fresh_data` with ddof = 0, for the temperature T.

    $$S = \frac{b k}{1 - a T k}, \qquad M = \frac{1}{n (1 + a) (1 - a T k)}, \qquad k = 1 - \frac{1}{n (1 + a)}$$

    Both are infinite where a T k >= 1. For T = 1, M is 1 / (n_r (1 + a) + a) and S = 1 - M: synthetic rows are worth at
    most as much as another n_r real ones.
    """
    n = num_real + num_synthetic
    a, b = num_synthetic / n, num_real / n
    shrink = 1 - 1 / (n * (1 + a))
    gap = 1 - a * temperature * shrink
    return SpreadError(b * shrink / gap, 1 / (n * (1 + a) * gap)) if gap > 0 else SpreadError(np.inf, np.inf)


def effective_sample_size(num_real: int, num_synthetic: int, temperature: float = 1.0) -> float:
    """Number of real rows whose mean alone would have the steady error of `fresh_data`: 1 / M.

    For temperature 1 it is n_r (1 + a) + a. It describes the mean only: a lower temperature raises it further, at the
    cost of a biased covariance.
    """
    return 1 / fresh_data_steady(num_real, num_synthetic, temperature).error


def augment(
    num_real: int, num_synthetic: int, num_generations: int, *, temperature: float = 1.0, ddof: float = 0
) -> SpreadError:
    """The synthetic augmentation loop, each (G,): the first n_r real rows forever and the latest n_s synthetic ones."""
    n = num_real + num_synthetic
    start = num_real / (num_real - ddof), 0.0
    relative = _iterate(num_real / n, 0.0, n, temperature, ddof, start, num_generations)
    return _about_real(relative, num_real)


def augment_steady(num_real: int, num_synthetic: int, temperature: float = 1.0) -> SpreadError:
    r"""The steady state of `augment` with ddof = 0, with k as in `fresh_data_steady`.

    $$S = \left( 1 - \frac{1}{n_r} \right) \frac{b}{1 - a T k}, \qquad
    M = \frac{1}{n_r} + \left( 1 - \frac{1}{n_r} \right) \frac{a T}{n (1 + a) (1 - a T k)}$$

    Both are infinite where a T k >= 1. For T = 1 and many real rows M is (1 + a / (1 + a)) / n_r: bounded, and always
    worse than without synthetic data.
    """
    n = num_real + num_synthetic
    a, b = num_synthetic / n, num_real / n
    gap = 1 - a * temperature * (1 - 1 / (n * (1 + a)))
    if gap <= 0:
        return SpreadError(np.inf, np.inf)
    return _about_real(SpreadError(b / gap, a * temperature / (n * (1 + a) * gap)), num_real)


def weighted(real_weight: float, num_real: int, num_synthetic: int, num_generations: int) -> SpreadError:
    r"""Spread and error for n new real rows of total weight w and m synthetic ones of 1 - w, each (G,), for ddof = 0.

    $$M' = \frac{w^2}{n} + (1 - w)^2 \left( \left( 1 - \frac{1}{m} \right) M + \frac{1}{m} \right), \qquad S = 1 - M$$

    The first model is fitted to n real rows. Where n = m the weights of single rows have the same proportion.
    """
    w, n, m = real_weight, num_real, num_synthetic
    constant, factor = w**2 / n + (1 - w) ** 2 / m, (1 - w) ** 2 * (1 - 1 / m)
    error = _affine(1 / n, constant, factor, num_generations)
    return SpreadError(1 - error, error)


def weighted_steady(real_weight: float, num_real: int, num_synthetic: int) -> SpreadError:
    r"""The steady state of `weighted`.

    $$M = \frac{w^2 / n + (1 - w)^2 / m}{1 - (1 - 1/m) (1 - w)^2}, \qquad S = 1 - M$$

    w = n / (n + m) is the fresh data loop at temperature 1. w = 0 is replace, where M = 1.
    """
    w, n, m = real_weight, num_real, num_synthetic
    error = (w**2 / n + (1 - w) ** 2 / m) / (1 - (1 - 1 / m) * (1 - w) ** 2)
    return SpreadError(1 - error, error)


def weighted_known_covariance(
    real_weight: float, num_real: int, num_synthetic: int, num_generations: int
) -> np.ndarray:
    r"""Error where only the mean is fitted, and samples have the true covariance, (G,).

    $$V' = \frac{w^2}{n} + (1 - w)^2 \left( V + \frac{1}{m} \right)$$

    V = 1/n in the first generation.
    """
    w, n, m = real_weight, num_real, num_synthetic
    return _affine(1 / n, w**2 / n + (1 - w) ** 2 / m, (1 - w) ** 2, num_generations)


def weighted_known_covariance_steady(real_weight: float, num_real: int, num_synthetic: int) -> float:
    r"""The steady state of `weighted_known_covariance`, infinite for w = 0.

    $$\frac{w^2 / n + (1 - w)^2 / m}{w (2 - w)}$$
    """
    w, n, m = real_weight, num_real, num_synthetic
    return (w**2 / n + (1 - w) ** 2 / m) / (w * (2 - w)) if w else np.inf


def optimal_weight_known_covariance(num_real: int, num_synthetic: int) -> float:
    r"""The w with the least steady error of `weighted_known_covariance`, which is then w / n.

    It is the root of k w^2 + w = 1, k = m/n. Equal numbers give the reciprocal of the golden ratio. Weights that vary
    with the generation do no better in the end: the Kalman filter has the same fixed point,

    $$V' = \frac{1}{n + 1 / (V + 1/m)}$$
    """
    ratio = num_synthetic / num_real
    return 2 / (np.sqrt(1 + 4 * ratio) + 1)


def optimal_weight(num_real: int, num_synthetic: int) -> float:
    r"""The w with the least steady error of `weighted`, which is then w / n.

    It is the root of

    $$\frac{m - 1}{n} w^2 + \left( 1 + \frac{1}{n} \right) w = 1$$
    """
    square, linear = (num_synthetic - 1) / num_real, 1 + 1 / num_real
    return 2 / (linear + np.sqrt(linear**2 + 4 * square))


def _iterate(real_share, real_error, n, temperature, ddof, start, num_generations):
    """The recursion of the module's docstring from (S, M) = start; `real_error` is what real rows add to M."""
    a, b = 1 - real_share, real_share
    spread, error = np.empty((2, num_generations))
    spread[0], error[0] = start
    for t in range(1, num_generations):
        sampled = temperature * spread[t - 1]
        error[t] = a**2 * error[t - 1] + a * sampled / n + real_error
        spread[t] = (b + a * (error[t - 1] + sampled) - error[t]) * n / (n - ddof)
    return SpreadError(spread, error)


def _about_real(relative, num_real):
    """From moments about the mean of n_r real rows, in units of their covariance, to those about the truth."""
    left = 1 - 1 / num_real
    return SpreadError(left * relative.spread, 1 / num_real + left * relative.error)


def _affine(start, constant, factor, num_generations):
    """V_t of V' = constant + factor V, (G,)."""
    power = factor ** np.arange(num_generations)
    if factor == 1:
        return start + constant * np.arange(num_generations)
    return power * start + constant * (1 - power) / (1 - factor)
