"""The figure of the z-scores of a validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np

from .style import COLUMN_WIDTH, STYLE, Figure


def z_scores(scores: Mapping[str, Sequence[float]]) -> Figure:
    """A stacked histogram of z-scores, with a colour for each task, and the density of N(0, 1).

    Args:
        scores: the z-scores of each task's comparisons, by the task's name.
    """
    largest = max(4.0, *(np.ceil(np.abs(values).max()) for values in scores.values()))
    edges = np.linspace(-largest, largest, 4 * int(largest) + 1)
    number = sum(map(len, scores.values()))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_WIDTH, 2.2))
        axis = figure.subplots()
        colours = matplotlib.colormaps["viridis"](np.linspace(0.95, 0.1, len(scores)))
        axis.hist(list(scores.values()), edges, stacked=True, color=colours, label=list(scores))
        z = np.linspace(-largest, largest, 400)
        density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
        axis.plot(z, number * (edges[1] - edges[0]) * density, color="black", label="N(0, 1)")
        axis.set_xlabel("z = (mean - exact) / s.e.")
        axis.set_ylabel("Comparisons")
        axis.legend()
    return figure
