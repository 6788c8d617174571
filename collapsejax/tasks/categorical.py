"""Categorical distributions: each generation's probabilities are the shares of the outcomes in its training data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import xlogy

from ..core.arguments import WHOLE, check_count, check_positive, check_whole_float, checked_probs, nearest
from ..core.base import Array, ExactLaw, Needs, Task
from ..core.pytree import Module, static
from ..data.counts import Counts
from ..data.rows import Rows
from ..numerics.counts import multinomial


class CategoricalTruth(NamedTuple):
    """The true probabilities (K,)."""

    probs: Array


class CategoricalParams(NamedTuple):
    """The fitted probabilities (K,); an outcome that is lost has 0."""

    probs: Array


class ProbsRule(Module):
    """Probabilities that have a name, for any number of outcomes."""

    name: str = static()

    def of(self, num_outcomes: int) -> np.ndarray:
        """The probabilities (K,), double."""
        ranks = np.arange(1, num_outcomes + 1)
        shares = {"uniform": np.ones(num_outcomes), "zipf": 1 / ranks}[self.name]
        return shares / shares.sum()


PROBS_RULES = {name: ProbsRule(name) for name in ("uniform", "zipf")}


class Categorical(Task):
    """Fit the probabilities of K outcomes; under replace this is the Wright-Fisher model of genetic drift.

    Args:
        num_outcomes: number of outcomes (K).
        probs: true probabilities: None or "uniform" for equal ones; "zipf", proportional to 1 / k; or (K,)
            numbers that sum to 1.
        sampling_temperature: outcomes are sampled with probabilities proportional to p^(1 / temperature).

    Metrics: `entropy` of the fitted probabilities (nats); `heterozygosity`, 1 - sum p^2; `num_extinct`, outcomes that
    have a true probability and no fitted one; `sq_error`, sum of squared errors of the probabilities.

    Counts are whole up to 2^24 in all: that many rows in a pool that is drawn from.

    Literal rows (`rows=True`, or a workflow that looks at rows) are drawn with 23 bits: probabilities to some 1e-7.

    Raises ValueError for fewer than 2 outcomes or more than 2^24, and for the name of no probabilities.
    """

    num_outcomes: int = static(default=2)
    probs: str | Array | Sequence[float] | ProbsRule | None = None
    sampling_temperature: float = 1.0

    name: ClassVar[str] = "categorical"
    offers: ClassVar[Needs] = Needs.DRAWS
    paddable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_count("num_outcomes", self.num_outcomes, least=2, most=WHOLE)
        probs = "uniform" if self.probs is None else self.probs
        if isinstance(probs, str):
            if probs not in PROBS_RULES:
                raise ValueError(f"probs={probs!r}: no such probabilities; {nearest(probs, PROBS_RULES)}")
            probs = PROBS_RULES[probs]
        object.__setattr__(self, "probs", np.asarray(probs, np.float64) if isinstance(probs, tuple | list) else probs)

    def check(self, num_samples: int) -> None:
        check_whole_float("num_samples", num_samples)
        check_positive("sampling_temperature", self.sampling_temperature)
        if isinstance(self.probs, ProbsRule):
            return
        if np.shape(self.probs) != (self.num_outcomes,):
            shape = f"{np.shape(self.probs)} for num_outcomes={self.num_outcomes}"
            raise ValueError(f"probs: shape {shape}; give {self.num_outcomes} numbers")
        checked_probs(self.probs)

    def init(self, key: Array, num_samples: int) -> tuple[CategoricalTruth, None]:
        del key, num_samples
        probs = self.probs.of(self.num_outcomes) if isinstance(self.probs, ProbsRule) else self.probs
        return CategoricalTruth(jnp.asarray(probs, dtype=float)), None

    def sample_real(self, key: Array, truth: CategoricalTruth, n: int) -> Array:
        return _draw(key, truth.probs, n)

    @property
    def exact_law(self) -> ExactLaw:
        """The law of the counts of rows: multinomial."""
        return ExactLaw(
            lambda key, truth, params, n: Counts(multinomial(key, n, self._tempered(params.probs))),
            lambda key, truth, n: Counts(multinomial(key, n, truth.probs)),
        )

    def summarize(self, truth: CategoricalTruth, rows: Rows) -> Counts:
        return Counts.of(rows, truth.probs.shape[0])

    def fit(self, key: Array, truth: CategoricalTruth, train: Counts, params: None) -> CategoricalParams:
        del key, truth, params
        return CategoricalParams(train.counts / jnp.sum(train.counts))

    def sample(self, key: Array, truth: CategoricalTruth, params: CategoricalParams, n: int) -> Array:
        del truth
        return _draw(key, self._tempered(params.probs), n)

    def evaluate(self, truth: CategoricalTruth, params: CategoricalParams) -> dict[str, Array]:
        probs = params.probs
        return {
            "entropy": -jnp.sum(xlogy(probs, probs)),
            "heterozygosity": jnp.sum(probs * (1 - probs)),
            "num_extinct": jnp.sum((probs == 0) & (truth.probs > 0)).astype(float),
            "sq_error": jnp.sum((probs - truth.probs) ** 2),
        }

    def log_density(self, truth: CategoricalTruth, values: Array) -> Array:
        """Log-probability of outcomes (n,)."""
        return jnp.log(truth.probs)[values]

    def _tempered(self, probs: Array) -> Array:
        """Proportional to p^(1 / temperature), the largest being 1."""
        return (probs / jnp.max(probs)) ** (1 / self.sampling_temperature)


def _draw(key: Array, weights: Array, n: int) -> Array:
    """Draw n outcomes (n,) with probabilities proportional to `weights` (K,)."""
    values = jnp.arange(weights.shape[0], dtype=jnp.int32)
    return Rows(values, weights, jnp.int32(weights.shape[0])).resample(key, n)
