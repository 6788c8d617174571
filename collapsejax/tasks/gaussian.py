"""Multivariate Gaussians: each generation fits a mean and a covariance."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from ..core.arguments import MOST_FEATURES, check_count, check_positive
from ..core.base import Array, ExactLaw, PyTree, Source, Task
from ..core.checks import check_source
from ..core.pytree import static
from ..data.moments import Moments, Origin
from ..data.rows import Rows
from ..numerics.batched import cholesky, solve_lower
from ..numerics.factors import Factor, triangle
from ..numerics.random import normal, normal_log_density, wishart_factor
from ..numerics.threefry import fused


class HeldOut(NamedTuple):
    """Held-out rows, of which a Gaussian's likelihood depends on the mean (d,) and a root L (d, d) of the covariance.

    In the true standard deviations, `mean` being less the true one; L L' is divided by the number of rows.
    """

    mean: Array
    root: Array


class GaussianTruth(NamedTuple):
    """The true mean (d,) and covariance, as standard deviations (d,) and a factor (d, d) of the correlations.

    `correlations` is None where they are the identity; `real` is what the source fixed for this seed; `held_out` is
    None for a source without a limited number of held-out rows.
    """

    mean: Array
    scale: Array
    correlations: Array | None
    real: PyTree
    held_out: HeldOut | None = None


class GaussianParams(NamedTuple):
    """A fitted Gaussian: mean (d,) and a factor of the covariance."""

    mean: Array
    factor: Factor


class Gaussian(Task):
    """Fit N(mean, covariance) to the data, starting from N(0, sigma2 I_d) or from real data.

    Args:
        dim: features of a row (d). Default 1, or what the source has.
        sigma2: true variance of each feature, in the squared units of the data.
        ddof: the covariance divides by (rows - ddof); 0, as published, is the maximum-likelihood fit.
        source: real data to use instead of N(0, sigma2 I_d); errors are then measured against its own mean and
            covariance.
        sampling_temperature: synthetic rows have this times the fitted covariance; below 1, quality for diversity.

    Metrics: `mean_sq_error`, squared distance of the fitted mean from the true one (units of the data squared);
    `trace_ratio`, trace of the fitted covariance over that of the true one; `logdet_ratio`, difference of their
    log-determinants (nats), -inf where the fit is singular; `kl`, divergence KL(fitted || true) (nats), +inf where it
    is singular. Where the source has so many held-out rows and no more, as a table has, also `test_nll`, the mean
    negative log-likelihood of all of them (nats): +inf where the fit is singular, as it is to at most d rows, or so
    narrow that float32 cannot hold it (above 3e38).

    Literal rows (`rows=True`, or a workflow that needs them) are float32 numbers: a spread that is smaller than some
    1e-6 of the rows' distance from the origin cannot be told from none, and counts as none. The exact law has no
    such floor.

    Raises ValueError for a dim below 1, a ddof other than 0 or 1, or a dim that is not the source's.
    """

    dim: int | None = static(default=None)
    sigma2: float = 1.0
    ddof: int = static(default=0)
    source: Source | None = None
    sampling_temperature: float = 1.0

    name: ClassVar[str] = "gaussian"

    def __post_init__(self) -> None:
        if isinstance(self.dim, Source):
            raise ValueError(f"dim={self.dim}: is a source of real data; write Gaussian(source=...)")
        if self.source is not None:
            check_source(Source, self.source)
        if self.dim is None:
            object.__setattr__(self, "dim", 1 if self.source is None else self.source.dim)
        check_count("dim", self.dim, most=MOST_FEATURES, why="whose square 32 bits can count")
        if self.ddof not in (0, 1):
            raise ValueError(f"ddof={self.ddof}: must be 0 (maximum likelihood) or 1 (unbiased)")

    def check(self, num_samples: int) -> None:
        if num_samples < 2:
            raise ValueError(f"num_samples={num_samples}: a covariance needs at least 2")
        check_positive("sigma2", self.sigma2)
        check_positive("sampling_temperature", self.sampling_temperature)
        if self.source is None:
            return
        if self.dim != self.source.dim:
            raise ValueError(
                f"dim={self.dim}: the source has {self.source.dim} features; leave dim out, and sweep over sources of "
                "one dim at a time"
            )
        if self.sigma2 != 1.0:
            raise ValueError(f"sigma2={self.sigma2}: a source has its own variance; leave sigma2 out")
        if self.source.dependent_columns:
            names = ", ".join(map(repr, self.source.dependent_columns))
            raise ValueError(f"columns {names}: constant, or fixed by the others; leave at least one of them out")
        self.source.check(num_samples)

    def init(self, key: Array, num_samples: int) -> tuple[GaussianTruth, None]:
        del num_samples
        if self.source is None:
            scale = jnp.sqrt(jnp.asarray(self.sigma2, dtype=float))
            return GaussianTruth(jnp.zeros(self.dim), jnp.full(self.dim, scale), None, None), None
        real = self.source.init(key)
        mean, covariance = self.source.moments(real)
        scale = jnp.sqrt(jnp.diagonal(covariance))
        correlations = cholesky(covariance / scale[:, None] / scale[None, :])
        return GaussianTruth(mean, scale, correlations, real, self._held_out(real, mean, scale)), None

    def _held_out(self, real: PyTree, mean: Array, scale: Array) -> HeldOut | None:
        """The moments of all held-out rows, so that no generation costs more the more of them there are."""
        count = self.source.num_held_out
        if count is None:
            return None
        # All of them, whatever the key is: with one that is the same in every seed they are there once.
        rows = self.source.sample_test(jax.random.key(0), real, count)
        scaled = (rows - mean[None, :]) / scale[None, :]
        centre = jnp.mean(scaled, axis=0)
        return HeldOut(centre, triangle((scaled - centre[None, :]) / jnp.sqrt(jnp.asarray(count, float))))

    def sample_real(self, key: Array, truth: GaussianTruth, n: int) -> Array:
        if self.source is None:
            return truth.mean[None, :] + truth.scale[None, :] * normal(key, (n, self.dim))
        return self.source.sample(key, truth.real, n)

    @property
    def paddable(self) -> bool:
        return self.source is None or self.source.paddable

    @property
    def exact_law(self) -> ExactLaw:
        """The law of the moments of rows; that of real data is known for N(0, sigma2 I_d) alone."""
        return ExactLaw(self._sample_moments, self._sample_true_moments if self.source is None else None)

    def _sample_true_moments(self, key: Array, truth: GaussianTruth, n: Array) -> Moments:
        true_factor = Factor(jnp.eye(self.dim), jnp.log(truth.scale))
        return _draw_moments(key, GaussianParams(truth.mean, true_factor), n)

    def _sample_moments(self, key: Array, truth: GaussianTruth, params: GaussianParams, n: Array) -> Moments:
        del truth
        return _draw_moments(key, self._sampled(params), n)

    @property
    def log_density(self) -> Callable[[GaussianTruth, Array], Array] | None:
        """Of real rows (n, d), in nats, (n,); None where the source's is not known."""
        if self.source is None:
            return lambda truth, values: normal_log_density(values - truth.mean[None, :], truth.scale)
        known = self.source.log_density
        return known and (lambda truth, values: known(truth.real, values))

    @property
    def log_density_of_modes(self) -> Callable[[GaussianTruth, Array], Array] | None:
        """Of real rows (n, d) in each mode of the source, (n, k); None without modes."""
        known = self.source and self.source.log_density_of_modes
        return known and (lambda truth, values: known(truth.real, values))

    def summarize(self, truth: GaussianTruth, rows: Rows) -> Moments:
        del truth
        return Moments.of(rows)

    def fit(self, key: Array, truth: GaussianTruth, train: Moments, params: None) -> GaussianParams:
        del key, truth, params
        return GaussianParams(train.mean, train.factor.shift(-jnp.log(train.weight - self.ddof) / 2))

    def sample(self, key: Array, truth: GaussianTruth, params: GaussianParams, n: int) -> Array:
        del truth
        mean, factor = self._sampled(params)
        standard = normal(key, (n, self.dim))
        return mean[None, :] + jnp.matmul(standard, factor.dense().T, precision="highest")

    def _sampled(self, params: GaussianParams) -> GaussianParams:
        return GaussianParams(params.mean, params.factor.shift(jnp.log(self.sampling_temperature) / 2))

    def evaluate(self, truth: GaussianTruth, params: GaussianParams) -> dict[str, Array]:
        error = params.mean - truth.mean
        # The factor and the error in units of the truth: L0^-1 F, in which the true covariance is the identity.
        unit = params.factor.unit / truth.scale[:, None]
        scaled_error = error / truth.scale
        if truth.correlations is None:
            log_pivots = params.factor.log_pivots() - jnp.log(truth.scale)
        else:
            both = jnp.concatenate([unit, scaled_error[:, None]], axis=1)
            solved = solve_lower(truth.correlations, both)
            unit, scaled_error = solved[:, :-1], solved[:, -1]
            log_pivots = params.factor.log_pivots() - jnp.log(truth.scale) - jnp.log(jnp.diagonal(truth.correlations))
        below = jnp.tril(Factor(unit, params.factor.log_scale).dense(), -1)
        # KL of Gaussians, with the diagonal's x - 1 - log x taken as expm1(log x) - log x: it cancels near x = 1.
        divergence = jnp.sum(jnp.expm1(2 * log_pivots) - 2 * log_pivots) + jnp.sum(below**2) + jnp.sum(scaled_error**2)
        metrics = {
            "mean_sq_error": jnp.sum(error**2),
            "trace_ratio": jnp.sum(params.factor.dense() ** 2) / jnp.sum(truth.scale**2),
            "logdet_ratio": 2 * jnp.sum(log_pivots),
            "kl": divergence / 2,
        }
        return metrics if truth.held_out is None else metrics | {"test_nll": _held_out_nll(truth, params)}


