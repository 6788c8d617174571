"""Figures of other forms than curves against iteration; `plots` gives all of them their public names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from .figure_style import (
    COLUMN_WIDTH,
    EXACT,
    STYLE,
    Figure,
    band,
    broken,
    colours,
    in_published_order,
    label_of,
    legend_below,
    lines_of,
    tick_short_log_axes,
    wrapped,
)
from .results.dataset import line_dimensions, milestones


def excess(dataset: xr.Dataset, metric: str, *, exact: xr.Dataset | None = None) -> Figure:
    """The mean excess of a metric over its first generation against iteration, both axes logarithmic.

    A power of t is a straight line of that slope; what stays bounded turns flat. The 95 % band is that of the mean of
    the seeds' own excesses. What is not positive is not there.

    Args:
        dataset: with all seeds, as from `sweep`; dimensions as for `curves`.
        metric: name of a variable.
        exact: as from `exact_curves`; thin dark lines.
    """
    swept = _one_line_dimension(dataset)
    grown = dataset[metric].astype(float) - dataset[metric].isel(generation=0, drop=True)
    mean, se = _mean_and_se(grown.isel(generation=slice(1, None)))
    known = None
    if exact is not None and metric in exact:
        known = (exact[metric] - exact[metric].isel(generation=0, drop=True)).isel(generation=slice(1, None))
    workflows = in_published_order(dataset.workflow.values)
    with matplotlib.rc_context(STYLE):
        figure, axes = _row_of_panels(workflows)
        for axis, workflow in zip(axes, workflows, strict=True):
            axis.set(xscale="log", yscale="log")
            for label, colour, line in lines_of(mean.sel(workflow=workflow), swept):
                width = se.sel(workflow=workflow).sel({name: line[name] for name in swept})
                _draw(axis, line.iteration, line.values, width.values, colour, label)
            if not (mean.sel(workflow=workflow) > 0).any():
                axis.text(0.5, 0.5, "never above\nthe first", transform=axis.transAxes, ha="center", va="center")
            if known is not None:
                for _, _, line in lines_of(known.sel(workflow=workflow), swept):
                    axis.plot(line.iteration, np.where(line > 0, line, np.nan), **EXACT)
        _finish(axes[0], f"Excess over the first: {dataset[metric].attrs.get('long_name', metric).lower()}")
        axes[len(axes) // 2].set_xlabel("Model-fitting iteration")
        for name in swept:
            legend_below(axes[-1], dataset[name].attrs.get("long_name", name))
    return figure


def against(dataset: xr.Dataset, metric: str, dimension: str) -> Figure:
    """The mean of a metric against what was swept, at iterations 1, 10, 100 and so on: a line each, light to dark.

    Args:
        dataset: with all seeds; dimensions workflow, `dimension`, seed and generation.
        metric: name of a variable.
        dimension: what was swept, on a logarithmic axis. That of the metric is linear up to 10 and logarithmic beyond.
    """
    length = dataset.sizes["generation"]
    shown = [g for g in milestones(length) if str(g + 1).strip("0") == "1" or g == length - 1]
    mean, se = _mean_and_se(dataset[metric].astype(float).isel(generation=shown))
    workflows = in_published_order(dataset.workflow.values)
    with matplotlib.rc_context(STYLE):
        figure, axes = _row_of_panels(workflows)
        for axis, workflow in zip(axes, workflows, strict=True):
            axis.set_xscale("log")
            for place, colour in enumerate(colours(len(shown))):
                line, width = (of.sel(workflow=workflow).isel(generation=place) for of in (mean, se))
                _draw(axis, dataset[dimension], line.values, width.values, colour, f"{shown[place] + 1}", marker="o")
        axes[0].set_yscale("symlog", linthresh=10)
        _finish(axes[0], label_of(dataset[metric]))
        axes[len(axes) // 2].set_xlabel(dataset[dimension].attrs.get("long_name", dimension).capitalize())
        legend_below(axes[-1], "Iteration")
    return figure


def collapse_times(datasets: Mapping[int, xr.Dataset]) -> Figure:
    """Mean time until one outcome is left against n, by the number of outcomes, with the leading order.

    Args:
        datasets: by the number of outcomes K, "collapse_time" (num_samples, seed) and "leading" (num_samples), which is
            2n(K-1)ln(K/(K-1)), a thin dark line.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_WIDTH, 2.2))
        axis = figure.subplots()
        axis.set(xscale="log", yscale="log", xlabel="Samples per generation, n")
        for place, ((number, dataset), colour) in enumerate(zip(datasets.items(), colours(len(datasets)), strict=True)):
            mean, se = _mean_and_se(dataset.collapse_time.astype(float))
            axis.plot(dataset.num_samples, dataset.leading, **EXACT)
            _draw_points(axis, dataset.num_samples, mean.values, se.values, colour, f"{number}", place)
        axis.plot([], [], **EXACT, label="$2n(K-1)\\,\\ln\\,K/(K-1)$")
        _finish(axis, "Models until one outcome is left")
        axis.legend(title="Outcomes, K")
    return figure


