"""Exact mean curves of the metrics of a task under a workflow.

Regressions on a fixed design. With the same X in every batch the weights fitted to several batches are the weighted
mean of those fitted to each, and these have errors X^+ noise of expected square c = sigma2 d / (n - d - 1) for
n > d + 1: the recursion with a variance that stays, c in place of 1 / n. For n < d - 1 the fit has minimum norm, so it
stays in the span of X's rows: c = sigma2 n / (d - n - 1), and the part of the true weights outside that
span, of expected square d - n, is lost from the beginning.

Categorical data are rows of K indicators, whose covariance has the trace 1 - sum p^2: `recursion` applies as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import jax
import numpy as np

from ..core.arguments import nearest
from ..core.base import Needs, Source, Task, Workflow
from ..core.checks import check_run
from ..loop import run
from ..sources import Table
from ..tasks import KDE, Categorical, ExponentialFamily, Gaussian, LinearRegression, Probed
from ..tasks.bandwidths import BandwidthRule
from ..tasks.kernels import KERNELS
from ..workflows import Accumulate, AccumulateSubsample, Augment, FreshData, Replace, Selected, Weighted, Window
from . import outcomes, regression, wishart
from .ranks import most_points
from .recursion import Moments, NotLinear, follow
from .truths import fixed_trace, normal, real_trace, true_family, true_probs


class Curves(dict[str, np.ndarray]):
    """Exact curves by metric. What has none is absent; asking for it raises KeyError, which says why there is none."""

    def __init__(self, known: Mapping[str, np.ndarray], why_unknown: Callable[[], Mapping[str, str]]) -> None:
        super().__init__(known)
        self._why_unknown = why_unknown

    def __missing__(self, name: str) -> NoReturn:
        reasons = self._why_unknown()
        raise KeyError(
            f"{name}: {reasons.get(name) or f'the task has no such metric; {nearest(name, [*self, *reasons])}'}"
        )

    def __repr__(self) -> str:
        if self:
            return super().__repr__()
        names: dict[str, list[str]] = {}
        for name, reason in self._why_unknown().items():
            names.setdefault(reason, []).append(name)
        told = " ".join(f"{', '.join(of)}: {reason}" for reason, of in names.items())
        return f"{{}}  # {told}"

    def __reduce__(self) -> tuple:
        return dict, (dict(self),)


Known = np.ndarray | str  # a curve, or a sentence that says why none is known
Decided = dict[str, Known]

_NO_SCALE = "The scale of the real data is different in every seed, and no mean over seeds is known in its units."
_SEVERAL_DESIGNS = "each has the beginning of one design, and their fits depend on one another"
_MOST_ENTRIES = 10**8  # of all matrices that the chain of single outcomes takes, some seconds; of one a tenth of that


def curve(task: Task, workflow: Workflow, *, num_samples: int, num_generations: int) -> Curves:
    """What is known exactly of the means over seeds of a task's metrics, (G,) each, in float64.

    Args:
        task: a task of the library; of others nothing is known.
        workflow: any workflow; also one's own, as long as it does not look at the data.
        num_samples: rows of the first real batch and of every synthetic batch (n), or a schedule of these (G,).
        num_generations: models fitted (G). Time and memory grow with its square: 0.3 s and 10 MB for 1000.

    Returns:
        By metric. What has no exact curve is absent: nothing is approximated. `why_unknown` says why, and so does the
        KeyError of asking for it, and what is printed where no curve is known at all. The
        log-determinants of fits that are singular in every seed are -inf, their divergences inf. Sources are in the
        module that computes a curve: `recursion`, `wishart` and `ranks` for Gaussians, `recursion` for KDEs,
        `regression`, `outcomes` for categorical data, `exponential_families`.

    Raises:
        ValueError: as `run`.
    """
    decided = _decide(task, workflow, num_samples, num_generations)
    known = {name: curve for name, curve in decided.items() if not isinstance(curve, str)}
    return Curves(known, lambda: _reasons(decided, task, workflow, num_samples, num_generations))


def why_unknown(task: Task, workflow: Workflow, *, num_samples: int, num_generations: int) -> dict[str, str]:
    """By metric that `curve` with these arguments leaves out, one sentence that says why it is not known.

    Every metric of the task, also of one's own, is here or there. Raises as `run`.
    """
    decided = _decide(task, workflow, num_samples, num_generations)
    return _reasons(decided, task, workflow, num_samples, num_generations)


def _reasons(
    decided: Decided, task: Task, workflow: Workflow, num_samples: int, num_generations: int
) -> dict[str, str]:
    general = "Exact curves are known for tasks of this library, and this one is of another class, or of text."
    if isinstance(task, Probed):
        general = "Ask for the curves of the task that is probed; what probing adds has no known mean."
    if not decided:
        sizes = dict(num_samples=num_samples, num_generations=num_generations)
        metrics = jax.eval_shape(lambda key: run(key, task, workflow, **sizes).metrics, jax.random.key(0))
        decided = dict.fromkeys(metrics, general)
    return {name: known for name, known in decided.items() if isinstance(known, str)}


def _decide(task: Task, workflow: Workflow, num_samples: int, num_generations: int) -> Decided:
    """Every metric's curve, or why it has none; nothing for tasks that no theory is for. Raises as `run`."""
    check_run(task, workflow, num_samples, num_generations, False)
    sizes = np.broadcast_to(np.asarray(num_samples, np.int64), (num_generations,))
    workflow = canonical(task, workflow, num_generations)
    return _CURVES[type(task)](task, workflow, sizes) if type(task) in _CURVES else {}


