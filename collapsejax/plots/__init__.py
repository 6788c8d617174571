"""Figures of results. Every function returns a matplotlib Figure drawn in `STYLE`; none of them simulates."""

from __future__ import annotations

from .curves import curves
from .growth import against, collapse_times, excess, loss_against_share, real_shares
from .heatmap import heatmap
from .style import STYLE
from .value import value_lines, value_map
from .z_scores import z_scores

__all__ = [
    "STYLE",
    "against",
    "collapse_times",
    "curves",
    "excess",
    "heatmap",
    "loss_against_share",
    "real_shares",
    "value_lines",
    "value_map",
    "z_scores",
]
