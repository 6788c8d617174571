"""How far a Monte Carlo mean can be trusted: exact variances over seeds, and the end of what they allow.

Collapse makes means depend on few seeds. A mean of S values is near normal while the skewness of one value is small
beside sqrt(S). Products of many factors are near log-normal, and a log-normal variable of relative variance r has the
skewness (r + 3) sqrt(r); so a mean is called informative here while (r + 3) sqrt(r) <= sqrt(S) / 5. Under replace in
one dimension 1 + r = ((n + 1) / (n - 1))^t, about exp(2t / n): a mean of the variance over 10^5 seeds ends at some
t = 1.4 n, and to double t takes 1000 times the seeds. Log-determinants, of a variance linear in t, have no end.

Derivations. Under replace a fitted mean is, given the covariances before it, N(0, C) with C the sum of S_k / n over
k < t; so E |m|^4 = E (tr C)^2 + 2 E tr C^2, and for j < k the expectation of a product of S_j and S_k is
(1 - 1/n)^(k-j) times that of S_j twice (1 in place of 1 - 1/n for ddof = 1). Of a divergence, the trace and the mean's
error have the long tails; its log-determinant is near normal. The mean of an exponential or gamma law is a product of
independent gamma variables; that of a Poisson law is a branching process, whose central moments m2, m3, m4 follow from
those of the Poisson law. Heterozygosity and entropy lie between 0 and their largest values, so 1 + r is at most that
value over the mean. The weights of a regression have infinite variance for |n - d| <= 3.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.special import gammaln

from ..core.base import Task, Workflow
from ..tasks import KDE, Categorical, ExponentialFamily, Gaussian, LinearRegression
from ..tasks.bandwidths import BandwidthRule
from ..workflows import Accumulate, AccumulateSubsample, Augment, FreshData, Replace, Weighted
from . import fresh, wishart
from .curves import canonical, curve
from .truths import fixed_trace, normal, true_family

_STEADY_SHARE = 0.05  # of real data, which holds variances up
MOST_SKEWNESS = 0.2
_SHOWN_SKEWNESS = 2.0  # of a mean that is shown with a standard error
_TIMES_SEEN = 8  # a variance that the tail suggests counts where it is this many times that of the seeds


def trusted(relative_variance: np.ndarray, num_seeds: int, *, skewness: float = MOST_SKEWNESS) -> np.ndarray:
    """Whether a mean over that many seeds has at most that skewness, for values of this relative variance, elementwise.

    The values are taken for log-normal. The default is for z-scores; a curve to look at can do with more.
    """
    return (relative_variance + 3) * np.sqrt(relative_variance) <= skewness * np.sqrt(num_seeds)


def informative_by_seeds(statistics: xr.DataArray, *, skewness: float = _SHOWN_SKEWNESS) -> xr.DataArray:
    """Whether the mean of a generation is worth showing, by what the seeds themselves say.

    Once few seeds carry it, it is not again; counts of what is rare at first become so. That of a metric with negative
    values always is. Where few seeds carry a mean, the variance over the seeds is too small. So where a log-normal
    variable with the same upper tail has a relative variance several times larger, that variance is used.

    Args:
        statistics: of a metric, as from `sweep`, with dimensions statistic and generation among others.
        skewness: of a mean, as in `trusted`. By default more is let through than by `informative`, which is for
            z-scores.

    Returns:
        Booleans, with the dimensions of `statistics` but for statistic.
    """
    of = {
        name: statistics.sel(statistic=name, drop=True)
        for name in ("mean", "variance", "min", "median", "q0.975", "count")
    }
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        seen = of["variance"] / of["mean"] ** 2
        by_tail = np.expm1((np.log(of["q0.975"] / of["median"]) / 1.96) ** 2)
        relative = xr.where((of["median"] > 0) & (by_tail > _TIMES_SEEN * seen), by_tail, seen)
        steady = (of["min"] < 0) | relative.isnull()
        good = steady | trusted(relative, of["count"], skewness=skewness) | ~np.isfinite(of["mean"])
    axis = good.get_axis_num("generation")
    carried = good & (of["mean"] != 0)  # where all seeds have 0, what is rare has not begun
    lost = ~good.values & np.logical_or.accumulate(carried.transpose(*good.dims).values, axis=axis)
    return good.copy(data=good.values & ~np.logical_or.accumulate(lost, axis=axis))


def informative(
    task: Task, workflow: Workflow, *, num_samples: int, num_generations: int, num_seeds: int
) -> dict[str, int]:
    """The last generation g at which a Monte Carlo mean over so many seeds is worth a comparison; -1 if none is.

    Arguments as `theory.curve`, and the number of seeds (S). By metric, for those that have an exact curve. Where the
    relative variance is not known, a bound from above takes its place; workflows that this module does not know are
    taken for replace. Raises as `theory.curve`.
    """
    curves = curve(task, workflow, num_samples=num_samples, num_generations=num_generations)
    sizes = np.broadcast_to(np.asarray(num_samples, np.int64), (num_generations,))
    workflow = canonical(task, workflow, num_generations)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # infinite or unknown: not to be trusted
        bounds = {} if _is_steady(task, workflow, int(sizes.max())) else _bounds(task, int(sizes.min()), curves)
    if isinstance(task, LinearRegression) and abs(int(sizes.min()) - task.dim) <= 3:
        bounds = dict.fromkeys(curves, np.full(num_generations, np.inf))
    last = {}
    for name in curves:
        good = np.isfinite(curves[name])
        if name in bounds:
            with np.errstate(invalid="ignore"):
                good &= trusted(np.maximum(bounds[name], 0), num_seeds)
        last[name] = int(np.argmin(good)) - 1 if not good.all() else num_generations - 1
    return last


def variance(task: Task, workflow: Workflow, *, num_samples: int, num_generations: int) -> dict[str, np.ndarray]:
    """What is known exactly of the variances over seeds, (G,): of Gaussian means, traces and log-determinants.

    For a true covariance that is a multiple of the identity; under replace, accumulate (of traces) and fresh data, with
    ddof 0 but for replace. At a sampling temperature T a model under replace has T^(t - 1) times the covariance that it
    has at 1. Arguments and errors as `theory.curve`.
    """
    curves = curve(task, workflow, num_samples=num_samples, num_generations=num_generations)
    if not isinstance(task, Gaussian) or not normal(task) or np.ndim(num_samples):
        return {}
    n, dim, temperature = num_samples, task.dim, float(task.sampling_temperature)
    workflow = canonical(task, workflow, num_generations)
    fourth = None  # of the mean's error
    if isinstance(workflow, Replace):
        squared, fourth = _replace_moments(n, dim, num_generations, task.ddof, temperature)
    elif isinstance(workflow, FreshData) and task.ddof == 0:
        options = dict(temperature=temperature, num_first=n)
        moments = fresh.fresh_moments(workflow.num_fresh, n, dim, num_generations, **options)
        squared, fourth = moments.squared_trace, moments.fourth_of_mean
    elif isinstance(workflow, Accumulate) and task.ddof == 0 and temperature == 1:
        squared = wishart.accumulate_trace_moments(n, dim, num_generations).squared_trace
    else:
        return {}
    known = {"trace_ratio": squared / dim**2 - curves["trace_ratio"] ** 2}
    if fourth is not None and "mean_sq_error" in curves:
        unit = fixed_trace(task) / dim
        known["mean_sq_error"] = unit**2 * fourth - curves["mean_sq_error"] ** 2
    if isinstance(workflow, Replace) and n > dim:
        known["logdet_ratio"] = wishart.replace_log_determinant_variance(n, dim, num_generations)
    return known


def _replace_moments(
    n: int, dim: int, num_generations: int, ddof: int, temperature: float
) -> tuple[np.ndarray, np.ndarray]:
    """E (tr S)^2 of the fits and E |m|^4 of their means under replace, (G,), for a true covariance I."""
    squared, of_square = wishart.replace_trace_moments(n, dim, num_generations, ddof)
    kept, t = temperature * (n - 1) / (n - ddof), np.arange(1, num_generations + 1)
    # A batch has the temperature times the covariance of the model that it is drawn from.
    first, second = (values * temperature ** (2.0 * t) for values in (squared, of_square))
    fourth = _sum_of_products(dim**2, first, kept) + 2 * _sum_of_products(dim, second, kept)
    return squared * temperature ** (2 * (t - 1.0)), fourth / n**2


def _is_steady(task: Task, workflow: Workflow, n: int) -> bool:
    """Whether enough of what is kept, or is new and real, holds variances up, and no temperature drives them."""
    temperature = float(task.sampling_temperature) if isinstance(task, Gaussian) else 1.0
    if isinstance(workflow, FreshData):
        return n * max(temperature, 1.0) * (1 + _STEADY_SHARE) <= n + workflow.num_fresh
    if isinstance(workflow, Weighted):
        return max(temperature, 1.0) * (1 - float(workflow.real_weight)) <= 1 - _STEADY_SHARE
    if isinstance(workflow, Augment):
        return temperature / 2 <= 1 - _STEADY_SHARE
    return isinstance(workflow, Accumulate | AccumulateSubsample)


def _bounds(task: Task, n: int, curves: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Relative variances under replace, or bounds of them."""
    if not curves:
        return {}
    num_generations = len(next(iter(curves.values())))
    if isinstance(task, Gaussian):
        return _gaussian_bounds(task, n, num_generations, curves)
    if isinstance(task, Categorical):
        largest = {"heterozygosity": 1 - 1 / task.num_outcomes, "entropy": np.log(task.num_outcomes)}
        return {name: most / curves[name] - 1 for name, most in largest.items() if name in curves}
    if isinstance(task, KDE) and isinstance(task.bandwidth, BandwidthRule) and task.bandwidth.scaled:
        # As long-tailed as a normal variance in one dimension, which is a product of factors like theirs.
        squared, _ = wishart.replace_trace_moments(n, 1, num_generations)
        return dict.fromkeys(curves, squared / (1 - 1 / n) ** (2 * np.arange(1, num_generations + 1)) - 1)
    if isinstance(task, ExponentialFamily) and task.family != "bernoulli":
        return {"sq_error": _family_bound(task, n, num_generations)}
    return {}


