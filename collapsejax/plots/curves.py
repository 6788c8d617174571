"""The figure of metrics against model-fitting iteration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from ..results.dataset import metrics_in, summarize, with_iterations
from ..results.metrics import check_metrics
from .captions import caption, setting_text, workflow_titles
from .layout import Layout
from .legends import LEGEND, caption_height, draw_strips, kind_handles, legend_height, line_handles
from .lines import Line, draw_lines, draw_medians, nature
from .panels import one_line_dimension
from .style import MARKERS, Figure, axis_label, colours, different_colours, in_published_order, width_of
from .texts import broken_text
from .ticks import tick_iterations, tick_values

_DECADES_FOR_LOG = 1.5
MOST_LINES, _MOST_PANELS = 12, 80
_TICK = 0.26  # inches in print that an iteration takes below an axis
_NEAR_ZERO = 0.5  # of the largest mean: an axis with a smaller one begins at 0


def curves(
    dataset: xr.Dataset,
    metrics: Sequence[str] | None = None,
    *,
    exact: xr.Dataset | None = None,
    against: xr.Dataset | None = None,
    split: bool | None = None,
    logx: bool = False,
    logy: bool | None = None,
    width: str = "column",
) -> Figure:
    """A figure of the mean over the seeds against iteration, with one or more panels for each metric.

    Where the exact curve is known it is a thin dark line, and the simulation is points on it with 95 % error bars;
    elsewhere the mean is a line with a 95 % band. Both are of the finite values: 1.96 standard errors of the mean, or
    on a logarithmic axis of its logarithm. The mean of a metric that is never negative, such as a trace under replace,
    comes to depend on a few seeds (see `theory.trusted`): from there on the ground is grey, points are hollow or the
    line is dotted, without error bars, and a dashed line shows the median along the whole axis, if it fits there.

    Args:
        dataset: as from `sweep` or `open`, with dimensions workflow, seed or statistic, generation, and at most one
            more, whose values give lines.
        metrics: names of variables. Default: all with a finite mean somewhere.
        exact: as from `exact_curves(dataset)`.
        against: other results; their means of the same metrics, workflows and values are drawn for comparison.
        split: a panel for each workflow, in which colours are values of what was swept; else one panel has all lines.
            Default: where something was swept and there are several workflows.
        logx: a logarithmic axis of iterations.
        logy: logarithmic axes of the metrics. Default: where positive means span more than a decade and a half.
        width: "column" or "page" for the column and the text of a two-column page; "slide", with larger text.

    Raises:
        ValueError: for an unknown metric or width, naming the nearest; for more dimensions, or more lines and panels
            than can be told apart; for `logy` where no mean is positive; for other results that have nothing in common.
    """
    size = width_of(width)
    swept = one_line_dimension(dataset)
    dataset = dataset if "workflow" in dataset.dims else dataset.expand_dims("workflow")
    split = bool(swept) and dataset.sizes["workflow"] > 1 if split is None else split
    _check_number(dataset, metrics, swept, split)
    metrics = _chosen(dataset, metrics)
    exact = None if exact is None else with_iterations(exact, dataset)
    if against is not None:
        against = against if "workflow" in against.dims else against.expand_dims("workflow")
    workflows = in_published_order(dataset.workflow.values)
    groups = [[workflow] for workflow in workflows] if split else [workflows]
    titles = workflow_titles(dataset)
    with matplotlib.rc_context(size.style):
        lines_of = [
            [_lines(dataset, metric, group, swept, exact, against, titles) for group in groups] for metric in metrics
        ]
        if against is not None and all(line.other is None for row in lines_of for lines in row for line in lines):
            raise ValueError("against: the other results have no curve of these workflows, values and metrics")
        grid = Layout.of(len(metrics), len(groups), size)
        every = {line.label: line for row in lines_of for lines in row for line in lines}
        text = caption(dataset) + ("" if against is None else f"\nother results: {caption(against)}")
        known = any(line.exact is not None for row in lines_of for lines in row for line in lines)
        colour_entries = line_handles(list(every.values()), known) if swept or not split else []
        # The kinds are known when all is drawn: space is kept for as many as there may be.
        likely = {"points" if known else "mean", "median", "exact", "ground"} | (
            {"other"} if against is not None else set()
        )
        strips = [
            legend_height(part, LEGEND * size.scale, size.inches) for part in (colour_entries, kind_handles(likely))
        ]
        figure = Figure(
            figsize=(size.inches, sum(strips) + grid.height + caption_height(text, size.scale, size.inches))
        )
        kinds: set[str] = set()
        for place, (metric, row) in enumerate(zip(metrics, lines_of, strict=True)):
            axes = grid.axes(figure, place)
            kinds |= _draw_metric(axes, row, dataset.iteration.values, metric, logx, logy, grid)
            axes[0].set_ylabel(
                broken_text(axis_label(dataset, metric), 7 * size.scale, grid.panel_height - 0.3 * size.scale)
            )
            heads = [titles[group[0]] if split and (place == 0 or grid.wrapped) else "" for group in groups]
            for axis, head, lines in zip(axes, heads, row, strict=True):
                _title(axis, head, lines, grid, several=len(every) > 1 and len(lines) > 1)
        grid.label_columns(figure)
        draw_strips(figure, [colour_entries, kind_handles(kinds)], text, size.scale)
    return figure


def _check_number(dataset: xr.Dataset, metrics: Sequence[str] | None, swept: Sequence[str], split: bool) -> None:
    """Raise ValueError, before anything is computed, for more lines or panels than can be told apart."""
    number, values = dataset.sizes["workflow"], dataset.sizes[swept[0]] if swept else 1
    lines = values if split else values * number
    other = "or draw plots.heatmap(data, metric, x=..., y=...)"
    if lines > MOST_LINES:
        name = swept[0] if values > 1 and (split or values >= number) else "workflow"
        raise ValueError(f"{name}: {lines} lines in a panel, of {MOST_LINES} at most; use .isel({name}=[...]), {other}")
    panels = (len(metrics) if metrics is not None else len(metrics_in(dataset))) * (number if split else 1)
    if panels > _MOST_PANELS:
        name = "workflow" if split and number > 1 else "metrics"
        fewer = "use .isel(workflow=[...])" if name == "workflow" else "name fewer metrics"
        raise ValueError(f"{name}: {panels} panels, of {_MOST_PANELS} at most; {fewer}, {other}")


def _chosen(dataset: xr.Dataset, metrics: Sequence[str] | None) -> list[str]:
    names = metrics_in(dataset)
    if metrics is not None:
        check_metrics(metrics, names)
        return list(metrics)
    finite = lambda name: np.isfinite(summarize(dataset[name]).sel(statistic="mean")).any()
    return [name for name in names if finite(name)] or names


def _lines(
    dataset: xr.Dataset,
    metric: str,
    workflows: Sequence[str],
    swept: Sequence[str],
    exact: xr.Dataset | None,
    against: xr.Dataset | None,
    titles: dict[str, str],
) -> list[Line]:
    """The lines of a panel."""
    statistics = summarize(dataset[metric])
    labels = dataset[swept[0]].values.tolist() if swept else [None]
    keys = [(workflow, label) for workflow in workflows for label in labels]
    of_swept = len(labels) > 1 or len(workflows) == 1
    tones = colours(len(keys)) if swept else different_colours(list(titles), workflows)
    lines = []
    for place, ((workflow, label), colour) in enumerate(zip(keys, tones, strict=True)):
        parts = [titles[workflow]] if len(workflows) > 1 or not swept else []
        parts += [setting_text(swept[0], label)] if swept and of_swept else []
        where = {"workflow": workflow} | ({swept[0]: label} if swept else {})
        known = _part(exact, metric, where)
        known = known if known is not None and np.isfinite(known).any() else None
        other = (
            None if against is None or metric not in against else _part(summarize_one(against, metric), metric, where)
        )
        marker = MARKERS[place % len(MARKERS)]
        lines.append(Line(", ".join(parts), colour, marker, statistics.sel(where), known, other))
    return lines


def summarize_one(dataset: xr.Dataset, metric: str) -> xr.Dataset:
    """The statistics of one metric of some results."""
    return summarize(dataset[metric]).to_dataset(name=metric)


def _part(dataset: xr.Dataset | None, metric: str, where: dict[str, Any]) -> xr.DataArray | None:
    """A curve of some results, None where they do not have it."""
    if dataset is None or metric not in dataset:
        return None
    variable = dataset[metric]
    for name, label in where.items():
        if name in variable.coords:
            if label not in np.atleast_1d(variable[name].values).tolist():
                return None
            variable = variable.sel({name: label}) if name in variable.dims else variable
    return variable if {*variable.dims} <= {"generation", "statistic"} else None


def _draw_metric(
    axes: Sequence[Axes],
    row: Sequence[list[Line]],
    iterations: np.ndarray,
    metric: str,
    logx: bool,
    logy: bool | None,
    grid: Layout,
) -> set[str]:
    means = np.concatenate([line.means for lines in row for line in lines])
    finite = means[np.isfinite(means)]
    positive = finite[finite > 0]
    spread = np.log10(positive.max() / positive.min()) if len(positive) else 0.0
    if logy and len(finite) and not len(positive):
        raise ValueError(f"logy: no mean of {metric!r} is positive; draw it on a linear axis")
    log = logy if logy is not None else (finite >= 0).all() and spread > _DECADES_FOR_LOG
    kinds: set[str] = set()
    for axis, lines in zip(axes, row, strict=True):
        axis.set_xscale("log" if logx else "linear")
        axis.set_yscale("log" if log and len(positive) else "linear")
        kinds |= draw_lines(axis, lines, grid.size.scale)
    low, high = axes[0].get_ylim()
    if not log and len(finite) and (finite.min() >= 0 > low or 0 < finite.min() < _NEAR_ZERO * finite.max()):
        axes[0].set_ylim(0, high)
    kinds |= draw_medians(list(zip(axes, row, strict=True)), shared=len(axes) > 1)
    for axis in axes:
        tick_iterations(axis, iterations, max(2, int(grid.panel_width / grid.size.scale / _TICK)))
        if not len(finite):
            axis.set_yticks([])
    if len(finite):
        tick_values(axes[0].yaxis)
    return kinds


def _title(axis: Axes, head: str, lines: Sequence[Line], grid: Layout, several: bool) -> None:
    """What is above a panel: its workflow, and which lines cannot be drawn."""
    notes: dict[str, list[str]] = {}
    for line in lines:
        if why := nature(line):
            notes.setdefault(why, []).append(line.label)
    texts = [f"{', '.join(labels)}: {why}" if several else f"{why} throughout" for why, labels in notes.items()]
    width = grid.panel_width + (0.0 if grid.groups == 1 else 0.05)
    wrapped = [broken_text(text, 7 * grid.size.scale, width) for text in (head, *texts) if text]
    axis.set_title("\n".join(wrapped))
