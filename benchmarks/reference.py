"""The published protocols as plain loops in NumPy and scikit-learn, one seed a call: what collapsejax is timed against.

Every generation is fitted to rows, all of them: nothing is summarized and nothing carried over, which is how such
experiments are commonly written. Double precision, no loops over rows.
Source: Kazdan et al., Collapse or Thrive?, arXiv 2410.16713.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.datasets import make_moons
from sklearn.neighbors import KernelDensity

Array = np.ndarray


def select(rng: np.random.Generator, workflow: str, pool: Array, num_samples: int) -> Array:
    """The rows of the pool (N, d) that the next model is fitted to."""
    if workflow == "accumulate-subsample":
        return rng.choice(pool, num_samples, replace=False)
    return pool


def extend(workflow: str, pool: Array, synthetic: Array) -> Array:
    """The pool after a model produced `synthetic`."""
    if workflow == "replace":
        return synthetic
    return np.concatenate([pool, synthetic])


def gaussian(
    rng: np.random.Generator, workflow: str, *, dim: int, num_samples: int, num_generations: int, sigma2: float = 1.0
) -> dict[str, Array]:
    """Fit a mean and a maximum-likelihood covariance, from N(0, sigma2 I_d); metrics (G,) as in `collapsejax.Gaussian`.

    `mean_sq_error`, `trace_ratio` and `logdet_ratio`.
    """
    pool = np.sqrt(sigma2) * rng.standard_normal((num_samples, dim))
    metrics = {name: np.empty(num_generations) for name in ("mean_sq_error", "trace_ratio", "logdet_ratio")}
    for g in range(num_generations):
        train = select(rng, workflow, pool, num_samples)
        mean = train.mean(axis=0)
        covariance = np.cov(train, rowvar=False, bias=True).reshape(dim, dim)
        metrics["mean_sq_error"][g] = np.sum(mean**2)
        metrics["trace_ratio"][g] = np.trace(covariance) / (sigma2 * dim)
        metrics["logdet_ratio"][g] = np.linalg.slogdet(covariance).logabsdet - dim * np.log(sigma2)
        # Faster than the default, and as good for a covariance that has collapsed; Cholesky's would fail there.
        synthetic = rng.multivariate_normal(mean, covariance, size=num_samples, method="eigh")
        pool = extend(workflow, pool, synthetic)
    return metrics


def moons(rng: np.random.Generator, num_samples: int) -> Array:
    """Real rows (n, 2), whose angles scikit-learn spaces evenly."""
    return make_moons(num_samples, noise=0.05, random_state=_random_state(rng))[0]


SOURCES: dict[str, Callable[[np.random.Generator, int], Array]] = {"moons": moons}


def kde(
    rng: np.random.Generator,
    workflow: str,
    *,
    source: str = "moons",
    bandwidth: float,
    num_samples: int,
    num_generations: int,
    num_test: int = 500,
) -> dict[str, Array]:
    """Fit a kernel density estimate with a Gaussian kernel; `test_nll` (G,) in nats, as in `collapsejax.KDE`."""
    pool, test = SOURCES[source](rng, num_samples), SOURCES[source](rng, num_test)
    test_nll = np.empty(num_generations)
    for g in range(num_generations):
        estimate = KernelDensity(bandwidth=bandwidth).fit(select(rng, workflow, pool, num_samples))
        test_nll[g] = -estimate.score_samples(test).mean()
        pool = extend(workflow, pool, estimate.sample(num_samples, random_state=_random_state(rng)))
    return {"test_nll": test_nll}


def regression(
    rng: np.random.Generator,
    workflow: str,
    *,
    dim: int,
    num_samples: int,
    num_generations: int,
    sigma2: float = 1.0,
    num_test: int = 1000,
) -> dict[str, Array]:
    """Fit weights by least squares of minimum norm, all batches having one design; metrics as `LinearRegression`'s.

    `test_mse` on noise-free rows and `param_sq_error`, each (G,). A row of the pool is (x, y).
    """
    true_weights = rng.standard_normal(dim)
    design, test = rng.standard_normal((num_samples, dim)), rng.standard_normal((num_test, dim))

    def batch(weights: Array) -> Array:
        noise = np.sqrt(sigma2) * rng.standard_normal(num_samples)
        return np.column_stack([design, design @ weights + noise])

    pool = batch(true_weights)
    metrics = {name: np.empty(num_generations) for name in ("test_mse", "param_sq_error")}
    for g in range(num_generations):
        train = select(rng, workflow, pool, num_samples)
        weights = np.linalg.lstsq(train[:, :-1], train[:, -1])[0]
        metrics["test_mse"][g] = np.mean((test @ weights - test @ true_weights) ** 2)
        metrics["param_sq_error"][g] = np.sum((weights - true_weights) ** 2)
        pool = extend(workflow, pool, batch(weights))
    return metrics


def _random_state(rng: np.random.Generator) -> int:
    """A seed for scikit-learn, which knows no generators."""
    return int(rng.integers(2**31))
