"""Parts that several figures share: rows of panels, lines with bands, points with error bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from ..results.dataset import line_dimensions
from .style import COLUMN_WIDTH, Figure, band, broken, tick_short_log_axes, wrapped


def one_line_dimension(dataset: xr.Dataset) -> list[str]:
    """The name of the swept dimension that gives the lines of a figure, or an empty list.

    Raises ValueError, naming the dimensions, where there are several.
    """
    swept = line_dimensions(dataset)
    if len(swept) > 1:
        raise ValueError(
            f"dimensions {', '.join(swept)}: a figure shows one; choose a value of the others with .isel, "
            "or draw plots.heatmap(data, metric, x=..., y=...)"
        )
    return swept


def row_of_panels(workflows: Sequence[str]) -> tuple[Figure, Sequence[Axes]]:
    """A figure with a panel for each workflow, titled by it, side by side with common axes."""
    width = max(1, len(workflows) / 3) * COLUMN_WIDTH
    figure = Figure(figsize=(width, 2.2))
    axes = figure.subplots(1, len(workflows), sharex=True, sharey=True, squeeze=False)[0]
    for axis, workflow in zip(axes, workflows, strict=True):
        axis.set_title(broken(workflow))
    return figure, axes


def draw_line(
    axis: Axes, x: Any, mean: np.ndarray, standard_error: np.ndarray, colour: np.ndarray, label: str, **style: Any
) -> None:
    """Draw a line of means with its 95 % band; on a logarithmic axis only where the mean is positive."""
    mean = np.where((mean > 0) | (axis.get_yscale() != "log"), mean, np.nan)
    axis.plot(x, mean, color=colour, label=label, **style)
    low, high = band(axis, mean, standard_error)
    axis.fill_between(x, low, high, color=colour, alpha=0.25, linewidth=0)


def draw_points(
    axis: Axes, x: Any, mean: np.ndarray, standard_error: np.ndarray, colour: np.ndarray, label: str, number: int
) -> None:
    """Draw points with 95 % error bars; the number of the series decides their marker."""
    low, high = band(axis, mean, standard_error)
    style = dict(fmt="os^Dv"[number % 5], linewidth=0.8, color=colour, label=label)
    axis.errorbar(x, mean, [mean - low, high - mean], **style)


def finish(axis: Axes, label: str) -> None:
    """Label the y axis, with line breaks that fit beside a panel, and tick short logarithmic axes."""
    axis.set_ylabel(label if "\n" in label else wrapped(label))
    tick_short_log_axes(axis)
