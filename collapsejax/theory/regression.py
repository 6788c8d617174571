r"""Least squares: expected squared error of the fitted weights, E |w_t - w*|^2.

Rows x ~ N(0, I_d), y = x.w* + noise of variance `sigma2`; synthetic responses have noise of the same variance unless
the model refits it. n rows per generation, t = 1 ... G, t = 1 fitted to real data alone. The design is either the same
in every generation or drawn afresh. The error is also the expected excess of the squared prediction error. It is
infinite for d - 1 <= n <= d + 1; its variance is infinite for d - 3 <= n <= d + 3.

Derivations, n > d + 1. Under replace, whatever the design, one batch of noise moves the weights by

$$w_t - w_{t-1} = (X^\top X)^{-1} X^\top \varepsilon, \qquad
E \operatorname{tr} (X^\top X)^{-1} = \frac{d}{n - d - 1}$$

Fixed design, accumulate: the fit to all responses is the fit to their average, which moves by eps_t / t. Fresh designs,
accumulate: with the Gram matrix of all batches,

$$G_t = \sum_{i \le t} X_i^\top X_i, \qquad G_t w_t = G_t w_{t-1} + X_t^\top \varepsilon_t$$

the increments are uncorrelated and, as the X_i are exchangeable in G_t, of expected square

$$E \operatorname{tr} (G_t^{-2} X_t^\top X_t) = \frac{1}{t} E \operatorname{tr} G_t^{-1} = \frac{d}{t (n t - d - 1)}$$

A variance refitted as RSS / n shrinks by 1 - d / n in expectation, independently of the weights.

Derivations, n < d - 1, where the fit is the one of least norm, X^+ y, and w* ~ N(0, I_d), so that |w*|^2 is d on
average. Let P be the projection on the row space of X; the pseudo-inverse has

$$E \operatorname{tr} X^{+} X^{+\top} = \frac{n}{d - n - 1}$$

Fixed design: w_1 = P w* + X^+ eps loses the d - n directions outside the row space, once; as X X^+ = I, later
generations only add X^+ eps_t, or X^+ eps_t / t where data accumulate. Fresh designs, replace: w_t = P_t w_{t-1} +
X_t^+ eps_t, with P_t independent of the past and E P_t = q I, q = n / d. So E w_t.w* = q^t d, and A_t = E |w_t|^2 is

$$A_t = q A_{t-1} + \frac{\sigma^2 n}{d - n - 1}, \qquad A_0 = d$$

Published: the sum of 1 / i^2 for one design is that of Gerstgrasser et al. (2024), "Is Model Collapse Inevitable?",
arXiv 2404.01413; linear growth under replace is there too, and in Dohmatob, Feng and Kempe (2024), "Model Collapse
Demystified: The Case of Regression".
"""

from typing import NamedTuple

import numpy as np
from scipy.special import psi


class Refitted(NamedTuple):
    """Squared error of the weights, and expected fitted variance of the noise, each (G,)."""

    error: np.ndarray
    sigma2: np.ndarray


def replace_fixed_design(num_samples: int, dim: int, num_generations: int, sigma2: float = 1.0) -> np.ndarray:
    r"""Expected squared error under replace with one design for all batches, (G,).

    $$\sigma^2 t \frac{d}{n - d - 1} \quad (n > d + 1), \qquad
    d - n + \sigma^2 t \frac{n}{d - n - 1} \quad (n \lt d - 1)$$
    """
    t = np.arange(1, num_generations + 1)
    return max(dim - num_samples, 0) + t * _noise(num_samples, dim, sigma2)


