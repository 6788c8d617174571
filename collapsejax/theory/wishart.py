r"""Second moments and determinants of fitted covariances, where data and samples are Gaussian.

Generation t = 1 ... G, t = 1 fitted to n real rows; covariances are divided by D = n - ddof; d is the dimension. Given
generation t - 1, D S_t is Wishart with n - 1 degrees of freedom and scale S_{t-1}: with W standard Wishart, independent
of the past,

$$S_t = \frac{1}{D} L W L^\top, \qquad L L^\top = S_{t-1}$$

Derivations. Determinants multiply, and that of W is a product of d independent chi-squares with n - 1, n - 2, ...
degrees of freedom (Bartlett's decomposition), whose logs have the means psi(k/2) + log 2 and variances psi'(k/2). For
n <= d the first fit leaves r = n - 1 positive eigenvalues, those of a Wishart matrix of the transposed data with d
degrees of freedom; after that all happens in r dimensions. Traces: a Wishart matrix V with m degrees of freedom and
scale T has

$$E (\operatorname{tr} V)^2 = m^2 (\operatorname{tr} T)^2 + 2 m \operatorname{tr} T^2, \qquad
E \operatorname{tr} V^2 = m (\operatorname{tr} T)^2 + m (m + 1) \operatorname{tr} T^2$$

a linear map that is iterated.

Accumulate, ddof = 0: the pool of N = n t rows has covariance P, and with v = P^(1/2) z its next value is

$$\frac{N P + W + c \, v v^\top}{N + n}, \qquad c = \frac{N}{N + n}$$

where W has n - 1 degrees of freedom and scale P, and sqrt(n) times the difference of the means is v. So E of the second
moments follows from those of V = W + c v v'. Its mean is (n - 1 + c) P and, as v v' is Wishart with one degree of
freedom,

$$E (\operatorname{tr} V)^2 = s_1^2 (\operatorname{tr} P)^2 + 2 s_2 \operatorname{tr} P^2, \qquad
E \operatorname{tr} V^2 = s_2 (\operatorname{tr} P)^2 + (s_1^2 + s_2) \operatorname{tr} P^2$$

with s_1 = n - 1 + c and s_2 = n - 1 + c^2.

Kullback-Leibler divergences between Gaussians contain a trace, a squared distance and a log-determinant; in the reverse
direction the inverse, of which the expectation given S_{t-1} is

$$E \, S_t^{-1} = \rho \, S_{t-1}^{-1}, \qquad \rho = \frac{D}{n - d - 2}$$

Published: moments and determinants of Wishart matrices in Anderson (2003), An Introduction to Multivariate Statistical
Analysis; the 2-Wasserstein distance of Gaussians in Dowson and Landau (1982), Journal of Multivariate Analysis 12.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln, polygamma, psi


class TraceMoments(NamedTuple):
    """E (tr S)^2 and E tr S^2, each (G,), for a true covariance that is the identity.

    With E tr S = d * spread they give Var tr S, E |S - I|_F^2 = E tr S^2 - 2 E tr S + d, and the participation ratio
    E (tr S)^2 / E tr S^2, which counts the directions that are left.
    """

    squared_trace: np.ndarray
    trace_of_square: np.ndarray


def replace_log_determinant(num_samples: int, dim: int, num_generations: int, ddof: float = 0) -> np.ndarray:
    r"""Expected log-determinant of S_t over that of S0 under replace, (G,). Raises ValueError for n <= d.

    $$t \left( \sum_{i=1}^d \psi \left( \frac{n - i}{2} \right) + d \log \frac{2}{D} \right)$$
    """
    _need(num_samples, dim)
    return _generations(num_generations) * _log_determinant(num_samples, dim, num_samples - ddof)


def replace_log_determinant_variance(num_samples: int, dim: int, num_generations: int) -> np.ndarray:
    r"""Variance of that log-determinant under replace, (G,), for every ddof. Raises ValueError for n <= d.

    $$t \sum_{i=1}^d \psi' \left( \frac{n - i}{2} \right)$$
    """
    _need(num_samples, dim)
    return _generations(num_generations) * polygamma(1, (num_samples - np.arange(1, dim + 1)) / 2).sum()


def replace_log_pseudo_determinant(num_samples: int, dim: int, num_generations: int, ddof: float = 0) -> np.ndarray:
    r"""Expected sum of the logs of the positive eigenvalues of S_t, S0 = I, (G,); for n > d the log-determinant.

    For n <= d and r = n - 1 it is

    $$\sum_{i=1}^r \psi \left( \frac{d - i + 1}{2} \right) + r \log \frac{2}{D} +
    (t - 1) \left( \sum_{i=1}^r \psi \left( \frac{n - i}{2} \right) + r \log \frac{2}{D} \right)$$

    Raises ValueError for n = 1.
    """
    if num_samples > dim:
        return replace_log_determinant(num_samples, dim, num_generations, ddof)
    _need(num_samples, 1)
    rank, divisor = num_samples - 1, num_samples - ddof
    first = _log_determinant(dim + 1, rank, divisor)
    return first + (_generations(num_generations) - 1) * _log_determinant(num_samples, rank, divisor)


def replace_trace_moments(num_samples: int, dim: int, num_generations: int, ddof: float = 0) -> TraceMoments:
    """Trace moments under replace, for any n and d: the module's linear map for m = n - 1, over D^2, iterated."""
    m, divisor = num_samples - 1, num_samples - ddof
    steps = np.broadcast_to(_trace_step(m, m) / divisor**2, (num_generations, 2, 2))
    return _traces(steps, dim)


