"""Parts of figures that several of them have: panels, lines with bands, points with error bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from ..results.dataset import line_dimensions
from .style import COLUMN_WIDTH, Figure, band, broken, tick_short_log_axes, wrapped


def one_line_dimension(dataset: xr.Dataset) -> list[str]:
    swept = line_dimensions(dataset)
    if len(swept) > 1:
        raise ValueError(f"dimensions {', '.join(swept)}: a figure shows one; choose a value of the others with .sel")
    return swept


def mean_and_standard_error(values: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Over the seeds whose value is finite; without two of them there is no standard error."""
    finite = values.where(np.isfinite(values))
    return finite.mean("seed"), finite.std("seed", ddof=1) / np.sqrt(finite.count("seed"))


def row_of_panels(workflows: Sequence[str]) -> tuple[Figure, Sequence[Axes]]:
    width = max(1, len(workflows) / 3) * COLUMN_WIDTH
    figure = Figure(figsize=(width, 2.2))
    axes = figure.subplots(1, len(workflows), sharex=True, sharey=True, squeeze=False)[0]
    for axis, workflow in zip(axes, workflows, strict=True):
        axis.set_title(broken(workflow))
    return figure, axes


def draw_line(
    axis: Axes, x: Any, mean: np.ndarray, se: np.ndarray, colour: np.ndarray, label: str, **style: Any
) -> None:
    mean = np.where((mean > 0) | (axis.get_yscale() != "log"), mean, np.nan)
    axis.plot(x, mean, color=colour, label=label, **style)
    low, high = band(axis, mean, se)
    axis.fill_between(x, low, high, color=colour, alpha=0.25, linewidth=0)


def draw_points(
    axis: Axes, x: Any, mean: np.ndarray, se: np.ndarray, colour: np.ndarray, label: str, place: int
) -> None:
    """Points with 95 % bars, of another shape at each place."""
    low, high = band(axis, mean, se)
    style = dict(fmt="os^Dv"[place % 5], linewidth=0.8, color=colour, label=label)
    axis.errorbar(x, mean, [mean - low, high - mean], **style)


def finish(axis: Axes, label: str) -> None:
    axis.set_ylabel(label if "\n" in label else wrapped(label))
    tick_short_log_axes(axis)
