"""Figures that several studies have: the curves of a sweep, for each value of what was swept beside n."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..results.dataset import line_dimensions
from .study import Results

if TYPE_CHECKING:
    from ..plots.style import Figure


def metric_curves(results: Results, metrics: Sequence[str], *, excess: str | None = None) -> dict[str, Figure]:
    """For each sweep, and each combination of what was swept beside n, a figure of the metrics against iteration.

    Args:
        results: of sweeps.
        metrics: a row of panels each.
        excess: a metric of which there is a figure of its excess over the first generation as well.
    """
    from .. import plots

    figures = {}
    for part, (_, dataset, exact) in results.items():
        names = [name for name in line_dimensions(dataset) if name != "num_samples"]
        for labels in itertools.product(*(dataset[name].values for name in names)):
            chosen = dict(zip(names, labels, strict=True))
            stem = part + "".join(f"-{name}={_short(label)}" for name, label in chosen.items())
            own = dataset.sel(chosen)
            known = exact.sel({name: label for name, label in chosen.items() if name in exact.dims})
            figures[stem] = plots.curves(own, metrics, exact=known)
            if excess:
                figures[f"{stem}-excess"] = plots.excess(own, excess, exact=known)
    return figures


def _short(label: float | str) -> str:
    return f"{label}" if isinstance(label, str) else f"{label:.3g}"
