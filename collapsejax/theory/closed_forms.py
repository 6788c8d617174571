r"""Closed forms of expected variances and squared mean errors, for workflows without real data but the first batch.

Generation t = 1 ... G is the model fitted in round t, t = 1 to real data alone, so t = g + 1. "Spread" is the expected
fitted variance (every entry of the expected covariance, in units of the true one) and "error" the expected squared
error of the fitted mean in the same units: the true variance, or the trace of the true covariance. n_t rows are drawn
for generation t, N_t = n_1 + ... + n_t, and fits divide scatters by the number of rows less `ddof`. Everything holds
for real data of any law with that covariance, and for any sampler with the mean and covariance of the fit.

Derivations. The scatter of n rows about their mean is (n - 1) times their covariance in expectation, and merging two
sets of N and n rows adds N n / (N + n) times the square of the difference of their means.

Replace: the mean moves by S_{t-1} / n_t in square, without bias, and

$$S_t = S_{t-1} \frac{n_t - 1}{n_t - \text{ddof}}$$

Accumulate: the mean of the new batch misses the pool's by S_{t-1} / n_t in square, which moves the pool's mean by n_t /
N_t of that difference. Adding the scatters gives

$$S_t = S_{t-1} \left( 1 - \frac{n_t}{N_t (N_t - \text{ddof})} \right)$$

With equal batches the factors are (k - a)(k - b) / (k (k - ddof / n)), where a + b = ddof / n and a b = -1/n: a ratio
of gamma functions.

Accumulate-subsample: with C_t the pool's scatter over N_t - 1, the n_t rows drawn have in expectation the same variance
over n_t - 1, and a mean that misses the pool's by C_t (1 / n_t - 1 / N_t) in square. So the fit has the variance S_t,
the next batch's mean misses the pool's by D_t, and the pool's scatter grows:

$$S_t = C_t \frac{n_t - 1}{n_t - \text{ddof}}, \qquad
D_t = \frac{S_t}{n_{t+1}} + C_t \left( \frac{1}{n_t} - \frac{1}{N_t} \right)$$

$$(N_{t+1} - 1) C_{t+1} = (N_t - 1) C_t + (n_{t+1} - 1) S_t + \frac{N_t n_{t+1}}{N_{t+1}} D_t$$

For ddof = 0 and equal batches the pool's variance is multiplied by

$$\frac{t (t + a)(t + b)}{(t + 1)^2 (t - 1/n)}, \qquad a, b = \frac{2n - 1 \mp \sqrt{12 n - 3}}{2n}$$

and for ddof = 1 by

$$\frac{n (t + 1)^2 - 3}{(t + 1) (n (t + 1) - 1)}$$

which exceeds 1 by 1 / (n t) for large t, so the product grows without bound.

Published: variances that shrink by 1 - 1/n in Shumailov et al. (2024), Nature 631, 755; that the error stays bounded
where data accumulate in Gerstgrasser et al. (2024), arXiv 2404.01413; the three workflows, as here, in Kazdan et al.
(2024), "Collapse or Thrive?", arXiv 2410.16713.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gamma, polygamma, rgamma

_TERMS = 100_000  # of a series that is summed


def replace_spread(num_samples: int | np.ndarray, num_generations: int, ddof: float = 0) -> np.ndarray:
    r"""Spread under replace, (G,): (1 - 1/n)^t for ddof = 0, and 1 for ddof = 1.

    $$S_t = \prod_{k \le t} \frac{n_k - 1}{n_k - \text{ddof}}$$

    It is the mean over seeds; from some 2n generations on, rare seeds carry it. `num_samples` is n, or (G,) sizes n_t.
    With ddof = 0 there is no collapse if and only if the sum of 1 / n_t is finite.
    """
    sizes = _sizes(num_samples, num_generations, ddof)
    return np.cumprod((sizes - 1) / (sizes - ddof))


def replace_error(num_samples: int | np.ndarray, num_generations: int, ddof: float = 0) -> np.ndarray:
    r"""Error under replace, (G,): 1 - (1 - 1/n)^t for ddof = 0, and t / n for ddof = 1.

    $$\sum_{k \le t} \frac{S_{k-1}}{n_k}, \qquad S_0 = 1$$
    """
    sizes = _sizes(num_samples, num_generations, ddof)
    return np.cumsum(_before(replace_spread(num_samples, num_generations, ddof)) / sizes)


def replace_spread_limit(num_samples: int, ddof: float = 0) -> float:
    """The limit of `replace_spread` for equal sizes: 0 for ddof < 1, 1 for ddof = 1, without bound above."""
    _sizes(num_samples, 1, ddof)
    return 0.0 if ddof < 1 else 1.0 if ddof == 1 else np.inf


def replace_error_limit(num_samples: int, ddof: float = 0) -> float:
    """The limit of `replace_error` for equal sizes: (1/n) / (1 - factor), 1 for ddof = 0; infinite for ddof >= 1."""
    n = _sizes(num_samples, 1, ddof)[0]
    return (n - ddof) / (n * (1 - ddof)) if ddof < 1 else np.inf


def accumulate_spread(num_samples: int | np.ndarray, num_generations: int, ddof: float = 0) -> np.ndarray:
    r"""Spread under accumulate, (G,). Dividing by N - 1 does not make it unbiased.

    $$S_t = \frac{n_1 - 1}{n_1 - \text{ddof}} \prod_{k=2}^t \left( 1 - \frac{n_k}{N_k (N_k - \text{ddof})} \right)$$

    For equal sizes and ddof = 0 it is

    $$S_t = \prod_{k \le t} \left( 1 - \frac{1}{n k^2} \right)$$
    """
    sizes = _sizes(num_samples, num_generations, ddof)
    total = np.cumsum(sizes)
    factors = 1 - sizes / (total * (total - ddof))
    factors[0] = (sizes[0] - 1) / (sizes[0] - ddof)
    return np.cumprod(factors)


def accumulate_error(num_samples: int | np.ndarray, num_generations: int, ddof: float = 0) -> np.ndarray:
    r"""Error under accumulate, (G,): 1 - spread for ddof = 0.

    $$\sum_{k \le t} S_{k-1} \frac{n_k}{N_k^2}, \qquad S_0 = 1$$
    """
    sizes = _sizes(num_samples, num_generations, ddof)
    before = _before(accumulate_spread(num_samples, num_generations, ddof))
    return np.cumsum(before * sizes / np.cumsum(sizes) ** 2)


def accumulate_spread_limit(num_samples: int, ddof: float = 0) -> float:
    r"""The limit of `accumulate_spread`: sin(pi x) / (pi x), x = 1 / sqrt(n), for ddof = 0.

    $$\frac{n - 1}{n - \text{ddof}} \frac{\Gamma(2 - \text{ddof}/n)}{\Gamma(2 - a) \Gamma(2 - b)}, \qquad
    a, b = \frac{\text{ddof} \pm \sqrt{\text{ddof}^2 + 4 n}}{2 n}$$
    """
    n = _sizes(num_samples, 1, ddof)[0]
    a, b = (ddof + np.array([1, -1]) * np.sqrt(ddof**2 + 4 * n)) / (2 * n)
    return float((n - 1) / (n - ddof) * gamma(2 - ddof / n) * rgamma(2 - a) * rgamma(2 - b))


def accumulate_error_limit(num_samples: int, ddof: float = 0) -> float:
    """The limit of `accumulate_error`: 1 - the limit of the spread for ddof = 0, else a series to about 1e-10 of it.

    Behind the 100 000 terms that are summed, the spread is taken for its limit.
    """
    if ddof == 0:
        return 1 - accumulate_spread_limit(num_samples)
    rest = accumulate_spread_limit(num_samples, ddof) * polygamma(1, _TERMS + 1) / num_samples
    return float(accumulate_error(num_samples, _TERMS, ddof)[-1] + rest)


def subsample_pool_spread(num_samples: int | np.ndarray, num_generations: int, ddof: float = 0) -> np.ndarray:
    r"""The pool's scatter over N_t - ddof under accumulate-subsample, (G,). Recursion in the module's docstring.

    For equal sizes and ddof = 0 it is

    $$\left( 1 - \frac{1}{n} \right) \prod_{k=1}^{t-1} \left( 1 - \frac{(2n - 1) k - n}{n (k + 1)^2 (n k - 1)} \right)$$
    """
    total = np.cumsum(_sizes(num_samples, num_generations, ddof))
    return _subsample_pool(num_samples, num_generations, ddof) * (total - 1) / (total - ddof)


def subsample_pool_error(num_samples: int | np.ndarray, num_generations: int, ddof: float = 0) -> np.ndarray:
    r"""Squared error of the pool's mean under accumulate-subsample, (G,): 1 - the pool's spread for ddof = 0.

    With D_k as in the module's docstring it is

    $$\frac{1}{n_1} + \sum_{k=1}^{t-1} D_k \left( \frac{n_{k+1}}{N_{k+1}} \right)^2$$
    """
    sizes, total, pool, fit = _subsample(num_samples, num_generations, ddof)
    step = _batch_offset(sizes, total, pool, fit) * (sizes[1:] / total[1:]) ** 2
    return np.cumsum(np.concatenate([1 / sizes[:1], step]))


def subsample_spread(num_samples: int | np.ndarray, num_generations: int, ddof: float = 0) -> np.ndarray:
    r"""Spread under accumulate-subsample, (G,): S_t of the module's docstring.

    For equal sizes and ddof = 0 it is (n - 1) N / (n (N - 1)) times the pool's spread, N = n t. For ddof = 1 it is

    $$\prod_{k=1}^{t-1} \left( 1 + \frac{k - 2}{(k + 1) (n (k + 1) - 1)} \right)$$

    which grows like `subsample_spread_asymptote`.
    """
    return _subsample(num_samples, num_generations, ddof)[3]


def subsample_error(num_samples: int | np.ndarray, num_generations: int, ddof: float = 0) -> np.ndarray:
    """Error under accumulate-subsample, (G,): the pool's plus C_t (1 / n_t - 1 / N_t); 1 - spread for ddof = 0."""
    sizes, total, pool, _ = _subsample(num_samples, num_generations, ddof)
    return subsample_pool_error(num_samples, num_generations, ddof) + pool * (1 / sizes - 1 / total)


