"""How many points span what a model is fitted to, which tells where a fitted covariance is singular for certain.

Derivation. A Gaussian fitted to rows samples in their affine hull, the smallest flat that holds them. So rows of a
synthetic batch lie in the hull of the rows that its model was fitted to, and in that of a smaller number of rows where
a fit or a batch has fewer. A union of batches lies in the hull of the points that span each. Where these are p <= d
the hull has at most d - 1 dimensions, whatever the weights, the temperature, the ddof, the law of the real data and the
rule by which rows are chosen: the determinant is 0. It is a bound: two flats may be nested, which is not told.
"""

from __future__ import annotations

import numpy as np

from ..core.base import Workflow
from .recursion import Ledger, NotLinear

Points = dict[int, int]  # number of points by the number of the batch or model that they are rows of


def most_points(workflow: Workflow, sizes: np.ndarray) -> np.ndarray | None:
    """Points whose affine hull holds the training data of each generation, at most, (G,); None where not known.

    `sizes` (G,) are as in `recursion.follow`. Not known is it of a workflow that asks of a Ledger what that does not
    have.
    """
    spans: list[Points] = []  # of every batch

    def batch(rows: int, inside: Points) -> Ledger:
        spans.append(_fewest(inside, rows, len(spans)))
        return Ledger.of(len(spans) - 1, rows)

    draw_real = lambda key, rows: batch(int(rows), {len(spans): int(rows)}) if rows else Ledger.of(0, 0)
    real = draw_real(None, int(sizes[0]))
    points = np.empty(len(sizes), int)
    try:
        state = workflow.init(real.clear(), real)
        for g, m in enumerate(np.append(sizes[1:], 1)):
            data = workflow.select(None, state)
            joint = {name: count for number in data.numbers for name, count in spans[number].items()}
            inside = _fewest(joint, data.capacity, -1 - g)
            points[g] = sum(inside.values())
            real_rows = lambda key, rows=None, m=m: draw_real(key, m if rows is None else rows)
            state = workflow.update(None, state, batch(int(m), inside), real_rows)
    except (NotLinear, AttributeError, TypeError):
        return None
    return points


def _fewest(inside: Points, rows: int, name: int) -> Points:
    """The points that span so many rows of a hull: those of the hull, or the rows themselves where these are fewer."""
    return {name: rows} if rows < sum(inside.values()) else inside