def value_map(table: xr.Dataset, label: str) -> Figure:
    """What synthetic rows add to the loss, for each number of real and synthetic ones; the best of a row is framed.

    Args:
        table: as from `value_table`.
        label: what the loss is.
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
    """The mean loss against the number of synthetic rows, a line for each number of real ones; its best is a ring.

    Args:
        dataset: as from `synthetic_value`.
        metric: the loss.
    """
    mean, se = _mean_and_se(dataset[metric].astype(float))
    numbers = dataset.num_synthetic.values
    # No row has no place on a logarithmic axis; it is put as far left of the first as the second is to its right.
    places = np.where(numbers > 0, numbers, numbers[1] ** 2 / numbers[2] if len(numbers) > 2 else numbers[1] / 10)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_WIDTH, 2.2))
        axis = figure.subplots()
        axis.set(xscale="log", xlabel="Synthetic rows")
        if mean.max() > 10 * mean.min() > 0:
            axis.set_yscale("log")
        for place, colour in enumerate(colours(dataset.sizes["num_real"])):
            line, width = mean.isel(num_real=place).values, se.isel(num_real=place).values
            _draw(axis, places, line, width, colour, f"{dataset.num_real.values[place]}", marker="o")
            best = int(np.argmin(line))
            axis.plot(places[best], line[best], "o", mfc="none", color=colour, markersize=6)
        _finish(axis, label_of(dataset[metric]))
        axis.set_xticks(places, numbers)
        axis.minorticks_off()
        axis.legend(title="Real rows")
    return figure


def real_shares(shares: Mapping[str, np.ndarray]) -> Figure:
    """The share of real rows in what each model is fitted to, by workflow, against iteration; no simulation."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_WIDTH, 2.6))
        axis = figure.subplots()
        axis.set(xscale="log", yscale="log", xlabel="Model-fitting iteration")
        styles = ["-", "--", "-.", ":"]
        for place, ((workflow, share), colour) in enumerate(zip(shares.items(), colours(len(shares)), strict=True)):
            t = np.arange(1, len(share) + 1)
            axis.plot(t, np.where(share > 0, share, np.nan), styles[place % 4], color=colour, label=workflow)
        _finish(axis, "Real rows / all rows of a training set")
        legend_below(axis, "", columns=2)
    return figure


def loss_against_share(points: Mapping[str, np.ndarray], exact: Mapping[str, np.ndarray]) -> Figure:
    """The last loss over the first against the share of real rows.

    Args:
        points: by the name of a way to mix, shares, means and standard errors (3, number of points).
        exact: shares and exact values (2, number); thin dark lines.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_WIDTH, 2.2))
        axis = figure.subplots()
        axis.set(xscale="log", yscale="log", xlabel="Share of real rows in every training set")
        axis.axhline(1, color="0.6", linewidth=0.6, linestyle=":")
        for share, known in exact.values():
            axis.plot(share, known, **EXACT)
        for place, ((label, values), colour) in enumerate(zip(points.items(), colours(len(points)), strict=True)):
            _draw_points(axis, *values, colour, label, place)
        axis.plot([], [], **EXACT, label="exact")
        _finish(axis, "Last error of the mean / error of n real rows")
        axis.legend()
    return figure


def _one_line_dimension(dataset: xr.Dataset) -> list[str]:
    swept = line_dimensions(dataset)
    if len(swept) > 1:
        raise ValueError(f"dimensions {', '.join(swept)}: a figure shows one; choose a value of the others with .sel")
    return swept


def _mean_and_se(values: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Over the seeds whose value is finite; without two of them there is no standard error."""
    finite = values.where(np.isfinite(values))
    return finite.mean("seed"), finite.std("seed", ddof=1) / np.sqrt(finite.count("seed"))


def _row_of_panels(workflows: Sequence[str]) -> tuple[Figure, Sequence[Axes]]:
    width = max(1, len(workflows) / 3) * COLUMN_WIDTH
    figure = Figure(figsize=(width, 2.2))
    axes = figure.subplots(1, len(workflows), sharex=True, sharey=True, squeeze=False)[0]
    for axis, workflow in zip(axes, workflows, strict=True):
        axis.set_title(broken(workflow))
    return figure, axes


def _draw(axis: Axes, x: Any, mean: np.ndarray, se: np.ndarray, colour: np.ndarray, label: str, **style: Any) -> None:
    mean = np.where((mean > 0) | (axis.get_yscale() != "log"), mean, np.nan)
    axis.plot(x, mean, color=colour, label=label, **style)
    low, high = band(axis, mean, se)
    axis.fill_between(x, low, high, color=colour, alpha=0.25, linewidth=0)


def _draw_points(
    axis: Axes, x: Any, mean: np.ndarray, se: np.ndarray, colour: np.ndarray, label: str, place: int
) -> None:
    """Points with 95 % bars, of another shape at each place."""
    low, high = band(axis, mean, se)
    style = dict(fmt="os^Dv"[place % 5], linewidth=0.8, color=colour, label=label)
    axis.errorbar(x, mean, [mean - low, high - mean], **style)


def _finish(axis: Axes, label: str) -> None:
    axis.set_ylabel(label if "\n" in label else wrapped(label))
    tick_short_log_axes(axis)