def canonical(task: Task, workflow: Workflow, num_generations: int | None = None) -> Workflow:
    """The simpler workflow that one is no more than, with its settings and for the means of that task.

    A verifier that keeps all rows changes their order only. One whose every verdict is random chooses, of independent
    rows, by scores that are independent of these rows: what it chooses are independent rows of the model. But with one
    design the rows of a regression are the beginning of it, of which it then leaves some out.
    """
    if isinstance(workflow, Selected):
        one_design = isinstance(task, LinearRegression) and not task.fresh_design
        if workflow.keep == 1 or (float(workflow.error) == 1 and not one_design):
            return canonical(task, workflow.inner, num_generations)
    if isinstance(workflow, Window):
        if workflow.num_batches == 1:
            return Replace()
        return Accumulate() if num_generations and workflow.num_batches >= num_generations else workflow
    if isinstance(workflow, FreshData) and not workflow.num_fresh:
        return Replace()
    return Replace() if isinstance(workflow, Weighted) and float(workflow.real_weight) == 0 else workflow


def _follow(workflow: Workflow, sizes: np.ndarray, source: Source | None = None, **options: Any) -> Moments | str:
    """The recursion's curves, or why there are none."""
    real_error = None
    if isinstance(source, Table):
        size = len(source.train)

        def real_error(m: int) -> float:
            if m > size:
                raise ValueError(f"{m} rows of real data: {source.path} has {size}; ask for no more")
            return (1 / m - 1 / size) * size / (size - 1)

    try:
        return follow(workflow, sizes, real_error=real_error, **options)
    except NotLinear as error:
        return f"The recursion over batches cannot follow workflow {error}."


def _gaussian(task: Gaussian, workflow: Workflow, sizes: np.ndarray) -> Decided:
    decided = _gaussian_moments(task, workflow, sizes)
    if task.source is None or task.source.num_held_out is None:
        return decided
    infinite = np.isposinf(decided["kl"]).all() if not isinstance(decided["kl"], str) else False
    reason = "The held-out loss contains the inverse of the fitted covariance, of no known mean."
    return decided | {"test_nll": decided["kl"] if infinite else reason}


def _gaussian_moments(task: Gaussian, workflow: Workflow, sizes: np.ndarray) -> Decided:
    temperature, trace = float(task.sampling_temperature), fixed_trace(task)
    moments = _follow(workflow, sizes, task.source, ddof=task.ddof, blur=lambda g, rows: (temperature, 0.0))
    if isinstance(moments, str):
        decided = dict.fromkeys(("mean_sq_error", "trace_ratio"), moments)
    else:
        decided = {
            "mean_sq_error": _NO_SCALE if trace is None else trace * moments.error,
            "trace_ratio": moments.spread,
        }
    points = most_points(workflow, sizes)
    if points is not None and (points <= task.dim).all():
        infinite = np.full(len(sizes), np.inf)
        return decided | {"logdet_ratio": -infinite, "kl": infinite}
    if not isinstance(workflow, Replace):
        reason = "Log-determinants of covariances fitted to several batches, or to chosen rows, have no known mean."
        if points is not None and (points <= task.dim).any():
            reason = "In some generations the fit is singular in every seed, in others it is not, and no mean is known."
    elif not normal(task):
        reason = "The mean of a log-determinant depends on the law of the real data, which is not normal."
    else:
        step = lambda n: wishart.replace_log_determinant(n, task.dim, 1, task.ddof)[0] if n > task.dim else -np.inf
        log_determinant = np.cumsum([step(n) for n in sizes])
        log_determinant += task.dim * np.log(temperature) * np.arange(len(sizes))
        divergence = (task.dim * (moments.spread + moments.error - 1) - log_determinant) / 2
        return decided | {"logdet_ratio": log_determinant, "kl": divergence}
    return decided | {"logdet_ratio": reason, "kl": reason}