def subsample_pool_spread_limit(num_samples: int, ddof: float = 0) -> float:
    r"""The limit of `subsample_pool_spread`, infinite for ddof > 0.

    With a and b of the module's docstring it is

    $$\frac{\Gamma(2 - 1/n)}{\Gamma(1 + a) \Gamma(1 + b)} = 1 - \frac{\pi^2 / 2 - 3}{n} + O(n^{-2})$$

    Raises ValueError for a negative ddof.
    """
    n = _sizes(num_samples, 1, ddof)[0]
    if ddof < 0:
        raise ValueError(f"ddof={ddof}: the limit is known for ddof = 0, and infinite above")
    a, b = (2 * n - 1 + np.array([-1, 1]) * np.sqrt(12 * n - 3)) / (2 * n)
    return np.inf if ddof else float(gamma(2 - 1 / n) * rgamma(1 + a) * rgamma(1 + b))


def subsample_spread_limit(num_samples: int, ddof: float = 0) -> float:
    """The limit of `subsample_spread`: for ddof = 0, (1 - 1/n) times the pool's; infinite above.

    It is 1 - (pi^2 / 2 - 2) / n + O(1 / n^2).
    """
    pool = subsample_pool_spread_limit(num_samples, ddof)
    return np.inf if ddof else (1 - 1 / num_samples) * pool


