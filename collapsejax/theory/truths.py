"""What tasks are to learn: moments, probabilities and families of the true laws, in float64."""

from __future__ import annotations

import jax
import numpy as np

from ..core.base import Source
from ..sources import gaussian as gaussian_source
from ..tasks import KDE, Categorical, ExponentialFamily, Gaussian
from ..tasks.bandwidths import BandwidthRule
from ..tasks.categorical import ProbsRule
from ..tasks.kernels import KERNELS
from . import exponential_families as families


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


def true_probs(task: Categorical) -> np.ndarray:
    """The probabilities (K,) of a categorical task, double."""
    probs = task.probs.of(task.num_outcomes) if isinstance(task.probs, ProbsRule) else task.probs
    return np.asarray(probs, np.float64)


def true_family(task: ExponentialFamily) -> families.Family:
    """The variance and its curvature of an exponential family's true member."""
    if task.family == "gamma":
        return families.gamma(float(task.shape), float(task.mean))
    return getattr(families, task.family)(float(task.mean))
