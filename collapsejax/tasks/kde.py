"""Kernel density estimates: each generation's model is its training rows, blurred."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from ..core.arguments import check_count, check_not_negative, check_positive, check_spread, nearest
from ..core.base import Array, PyTree, Source, Task
from ..core.checks import check_source
from ..core.pytree import static
from ..data.kernel_sums import KernelSums, Spread
from ..data.rows import Rows
from ..numerics.threefry import fused
from .bandwidths import BANDWIDTH_RULES, BandwidthRule, Width
from .kernels import KERNELS

_FAR = 100.0  # of a bandwidth from the standard deviation of a feature, as a factor
_MOST_FEATURES = 1000  # it takes seconds to compile each hundred


class KDETruth(NamedTuple):
    """Held-out rows (m, d), the true mean (d,), trace of the true covariance, what the source fixed for this seed."""

    test: Array
    mean: Array
    trace: Array
    real: PyTree


class KDEParams(NamedTuple):
    """A fitted estimate: rows, the bandwidth of each feature (d,), the log kernel sums at the test rows (m,).

    `spread` is that of the rows.
    """

    rows: Rows
    bandwidth: Array
    log_sums: Array
    spread: Spread


class KDE(Task):
    """Fit a kernel density estimate to the data.

    Args:
        source: where the real data come from.
        bandwidth: a number, in the units of the data, or a rule applied anew to each training set: "scott" and
            "silverman" as in scikit-learn, h = N^(-1/(d+4)) and h = (N (d+2) / 4)^(-1/(d+4)) for N rows, or
            "scott-scaled" and "silverman-scaled", which multiply these by each feature's standard deviation. N counts
            rows of positive weight; standard deviations are weighted, and their squares multiplied by N / (N - 1).
        kernel: "gaussian" or "tophat".
        num_test: held-out real rows, drawn once per seed; at most as many as the source holds out.
        bandwidth_exponent: alpha of a schedule h_t = bandwidth t^-alpha, t = 1 being the estimate from real data; for a
            number as bandwidth. Default: no schedule.
        sampling_temperature: the noise added to the rows that are sampled has this times the kernel's variance.

    Metrics: `test_nll`, mean negative log-likelihood of the held-out rows (nats); `cov_trace_ratio`, trace of the
    estimate's covariance (of its rows, divided by their number, plus the kernel's) over that of the true one;
    `mean_sq_error`, squared distance of its mean from the true one (units of the data squared). `test_nll` is +inf
    where the estimate gives a held-out row no density: a tophat without a neighbour, a scaled bandwidth of 0, or rows
    that have left float32's range; then the other two are +inf as well. A bandwidth that is a hundred times smaller or
    larger than the standard deviation of a column of a table is warned of.

    Where the variance grows instead of shrinking: each batch has the kernel's variance added, v h^2 a feature for the
    bandwidth h, where v is 1 for "gaussian" and 1 / (d + 2) for "tophat", and each fit to n rows loses one n-th of what
    there is. Under replace a number h leads the mean of `cov_trace_ratio` to v d h^2 n / T, where T is the trace of the
    true covariance: above 1 the variance grows to it, below 1 it shrinks to it. A scaled rule of factor f multiplies
    the mean in each generation by 1 - 1/n + v f^2, so it grows without end where v f^2 > 1/n, as with
    "scott-scaled" and "silverman-scaled" but for few rows and a tophat. `theory.curve` and `theory.limit` tell both.

    With a number as bandwidth and no schedule the training set carries its kernel sums, so a generation costs the new
    rows' distances only, also under accumulate.

    Raises ValueError for an unknown kernel or rule and a num_test below 1.
    """

    source: Source
    bandwidth: float | str | BandwidthRule
    kernel: str = static(default="gaussian")
    num_test: int = static(default=500)
    bandwidth_exponent: float | None = None
    sampling_temperature: float = 1.0

    name: ClassVar[str] = "kde"

    def __post_init__(self) -> None:
        check_source(Source, self.source)
        if isinstance(self.bandwidth, str):
            if self.bandwidth not in BANDWIDTH_RULES:
                hint = nearest(self.bandwidth, BANDWIDTH_RULES)
                raise ValueError(f"bandwidth={self.bandwidth!r}: neither a number nor a known rule; {hint}")
            object.__setattr__(self, "bandwidth", BANDWIDTH_RULES[self.bandwidth])
        if self.kernel not in KERNELS:
            raise ValueError(f"kernel={self.kernel!r}: no such kernel; {nearest(self.kernel, KERNELS)}")
        check_count("num_test", self.num_test)

    def check(self, num_samples: int) -> None:
        check_count("dim", self.source.dim, most=_MOST_FEATURES, why="each feature being compiled on its own")
        exponent = self.bandwidth_exponent
        if not isinstance(self.bandwidth, BandwidthRule):
            check_positive("bandwidth", self.bandwidth)
            check_spread("bandwidth", self.bandwidth)
            if exponent is not None:
                check_not_negative("bandwidth_exponent", exponent)
        elif exponent is not None:
            raise ValueError(
                f"bandwidth_exponent={exponent}: is for a number as bandwidth, not {self.bandwidth.name!r}; leave it "
                "out"
            )
        elif self.bandwidth.scaled and num_samples < 2:
            raise ValueError(f"num_samples={num_samples}: bandwidth {self.bandwidth.name!r} needs at least 2")
        check_positive("sampling_temperature", self.sampling_temperature)
        self.source.check(num_samples)
        self._warn_of_scales()

    def _warn_of_scales(self) -> None:
        """Warn where the bandwidth cannot suit a table's columns; rules that ignore the data are at most about 1."""
        rule = isinstance(self.bandwidth, BandwidthRule)
        if rule and self.bandwidth.scaled:
            return
        width, shown = (1.0, self.bandwidth.name) if rule else (self.bandwidth, self.bandwidth)
        far = {
            name: spread
            for name, spread in self.source.standard_deviations.items()
            if spread > 0 and not 1 / _FAR < width / spread < _FAR
        }
        if far:
            columns = ", ".join(f"{name} {spread:.3g}" for name, spread in far.items())
            low, high = min(far.values()), max(far.values())
            number = f"use 'scott-scaled', which goes by them, or a number near {math.sqrt(low * high):.3g}"
            units = ", or standardize the table" if high > 2 * low or not 0.5 < low < 2 else ""  # it may be already
            warnings.warn(
                f"bandwidth={shown}: is far from the standard deviations of the table ({columns}); {number}{units}",
                stacklevel=2,
            )

    def at(self, generation: Array) -> KDE:
        if self.bandwidth_exponent is None:
            return self
        width = self.bandwidth * (generation + 1.0) ** -self.bandwidth_exponent
        return dataclasses.replace(self, bandwidth=Width(width), bandwidth_exponent=None)

    def init(self, key: Array, num_samples: int) -> tuple[KDETruth, None]:
        del num_samples
        k_real, k_test = jax.random.split(key)
        real = self.source.init(k_real)
        available = self.source.num_held_out
        num_test = self.num_test if available is None else min(self.num_test, available)
        mean, covariance = self.source.moments(real)
        return KDETruth(self.source.sample_test(k_test, real, num_test), mean, jnp.trace(covariance), real), None

    @property
    def paddable(self) -> bool:
        return self.source.paddable

    def sample_real(self, key: Array, truth: KDETruth, n: int) -> Array:
        return self.source.sample(key, truth.real, n)

    def summarize(self, truth: KDETruth, rows: Rows) -> Rows | KernelSums:
        if isinstance(self.bandwidth, BandwidthRule | Width) or self.bandwidth_exponent is not None:
            return rows
        return KernelSums(rows, self._log_sums(truth.test, rows, self._fixed(rows)), Spread.of(rows))

    def fit(self, key: Array, truth: KDETruth, train: Rows | KernelSums, params: None) -> KDEParams:
        del key, params
        if isinstance(train, KernelSums):
            return KDEParams(train.rows, self._fixed(train.rows), train.log_sums, train.spread)
        bandwidth = self.bandwidth.of(train)
        return KDEParams(train, bandwidth, self._log_sums(truth.test, train, bandwidth), Spread.of(train))

    def sample(self, key: Array, truth: KDETruth, params: KDEParams, n: int) -> Array:
        del truth
        k_row, k_noise = jax.random.split(fused(key))
        rows = params.rows.resample(k_row, n)
        width = params.bandwidth * jnp.sqrt(self.sampling_temperature)
        return rows + width[None, :] * KERNELS[self.kernel].sample(k_noise, n, rows.shape[1])

    def evaluate(self, truth: KDETruth, params: KDEParams) -> dict[str, Array]:
        kernel, (dim,) = KERNELS[self.kernel], params.bandwidth.shape
        total, mean, square = params.spread
        trace = square / total + kernel.variance(dim) * jnp.sum(params.bandwidth**2)
        error = jnp.sum((mean - truth.mean) ** 2)
        return {
            "test_nll": self._nll(params, params.log_sums),
            "cov_trace_ratio": jnp.where(jnp.isnan(trace), jnp.inf, trace) / truth.trace,
            "mean_sq_error": jnp.where(jnp.isnan(error), jnp.inf, error),
        }

    @property
    def validation_loss(self) -> Callable[[Array, KDETruth, KDEParams], Array] | None:
        """Mean negative log-likelihood of as many rows as tests have (nats), (); None where a source runs out of them.

        They are held-out rows that the key draws.
        """
        return self._validation_loss if self.source.num_held_out is None else None

    def _validation_loss(self, key: Array, truth: KDETruth, params: KDEParams) -> Array:
        rows = self.source.sample_test(key, truth.real, self.num_test)
        return self._nll(params, self._log_sums(rows, params.rows, params.bandwidth))

    @property
    def log_density(self) -> Callable[[KDETruth, Array], Array] | None:
        """Of real rows (n, d), in nats, (n,); None where the source's is not known."""
        known = self.source.log_density
        return known and (lambda truth, values: known(truth.real, values))

    @property
    def log_density_of_modes(self) -> Callable[[KDETruth, Array], Array] | None:
        """Of real rows (n, d) in each mode of the source, (n, k); None without modes."""
        known = self.source.log_density_of_modes
        return known and (lambda truth, values: known(truth.real, values))

    def _nll(self, params: KDEParams, log_sums: Array) -> Array:
        """Mean negative log-likelihood of the rows at which the log kernel sums are these (m,)."""
        kernel, (dim,) = KERNELS[self.kernel], params.bandwidth.shape
        width = jnp.where(_proper(params.bandwidth), params.bandwidth, 1.0)
        log_mass = kernel.log_mass(dim) + jnp.sum(jnp.log(width))
        return jnp.log(params.spread.weight) + log_mass - jnp.mean(log_sums)

    def _fixed(self, rows: Rows) -> Array:
        return jnp.full(rows.values.shape[1], self.bandwidth)

    def _log_sums(self, test: Array, rows: Rows, bandwidth: Array) -> Array:
        proper = _proper(bandwidth)
        sums = KERNELS[self.kernel].log_sums(test, rows, jnp.where(proper, bandwidth, 1.0))
        return jnp.where(jnp.all(proper), sums, -jnp.inf)


def _proper(bandwidth: Array) -> Array:
    return jnp.isfinite(bandwidth) & (bandwidth > 0)
