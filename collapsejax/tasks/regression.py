"""Linear regression: each generation fits the weights by least squares to what the last weights predict, plus noise."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from ..core.arguments import MOST_FEATURES, check_count, check_not_negative, check_positive
from ..core.base import Array, ExactLaw, Task
from ..core.pytree import static
from ..data.moments import Gram
from ..data.rows import Rows
from ..numerics.batched import solve_lower, solve_upper, unless
from ..numerics.factors import Factor, correlation_root, is_safe, triangle
from ..numerics.random import chi, normal, wishart_factor
from ..numerics.threefry import fused

_LARGEST = 1e30  # response relative to x that float32 can hold beside it; squares of such weights are infinite


class RegressionTruth(NamedTuple):
    """True weights (d,), noise's sd, a factor (d, d) of the Gram matrix of the test rows, the key of a fixed design.

    `design` is the factor (d, d) of the Gram matrix of as many rows of that design as a batch has.
    """

    weights: Array
    sigma: Array
    test: Array
    k_design: Array
    design: Array


class RegressionParams(NamedTuple):
    """Fitted weights (d,), and the standard deviation of the noise that is added to what they predict."""

    weights: Array
    sigma: Array


class LinearRegression(Task):
    """Fit y = x . w + noise by least squares, of minimum norm where that leaves w open, starting from a true w.

    The true weights are N(0, I_d), anew for each seed; x ~ N(0, I_d).

    Args:
        dim: features of a row (d).
        sigma2: variance of the noise of real data.
        fresh_design: draw new x for every batch. False, as published: all batches of n rows have the x of the real one,
            and batches of other numbers of rows the beginning or a continuation of it. These are drawn as rows, since
            the law of the Gram matrix alone does not tell how they depend on one another.
        refit_noise: add noise of variance RSS / N to what a model predicts, as fitted to its N rows. False, as
            published: of variance sigma2.
        ridge: penalty on |w|^2, for the sum of squared residuals.
        num_test: noise-free test rows, drawn once per seed.
        sampling_temperature: synthetic noise has this times the variance.

    Metrics: `test_mse`, mean squared error over the test rows; `param_sq_error`, |w - true w|^2; and with refit_noise
    `sigma2_ratio`, variance of the fitted noise over that of the true one. They are +inf where weights leave the range
    of floats, as they do with fresh designs of about as many rows as features.

    Raises ValueError for a dim or num_test below 1.
    """

    dim: int = static(default=1)
    sigma2: float = 1.0
    fresh_design: bool = static(default=False)
    refit_noise: bool = static(default=False)
    ridge: float = 0.0
    num_test: int = static(default=1000)
    sampling_temperature: float = 1.0

    name: ClassVar[str] = "regression"
    paddable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_count("dim", self.dim, most=MOST_FEATURES, why="whose square 32 bits can count")
        check_count("num_test", self.num_test)

    def check(self, num_samples: int) -> None:
        if num_samples < 2:
            raise ValueError(f"num_samples={num_samples}: a regression needs at least 2")
        check_positive("sigma2", self.sigma2)
        check_positive("sampling_temperature", self.sampling_temperature)
        check_not_negative("ridge", self.ridge)

    def init(self, key: Array, num_samples: int) -> tuple[RegressionTruth, None]:
        k_weights, k_test, k_design = jax.random.split(key, 3)
        weights = normal(k_weights, (self.dim,))
        # The error on test rows depends on them through their Gram matrix, whose law is Wishart.
        test = wishart_factor(k_test, self.dim, self.num_test)
        sigma = jnp.sqrt(jnp.asarray(self.sigma2, dtype=float))
        design = wishart_factor(k_design, self.dim, num_samples)
        return RegressionTruth(weights, sigma, test, k_design, design), None

    def sample_real(self, key: Array, truth: RegressionTruth, n: int) -> tuple[Array, Array]:
        return self._sample(key, truth, RegressionParams(truth.weights, truth.sigma), n)

    @property
    def exact_law(self) -> ExactLaw:
        """The law of the Gram matrix of rows; with one design, of batches of one size."""
        return ExactLaw(
            lambda key, truth, params, n: self._sample_gram(key, truth, self._tempered(params), n),
            lambda key, truth, n: self._sample_gram(key, truth, RegressionParams(truth.weights, truth.sigma), n),
            one_size=not self.fresh_design,
        )

    def summarize(self, truth: RegressionTruth, rows: Rows) -> Gram:
        del truth
        return Gram.of(rows)

    def fit(self, key: Array, truth: RegressionTruth, train: Gram, params: None) -> RegressionParams:
        """The weights A (A'A + ridge)^-1 z, where the Gram matrix of x is A A', and A z its product with y.

        They are the least squares solution, with ridge 0 that of minimum norm, for every rank of A (Paige 1973, BIT 13,
        206, on this way to it). Solved by the triangle of A: where the columns of A are far from collinear by the
        Cholesky factor of A'A, elsewhere by reflections.
        """
        del key, params
        lower = train.factor.dense()
        across, along = lower[: self.dim, : self.dim], lower[self.dim, : self.dim]
        present = jnp.diagonal(across) != 0
        ridge = jnp.asarray(self.ridge, dtype=float)

        def reflected(across: Array) -> Array:
            penalty = jnp.diag(jnp.where(present, jnp.sqrt(ridge), 0.0))
            return triangle(jnp.concatenate([across, penalty])) + jnp.diag(jnp.where(present, 0.0, 1.0))

        def in_general(across: Array, along: Array) -> Array:
            penalty = jnp.diag(jnp.where(present, ridge, 1.0))
            length, _, root = correlation_root(jnp.matmul(across.T, across, precision="highest") + penalty)
            root = unless(is_safe(root), length[:, None] * root, reflected, across)
            right = jnp.where(present, along, 0.0)[:, None]
            solved = solve_upper(root.T, solve_lower(root, right))
            return jnp.matmul(across, solved, precision="highest")[:, 0]

        # Without a penalty, and of full rank, it is A'^-1 z.
        plain = solve_upper((across + jnp.diag(jnp.where(present, 0.0, 1.0))).T, along[:, None])[:, 0]
        weights = unless((ridge == 0) & jnp.all(present), plain, in_general, across, along)
        # A response that is so large hides the pivots of x, which then seem to be absent. The negation takes NaN, too.
        hidden = ~(jnp.max(jnp.abs(lower[self.dim])) < _LARGEST * jnp.max(jnp.abs(across)))
        weights = jnp.where(hidden, jnp.nan, weights)
        if not self.refit_noise:
            return RegressionParams(weights, truth.sigma)
        # Without a penalty a coordinate that is present is fitted: what is left there is rounding alone.
        left = along - jnp.matmul(weights, across, precision="highest")
        left = jnp.where(present & (self.ridge == 0), 0.0, left)
        size = jnp.sqrt(jnp.sum(left**2) + lower[self.dim, self.dim] ** 2)
        return RegressionParams(weights, size / jnp.sqrt(train.weight))

    def sample(self, key: Array, truth: RegressionTruth, params: RegressionParams, n: int) -> tuple[Array, Array]:
        return self._sample(key, truth, self._tempered(params), n)

    def evaluate(self, truth: RegressionTruth, params: RegressionParams) -> dict[str, Array]:
        error = params.weights - truth.weights
        on_test = jnp.matmul(error, truth.test, precision="highest")
        metrics = {"test_mse": jnp.sum(on_test**2) / self.num_test, "param_sq_error": jnp.sum(error**2)}
        metrics |= {"sigma2_ratio": (params.sigma / truth.sigma) ** 2} if self.refit_noise else {}
        return {name: jnp.where(jnp.isnan(value), jnp.inf, value) for name, value in metrics.items()}

    def log_density(self, truth: RegressionTruth, values: tuple[Array, Array]) -> Array:
        """Of y given x (nats), (n,)."""
        x, y = values
        left = (y - jnp.matmul(x, truth.weights, precision="highest")) / truth.sigma
        return -(left**2) / 2 - jnp.log(truth.sigma) - jnp.log(2 * jnp.pi) / 2

    def _tempered(self, params: RegressionParams) -> RegressionParams:
        return params._replace(sigma=params.sigma * jnp.sqrt(self.sampling_temperature))

    def _sample(self, key: Array, truth: RegressionTruth, params: RegressionParams, n: int) -> tuple[Array, Array]:
        k_design, k_noise = jax.random.split(key)
        x = normal(k_design if self.fresh_design else truth.k_design, (n, self.dim))
        # A pool is written in place where what is written depends on what was read from it: XLA copies it otherwise, in
        # every generation. No number is NaN and positive.
        x = jnp.where(jnp.isnan(params.weights[0]) & (params.weights[0] > 0), 0.0, x)
        noise = params.sigma * normal(k_noise, (n,))
        return x, jnp.matmul(x, params.weights, precision="highest") + noise

    def _sample_gram(self, key: Array, truth: RegressionTruth, params: RegressionParams, n: Array) -> Gram:
        """The Gram matrix of n rows, of which the triangle of x is Wishart's; n may be traced.

        With x = Q A', y = x w + noise has along Q the coordinates A' w plus noise, and across it n - d degrees of
        freedom of noise. Source: the distribution theory of least squares, e.g. Seber and Lee (2003), Linear Regression
        Analysis.
        """
        k_design, k_noise, k_left = jax.random.split(fused(key), 3)
        across = wishart_factor(k_design, self.dim, n) if self.fresh_design else truth.design
        present = jnp.diagonal(across) != 0
        noise = params.sigma * normal(k_noise, (self.dim,))
        along = jnp.where(present, jnp.matmul(params.weights, across, precision="highest") + noise, 0.0)
        degrees = n - self.dim
        left = chi(k_left, jnp.maximum(degrees, 1)[None])[0]
        left = jnp.where(degrees > 0, params.sigma * left, 0.0)
        upper = jnp.concatenate([across, jnp.zeros((self.dim, 1))], axis=1)
        lower = jnp.concatenate([upper, jnp.append(along, left)[None, :]])
        return Gram(jnp.asarray(n, dtype=float), Factor.of(lower))
