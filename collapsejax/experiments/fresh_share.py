"""The workflow of a fixed number of training rows, of which a share is new real data in every generation."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Self

import jax
import jax.numpy as jnp

from ..core.arguments import check_share
from ..core.base import Array, Needs, Workflow
from ..data.rows import Rows


class FreshShare(Workflow):
    """Each model is fitted to as many rows as a batch has: a share of new real rows, the others of the latest batch.

    So the share alone changes, not the size of a training set, as it does with `FreshData`. From one share to the next
    a seed exchanges just the rows by which they differ, and one program serves all shares.

    Args:
        share: share of new real rows in every training set after the first, to whole rows. 0 is replace; with 1 no
            model sees a synthetic row.

    Raises ValueError for a share outside [0, 1].
    """

    share: float = 0.1

    name: ClassVar[str] = "fresh-share"
    needs: ClassVar[Needs] = Needs.ROWS

    @classmethod
    def of_rows(cls, share: float, num_samples: int) -> Self:
        """The workflow with the share of whole rows that is nearest, in which float32 counts as float64 does."""
        return cls(round(share * num_samples) / num_samples)

    def check(self, num_samples: int) -> None:
        del num_samples
        check_share("share", self.share)

    def capacity(self, num_samples: int, num_generations: int) -> int:
        del num_generations
        return num_samples

    def init(self, pool: Rows, real: Rows) -> Rows:
        del pool
        return real

    def update(self, key: Array, state: Rows, synthetic: Rows, draw_real: Callable) -> Rows:
        del state
        number = jnp.round(self.share * synthetic.capacity)
        fresh = jnp.arange(synthetic.capacity) < number

        def exchange(new: Array, old: Array) -> Array:
            return jnp.where(jnp.expand_dims(fresh, range(1, old.ndim)), new, old)

        values = jax.tree.map(exchange, draw_real(key).values, synthetic.values)
        return Rows(values, synthetic.weights, synthetic.count)

    def select(self, key: Array, state: Rows) -> Rows:
        del key
        return state