def accumulate_trace_moments(num_samples: int, dim: int, num_generations: int) -> TraceMoments:
    """Trace moments under accumulate with ddof = 0. The step is in the module's docstring."""
    n, steps = num_samples, np.empty((num_generations, 2, 2))
    for k in range(num_generations):
        pooled = n * k
        share = pooled / (pooled + n)
        s1, s2 = n - 1 + share, n - 1 + share**2
        cross = 2 * pooled * s1 + pooled**2
        steps[k] = (_trace_step(s1, s2) + cross * np.eye(2)) / (pooled + n) ** 2
    return _traces(steps, dim)


def replace_power_mean(num_samples: int, power: float, num_generations: int, ddof: float = 0) -> np.ndarray:
    r"""Expected power q of the variance under replace in one dimension, (G,). Infinite for q <= (1 - n)/2.

    $$E S_t^q = \left( \left( \frac{2}{D} \right)^q \frac{\Gamma((n - 1)/2 + q)}{\Gamma((n - 1)/2)} \right)^t$$
    """
    _need(num_samples, 1)
    half = (num_samples - 1) / 2
    if half + power <= 0:
        return np.full(num_generations, np.inf)
    log_step = power * np.log(2 / (num_samples - ddof)) + gammaln(half + power) - gammaln(half)
    return np.exp(_generations(num_generations) * log_step)


def replace_wasserstein(num_samples: int, num_generations: int, ddof: float = 0) -> np.ndarray:
    r"""Expected squared 2-Wasserstein distance to the truth under replace in one dimension, (G,).

    It is error + spread + 1 - 2 E sqrt(S_t). For ddof = 0 it is

    $$2 (1 - c^t), \qquad c = \sqrt{\frac{2}{n}} \frac{\Gamma(n/2)}{\Gamma((n - 1)/2)}$$
    """
    error, spread = _first_moments(num_samples, num_generations, ddof)
    return error + spread + 1 - 2 * replace_power_mean(num_samples, 0.5, num_generations, ddof)


def replace_kl(num_samples: int, dim: int, num_generations: int, ddof: float = 0) -> np.ndarray:
    r"""Expected KL(fitted || true) under replace in nats, (G,). Raises ValueError for n <= d.

    $$\frac{d \cdot \text{spread} + d \cdot \text{error} - d - E \log \det}{2}$$

    For ddof = 0 it is minus half the log-determinant, since spread and error add up to 1.
    """
    error, spread = _first_moments(num_samples, num_generations, ddof)
    return (dim * (spread + error - 1) - replace_log_determinant(num_samples, dim, num_generations, ddof)) / 2


def replace_reverse_kl(num_samples: int, dim: int, num_generations: int, ddof: float = 0) -> np.ndarray:
    r"""Expected KL(true || fitted) under replace in nats, (G,); inf for n <= d + 2.

    $$\frac{d \rho^t + a_t - d + E \log \det}{2}, \qquad
    a_t = \rho \left( a_{t-1} + \frac{d}{n} \right), \qquad a_0 = 0, \qquad \rho = \frac{D}{n - d - 2}$$

    Its variance is infinite for n <= d + 4.
    """
    if num_samples <= dim + 2:
        return np.full(num_generations, np.inf)
    t = _generations(num_generations)
    rho = (num_samples - ddof) / (num_samples - dim - 2)
    distance = dim / num_samples * np.cumsum(rho**t)
    log_determinant = replace_log_determinant(num_samples, dim, num_generations, ddof)
    return (dim * (rho**t - 1) + distance + log_determinant) / 2


def lyapunov_rates(num_samples: int, dim: int, ddof: float = 0) -> np.ndarray:
    r"""Growth rates per generation of the logs of the eigenvalues of S_t under replace, (min(d, n - 1),), descending.

    $$\psi \left( \frac{n - i}{2} \right) - \log \frac{D}{2}$$

    They are about -(i + 1) / n for ddof = 0. They differ, so S_t comes to have rank one; and the first is about -2 / n
    where the mean of S_t falls as exp(-t / n). They are the Lyapunov exponents of a product of independent Gaussian
    matrices: Newman (1986), Communications in Mathematical Physics 103.
    """
    _need(num_samples, 1)
    i = np.arange(1, min(dim, num_samples - 1) + 1)
    return psi((num_samples - i) / 2) - np.log((num_samples - ddof) / 2)


def _first_moments(num_samples, num_generations, ddof):
    """Squared error of the mean and spread, in units of the true covariance, each (G,)."""
    spread = ((num_samples - 1) / (num_samples - ddof)) ** np.arange(num_generations + 1)
    return np.cumsum(spread[:-1]) / num_samples, spread[1:]


def _log_determinant(num_samples, dim, divisor):
    return psi((num_samples - np.arange(1, dim + 1)) / 2).sum() + dim * np.log(2 / divisor)


def _trace_step(s1, s2):
    """The second moments of V with E V = s1 T, from those of T; see the module's docstring."""
    return np.array([[s1**2, 2 * s2], [s2, s1**2 + s2]])


def _traces(steps, dim):
    state, rows = np.array([dim**2, dim], float), []
    for step in steps:
        state = step @ state
        rows.append(state)
    return TraceMoments(*np.array(rows).T)


def _generations(num_generations):
    return np.arange(1, num_generations + 1)


def _need(num_samples, dim):
    if num_samples <= dim:
        raise ValueError(f"num_samples={num_samples}: needs to be above {dim}, or the fitted covariance is singular")