def subsample_pool_error_limit(num_samples: int, ddof: float = 0) -> float:
    """The limit of `subsample_pool_error`: for ddof = 0, 1 - the limit of the pool's spread; infinite above."""
    return np.inf if ddof else 1 - subsample_pool_spread_limit(num_samples)


def subsample_error_limit(num_samples: int, ddof: float = 0) -> float:
    """The limit of `subsample_error`: for ddof = 0, 1 - the limit of the spread; infinite above."""
    return np.inf if ddof else 1 - subsample_spread_limit(num_samples)


def subsample_spread_asymptote(num_samples: int, num_generations: int) -> np.ndarray:
    r"""What `subsample_spread` with ddof = 1 tends to in ratio, (G,). It grows slowly.

    $$\frac{\Gamma(2 - 1/n)}{\Gamma(2 - x) \Gamma(2 + x)} t^{1/n}, \qquad x = \sqrt{3 / n}$$

    At t = 1000 it is 1.05 for n = 100 and 2.5 for n = 5.
    """
    n, x = _sizes(num_samples, 1, 1)[0], np.sqrt(3 / num_samples)
    t = np.arange(1, num_generations + 1)
    return gamma(2 - 1 / n) * rgamma(2 - x) * rgamma(2 + x) * t ** (1 / n)


def _subsample(num_samples, num_generations, ddof):
    """Sizes n_t, N_t, and C_t and S_t of the module's docstring, each (G,)."""
    sizes = _sizes(num_samples, num_generations, ddof)
    pool = _subsample_pool(num_samples, num_generations, ddof)
    return sizes, np.cumsum(sizes), pool, pool * (sizes - 1) / (sizes - ddof)


def _subsample_pool(num_samples, num_generations, ddof):
    """C_t, (G,)."""
    sizes = _sizes(num_samples, num_generations, ddof)
    total = np.cumsum(sizes)
    fit = (sizes - 1) / (sizes - ddof)  # in units of C_t, as all below
    offset = _batch_offset(sizes, total, np.ones_like(fit), fit)
    next_scatter = total[:-1] - 1 + (sizes[1:] - 1) * fit[:-1] + total[:-1] * sizes[1:] / total[1:] * offset
    return np.cumprod(np.concatenate([[1.0], next_scatter / (total[1:] - 1)]))


def _batch_offset(sizes, total, pool, fit):
    """D_t of the module's docstring, (G - 1,)."""
    return fit[:-1] / sizes[1:] + pool[:-1] * (1 / sizes[:-1] - 1 / total[:-1])


def _before(curve):
    """The value one generation earlier, 1 before the first."""
    return np.concatenate([[1.0], curve[:-1]])


def _sizes(num_samples, num_generations, ddof):
    """(G,) floats. Raises ValueError for sizes that are no more than ddof, or too few or many."""
    sizes = np.asarray(num_samples, float)
    if sizes.ndim and sizes.shape != (num_generations,):
        raise ValueError(f"num_samples: want one number or {num_generations} sizes, got shape {sizes.shape}")
    if (sizes < 1).any() or (sizes <= ddof).any():
        raise ValueError(f"num_samples={num_samples}: must be at least 1, and more than ddof={ddof}")
    return np.broadcast_to(sizes, (num_generations,))
