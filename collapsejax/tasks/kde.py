"""Kernel density estimates: each generation's model is its training rows, blurred."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from ..base import Array, PyTree, Source, check_count, check_positive, nearest, pytree, static
from ..datasets import KernelSums, Rows


class Kernel(NamedTuple):
    """A radial kernel of bandwidth 1.

    `log_density(square)`: log of the kernel at a squared distance, but for a constant; `log_mass(d)`: log of its
    integral over d dimensions; `sample(key, n, d)`: n draws (n, d).
    """

    log_density: Callable[[Array], Array]
    log_mass: Callable[[int], float]
    sample: Callable[[Array, int, int], Array]


def _sample_ball(key: Array, n: int, d: int) -> Array:
    k_direction, k_radius = jax.random.split(key)
    direction = jax.random.normal(k_direction, (n, d))
    radius = jax.random.uniform(k_radius, (n, 1)) ** (1 / d)
    return direction * radius / jnp.linalg.norm(direction, axis=1, keepdims=True)


KERNELS = {
    "gaussian": Kernel(
        lambda square: -square / 2,
        lambda d: d / 2 * math.log(2 * math.pi),
        lambda key, n, d: jax.random.normal(key, (n, d)),
    ),
    "tophat": Kernel(
        lambda square: jnp.where(square < 1, 0.0, -jnp.inf),
        lambda d: d / 2 * math.log(math.pi) - math.lgamma(d / 2 + 1),
        _sample_ball,
    ),
}


@pytree
class BandwidthRule:
    """A rule of thumb: bandwidth = factor(N, d), times each feature's standard deviation where `scaled`."""

    name: str = static()
    factor: Callable[[Array, int], Array] = static()
    scaled: bool = static()

    def of(self, rows: Rows) -> Array:
        """The bandwidth of each feature, (d,), for N rows of positive weight."""
        dim = rows.values.shape[1]
        count = jnp.sum(rows.weights > 0).astype(float)
        width = jnp.full(dim, self.factor(count, dim))
        return width * _standard_deviation(rows) if self.scaled else width


def _scott(count: Array, dim: int) -> Array:
    return count ** (-1 / (dim + 4))


def _silverman(count: Array, dim: int) -> Array:
    return (count * (dim + 2) / 4) ** (-1 / (dim + 4))


# scikit-learn's "scott" and "silverman", which the published experiments use, ignore the scale of the data; the
# scaled ones are the rules of Scott (1992) and Silverman (1986) themselves, feature by feature.
BANDWIDTH_RULES = {
    rule.name: rule
    for rule in (
        BandwidthRule("scott", _scott, False),
        BandwidthRule("silverman", _silverman, False),
        BandwidthRule("scott-scaled", _scott, True),
        BandwidthRule("silverman-scaled", _silverman, True),
    )
}


class KDETruth(NamedTuple):
    """Held-out rows (m, d), and what the source fixed for this seed."""

    test: Array
    real: PyTree


class KDEParams(NamedTuple):
    """A fitted estimate: rows, the bandwidth of each feature (d,), the log kernel sums at the test rows (m,)."""

    rows: Rows
    bandwidth: Array
    log_sums: Array


