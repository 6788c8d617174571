"""Figures from results. Nothing is simulated here; every function returns a matplotlib Figure."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .results import check_metrics, line_dimensions, metrics_in, summarize
from .theory import trusted
from .workflows import WORKFLOWS

_STYLE = {
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "legend.fontsize": 6,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "ytick.minor.size": 1,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.1,
    "mathtext.default": "regular",
    "pdf.fonttype": 42,  # text stays text in a PDF
}
_DECADES_FOR_LOG = 1.5
_MOST_SKEWNESS = 2.0  # of a mean that is drawn as a line with a band
_TIMES_SEEN = 8  # how much larger a relative variance is than that of the seeds, if they miss most of it
_COLUMN_WIDTH = 3.4  # inches, of a two-column page


def curves(dataset: xr.Dataset, metrics: Sequence[str] | None = None) -> Figure:
    """Mean over the seeds with a 95 % band against model-fitting iteration: a row a metric, a column a workflow.

    Args:
        dataset: as from `sweep` or `open`, with dimensions workflow, seed or statistic, generation, and at most one
            more, which gives a line each.
        metrics: names of variables. Default: all that are finite somewhere.

    The mean and its band are those of the seeds whose value is finite: 1.96 standard errors of the mean, or on a
    logarithmic axis of its logarithm. The axis is logarithmic where positive means span more than a decade and a half.
    From where a few seeds carry the mean of a metric that is never negative, such as a trace under replace, it is
    dotted and has no band (see `theory.trusted`); log-determinants have no such end.
    Three workflows fill a column of a two-column page.

    Raises ValueError for a metric that is not there, naming the nearest, and for more dimensions.
    """
    swept = line_dimensions(dataset)
    if len(swept) > 1:
        raise ValueError(f"dimensions {', '.join(swept)}: a figure shows one; choose a value of the others with .sel")
    if metrics is not None:
        check_metrics(metrics, metrics_in(dataset))
    else:
        names = metrics_in(dataset)
        means = {name: summarize(dataset[name]).sel(statistic="mean") for name in names}
        metrics = [name for name in names if np.isfinite(means[name]).any()] or names
    known = [name for name in WORKFLOWS if name in dataset.workflow.values]
    workflows = known + [name for name in dataset.workflow.values if name not in known]
    with matplotlib.rc_context(_STYLE):
        figure = Figure(
            figsize=(max(1, len(workflows) / 3) * _COLUMN_WIDTH, 0.5 + 1.1 * len(metrics)), layout="constrained"
        )
        axes = figure.subplots(len(metrics), len(workflows), sharex=True, sharey="row", squeeze=False)
        for row, metric in zip(axes, metrics, strict=True):
            _draw_metric(row, dataset[metric], workflows, *swept)
        for axis, workflow in zip(axes[0], workflows, strict=True):
            axis.set_title(str(workflow).replace("-", "-\n", 1))
        figure.supxlabel(dataset.iteration.attrs.get("long_name", "iteration"), fontsize=7)
        for name in swept:
            title = dataset[name].attrs.get("long_name", name)
            axes[0, -1].legend(title=textwrap.fill(title, 16), frameon=False)
    return figure


def z_scores(scores: Mapping[str, Sequence[float]]) -> Figure:
    """Histogram of z-scores, by task in colours, against the density of N(0, 1).

    Args:
        scores: by the name of the task, the z-scores of its comparisons.
    """
    largest = max(4.0, *(np.ceil(np.abs(values).max()) for values in scores.values()))
    edges = np.linspace(-largest, largest, 4 * int(largest) + 1)
    number = sum(map(len, scores.values()))
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(_COLUMN_WIDTH, 2.2), layout="constrained")
        axis = figure.subplots()
        colours = matplotlib.colormaps["viridis"](np.linspace(0.95, 0.1, len(scores)))
        axis.hist(list(scores.values()), edges, stacked=True, color=colours, label=list(scores))
        z = np.linspace(-largest, largest, 400)
        density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
        axis.plot(z, number * (edges[1] - edges[0]) * density, color="black", label="N(0, 1)")
        axis.set_xlabel("z = (mean - exact) / s.e.")
        axis.set_ylabel("Comparisons")
        axis.legend(frameon=False)
    return figure


def _draw_metric(
    row: Sequence[Axes], variable: xr.DataArray, workflows: Sequence[str], swept: str | None = None
) -> None:
    statistics = summarize(variable)
    means = statistics.sel(statistic="mean")
    finite = means.values[np.isfinite(means.values)]
    positive = finite[finite > 0]
    if len(positive) and (finite >= 0).all() and np.log10(positive.max() / positive.min()) > _DECADES_FOR_LOG:
        row[0].set_yscale("log")
    if not len(finite):
        row[0].set_yticks([])
    labels = variable[swept].values if swept else [None]
    colours = matplotlib.colormaps["viridis"](np.linspace(0.85, 0.1, len(labels)) if len(labels) > 1 else [0.3])
    for axis, workflow in zip(row, workflows, strict=True):
        panel = statistics.sel(workflow=workflow)
        for label, colour in zip(labels, colours, strict=True):
            _draw_line(axis, panel.sel({swept: label}) if swept else panel, colour, f"{label}")
        axis.grid(visible=True, color="0.9", linewidth=0.5)
        axis.set_axisbelow(True)
    row[0].set_ylabel(_label(variable))


def _draw_line(axis: Axes, line: xr.DataArray, colour: np.ndarray, label: str) -> None:
    mean, se = line.sel(statistic="mean").values, line.sel(statistic="se").values
    if not np.isfinite(mean).any():
        nature = "not there" if np.isnan(mean).any() else f"{'-' if (mean < 0).all() else '+'}infinite\nthroughout"
        axis.text(0.5, 0.5, nature, transform=axis.transAxes, ha="center", va="center")
        return
    shown = np.isfinite(mean) & ((mean > 0) | (axis.get_yscale() == "linear"))
    mean, band = np.where(shown, mean, np.nan), 1.96 * np.nan_to_num(se)
    # Up to the first mean that a few seeds carry; those behind it are dotted, from the last one before them on.
    good = np.logical_and.accumulate(~shown | _informative(line))
    solid = np.where(good, mean, np.nan)
    axis.plot(line.iteration, solid, color=colour, label=label)
    if not good.all():
        dotted = np.where(~good | np.append(~good[1:], False), mean, np.nan)
        axis.plot(line.iteration, dotted, color=colour, linestyle=":")
    if axis.get_yscale() == "log":
        low, high = solid * np.exp(-band / mean), solid * np.exp(band / mean)
    else:
        low, high = solid - band, solid + band
    axis.fill_between(line.iteration, low, high, color=colour, alpha=0.25, linewidth=0)


def _informative(line: xr.DataArray) -> np.ndarray:
    """Whether the means of a metric that is never negative are informative: `theory.trusted`.

    Of values that few seeds carry, the variance among the seeds comes out too small. A log-normal variable with the
    same upper tail tells: where its relative variance is several times larger, it is taken instead.
    """
    of = {name: line.sel(statistic=name).values for name in ("mean", "variance", "min", "median", "q0.975", "count")}
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        seen = of["variance"] / of["mean"] ** 2
        by_tail = np.expm1((np.log(of["q0.975"] / of["median"]) / 1.96) ** 2)
        relative = np.where((of["median"] > 0) & (by_tail > _TIMES_SEEN * seen), by_tail, seen)
        return (of["min"] < 0) | np.isnan(relative) | trusted(relative, of["count"], skewness=_MOST_SKEWNESS)


def _label(variable: xr.DataArray) -> str:
    """Long name and units, broken to fit beside a panel."""
    units = variable.attrs.get("units", "")
    name = variable.attrs.get("long_name", str(variable.name))
    return textwrap.fill(f"{name} ({units})" if units not in ("", "1") else name, 22)
