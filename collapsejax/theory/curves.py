"""Exact mean curves of the metrics of a task under a workflow.

Regressions on a fixed design. With the same X in every batch the weights fitted to several batches are the weighted
mean of those fitted to each, and these have errors X^+ noise of expected square c = sigma2 d / (n - d - 1) for
n > d + 1: the recursion with a variance that stays, c in place of 1 / n. For n < d - 1 the fit has minimum norm, so it
stays in the span of X's rows: c = sigma2 n / (d - n - 1), and the part of the true weights outside that
span, of expected square d - n, is lost from the beginning.

Categorical data are rows of K indicators, whose covariance has the trace 1 - sum p^2: `recursion` applies as it stands.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from ..core.base import Needs, Source, Task, Workflow
from ..core.checks import check_run
from ..sources import Table
from ..sources import gaussian as gaussian_source
from ..tasks import KDE, Categorical, ExponentialFamily, Gaussian, LinearRegression
from ..tasks.bandwidths import BandwidthRule
from ..tasks.categorical import ProbsRule
from ..tasks.kernels import KERNELS
from ..workflows import Accumulate, AccumulateSubsample, Augment, FreshData, Replace, Weighted, Window
from . import exponential_families as families
from . import outcomes, regression, wishart
from .recursion import Moments, NotLinear, follow

Curves = dict[str, np.ndarray]

_MOST_ENTRIES = 10**8  # of all matrices that the chain of single outcomes takes, some seconds; of one a tenth of that


def curve(task: Task, workflow: Workflow, *, num_samples: int, num_generations: int) -> Curves:
    """What is known exactly of the means over seeds of a task's metrics, (G,) each, in float64.

    Args:
        task: a task of the library; of others nothing is known.
        workflow: any workflow; also one's own, as long as it does not look at the data.
        num_samples: rows of the first real batch and of every synthetic batch (n), or a schedule of these (G,).
        num_generations: models fitted (G). Time and memory grow with its square: 0.3 s and 10 MB for 1000.

    Returns:
        By metric. What has no exact curve is absent: nothing is approximated. Sources of each are in the module that
        computes it: `recursion` and `wishart` for Gaussians, `recursion` for KDEs, `regression`, `outcomes` for
        categorical data, `exponential_families`.

    Raises:
        ValueError: as `run`.
    """
    check_run(task, workflow, num_samples, num_generations, False)
    sizes = np.broadcast_to(np.asarray(num_samples, np.int64), (num_generations,))
    return _CURVES[type(task)](task, canonical(workflow, num_generations), sizes) if type(task) in _CURVES else {}


def canonical(workflow: Workflow, num_generations: int | None = None) -> Workflow:
    """Replace or Accumulate where a workflow is no more than these with its settings."""
    if isinstance(workflow, Window):
        if workflow.num_batches == 1:
            return Replace()
        return Accumulate() if num_generations and workflow.num_batches >= num_generations else workflow
    if isinstance(workflow, FreshData) and not workflow.num_fresh:
        return Replace()
    return Replace() if isinstance(workflow, Weighted) and float(workflow.real_weight) == 0 else workflow


def real_trace(source: Source) -> float | None:
    """Trace of the covariance of a source, or None where it is different for every seed."""
    key = jax.random.key(0)
    if jax.tree.leaves(jax.eval_shape(source.init, key)):
        return None
    return float(np.trace(np.asarray(source.moments(source.init(key))[1], np.float64)))


def fixed_trace(task: Gaussian) -> float | None:
    """Trace of the true covariance, or None where it is different for every seed."""
    return task.dim * float(task.sigma2) if task.source is None else real_trace(task.source)


def kernel_widths(task: KDE) -> tuple[float, float] | None:
    """Of a bandwidth that is the same in every generation: the trace, and the kernel's sd in units of its root."""
    trace = real_trace(task.source)
    if trace is None or isinstance(task.bandwidth, BandwidthRule) or task.bandwidth_exponent is not None:
        return None
    dim = task.source.dim
    return trace, float(task.bandwidth) * np.sqrt(dim * KERNELS[task.kernel].variance(dim) / trace)