def _kde(task: KDE, workflow: Workflow, sizes: np.ndarray) -> Decided:
    dim, temperature = task.source.dim, float(task.sampling_temperature)
    variance = KERNELS[task.kernel].variance(dim)
    trace = real_trace(task.source)
    rule = task.bandwidth if isinstance(task.bandwidth, BandwidthRule) else None
    scaled = rule is not None and rule.scaled
    decided: Decided = {"test_nll": "The held-out loss of a kernel density estimate has no mean in closed form."}
    if trace is None and not scaled:
        return decided | dict.fromkeys(("cov_trace_ratio", "mean_sq_error"), _NO_SCALE)

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
    if isinstance(moments, str):
        return decided | dict.fromkeys(("cov_trace_ratio", "mean_sq_error"), moments)
    scale, added = np.transpose([blur(g, int(rows)) for g, rows in enumerate(moments.rows)])
    error = _NO_SCALE if trace is None else trace * moments.error
    return decided | {"cov_trace_ratio": scale * moments.spread + added, "mean_sq_error": error}


def _regression(task: LinearRegression, workflow: Workflow, sizes: np.ndarray) -> Decided:
    error, variance = _regression_error(task, workflow, sizes)
    decided: Decided = {"param_sq_error": error, "test_mse": error}
    return decided | {"sigma2_ratio": variance} if task.refit_noise else decided


def _regression_error(task: LinearRegression, workflow: Workflow, sizes: np.ndarray) -> tuple[Known, Known]:
    """Squared error of the weights, and the refitted variance of the noise over the true one."""
    n, dim, num_generations, several = int(sizes[0]), task.dim, len(sizes), len(set(sizes)) > 1
    sigma2, temperature = float(task.sigma2), float(task.sampling_temperature)
    none = "The noise is not refitted."
    infinite = "The squared error of the weights has an infinite mean where n and dim differ by 1 at most."
    if workflow.screen is not None:
        return (f"Workflow {workflow.name} chooses rows by their values.",) * 2
    if float(task.ridge) != 0:
        return ("The bias of a ridge penalty contains the inverse of a random matrix, of no known mean.",) * 2
    if task.refit_noise:
        if not isinstance(workflow, Replace):
            return ("The noise refitted to several batches depends on the weights that each was drawn with.",) * 2
        if sizes.min() <= dim:
            return ("A fit to n <= dim rows leaves no residual, and that law of the noise is not worked out.",) * 2
        known = regression.replace_refitted(sizes, dim, num_generations, sigma2, temperature=temperature)
        return known.error if np.isfinite(known.error).all() else infinite, known.sigma2 / sigma2
    if (np.abs(sizes - dim) <= 1).any():
        return infinite, none
    if several and sizes.min() <= dim:
        return "With sizes that change, rows that span a part of the features project the weights in turn.", none
    if isinstance(workflow, Replace) and (several or (task.fresh_design and (n > dim or temperature == 1))):
        error = regression.replace_fresh_design(sizes, dim, num_generations, sigma2)
    elif not task.fresh_design:
        return _fixed_design(task, workflow, sizes), none
    elif isinstance(workflow, Accumulate) and n > dim:
        error = regression.accumulate_fresh_design(sizes, dim, num_generations, sigma2)
    else:
        return "Fits to new designs weigh them by random Gram matrices, which depend on one another.", none
    # For n > d a sum over batches, of which only the first has noise that is not tempered.
    return error[0] + temperature * (error - error[0]), none