def replace_fresh_design(num_samples: int, dim: int, num_generations: int, sigma2: float = 1.0) -> np.ndarray:
    r"""Expected squared error under replace with a new design in every generation, (G,).

    $$\sigma^2 t \frac{d}{n - d - 1} \quad (n > d + 1), \qquad A_t - 2 q^t d + d \quad (n \lt d - 1)$$
    """
    t = np.arange(1, num_generations + 1)
    noise = _noise(num_samples, dim, sigma2)
    if num_samples >= dim:
        return t * noise
    kept = num_samples / dim
    squared_norm = kept**t * dim + noise * (1 - kept**t) / (1 - kept)
    return squared_norm - 2 * kept**t * dim + dim


def accumulate_fixed_design(num_samples: int, dim: int, num_generations: int, sigma2: float = 1.0) -> np.ndarray:
    """Expected squared error under accumulate with one design for all batches, (G,).

    As `replace_fixed_design` with the sum of 1 / i^2 over i <= t in place of t.
    """
    terms = np.arange(1.0, num_generations + 1) ** -2
    return max(dim - num_samples, 0) + np.cumsum(terms) * _noise(num_samples, dim, sigma2)


def accumulate_fixed_design_limit(num_samples: int, dim: int, sigma2: float = 1.0) -> float:
    """The limit of `accumulate_fixed_design`: as `replace_fixed_design` with pi^2 / 6 in place of t."""
    return max(dim - num_samples, 0) + np.pi**2 / 6 * _noise(num_samples, dim, sigma2)


def accumulate_fresh_design(num_samples: int, dim: int, num_generations: int, sigma2: float = 1.0) -> np.ndarray:
    r"""Expected squared error under accumulate with a new design for every batch, (G,).

    $$\sigma^2 \sum_{i \le t} \frac{d}{i (n i - d - 1)}$$

    Infinite for d <= n <= d + 1. Raises ValueError for n < d, where it is not known.
    """
    _need_rows(num_samples, dim)
    if num_samples <= dim + 1:
        return np.full(num_generations, np.inf)
    i = np.arange(1.0, num_generations + 1)
    return sigma2 * np.cumsum(dim / (i * (num_samples * i - dim - 1)))


def accumulate_fresh_design_limit(num_samples: int, dim: int, sigma2: float = 1.0) -> float:
    r"""The limit of `accumulate_fresh_design`, which is near sigma2 d / n pi^2 / 6; psi is the digamma function.

    $$\sigma^2 \frac{d}{d + 1} \left( \psi(1) - \psi \left( 1 - \frac{d + 1}{n} \right) \right)$$

    Raises as `accumulate_fresh_design`.
    """
    _need_rows(num_samples, dim)
    if num_samples <= dim + 1:
        return np.inf
    return float(sigma2 * dim / (dim + 1) * (psi(1) - psi(1 - (dim + 1) / num_samples)))


def replace_refitted(
    num_samples: int, dim: int, num_generations: int, sigma2: float = 1.0, *, unbiased: bool = False
) -> Refitted:
    r"""Error and noise variance under replace where models refit the noise as RSS / n, or RSS / (n - d) if `unbiased`.

    For any design and n > d, with r = 1 - d / n, or r = 1 if unbiased, the variance and the error are

    $$\sigma^2 r^t, \qquad \sigma^2 \frac{d}{n - d - 1} \sum_{k \lt t} r^k$$

    Raises ValueError for n <= d.
    """
    _need_rows(num_samples, dim + 1)
    left = 1.0 if unbiased else 1 - dim / num_samples
    variance = sigma2 * left ** np.arange(num_generations + 1)
    return Refitted(np.cumsum(_noise(num_samples, dim, variance[:-1])), variance[1:])


def _noise(num_samples: int, dim: int, sigma2: float | np.ndarray) -> float | np.ndarray:
    """Expected square of what the noise of one batch does to the weights."""
    if abs(num_samples - dim) <= 1:
        return sigma2 * np.inf
    return sigma2 * min(num_samples, dim) / (abs(num_samples - dim) - 1)


def _need_rows(num_samples: int, least: int) -> None:
    if num_samples < least:
        raise ValueError(f"num_samples={num_samples}: known for at least {least} rows only")