def _held_out_nll(truth: GaussianTruth, params: GaussianParams) -> Array:
    """Mean negative log-density of the held-out rows (nats), ().

    With their mean c and covariance L L' it is

        d log(2 pi) / 2 + log |F| + (|F^-1 (c - m)|^2 + |F^-1 L|^2) / 2.

    Squares are exponentials of logarithms, as a factor's scales may be far outside of float32's range; what is larger
    than that holds is +inf, and so is the loss of a singular fit.
    """
    held_out, scale = truth.held_out, truth.scale
    centre = held_out.mean - (params.mean - truth.mean) / scale
    pivots = jnp.diagonal(params.factor.unit)
    singular = jnp.any(pivots == 0)
    unit = params.factor.unit / scale[:, None] + jnp.diag(jnp.where(pivots == 0, 1.0, 0.0))
    solved = solve_lower(unit, jnp.concatenate([held_out.root, centre[:, None]], axis=1))
    squares = jnp.exp(2 * (jnp.log(jnp.abs(solved)) - params.factor.log_scale[:, None]))
    loss = len(centre) / 2 * jnp.log(2 * jnp.pi) + jnp.sum(params.factor.log_pivots()) + jnp.sum(squares) / 2
    # Not a number where parameters have left float32's range as well.
    return jnp.where(singular | jnp.isnan(loss), jnp.inf, loss)


def _draw_moments(key: Array, params: GaussianParams, n: Array) -> Moments:
    """Mean N(mean, covariance / n) and scatter F W F', W ~ Wishart(I, n - 1), independent of it; n may be traced.

    Source: the sampling distributions in Anderson (2003), An Introduction to Multivariate Statistical Analysis.
    """
    k_mean, k_scatter = jax.random.split(fused(key))
    size, (dim,) = jnp.asarray(n, dtype=float), params.mean.shape
    step = normal(k_mean, (dim,)) / jnp.sqrt(size)
    return Moments.drawn(size, Origin(params.mean, params.factor, wishart_factor(k_scatter, dim, n - 1), step))
