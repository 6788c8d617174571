"""The share of real rows in what each model is fitted to, of any workflow that does not look at its data.

The workflow's own methods are run on `recursion.Ledger`s, of which it is known which batches are real. Rows drawn
without replacement have the pool's share in expectation; all other shares are exact.
"""

from __future__ import annotations

import numpy as np

from ..core.base import Workflow
from .recursion import Ledger


def real_share(workflow: Workflow, num_samples: int, num_generations: int) -> np.ndarray:
    """Weight of the real rows over that of all rows that each model is fitted to, (G,).

    Raises as the workflow does where it asks of a Ledger what that does not have.
    """
    is_real: list[bool] = []

    def batch(rows: int, real: bool) -> Ledger:
        is_real.append(real)
        return Ledger.of(len(is_real) - 1, rows)

    real = batch(num_samples, True)
    state, shares = workflow.init(real.clear(), real), np.empty(num_generations)
    for g in range(num_generations):
        data = workflow.select(None, state)
        weights = data.weights * data.rows
        shares[g] = weights[np.array(is_real)[data.numbers]].sum() / weights.sum()
        draw_real = lambda key, rows=num_samples: batch(int(rows), True)
        state = workflow.update(None, state, batch(num_samples, False), draw_real)
    return shares
