"""A workflow whose synthetic rows a verifier has chosen."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from ..core.arguments import MOST, check_is, check_share
from ..core.base import Array, Dataset, Needs, Workflow
from ..core.pytree import static
from ..data.rows import Rows
from .self_consuming import Replace


class Selected(Workflow):
    """Another workflow, whose synthetic batches a verifier has chosen: from n / keep candidates the best n.

    A candidate's score is its log-density under the true distribution. With probability `error` the verdict on it is
    random: it gets the score of a candidate drawn at random instead of its own.

    Args:
        inner: the workflow that the chosen rows go to.
        keep: share of the candidates that is kept.
        error: probability of a random verdict.

    Needs the task's `log_density`. Raises ValueError for a keep outside (0, 1] or an error outside [0, 1].
    """

    inner: Workflow = Replace()
    keep: float = static(default=0.5)
    error: float = 0.0

    name: ClassVar[str] = "selected"
    needs: ClassVar[Needs] = Needs.ROWS

    @property
    def own_sizes(self) -> bool:
        return self.inner.own_sizes

    def __post_init__(self) -> None:
        check_share("keep", self.keep, zero=False)
        check_is(Workflow, "inner", self.inner)
        if self.inner.screen is not None:
            raise ValueError(f"inner={self.inner!r}: has a verifier of its own; give a workflow without")

    def check(self, num_samples: int) -> None:
        check_share("error", self.error)
        if num_samples / MOST >= self.keep:
            raise ValueError(
                f"keep={self.keep}: {num_samples / self.keep:.3g} candidates for num_samples={num_samples}, and at "
                f"most {MOST} can be drawn; keep at least {num_samples / MOST:.2g}, or use fewer samples"
            )
        self.inner.check(num_samples)

    def num_candidates(self, num_samples: int) -> int:
        return math.ceil(num_samples / self.keep - 1e-9)  # the quotient may be rounded up

    def screen(self, key: Array, candidates: Rows, score: Callable, n: int) -> Rows:
        k_wrong, k_other = jax.random.split(key)
        scores = score(candidates.values)
        others = jax.random.choice(k_other, scores, scores.shape)
        scores = jnp.where(jax.random.bernoulli(k_wrong, self.error, scores.shape), others, scores)
        return candidates.take(jax.lax.top_k(scores, n)[1])

    def capacity(self, num_samples: int, num_generations: int) -> int:
        return self.inner.capacity(num_samples, num_generations)

    def init(self, pool: Dataset, real: Dataset) -> Any:
        return self.inner.init(pool, real)

    def update(self, key: Array, state: Any, synthetic: Dataset, draw_real: Callable) -> Any:
        return self.inner.update(key, state, synthetic, draw_real)

    def select(self, key: Array, state: Any) -> Dataset:
        return self.inner.select(key, state)