def normal(task: Gaussian) -> bool:
    """Whether the real data of a Gaussian are normal."""
    return task.source is None or isinstance(task.source, gaussian_source)


def _follow(workflow: Workflow, sizes: np.ndarray, source: Source | None = None, **options: Any) -> Moments | None:
    real_error = None
    if isinstance(source, Table):
        size = len(source.train)

        def real_error(m: int) -> float:
            if m > size:
                raise ValueError(f"{m} rows of real data: {source.path} has {size}; ask for no more")
            return (1 / m - 1 / size) * size / (size - 1)

    try:
        return follow(workflow, sizes, real_error=real_error, **options)
    except NotLinear:
        return None


def _gaussian(task: Gaussian, workflow: Workflow, sizes: np.ndarray) -> Curves:
    temperature = float(task.sampling_temperature)
    moments = _follow(workflow, sizes, task.source, ddof=task.ddof, blur=lambda g, rows: (temperature, 0.0))
    if moments is None:
        return {}
    curves = {"trace_ratio": moments.spread}
    trace = fixed_trace(task)
    if trace is not None:
        curves["mean_sq_error"] = trace * moments.error
    if isinstance(workflow, Replace) and normal(task) and sizes.min() > task.dim:
        steps = [wishart.replace_log_determinant(n, task.dim, 1, task.ddof)[0] for n in sizes]
        log_determinant = np.cumsum(steps) + task.dim * np.log(temperature) * np.arange(len(sizes))
        curves["logdet_ratio"] = log_determinant
        curves["kl"] = (task.dim * (moments.spread + moments.error - 1) - log_determinant) / 2
    return curves


def _kde(task: KDE, workflow: Workflow, sizes: np.ndarray) -> Curves:
    dim, temperature = task.source.dim, float(task.sampling_temperature)
    variance = KERNELS[task.kernel].variance(dim)
    trace = real_trace(task.source)
    rule = task.bandwidth if isinstance(task.bandwidth, BandwidthRule) else None
    scaled = rule is not None and rule.scaled
    if trace is None and not scaled:
        return {}

    def blur(g: int, rows: int) -> tuple[float, float]:
        if scaled:
            return 1 + variance * rule.factor(rows, dim) ** 2 * rows / (rows - 1), 0.0
        exponent = 0.0 if task.bandwidth_exponent is None else float(task.bandwidth_exponent)
        width = rule.factor(rows, dim) if rule else float(task.bandwidth) * (g + 1) ** -exponent
        return 1.0, variance * dim * width**2 / trace

    def sampled(g: int, rows: int) -> tuple[float, float]:
        scale, added = blur(g, rows)
        return 1 + temperature * (scale - 1), temperature * added

    moments = _follow(workflow, sizes, task.source, blur=sampled)
    if moments is None:
        return {}
    scale, added = np.transpose([blur(g, int(rows)) for g, rows in enumerate(moments.rows)])
    curves = {"cov_trace_ratio": scale * moments.spread + added}
    return curves | ({} if trace is None else {"mean_sq_error": trace * moments.error})


def _regression(task: LinearRegression, workflow: Workflow, sizes: np.ndarray) -> Curves:
    n, dim, num_generations = int(sizes[0]), task.dim, len(sizes)
    sigma2, temperature = float(task.sigma2), float(task.sampling_temperature)
    if float(task.ridge) != 0 or len(set(sizes)) > 1 or abs(n - dim) <= 1:
        return {}
    if task.refit_noise:
        if not isinstance(workflow, Replace) or temperature != 1 or n <= dim:
            return {}
        error, variance = regression.replace_refitted(n, dim, num_generations, sigma2)
        return {"param_sq_error": error, "test_mse": error, "sigma2_ratio": variance / sigma2}
    if not task.fresh_design:
        error = _fixed_design(task, workflow, sizes)
    elif isinstance(workflow, Replace) and (n > dim or temperature == 1):
        error = regression.replace_fresh_design(n, dim, num_generations, sigma2)
    elif isinstance(workflow, Accumulate) and n > dim:
        error = regression.accumulate_fresh_design(n, dim, num_generations, sigma2)
    else:
        error = None
    if error is None:
        return {}
    if task.fresh_design:
        # For n > d a sum over batches, of which only the first has noise that is not tempered.
        error = error[0] + temperature * (error - error[0])
    return {"param_sq_error": error, "test_mse": error}