def _gaussian_bounds(
    task: Gaussian, n: int, num_generations: int, curves: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    # Of real data with one long axis, the traces are those of one dimension.
    dim, t = task.dim if task.source is None else 1, np.arange(1, num_generations + 1)
    kept, temperature = (n - 1) / (n - task.ddof), float(task.sampling_temperature)
    squared, fourth = _replace_moments(n, dim, num_generations, task.ddof, temperature)
    trace = dim * kept**t * temperature ** (t - 1.0)
    error = np.cumsum((temperature * kept) ** (t - 1.0)) / n
    bounds = {"trace_ratio": squared / trace**2 - 1, "mean_sq_error": fourth / (dim * error) ** 2 - 1}
    if "kl" in curves:
        spread = np.sqrt(np.maximum(squared - trace**2, 0))
        most = (spread + dim * error * np.sqrt(bounds["mean_sq_error"])) / 2
        bounds["kl"] = (most / curves["kl"]) ** 2
    return {name: bound for name, bound in bounds.items() if name in curves}


def _sum_of_products(first: float, later: np.ndarray, kept: float) -> np.ndarray:
    """Sums over j, k < t of kept^|j - k| a_min(j, k), (G,), with a_0 = `first`, a_1 ... = `later`."""
    terms, total, crossed, sums = np.concatenate([[first], later[:-1]]), 0.0, 0.0, []
    for term in terms:
        total += term + 2 * kept * crossed  # crossed: sum over j of kept^(k - 1 - j) a_j
        crossed = kept * crossed + term
        sums.append(total)
    return np.array(sums)


def _family_bound(task: ExponentialFamily, n: int, num_generations: int) -> np.ndarray:
    family, mean = true_family(task), float(task.mean)
    if family.curvature > 0:
        shape = n / family.curvature
        t = np.arange(1, num_generations + 1)
        second, third, fourth = (
            np.exp(t * (gammaln(shape + q) - gammaln(shape) - q * np.log(shape))) for q in (2, 3, 4)
        )
        return (fourth - 4 * third + 6 * second - 3) / (second - 1) ** 2 - 1
    m2 = m3 = m4 = 0.0
    ratios = []
    for _ in range(num_generations):
        m4 += 6 * (m3 + mean * m2) / n + 4 * m2 / n**2 + 3 * (m2 + mean**2) / n**2 + mean / n**3
        m3 += 3 * m2 / n + mean / n**2
        m2 += mean / n
        ratios.append(m4 / m2**2 - 1)
    return np.array(ratios)