def _fixed_design(task: LinearRegression, workflow: Workflow, sizes: np.ndarray) -> Known:
    """Squared error of the weights with one design for all batches; why not where there are other batches or draws."""
    n, dim = int(sizes[0]), task.dim
    if workflow.needs > Needs.SUMMARY:
        return f"Workflow {workflow.name} draws or chooses rows, which then have several designs."

    def real_error(m: int) -> float:
        if m != n:
            raise NotLinear(_SEVERAL_DESIGNS)
        return 1 / m

    if len(set(sizes)) > 1:
        return f"Workflow {workflow.name} mixes batches of several sizes, of which {_SEVERAL_DESIGNS}."
    temperature = float(task.sampling_temperature)
    try:
        moments = follow(workflow, sizes, curvature=0.0, blur=lambda g, rows: (temperature, 0.0), real_error=real_error)
    except NotLinear as error:
        return f"The recursion over batches cannot follow workflow {error}."
    (noise,) = regression.replace_fixed_design(n, dim, 1, float(task.sigma2)) - max(dim - n, 0)
    return max(dim - n, 0) + noise * n * moments.error


def _categorical(task: Categorical, workflow: Workflow, sizes: np.ndarray) -> Decided:
    names = ("entropy", "heterozygosity", "num_extinct", "sq_error")
    if float(task.sampling_temperature) != 1:
        return dict.fromkeys(names, "Tempered probabilities are powers of the fitted ones, of no known mean.")
    probs = true_probs(task)
    moments = _follow(workflow, sizes)
    if isinstance(moments, str):
        decided = dict.fromkeys(names, moments)
    else:
        diversity = 1 - np.sum(probs**2)
        decided = {"heterozygosity": diversity * moments.spread, "sq_error": diversity * moments.error}
    if workflow.screen is not None:
        return decided
    entropy, survivors = _outcomes(probs, workflow, sizes)
    extinct = survivors if isinstance(survivors, str) else np.sum(probs > 0) - survivors
    return decided | {"entropy": entropy, "num_extinct": extinct}


def _outcomes(probs: np.ndarray, workflow: Workflow, sizes: np.ndarray) -> tuple[Known, Known]:
    """Entropy, and outcomes that are left."""
    n, num_generations, distinct = int(sizes[0]), len(sizes), len(np.unique(probs))
    if len(set(sizes)) > 1:
        return ("The chain of an outcome's counts is written out for sizes that do not change.",) * 2
    pool = isinstance(workflow, Accumulate | Augment)  # which lose nothing that was there once
    survivors = np.full(num_generations, outcomes.pool_survivors(probs, n)) if pool else None
    rows = n * num_generations
    chains = {  # what computes each, and whether that takes no more than some seconds
        Replace: (outcomes.replace_outcomes, True),
        Accumulate: (outcomes.accumulate_outcomes, rows**2 <= _MOST_ENTRIES),
        AccumulateSubsample: (outcomes.subsample_outcomes, rows**2 <= _MOST_ENTRIES and n <= 100),
        Augment: (outcomes.augment_outcomes, n**2 * rows <= 10 * _MOST_ENTRIES),
    }
    if isinstance(workflow, FreshData):
        m = workflow.num_fresh
        chain = lambda probs, n, num_generations: outcomes.fresh_outcomes(probs, n, m, num_generations)
        chains[FreshData] = chain, rows * distinct * (n + m) + (n + m) ** 2 <= _MOST_ENTRIES
    if isinstance(workflow, Weighted):
        weight = float(workflow.real_weight)
        chain = lambda probs, n, num_generations: outcomes.weighted_outcomes(probs, weight, n, num_generations)
        chains[Weighted] = chain, n**3 <= _MOST_ENTRIES // 10 and distinct * n**2 * rows <= 10 * _MOST_ENTRIES
    if type(workflow) not in chains:
        reason = "The counts of an outcome are no Markov chain of one or two numbers, as far as is known here."
    else:
        chain, quick = chains[type(workflow)]
        if quick and max(n * distinct, n**2) <= _MOST_ENTRIES // 10:
            return tuple(chain(probs, n, num_generations))
        reason = "The Markov chain of an outcome's counts would take more than some seconds."
    return reason, reason if survivors is None else survivors


def _family(task: ExponentialFamily, workflow: Workflow, sizes: np.ndarray) -> Decided:
    family = true_family(task)
    moments = _follow(workflow, sizes, curvature=family.curvature)
    return {"sq_error": moments if isinstance(moments, str) else family.variance * moments.error}


_CURVES = {
    Gaussian: _gaussian,
    KDE: _kde,
    LinearRegression: _regression,
    Categorical: _categorical,
    ExponentialFamily: _family,
}


def has_curves(task: str) -> bool:
    """Whether there is theory for the library's task of this name, so that some of its curves may be known."""
    return task in {kind.name for kind in _CURVES}
