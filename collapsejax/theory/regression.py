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

A variance refitted as RSS / n shrinks by 1 - d / n in expectation, independently of the weights; at a sampling
temperature T the next batch has T times that variance.

Sizes n_t that change: under replace each step has its own 1 / (n_t - d - 1), also with one design, of which the batches
have the first n_t rows, since the steps are uncorrelated given the designs. Under accumulate with fresh designs the
rows are exchangeable in the N_t of all batches, so the step is n_t / N_t of d / (N_t - d - 1).

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


def replace_fixed_design(
    num_samples: int | np.ndarray, dim: int, num_generations: int, sigma2: float = 1.0
) -> np.ndarray:
    r"""Expected squared error under replace with one design for all batches, (G,).

    $$\sigma^2 t \frac{d}{n - d - 1} \quad (n > d + 1), \qquad
    d - n + \sigma^2 t \frac{n}{d - n - 1} \quad (n \lt d - 1)$$

    `num_samples` is n, or (G,) sizes n_t, all above d: then t d / (n - d - 1) is a sum over generations. Raises
    ValueError for other sizes that change.
    """
    sizes = _sizes(num_samples, dim, num_generations)
    return max(dim - sizes[0], 0) + np.cumsum(_noise(sizes, dim, sigma2))


def replace_fresh_design(
    num_samples: int | np.ndarray, dim: int, num_generations: int, sigma2: float = 1.0
) -> np.ndarray:
    r"""Expected squared error under replace with a new design in every generation, (G,).

    $$\sigma^2 t \frac{d}{n - d - 1} \quad (n > d + 1), \qquad A_t - 2 q^t d + d \quad (n \lt d - 1)$$

    Sizes that change as in `replace_fixed_design`.
    """
    sizes = _sizes(num_samples, dim, num_generations)
    if sizes[0] >= dim:
        return np.cumsum(_noise(sizes, dim, sigma2))
    t, noise, kept = np.arange(1, num_generations + 1), _noise(sizes, dim, sigma2)[0], sizes[0] / dim
    squared_norm = kept**t * dim + noise * (1 - kept**t) / (1 - kept)
    return squared_norm - 2 * kept**t * dim + dim


def accumulate_fixed_design(num_samples: int, dim: int, num_generations: int, sigma2: float = 1.0) -> np.ndarray:
    """Expected squared error under accumulate with one design for all batches, (G,).

    As `replace_fixed_design` with the sum of 1 / i^2 over i <= t in place of t.
    """
    terms, sizes = np.arange(1.0, num_generations + 1) ** -2, np.full(num_generations, num_samples)
    return max(dim - num_samples, 0) + np.cumsum(terms * _noise(sizes, dim, sigma2))


def accumulate_fixed_design_limit(num_samples: int, dim: int, sigma2: float = 1.0) -> float:
    """The limit of `accumulate_fixed_design`: as `replace_fixed_design` with pi^2 / 6 in place of t."""
    return float(max(dim - num_samples, 0) + np.pi**2 / 6 * _noise(np.array([num_samples]), dim, sigma2)[0])


def accumulate_fresh_design(
    num_samples: int | np.ndarray, dim: int, num_generations: int, sigma2: float = 1.0
) -> np.ndarray:
    r"""Expected squared error under accumulate with a new design for every batch, (G,).

    $$\sigma^2 \sum_{i \le t} \frac{d}{i (n i - d - 1)}$$

    `num_samples` is n, or (G,) sizes n_t: then 1 / i is n_i / N_i and n i is N_i, their sum up to n_i. Infinite for
    d <= n_1 <= d + 1. Raises ValueError for n_1 < d, where it is not known.
    """
    sizes = np.broadcast_to(np.asarray(num_samples, float), (num_generations,))
    _need_rows(sizes[0], dim)
    if sizes[0] <= dim + 1:
        return np.full(num_generations, np.inf)
    total = np.cumsum(sizes)
    return sigma2 * np.cumsum(sizes / total * dim / (total - dim - 1))


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
    num_samples: int | np.ndarray,
    dim: int,
    num_generations: int,
    sigma2: float = 1.0,
    *,
    unbiased: bool = False,
    temperature: float = 1.0,
) -> Refitted:
    r"""Error and noise variance under replace where models refit the noise as RSS / n, or RSS / (n - d) if `unbiased`.

    For any design and n > d, with r = 1 - d / n, or r = 1 if unbiased, and T = `temperature`, the variance and the
    error are

    $$\sigma^2 r (T r)^{t - 1}, \qquad \sigma^2 \frac{d}{n - d - 1} \sum_{k \lt t} (T r)^k$$

    `num_samples` is n, or (G,) sizes n_t, and then each power a product. The error is infinite from the first n_t = d +
    1 on. Raises ValueError for n_t <= d.
    """
    sizes = np.broadcast_to(np.asarray(num_samples, float), (num_generations,))
    _need_rows(sizes.min(), dim + 1)
    left = np.ones(num_generations) if unbiased else 1 - dim / sizes
    sampled = sigma2 * np.cumprod(np.concatenate([[1.0], temperature * left[:-1]]))  # variance of each batch's noise
    return Refitted(np.cumsum(_noise(sizes, dim, sampled)), left * sampled)


def _noise(sizes: np.ndarray, dim: int, sigma2: float | np.ndarray) -> np.ndarray:
    """Expected square of what the noise of a batch of so many rows does to the weights, (G,)."""
    far = np.abs(sizes - dim) > 1
    return np.where(far, sigma2 * np.minimum(sizes, dim) / np.where(far, np.abs(sizes - dim) - 1, 1), np.inf)


def _sizes(num_samples: int | np.ndarray, dim: int, num_generations: int) -> np.ndarray:
    """(G,) sizes. Raises ValueError where they change and are not all above d."""
    sizes = np.broadcast_to(np.asarray(num_samples), (num_generations,))
    if len(set(sizes.tolist())) > 1:
        _need_rows(sizes.min(), dim + 1)
    return sizes


def _need_rows(num_samples: int, least: int) -> None:
    if num_samples < least:
        raise ValueError(f"num_samples={num_samples}: known for at least {least} rows only")