@pytree
class KDE:
    """Fit a kernel density estimate to the data.

    Args:
        source: real data (`collapsejax.sources`).
        bandwidth: a number, in the units of the data, or a rule applied anew to each training set: "scott" and
            "silverman" as in scikit-learn, h = N^(-1/(d+4)) and h = (N (d+2) / 4)^(-1/(d+4)) for N rows, or
            "scott-scaled" and "silverman-scaled", which multiply these by each feature's standard deviation.
        kernel: "gaussian" or "tophat".
        num_test: held-out real rows, drawn once per seed; at most as many as the source holds out.

    Metric: `test_nll`, mean negative log-likelihood of the held-out rows (nats). It is +inf where the estimate gives a
    held-out row no density: a tophat without a neighbour, a scaled bandwidth of 0, or rows that have left float32's
    range.

    With a number as bandwidth the training set carries its kernel sums, so a generation costs the new rows' distances
    only, also under accumulate.

    Raises ValueError for an unknown kernel or rule and a num_test below 1.
    """

    source: Source
    bandwidth: float | str | BandwidthRule
    kernel: str = static(default="gaussian")
    num_test: int = static(default=500)

    name: ClassVar[str] = "kde"

    def __post_init__(self) -> None:
        if isinstance(self.bandwidth, str):
            if self.bandwidth not in BANDWIDTH_RULES:
                hint = nearest(self.bandwidth, BANDWIDTH_RULES)
                raise ValueError(f"bandwidth={self.bandwidth!r}: neither a number nor a known rule; {hint}")
            object.__setattr__(self, "bandwidth", BANDWIDTH_RULES[self.bandwidth])
        if self.kernel not in KERNELS:
            raise ValueError(f"kernel={self.kernel!r}: no such kernel; {nearest(self.kernel, KERNELS)}")
        check_count("num_test", self.num_test)

    def check(self, num_samples: int) -> None:
        if not isinstance(self.bandwidth, BandwidthRule):
            check_positive("bandwidth", self.bandwidth)
        elif self.bandwidth.scaled and num_samples < 2:
            raise ValueError(f"num_samples={num_samples}: bandwidth {self.bandwidth.name!r} needs at least 2")
        self.source.check(num_samples)

    def init(self, key: Array, num_samples: int) -> tuple[KDETruth, None]:
        del num_samples
        k_real, k_test = jax.random.split(key)
        real = self.source.init(k_real)
        num_test = min(self.num_test, getattr(self.source, "num_held_out", self.num_test))
        return KDETruth(self.source.sample_test(k_test, real, num_test), real), None

    def sample_real(self, key: Array, truth: KDETruth, n: int) -> Array:
        return self.source.sample(key, truth.real, n)

    def summarize(self, truth: KDETruth, rows: Rows) -> Rows | KernelSums:
        if isinstance(self.bandwidth, BandwidthRule):
            return rows
        return KernelSums(rows, self._log_sums(truth.test, rows, self._fixed(rows)))

    def fit(self, key: Array, truth: KDETruth, train: Rows | KernelSums, params: None) -> KDEParams:
        del key, params
        if isinstance(train, KernelSums):
            return KDEParams(train.rows, self._fixed(train.rows), train.log_sums)
        bandwidth = self.bandwidth.of(train)
        return KDEParams(train, bandwidth, self._log_sums(truth.test, train, bandwidth))

    def sample(self, key: Array, truth: KDETruth, params: KDEParams, n: int) -> Array:
        del truth
        k_row, k_noise = jax.random.split(key)
        rows = params.rows.resample(k_row, n)
        return rows + params.bandwidth[None, :] * KERNELS[self.kernel].sample(k_noise, n, rows.shape[1])

    def evaluate(self, truth: KDETruth, params: KDEParams) -> dict[str, Array]:
        del truth
        proper = _proper(params.bandwidth)
        log_mass = KERNELS[self.kernel].log_mass(params.bandwidth.shape[0])
        log_mass = log_mass + jnp.sum(jnp.log(jnp.where(proper, params.bandwidth, 1.0)))
        return {"test_nll": jnp.log(jnp.sum(params.rows.weights)) + log_mass - jnp.mean(params.log_sums)}

    def _fixed(self, rows: Rows) -> Array:
        return jnp.full(rows.values.shape[1], self.bandwidth)

    def _log_sums(self, test: Array, rows: Rows, bandwidth: Array) -> Array:
        proper = _proper(bandwidth)
        width = jnp.where(proper, bandwidth, 1.0)[None, :]
        log_density = KERNELS[self.kernel].log_density
        sums = _log_kernel_sums(test / width, rows.values / width, rows.weights, log_density)
        return jnp.where(jnp.all(proper), sums, -jnp.inf)


def _proper(bandwidth: Array) -> Array:
    return jnp.isfinite(bandwidth) & (bandwidth > 0)


def _log_kernel_sums(test: Array, values: Array, weights: Array, log_density: Callable) -> Array:
    """Log sum_i w_i k(|t_j - x_i|^2), (m,): test (m, d), values (C, d), weights (C,).

    Feature by feature, so that XLA fuses distances, kernel and sum without storing m x C numbers; a difference of
    squares by matrix product would cancel, and is slower for the few features that a density estimate can have.
    """
    square = sum((test[:, k, None] - values.T[k][None, :]) ** 2 for k in range(values.shape[1]))
    terms = log_density(square) + jnp.log(weights)[None, :]
    largest = jnp.max(terms, axis=1)
    shift = jnp.where(jnp.isneginf(largest), 0.0, largest)
    return shift + jnp.log(jnp.sum(jnp.exp(terms - shift[:, None]), axis=1))


def _standard_deviation(rows: Rows) -> Array:
    """Weighted standard deviation of each feature, with N - 1, (d,); scaled so that its squares stay in range."""
    weights = (rows.weights / jnp.sum(rows.weights))[:, None]
    count = jnp.sum(rows.weights > 0)
    centred = rows.values - jnp.sum(weights * rows.values, axis=0, keepdims=True)
    centred = jnp.where(weights > 0, centred, 0.0)
    largest = jnp.max(jnp.abs(centred), axis=0)
    scale = jnp.where(largest > 0, largest, 1.0)
    variance = jnp.sum(weights * (centred / scale[None, :]) ** 2, axis=0)
    return scale * jnp.sqrt(variance * count / (count - 1))
