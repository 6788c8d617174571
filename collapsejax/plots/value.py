"""Figures of the value of synthetic data."""

from __future__ import annotations

import matplotlib
import numpy as np
import xarray as xr

from ..results.statistics import mean_and_standard_error
from .panels import draw_line, finish
from .style import COLUMN_WIDTH, STYLE, Figure, colours, label_of, wrapped


def value_map(table: xr.Dataset, label: str) -> Figure:
    """A heatmap of what synthetic rows add to the loss, by numbers of real and synthetic rows.

    The best number of synthetic rows for each number of real ones has a frame.

    Args:
        table: as from `value_table`.
        label: the loss's long name.
    """
    values = table.difference.transpose("num_real", "num_synthetic").values
    largest = np.abs(values).max() or 1.0
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_WIDTH, 0.7 + 0.28 * len(values)))
        axis = figure.subplots()
        image = axis.imshow(values, cmap="viridis_r", vmin=-largest, vmax=largest, aspect="auto", origin="lower")
        for (row, column), value in np.ndenumerate(values):
            dark = value > 0.15 * largest
            text = f"{value:+.2g}" if value else "0"
            axis.text(column, row, text, ha="center", va="center", fontsize=5.5, color="white" if dark else "black")
        columns = list(table.num_synthetic.values)
        for row, best in enumerate(table.best_num_synthetic.values):
            corner = (columns.index(best) - 0.5, row - 0.5)
            axis.add_patch(matplotlib.patches.Rectangle(corner, 1, 1, fill=False, edgecolor="black", linewidth=1.2))
        axis.set_xticks(range(len(columns)), columns)
        axis.set_yticks(range(len(values)), table.num_real.values)
        axis.set(xlabel="Synthetic rows", ylabel="Real rows")
        axis.spines[:].set_visible(False)
        axis.grid(visible=False)
        axis.tick_params(length=0)
        figure.colorbar(image, label=wrapped(f"Added to: {label[0].lower()}{label[1:]}"))
    return figure


def value_lines(dataset: xr.Dataset, metric: str) -> Figure:
    """A figure of the mean loss against the number of synthetic rows, with a line for each number of real ones.

    A ring marks the lowest mean of each line.

    Args:
        dataset: as from `synthetic_value`.
        metric: the name of the loss.
    """
    mean, standard_error = mean_and_standard_error(dataset[metric])
    numbers = dataset.num_synthetic.values
    # A logarithmic axis has no 0: it is drawn as far to the left of the first number as the second is to the right.
    places = np.where(numbers > 0, numbers, numbers[1] ** 2 / numbers[2] if len(numbers) > 2 else numbers[1] / 10)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_WIDTH, 2.2))
        axis = figure.subplots()
        axis.set(xscale="log", xlabel="Synthetic rows")
        if mean.max() > 10 * mean.min() > 0:
            axis.set_yscale("log")
        for place, colour in enumerate(colours(dataset.sizes["num_real"])):
            line, width = mean.isel(num_real=place).values, standard_error.isel(num_real=place).values
            draw_line(axis, places, line, width, colour, f"{dataset.num_real.values[place]}", marker="o")
            best = int(np.argmin(line))
            axis.plot(places[best], line[best], "o", mfc="none", color=colour, markersize=6)
        finish(axis, label_of(dataset[metric]))
        axis.set_xticks(places, numbers)
        axis.minorticks_off()
        axis.legend(title="Real rows")
    return figure
