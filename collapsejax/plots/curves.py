"""The figure of metrics against model-fitting iteration."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ..results.dataset import metrics_in, summarize
from ..results.metrics import check_metrics
from ..theory import trusted
from .panels import one_line_dimension
from .style import (
    COLUMN_WIDTH,
    EXACT,
    STYLE,
    Figure,
    band,
    broken,
    in_published_order,
    label_of,
    legend_below,
    lines_of,
    tick_short_log_axes,
    wrapped,
)

_DECADES_FOR_LOG = 1.5
_MOST_SKEWNESS = 2.0  # of the distribution of a mean that is drawn with a band
_TIMES_SEEN = 8  # a variance that the tail suggests counts where it is this many times that of the seeds


def curves(dataset: xr.Dataset, metrics: Sequence[str] | None = None, *, exact: xr.Dataset | None = None) -> Figure:
    """A figure of the mean over the seeds against iteration, with a row for each metric and a column for each workflow.

    The mean and its 95 % band are of the finite values: 1.96 standard errors of the mean, or on a logarithmic axis of
    its logarithm. The axis is logarithmic where positive means span more than a decade and a half. The mean of a metric
    that is never negative, such as a trace under replace, comes to depend on a few seeds (see `theory.trusted`): from
    there on it is dotted and has no band, and a dashed line shows the median. Three workflows are as wide as a column
    of a two-column page.

    Args:
        dataset: as from `sweep` or `open`, with dimensions workflow, seed or statistic, generation, and at most one
            more, whose values give the lines.
        metrics: names of variables. Default: all with a finite mean somewhere.
        exact: as from `exact_curves`; drawn as thin dark lines where it is finite.

    Raises:
        ValueError: for an unknown metric, naming the nearest, and for more dimensions.
    """
    swept = one_line_dimension(dataset)
    if metrics is not None:
        check_metrics(metrics, metrics_in(dataset))
    else:
        names = metrics_in(dataset)
        means = {name: summarize(dataset[name]).sel(statistic="mean") for name in names}
        metrics = [name for name in names if np.isfinite(means[name]).any()] or names
    workflows = in_published_order(dataset.workflow.values)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(max(1, len(workflows) / 3) * COLUMN_WIDTH, 0.9 + 1.2 * len(metrics)))
        axes = figure.subplots(len(metrics), len(workflows), sharex=True, sharey="row", squeeze=False)
        for row, metric in zip(axes, metrics, strict=True):
            known = exact[metric] if exact is not None and metric in exact else None
            _draw_metric(row, dataset[metric], workflows, swept, known)
        for axis, workflow in zip(axes[0], workflows, strict=True):
            axis.set_title(broken(workflow))
            axis.xaxis.get_major_locator().set_params(integer=True)
        axes[-1, len(workflows) // 2].set_xlabel(dataset.iteration.attrs.get("long_name", "iteration"))
        for name in swept:
            panel = max(axes.flat, key=lambda axis: len(axis.get_legend_handles_labels()[1]))
            legend_below(panel, dataset[name].attrs.get("long_name", name))
        _legend_of_kinds(figure)
    return figure


# What each kind of line shows, and how it looks in the legend, beside `EXACT`.
_KINDS = {
    "mean": ("mean with 95 % band", dict(color="0.4")),
    "tail": ("mean that few seeds carry", dict(color="0.4", linestyle=":")),
    "median": ("median", dict(color="0.4", linestyle="--", linewidth=0.8)),
    "exact": ("exact mean", EXACT),
}


def _legend_of_kinds(figure: Figure) -> None:
    """A legend above the panels, of the kinds of lines that are there."""
    there = {line.get_gid() for axis in figure.axes for line in axis.lines}
    kinds = [_KINDS[kind] for kind in _KINDS if kind in there]
    if kinds:
        handles = [Line2D([], [], label=label, **style) for label, style in kinds]
        figure.legend(handles=handles, ncols=len(handles), loc="outside upper center", columnspacing=1.2)


def _draw_metric(
    row: Sequence[Axes],
    variable: xr.DataArray,
    workflows: Sequence[str],
    swept: Sequence[str],
    exact: xr.DataArray | None,
) -> None:
    statistics = summarize(variable)
    means = statistics.sel(statistic="mean")
    finite = means.values[np.isfinite(means.values)]
    positive = finite[finite > 0]
    if len(positive) and (finite >= 0).all() and np.log10(positive.max() / positive.min()) > _DECADES_FOR_LOG:
        row[0].set_yscale("log")
    if not len(finite):
        row[0].set_yticks([])
    for axis, workflow in zip(row, workflows, strict=True):
        infinite: dict[str, list[str]] = {}
        for label, colour, line in lines_of(statistics.sel(workflow=workflow), swept):
            if nature := _draw_line(axis, line, colour, label):
                infinite.setdefault(nature, []).append(label)
        for place, (nature, labels) in enumerate(infinite.items()):
            of = wrapped(f"{', '.join(labels)}: {nature}", 14) if swept else f"{nature}\nthroughout"
            corner = dict(ha="left", va="bottom") if axis.lines else dict(ha="center", va="center")
            where = (0.04, 0.04 + 0.12 * place) if axis.lines else (0.5, 0.5 + 0.12 * place)
            axis.text(*where, of, transform=axis.transAxes, fontsize=6, **corner)
        if exact is not None:
            for _, _, line in lines_of(exact.sel(workflow=workflow), swept):
                shown = np.isfinite(line.values) & ((line.values > 0) | (axis.get_yscale() == "linear"))
                axis.plot(line.iteration, np.where(shown, line, np.nan), gid="exact", **EXACT)
    row[0].set_ylabel(label_of(variable))
    tick_short_log_axes(row[0])


def _draw_line(axis: Axes, line: xr.DataArray, colour: np.ndarray, label: str) -> str | None:
    """Draw a line; return None, or a text that says why it cannot be drawn."""
    mean, standard_error = (line.sel(statistic=name).values for name in ("mean", "standard_error"))
    if not np.isfinite(mean).any():
        return "missing" if np.isnan(mean).any() else f"{'-' if (mean < 0).all() else '+'}infinite"
    shown = np.isfinite(mean) & ((mean > 0) | (axis.get_yscale() == "linear"))
    mean = np.where(shown, mean, np.nan)
    # Solid up to the first mean that depends on a few seeds; dotted from the last solid point on.
    good = np.logical_and.accumulate(~shown | _informative(line))
    solid = np.where(good, mean, np.nan)
    axis.plot(line.iteration, solid, color=colour, label=label, gid="mean")
    if not good.all():
        behind = ~good | np.append(~good[1:], False)
        axis.plot(line.iteration, np.where(behind, mean, np.nan), color=colour, linestyle=":", gid="tail")
        median = line.sel(statistic="median").values
        shown = behind & np.isfinite(median) & ((median > 0) | (axis.get_yscale() == "linear"))
        median = np.where(shown, median, np.nan)
        axis.plot(line.iteration, median, color=colour, linestyle="--", linewidth=0.8, gid="median")
    low, high = band(axis, solid, standard_error)
    axis.fill_between(line.iteration, low, high, color=colour, alpha=0.25, linewidth=0)
    return None


def _informative(line: xr.DataArray) -> np.ndarray:
    """Where the means of a line are informative, see `theory.trusted`; everywhere for a metric with negative values.

    Where few seeds carry a mean, the variance over the seeds is too small. So where a log-normal variable with the same
    upper tail has a relative variance several times larger, that variance is used.
    """
    of = {name: line.sel(statistic=name).values for name in ("mean", "variance", "min", "median", "q0.975", "count")}
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        seen = of["variance"] / of["mean"] ** 2
        by_tail = np.expm1((np.log(of["q0.975"] / of["median"]) / 1.96) ** 2)
        relative = np.where((of["median"] > 0) & (by_tail > _TIMES_SEEN * seen), by_tail, seen)
        return (of["min"] < 0) | np.isnan(relative) | trusted(relative, of["count"], skewness=_MOST_SKEWNESS)
