"""Where mean curves go: limits for ever more generations, and leading orders for many samples, each by its own name."""

from __future__ import annotations

import numpy as np

from ..core.base import Task, Workflow
from ..core.checks import check_run
from ..sources import Table
from ..tasks import KDE, Categorical, ExponentialFamily, Gaussian, LinearRegression
from ..workflows import Accumulate, AccumulateSubsample, Augment, FreshData, Replace, Weighted, Window
from . import bandwidths, closed_forms, mixing, outcomes, regression
from . import exponential_families as families
from .curves import canonical
from .truths import fixed_trace, kernel_widths, normal, true_family, true_probs


def limit(task: Task, workflow: Workflow, *, num_samples: int) -> dict[str, float]:
    """What the exact curves of a task's metrics tend to as generations go on.

    Args:
        task: a task of the library; of others nothing is known.
        workflow: a workflow of the library.
        num_samples: rows of the first real batch and of every synthetic batch (n).

    Returns:
        By metric; infinite where a curve grows without bound. What is not known is absent.

    Raises:
        ValueError: as `run`.
    """
    check_run(task, workflow, num_samples, 1, False)
    if type(task) not in _LIMITS:
        return {}
    limits = _LIMITS[type(task)](task, canonical(task, workflow), int(num_samples))
    return {name: float(value) for name, value in limits.items()}


def asymptote(task: Task, workflow: Workflow, *, num_samples: int, num_generations: int) -> dict[str, np.ndarray]:
    """Leading orders, (G,): approximations, and how good they are for given sizes is not said.

    For many samples, in units n / V0: the error of the mean grows as t under replace, as the sum of 1 / k^2 under
    accumulate, and tends to pi^2 / 2 - 2 under accumulate-subsample; the divergence from the truth is as many times
    p / (2n) for p parameters, and the error of a regression's d weights as many times sigma2 d / n. For many
    generations, of a KDE with a fixed bandwidth h: h^2 t and h^2 log t, of the mean under replace and of the covariance
    where data accumulate.

    Arguments and errors as `theory.curve`; derivations are in `exponential_families` and `bandwidths`.
    """
    check_run(task, workflow, num_samples, num_generations, False)
    if np.ndim(num_samples) or type(task) not in (KDE, *_LIMITS):
        return {}
    if not isinstance(task, ExponentialFamily) and float(task.sampling_temperature) != 1:
        return {}
    if isinstance(task, Gaussian | KDE) and isinstance(task.source, Table):
        return {}  # without replacement, the errors are smaller
    workflow = canonical(task, workflow, num_generations)
    if isinstance(task, KDE):
        return _kde_asymptote(task, workflow, num_samples, num_generations)
    constants = {
        Replace: families.replace_leading_constant,
        Accumulate: families.accumulate_leading_constant,
        AccumulateSubsample: families.subsample_leading_constant,
    }
    if type(workflow) not in constants:
        return {}
    constant = constants[type(workflow)](num_generations) / num_samples
    if isinstance(task, Gaussian):
        trace = fixed_trace(task)
        known = {} if trace is None else {"mean_sq_error": trace * constant}
        return known | ({"kl": task.dim * (task.dim + 3) / 4 * constant} if normal(task) else {})
    if isinstance(task, LinearRegression):
        if float(task.ridge) or num_samples <= task.dim:
            return {}
        error = float(task.sigma2) * task.dim * constant
        return {"param_sq_error": error, "test_mse": error}
    if isinstance(task, Categorical):
        return {"sq_error": (1 - np.sum(true_probs(task) ** 2)) * constant}
    return {"sq_error": true_family(task).variance * constant}


def _kde_asymptote(task: KDE, workflow: Workflow, num_samples: int, num_generations: int) -> dict[str, np.ndarray]:
    widths = kernel_widths(task)
    if widths is None:
        return {}
    trace, width = widths
    if isinstance(workflow, Replace):
        return {"mean_sq_error": trace * bandwidths.replace_error_asymptote(width, num_generations)}
    if isinstance(workflow, Accumulate | AccumulateSubsample):
        kept = 1 if isinstance(workflow, Accumulate) else 1 - 1 / num_samples
        return {"cov_trace_ratio": kept * bandwidths.accumulate_spread_asymptote(width, num_generations)}
    return {}


def _spread_and_error(workflow: Workflow, n: int, ddof: int, temperature: float) -> tuple[float, float] | None:
    """Limits in units of the true covariance."""
    if isinstance(workflow, Replace):
        factor = temperature * (n - 1) / (n - ddof)
        if temperature == 1:
            return closed_forms.replace_spread_limit(n, ddof), closed_forms.replace_error_limit(n, ddof)
        start = (n - 1) / (n - ddof)
        spread = 0.0 if factor < 1 else start if factor == 1 else np.inf
        return spread, (1 + temperature * start / (1 - factor)) / n if factor < 1 else np.inf
    if isinstance(workflow, Augment):  # about the mean of the first real rows, and in units of their covariance
        spread, error = mixing.Shares.of(0.5, n, n, 2 * n, fixed=True).steady(temperature, ddof)
        return (1 - 1 / n) * spread, 1 / n + (1 - 1 / n) * error
    if (shares := _shares(workflow, n)) is not None:
        return tuple(shares.steady(temperature, ddof))
    if temperature != 1:
        return None
    if isinstance(workflow, Window) and ddof == 0:
        return 0.0, 1.0  # the second moment stays, and ever newer rows come to be alike
    if isinstance(workflow, Accumulate):
        return closed_forms.accumulate_spread_limit(n, ddof), closed_forms.accumulate_error_limit(n, ddof)
    if isinstance(workflow, AccumulateSubsample):
        return closed_forms.subsample_spread_limit(n, ddof), closed_forms.subsample_error_limit(n, ddof)
    return None


