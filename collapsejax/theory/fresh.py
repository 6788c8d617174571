"""Second moments of the Gaussian fresh data loop in d dimensions, and how many synthetic rows are too many.

Every generation after the first is fitted to n_r new real rows and to n_s rows from the last model, n = n_r + n_s; b
and a are their shares. Generation t = 1 is fitted to real data alone. `temperature` multiplies the covariance of what
is sampled. The truth is the standard Gaussian: all is invariant under affine maps. Covariances are divided by n.

Derivation. Given a model of mean m and covariance S, let R = temperature S. The means of the two parts of the training
set are independent Gaussians, so their difference D and the overall mean m' are jointly Gaussian, with

    E D = m,   E m' = a m,   Cov D = T = R / n_s + I / n_r,
    Cov m' = C = (b I + a R) / n,   Cov(D, m') = X = (R - I) / n,

and n S' = W_r + W_s + n a b D D', where the scatters W_r and W_s of the parts are independent Wishart matrices with
n_r - 1 and n_s - 1 degrees of freedom and scales I and R, independent of (D, m'). The expectations of

    1, tr S', |m'|^2, (tr S')^2, tr S'^2, |m'|^2 tr S', m'.S'm', |m'|^4

given (m, S) are then linear in the same eight numbers of (m, S): everything in sight is a trace, a product of traces or
the trace of a product of matrices x I + y S + z m m'. For Gaussians (Isserlis' theorem)

    Var |D|^2 = 2 tr T^2 + 4 m.Tm,            E tr(DD' - E DD')^2 = (tr T)^2 + 2 |m|^2 tr T + tr T^2 + 2 m.Tm,
    Cov(|D|^2, |m'|^2) = 2 tr X^2 + 4 a m.Xm,   Var D.m' = tr TC + tr X^2 + m.Cm + a^2 m.Tm + 2 a m.Xm,

and for a Wishart matrix W with k degrees of freedom and scale A, Var tr W = 2 k tr A^2 and
E tr(W - E W)^2 = k (tr A)^2 + k tr A^2. The expectations over seeds so obey a linear recursion with an 8 x 8 matrix.
"""

from typing import NamedTuple

import numpy as np

# Matrices x I + y S + z m m' are arrays (x, y, z).
_IDENTITY, _COVARIANCE, _MEAN = np.eye(3)
# Which of the eight numbers are tr A tr B, and tr A B, for A and B among I, S, m m'.
_TRACE_TIMES_TRACE = np.array([[0, 1, 2], [1, 3, 5], [2, 5, 7]])
_TRACE_OF_PRODUCT = np.array([[0, 1, 2], [1, 4, 6], [2, 6, 7]])
_MOST = 1e12  # synthetic rows; as good as infinitely many


class FreshMoments(NamedTuple):
    """Expectations for the truth N(0, I), curves (G,) or numbers.

    tr S, |m|^2, (tr S)^2, tr S^2, |m|^2 tr S, m.Sm and |m|^4.
    """

    trace: np.ndarray
    squared_mean: np.ndarray
    squared_trace: np.ndarray
    trace_of_square: np.ndarray
    squared_mean_times_trace: np.ndarray
    mean_in_covariance: np.ndarray
    fourth_of_mean: np.ndarray

    def covariance_error(self, dim: int) -> np.ndarray:
        """E |S - I|_F^2."""
        return self.trace_of_square - 2 * self.trace + dim

    def fisher_error(self, dim: int) -> np.ndarray:
        """E |m|^2 + E |S - I|_F^2 / 2, to leading order twice the Kullback-Leibler divergence."""
        return self.squared_mean + self.covariance_error(dim) / 2


def fresh_moments(
    num_real: float,
    num_synthetic: float,
    dim: int,
    num_generations: int,
    *,
    temperature: float = 1.0,
    num_first: int | None = None,
) -> FreshMoments:
    """Curves, each (G,). The first model is fitted to `num_first` real rows, as many as `num_synthetic` unless given.

    Raises ValueError for less than one row of either kind.
    """
    step = _step(num_real, num_synthetic, dim, temperature)
    states = np.empty((num_generations, 8))
    states[0] = _real_only(num_synthetic if num_first is None else num_first, dim)
    for t in range(1, num_generations):
        states[t] = step @ states[t - 1]
    return FreshMoments(*states.T[1:])


def fresh_steady(num_real: float, num_synthetic: float, dim: int, temperature: float = 1.0) -> FreshMoments:
    """Where `fresh_moments` settles, numbers. Raises as that, and ValueError where it does not settle."""
    settled = _settled(num_real, num_synthetic, dim, temperature)
    if settled is None:
        raise ValueError(f"temperature={temperature}: the second moments grow without bound")
    return settled


def fisher_error(
    num_real: float, num_synthetic: float, dim: int, num_generations: int, temperature: float = 1.0
) -> np.ndarray:
    """E |m|^2 + E |S - I|_F^2 / 2 of the fresh data loop, (G,)."""
    moments = fresh_moments(num_real, num_synthetic, dim, num_generations, temperature=temperature)
    return moments.fisher_error(dim)


def fisher_error_steady(num_real: float, num_synthetic: float, dim: int, temperature: float = 1.0) -> float:
    """Where `fisher_error` settles; infinite where it does not."""
    settled = _settled(num_real, num_synthetic, dim, temperature)
    return np.inf if settled is None else float(settled.fisher_error(dim))


