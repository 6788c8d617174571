"""Figures of growth: excess over the first generation, collapse times, shares of real data."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib
import numpy as np
import xarray as xr

from ..results.dataset import milestones
from ..results.statistics import mean_and_standard_error
from .legends import kind_handles
from .panels import draw_line, draw_points, finish, one_line_dimension, row_of_panels
from .style import (
    COLUMN_WIDTH,
    EXACT,
    STYLE,
    Figure,
    colours,
    darker,
    different_colours,
    in_published_order,
    label_of,
    legend_below,
    lines_of,
)


def excess(dataset: xr.Dataset, metric: str, *, exact: xr.Dataset | None = None) -> Figure:
    """A figure of the mean excess of a metric over its first generation against iteration, on logarithmic axes.

    A power of t is a straight line with that slope; a bounded excess becomes flat. The 95 % band is of the mean of each
    seed's own excess. Means that are not positive are left out.

    Args:
        dataset: as from `sweep`, with all seeds; dimensions as for `curves`.
        metric: name of a variable.
        exact: as from `exact_curves`; drawn as thin dark lines.

    Raises:
        ValueError: for more than one swept dimension other than workflows.
    """
    swept = one_line_dimension(dataset)
    grown = dataset[metric].astype(float) - dataset[metric].isel(generation=0, drop=True)
    mean, standard_error = mean_and_standard_error(grown.isel(generation=slice(1, None)))
    known = None
    if exact is not None and metric in exact:
        known = (exact[metric] - exact[metric].isel(generation=0, drop=True)).isel(generation=slice(1, None))
    workflows = in_published_order(dataset.workflow.values)
    with matplotlib.rc_context(STYLE):
        figure, axes = row_of_panels(workflows)
        for axis, workflow in zip(axes, workflows, strict=True):
            axis.set(xscale="log", yscale="log")
            for label, colour, line in lines_of(mean.sel(workflow=workflow), swept):
                width = standard_error.sel(workflow=workflow).sel({name: line[name] for name in swept})
                draw_line(axis, line.iteration, line.values, width.values, colour, label)
            if not (mean.sel(workflow=workflow) > 0).any():
                axis.text(0.5, 0.5, "never above\nthe first", transform=axis.transAxes, ha="center", va="center")
            if known is not None:
                for _, _, line in lines_of(known.sel(workflow=workflow), swept):
                    axis.plot(line.iteration, np.where(line > 0, line, np.nan), gid="exact", **EXACT)
        finish(axes[0], f"Excess over the first: {dataset[metric].attrs.get('long_name', metric).lower()}")
        axes[len(axes) // 2].set_xlabel("Model-fitting iteration")
        title = next((dataset[name].attrs.get("long_name", name) for name in swept), "")
        kinds = {"mean", "exact"} if known is not None else {"mean"}
        legend_below(axes[-1], title, more=kind_handles(kinds))
    return figure


def against(dataset: xr.Dataset, metric: str, dimension: str) -> Figure:
    """A figure of the mean of a metric against a swept value, with a line for each of iterations 1, 10, 100, ...

    The axis of the metric is linear up to 10 and logarithmic beyond.

    Args:
        dataset: with all seeds; dimensions workflow, `dimension`, seed and generation.
        metric: name of a variable.
        dimension: the swept dimension, on a logarithmic axis.
    """
    length = dataset.sizes["generation"]
    shown = [g for g in milestones(length) if str(g + 1).strip("0") == "1" or g == length - 1]
    mean, standard_error = mean_and_standard_error(dataset[metric].isel(generation=shown))
    workflows = in_published_order(dataset.workflow.values)
    with matplotlib.rc_context(STYLE):
        figure, axes = row_of_panels(workflows)
        for axis, workflow in zip(axes, workflows, strict=True):
            axis.set_xscale("log")
            for place, colour in enumerate(colours(len(shown))):
                line, width = (of.sel(workflow=workflow).isel(generation=place) for of in (mean, standard_error))
                draw_line(
                    axis, dataset[dimension], line.values, width.values, colour, f"{shown[place] + 1}", marker="o"
                )
        axes[0].set_yscale("symlog", linthresh=10)
        finish(axes[0], label_of(dataset[metric]))
        axes[len(axes) // 2].set_xlabel(dataset[dimension].attrs.get("long_name", dimension).capitalize())
        legend_below(axes[-1], "Iteration")
    return figure


def collapse_times(datasets: Mapping[int, xr.Dataset]) -> Figure:
    """A figure of the mean time until one outcome is left against n, with a line for each number of outcomes.

    Args:
        datasets: by the number of outcomes K, datasets with "collapse_time" (num_samples, seed) and "leading"
            (num_samples), its leading order 2n(K-1)ln(K/(K-1)), drawn as a thin dark line.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_WIDTH, 2.2))
        axis = figure.subplots()
        axis.set(xscale="log", yscale="log", xlabel="Samples per generation, n")
        for place, ((number, dataset), colour) in enumerate(zip(datasets.items(), colours(len(datasets)), strict=True)):
            mean, standard_error = mean_and_standard_error(dataset.collapse_time)
            axis.plot(dataset.num_samples, dataset.leading, **EXACT)
            draw_points(axis, dataset.num_samples, mean.values, standard_error.values, colour, f"{number}", place)
        axis.plot([], [], **EXACT, label="$2n(K-1)\\,\\ln\\,K/(K-1)$")
        finish(axis, "Models until one outcome is left")
        axis.legend(title="Outcomes, K")
    return figure


def real_shares(shares: Mapping[str, np.ndarray]) -> Figure:
    """A figure of the share of real rows in each training set against iteration, with a line for each workflow.

    Args:
        shares: by the workflow's name, the exact shares (G,).
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_WIDTH, 2.6))
        axis = figure.subplots()
        axis.set(xscale="log", yscale="log", xlabel="Model-fitting iteration")
        styles = ["-", "--", "-.", ":"]
        for place, ((workflow, share), colour) in enumerate(zip(shares.items(), colours(len(shares)), strict=True)):
            t = np.arange(1, len(share) + 1)
            axis.plot(t, np.where(share > 0, share, np.nan), styles[place % 4], color=colour, label=workflow)
        finish(axis, "Real rows / all rows of a training set")
        legend_below(axis, "", columns=2)
    return figure


def loss_against_share(points: Mapping[str, np.ndarray], exact: Mapping[str, np.ndarray]) -> Figure:
    """A figure of the last loss, divided by the first, against the share of real rows in every training set.

    Args:
        points: by the workflow's name, shares, means and standard errors (3, number of points).
        exact: by the workflow's name, shares and exact values (2, number), drawn as thin lines in a darker tone
            of the colour of its points.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_WIDTH, 2.2))
        axis = figure.subplots()
        axis.set(xscale="log", yscale="log", xlabel="Share of real rows in every training set")
        axis.axhline(1, color="0.6", linewidth=0.6, linestyle=":")
        colour_of = dict(zip(points, different_colours(list(points), list(points)), strict=True))
        for label, (share, known) in exact.items():
            axis.plot(share, known, **EXACT | {"color": darker(colour_of[label])})
        for place, (label, values) in enumerate(points.items()):
            draw_points(axis, *values, colour_of[label], label, place)
        axis.plot([], [], **EXACT, label="exact")
        finish(axis, "Last error of the mean / error of n real rows")
        axis.legend()
    return figure