def _fixed_design(task: LinearRegression, workflow: Workflow, sizes: np.ndarray) -> np.ndarray | None:
    """Squared error of the weights with one design for all batches; None where there are other batches or draws."""
    n, dim = int(sizes[0]), task.dim
    if workflow.needs > Needs.SUMMARY:
        return None

    def real_error(m: int) -> float:
        if m != n:
            raise NotLinear("its batches have several designs")
        return 1 / m

    temperature = float(task.sampling_temperature)
    try:
        moments = follow(workflow, sizes, curvature=0.0, blur=lambda g, rows: (temperature, 0.0), real_error=real_error)
    except NotLinear:
        return None
    (noise,) = regression.replace_fixed_design(n, dim, 1, float(task.sigma2)) - max(dim - n, 0)
    return max(dim - n, 0) + noise * n * moments.error


def _categorical(task: Categorical, workflow: Workflow, sizes: np.ndarray) -> Curves:
    if float(task.sampling_temperature) != 1:
        return {}
    moments = _follow(workflow, sizes)
    if moments is None:
        return {}
    probs = true_probs(task)
    diversity = 1 - np.sum(probs**2)
    curves = {"heterozygosity": diversity * moments.spread, "sq_error": diversity * moments.error}
    if len(set(sizes)) > 1:
        return curves
    n, num_generations, num_outcomes = int(sizes[0]), len(sizes), np.sum(probs > 0)
    rows, distinct = n * num_generations, len(np.unique(probs))
    known = None
    if max(n * distinct, n**2) > _MOST_ENTRIES // 10:
        pass
    elif isinstance(workflow, Replace):
        known = outcomes.replace_outcomes(probs, n, num_generations)
    elif isinstance(workflow, Accumulate) and rows**2 <= _MOST_ENTRIES:
        known = outcomes.accumulate_outcomes(probs, n, num_generations)
    elif isinstance(workflow, AccumulateSubsample) and rows**2 <= _MOST_ENTRIES and n <= 100:
        known = outcomes.subsample_outcomes(probs, n, num_generations)
    if known is None and isinstance(workflow, Accumulate | Augment):
        survivors = np.full(num_generations, outcomes.pool_survivors(probs, n))
        return curves | {"num_extinct": num_outcomes - survivors}
    if known is None:
        return curves
    return curves | {"entropy": known.entropy, "num_extinct": num_outcomes - known.survivors}


def true_probs(task: Categorical) -> np.ndarray:
    """The probabilities (K,) of a categorical task, double."""
    probs = task.probs.of(task.num_outcomes) if isinstance(task.probs, ProbsRule) else task.probs
    return np.asarray(probs, np.float64)


def true_family(task: ExponentialFamily) -> families.Family:
    """The variance and its curvature of an exponential family's true member."""
    if task.family == "gamma":
        return families.gamma(float(task.shape), float(task.mean))
    return getattr(families, task.family)(float(task.mean))


def _family(task: ExponentialFamily, workflow: Workflow, sizes: np.ndarray) -> Curves:
    family = true_family(task)
    moments = _follow(workflow, sizes, curvature=family.curvature)
    return {} if moments is None else {"sq_error": family.variance * moments.error}


_CURVES = {
    Gaussian: _gaussian,
    KDE: _kde,
    LinearRegression: _regression,
    Categorical: _categorical,
    ExponentialFamily: _family,
}