def fisher_error_real_only(num_real: float, dim: int) -> float:
    """The same error of a model fitted to n_r real rows alone."""
    return float(FreshMoments(*_real_only(num_real, dim)[1:]).fisher_error(dim))


def critical_num_synthetic(num_real: float, dim: int, temperature: float) -> float:
    """The number of synthetic rows above which the fresh data loop ends worse than no synthetic data at all.

    The root n_s of `fisher_error_steady` = `fisher_error_real_only`, a real number; inf at temperature 1, where any
    number of rows helps, and 0 where a single one harms.
    """
    from scipy.optimize import bisect  # takes a third of a second, and few need it

    least = fisher_error_real_only(num_real, dim)

    def excess(log_rows: float) -> float:
        return fisher_error_steady(num_real, np.exp(log_rows), dim, temperature) - least

    if excess(0.0) >= 0:
        return 0.0
    upper = np.log(2.0)
    while temperature != 1 and upper < np.log(_MOST):
        if excess(upper) > 0:
            return float(np.exp(bisect(excess, upper - np.log(2), upper, xtol=1e-12)))
        upper += np.log(2)
    return np.inf


def best_num_synthetic(num_real: float, dim: int, temperature: float) -> float:
    """The number of synthetic rows with the least steady error, a real number; 0 or inf where the critical one is."""
    from scipy.optimize import minimize_scalar

    critical = critical_num_synthetic(num_real, dim, temperature)
    if critical in (0.0, np.inf):
        return critical
    found = minimize_scalar(
        lambda log_rows: fisher_error_steady(num_real, np.exp(log_rows), dim, temperature),
        bounds=(0, np.log(critical)),
        method="bounded",
    )
    return float(np.exp(found.x))


def _settled(num_real: float, num_synthetic: float, dim: int, temperature: float) -> FreshMoments | None:
    step = _step(num_real, num_synthetic, dim, temperature)
    constant, linear = step[1:, 0], step[1:, 1:]
    if np.abs(np.linalg.eigvals(linear)).max() >= 1:
        return None
    return FreshMoments(*np.linalg.solve(np.eye(7) - linear, constant))


def _real_only(rows: float, dim: int) -> np.ndarray:
    """The eight numbers (8,) of a model fitted to real rows: S is Wishart, m independent of it."""
    trace, squared = dim * (1 - 1 / rows), (rows - 1) / rows**2
    return np.array(
        [
            *(1, trace, dim / rows, trace**2 + 2 * dim * squared, squared * (dim**2 + rows * dim)),
            *(trace * dim / rows, trace / rows, dim * (dim + 2) / rows**2),
        ]
    )


def _step(num_real: float, num_synthetic: float, dim: int, temperature: float) -> np.ndarray:
    """The matrix (8, 8) of the module's docstring, in its notation."""
    if min(num_real, num_synthetic) < 1:
        raise ValueError(f"num_real={num_real}, num_synthetic={num_synthetic}: needs at least 1 of each")
    n = num_real + num_synthetic
    a, b = num_synthetic / n, num_real / n
    scale = np.array([dim, 1, 1])

    def trace(p: np.ndarray) -> np.ndarray:
        return np.concatenate([p * scale, np.zeros(5)])

    def times(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        """Tr P tr Q."""
        return np.bincount(_TRACE_TIMES_TRACE.ravel(), np.outer(p * scale, q * scale).ravel(), 8)

    def product(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        """Tr P Q."""
        entries = np.outer(p, q)
        entries[0, 0] *= dim
        return np.bincount(_TRACE_OF_PRODUCT.ravel(), entries.ravel(), 8)

    sampled = temperature * _COVARIANCE
    wisharts = ((num_real - 1, _IDENTITY), (num_synthetic - 1, sampled))
    between = n * a * b
    spread_d = sampled / num_synthetic + _IDENTITY / num_real
    spread_m = (b * _IDENTITY + a * sampled) / n
    cross = (sampled - _IDENTITY) / n
    square_d, square_m = spread_d + _MEAN, spread_m + a**2 * _MEAN  # E DD', E m'm''
    within = sum(k * p for k, p in wisharts)
    scatter = within + between * square_d
    dot = cross + a * _MEAN  # tr of it is E D.m'

    var_trace = sum(2 * k * product(p, p) for k, p in wisharts)
    var_trace += between**2 * (2 * product(spread_d, spread_d) + 4 * product(spread_d, _MEAN))
    excess_square = sum(k * (times(p, p) + product(p, p)) for k, p in wisharts)
    excess_square += between**2 * (times(spread_d, spread_d + 2 * _MEAN) + product(spread_d, spread_d + 2 * _MEAN))
    cov_squares = 2 * product(cross, cross) + 4 * a * product(cross, _MEAN)
    var_dot = product(spread_d, spread_m) + product(cross, cross)
    var_dot += product(spread_m + a**2 * spread_d + 2 * a * cross, _MEAN)
    return np.array(
        [
            np.eye(8)[0],
            trace(scatter) / n,
            trace(square_m),
            (times(scatter, scatter) + var_trace) / n**2,
            (product(scatter, scatter) + excess_square) / n**2,
            (times(square_m, scatter) + between * cov_squares) / n,
            (product(square_m, within) + between * (times(dot, dot) + var_dot)) / n,
            times(square_m, square_m) + 2 * product(spread_m, spread_m) + 4 * a**2 * product(spread_m, _MEAN),
        ]
    )
