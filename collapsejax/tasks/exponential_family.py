"""One-parameter exponential families: each generation fits the mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln, xlog1py, xlogy

from ..core.arguments import check_positive, check_whole_float, nearest
from ..core.base import Array, ExactLaw, Task
from ..core.pytree import static
from ..data.counts import Totals
from ..data.rows import Rows
from ..numerics.counts import binomial, poisson
from ..numerics.random import chi
from ..numerics.threefry import uniform


class Family(NamedTuple):
    """A family of distributions of numbers, given by their mean, and by a shape that only gamma uses.

    `rows(key, mean, shape, n)`: n draws (n,); `total(key, mean, shape, n)`: their sum, n being a float that may be
    traced; `log_density(x, mean, shape)` in nats.
    """

    rows: Callable[[Array, Array, Array, int], Array]
    total: Callable[[Array, Array, Array, Array], Array]
    log_density: Callable[[Array, Array, Array], Array]


def _gamma(key: Array, shape: Array) -> Array:
    """A gamma variable of this shape and scale 1: half a chi-square; below 1 of shape + 1, times a uniform's power.

    Source: Marsaglia and Tsang (2000), ACM Trans. Math. Softw. 26, 363, section 6.
    """
    k_chi, k_power = jax.random.split(key)
    size = chi(k_chi, jnp.asarray(2 * jnp.where(shape < 1, shape + 1, shape))[None])[0]
    power = uniform(jax.random.bits(k_power, (), jnp.uint32)) ** (1 / shape)
    return size**2 / 2 * jnp.where(shape < 1, power, 1.0)


FAMILIES = {
    "bernoulli": Family(
        lambda key, mean, shape, n: jax.random.bernoulli(key, mean, (n,)).astype(float),
        lambda key, mean, shape, n: binomial(key, n, mean),
        lambda x, mean, shape: xlogy(x, mean) + xlog1py(1 - x, -mean),
    ),
    "poisson": Family(
        lambda key, mean, shape, n: poisson(key, mean, (n,)),
        lambda key, mean, shape, n: poisson(key, n * mean),
        lambda x, mean, shape: xlogy(x, mean) - mean - gammaln(x + 1),
    ),
    "exponential": Family(
        lambda key, mean, shape, n: mean * jax.random.exponential(key, (n,)),
        lambda key, mean, shape, n: mean * _gamma(key, n),
        lambda x, mean, shape: -x / mean - jnp.log(mean),
    ),
    "gamma": Family(
        lambda key, mean, shape, n: mean / shape * jax.random.gamma(key, shape, (n,)),
        lambda key, mean, shape, n: mean / shape * _gamma(key, n * shape),
        lambda x, mean, shape: (
            xlogy(shape - 1, x) - shape * x / mean - gammaln(shape) + shape * (jnp.log(shape) - jnp.log(mean))
        ),
    ),
}


class FamilyParams(NamedTuple):
    """The mean, true or fitted."""

    mean: Array


class ExponentialFamily(Task):
    """Fit the mean of a one-parameter exponential family by maximum likelihood: it is the mean of the data.

    Args:
        family: "bernoulli", "poisson", "exponential" or "gamma".
        mean: mean of the true distribution.
        shape: of a gamma distribution, known, at least 0.5; others have none.

    Metric: `sq_error`, squared error of the fitted mean (units of the data squared).

    Raises ValueError for an unknown family. A run raises it for a shape below 0.5.
    """

    family: str = static(default="bernoulli")
    mean: float = 0.5
    shape: float = 1.0

    name: ClassVar[str] = "family"
    paddable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ValueError(f"family={self.family!r}: there is none; {nearest(str(self.family), FAMILIES)}")

    def check(self, num_samples: int) -> None:
        check_positive("mean", self.mean)
        check_positive("shape", self.shape)
        if self.family == "bernoulli" and not self.mean < 1:
            raise ValueError(f"mean={self.mean}: of a bernoulli variable, must be below 1")
        if self.family != "gamma" and self.shape != 1:
            raise ValueError(f"shape={self.shape}: is for gamma; leave it out")
        if self.shape < 0.5:
            raise ValueError(f"shape={self.shape}: must be at least 0.5")
        if self.family == "bernoulli":
            check_whole_float("num_samples", num_samples)
        if self.family == "poisson" and self.mean * num_samples >= 2**30:
            raise ValueError(
                f"mean={self.mean}: times num_samples={num_samples} must be below 2**30, the largest count; use a mean "
                f"below {2**30 / num_samples:.6g}"
            )

    def init(self, key: Array, num_samples: int) -> tuple[FamilyParams, None]:
        del key, num_samples
        return FamilyParams(jnp.asarray(self.mean, dtype=float)), None

    def sample_real(self, key: Array, truth: FamilyParams, n: int) -> Array:
        return self.sample(key, truth, truth, n)

    @property
    def exact_law(self) -> ExactLaw:
        """The law of the total of rows, which is in the family or known."""
        return ExactLaw(
            lambda key, truth, params, n: self._sample_totals(key, params, n),
            lambda key, truth, n: self._sample_totals(key, truth, n),
        )

    def summarize(self, truth: FamilyParams, rows: Rows) -> Totals:
        del truth
        return Totals.of(rows)

    def fit(self, key: Array, truth: FamilyParams, train: Totals, params: None) -> FamilyParams:
        del key, truth, params
        return FamilyParams(train.total / train.weight)

    def sample(self, key: Array, truth: FamilyParams, params: FamilyParams, n: int) -> Array:
        del truth
        return FAMILIES[self.family].rows(key, params.mean, self.shape, n)

    def _sample_totals(self, key: Array, params: FamilyParams, n: Array) -> Totals:
        size = jnp.asarray(n, dtype=float)
        return Totals(size, FAMILIES[self.family].total(key, params.mean, self.shape, size))

    def evaluate(self, truth: FamilyParams, params: FamilyParams) -> dict[str, Array]:
        return {"sq_error": (params.mean - truth.mean) ** 2}

    def log_density(self, truth: FamilyParams, values: Array) -> Array:
        """Of rows (n,), in nats."""
        return FAMILIES[self.family].log_density(values, truth.mean, self.shape)