def _shares(workflow: Workflow, n: int) -> mixing.Shares | None:
    """Of the loops with new real rows in every generation."""
    if isinstance(workflow, FreshData):
        total = n + workflow.num_fresh
        return mixing.Shares.of(n / total, n, workflow.num_fresh, total)
    if isinstance(workflow, Weighted):
        return mixing.Shares.of(1 - float(workflow.real_weight), n, n, n)
    return None


def _error(workflow: Workflow, n: int, curvature: float, temperature: float = 1.0) -> float | None:
    """Limit of the squared error of a mean where models have the variance 1 + curvature * error, in its units."""
    if isinstance(workflow, Replace | Window):
        return -1 / curvature if curvature < 0 else np.inf
    if isinstance(workflow, Augment):
        # The real rows' own error is 1/n, and so is what theirs and the model's have in common.
        return mixing.Shares.of(0.5, n, n, 2 * n)._replace(real=0.75 / n).steady_error(curvature, temperature)
    shares = _shares(workflow, n)
    return None if shares is None else shares.steady_error(curvature, temperature)


def _gaussian(task: Gaussian, workflow: Workflow, n: int) -> dict[str, float]:
    temperature, trace = float(task.sampling_temperature), fixed_trace(task)
    known = _spread_and_error(workflow, n, task.ddof, temperature)
    if known is None or trace is None or isinstance(task.source, Table):
        return {}
    limits = {"trace_ratio": known[0], "mean_sq_error": trace * known[1]}
    if isinstance(workflow, Replace) and normal(task) and n > task.dim and temperature <= 1:
        limits |= {"logdet_ratio": -np.inf, "kl": np.inf}
    return limits


def _kde(task: KDE, workflow: Workflow, n: int) -> dict[str, float]:
    widths = kernel_widths(task)
    if widths is None or task.sampling_temperature != 1:
        return {}
    if isinstance(workflow, Replace):
        spread = bandwidths.replace_spread_limit(n, widths[1]) + widths[1] ** 2
        return {"cov_trace_ratio": spread, "mean_sq_error": np.inf}
    if isinstance(workflow, Accumulate | AccumulateSubsample):
        return {"cov_trace_ratio": np.inf}
    return {}


def _regression(task: LinearRegression, workflow: Workflow, n: int) -> dict[str, float]:
    sigma2, dim, temperature = float(task.sigma2), task.dim, float(task.sampling_temperature)
    if task.ridge != 0 or abs(n - dim) <= 1:
        return {}
    (first,) = regression.replace_fixed_design(n, dim, 1, sigma2)
    if task.refit_noise:
        return _refitted(n, dim, first, temperature) if isinstance(workflow, Replace) and n > dim else {}
    if isinstance(workflow, Replace) and (not task.fresh_design or n > dim):
        error = np.inf
    elif isinstance(workflow, Accumulate) and (not task.fresh_design or n > dim):
        of = regression.accumulate_fresh_design_limit if task.fresh_design else regression.accumulate_fixed_design_limit
        error = first + temperature * (of(n, dim, sigma2) - first)
    elif not task.fresh_design and not (isinstance(workflow, FreshData) and workflow.num_fresh != n):
        mean_error = _error(workflow, n, 0.0, temperature)
        if mean_error is None:
            return {}
        lost = max(dim - n, 0)  # in the first fit, of which `first` has the noise of one batch besides
        error = lost + (first - lost) * n * mean_error
    else:
        return {}
    return {"param_sq_error": error, "test_mse": error}


def _refitted(n: int, dim: int, first: float, temperature: float) -> dict[str, float]:
    """Under replace: the geometric series of `regression.replace_refitted`, whose first term is `first`."""
    left = 1 - dim / n
    ratio = temperature * left
    error = first / (1 - ratio) if ratio < 1 else np.inf
    spread = 0.0 if ratio < 1 else left if ratio == 1 else np.inf
    return {"param_sq_error": error, "test_mse": error, "sigma2_ratio": spread}


def _categorical(task: Categorical, workflow: Workflow, n: int) -> dict[str, float]:
    known = _spread_and_error(workflow, n, 0, 1.0) if task.sampling_temperature == 1 else None
    if known is None:
        return {}
    probs = true_probs(task)
    diversity = 1 - np.sum(probs**2)
    limits = {"heterozygosity": diversity * known[0], "sq_error": diversity * known[1]}
    if isinstance(workflow, Replace | Window):
        return limits | {"entropy": 0.0, "num_extinct": float(np.sum(probs > 0) - 1)}
    if isinstance(workflow, Accumulate | Augment):
        return limits | {"num_extinct": float(np.sum(probs > 0) - outcomes.pool_survivors(probs, n))}
    return limits


def _family(task: ExponentialFamily, workflow: Workflow, n: int) -> dict[str, float]:
    family = true_family(task)
    if isinstance(workflow, Accumulate):
        return {"sq_error": families.accumulate_error_limit(family, n)}
    error = _error(workflow, n, family.curvature)
    return {} if error is None else {"sq_error": family.variance * error}


_LIMITS = {
    Gaussian: _gaussian,
    KDE: _kde,
    LinearRegression: _regression,
    Categorical: _categorical,
    ExponentialFamily: _family,
}
