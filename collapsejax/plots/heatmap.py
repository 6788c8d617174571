"""The heat map of a metric over two dimensions of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.colors import LogNorm

from ..results.dataset import check_workflow, line_dimensions, metrics_in, summarize, with_iterations
from ..results.metrics import check_metrics
from ..results.statistics import z_scores
from ..theory import informative_by_seeds
from .captions import caption, setting_text, workflow_titles
from .legends import caption_height, draw_strips
from .style import Figure, Width, axis_label, in_published_order, width_of
from .texts import broken_text

T = TypeVar("T", xr.Dataset, xr.DataArray)

_MANY = 2.0  # standard errors beyond which a cell is marked
_DECADES_FOR_LOG = 2.0
_MOST_NUMBERS = 60  # cells of a panel that have their numbers written in them
_MOST_LABELS = 10  # of an axis
_NUMBER = 0.27  # inches in print that the number of a cell takes
_MOST_PANELS = 12
_DIVERGING, _SEQUENTIAL = "RdBu_r", "viridis"


def heatmap(
    dataset: xr.Dataset,
    metric: str,
    *,
    x: str | None = None,
    y: str | None = None,
    exact: xr.Dataset | None = None,
    baseline: str | None = None,
    iteration: int | None = None,
    width: str = "column",
) -> Figure:
    """A figure of the mean of a metric in the cells of a sweep, by colour, with a panel for each workflow.

    Colours diverge from white at 0 where numbers have signs: those of a metric that can be negative, and differences
    from a baseline. Else they are sequential, logarithmic beyond two decades. Dots mark cells that lie more than 2
    standard errors from what they are compared with, which the caption tells: the exact means if these are given, else
    the baseline, else 0 for a metric with signs. Cells whose mean few seeds carry get none. Cells share their seeds, so
    those in a row often lie off together.

    Args:
        dataset: as from `sweep` or `open`.
        metric: name of a variable.
        x: the dimension along the horizontal axis: one that was swept, "workflow" or "generation". Default: the last
            that was swept, or "generation".
        y: that along the vertical axis. Default: another that was swept, or "workflow".
        exact: as from `exact_curves(dataset)`.
        baseline: the label of a workflow, whose mean is subtracted from those of the others.
        iteration: which one is shown, unless it is along an axis. Default: the last.
        width: as of `curves`.

    Raises:
        ValueError: for an unknown metric, dimension, workflow, iteration or width, naming the nearest or those there
            are; and for a dimension that is along no axis and has several values, naming `isel`.
    """
    size = width_of(width)
    check_metrics([metric], metrics_in(dataset))
    dataset = dataset if "workflow" in dataset.dims else dataset.expand_dims("workflow")
    x, y = _axes(dataset, x, y)
    along = "generation" in (x, y)
    chosen = _at(dataset, iteration, along)
    if baseline is not None:
        check_workflow(baseline, dataset)
    known = None if exact is None else with_iterations(exact, dataset).get(metric)
    cells = _Cells.of(chosen[metric], known, baseline, _at(_informative(dataset[metric]), iteration, along))
    panels = (
        [None]
        if "workflow" in (x, y)
        else [one for one in in_published_order(chosen.workflow.values) if one != baseline]
    )
    if not panels:
        raise ValueError(f"baseline={baseline!r}: there is no other workflow to compare; leave it out")
    if len(panels) > _MOST_PANELS:
        raise ValueError(f"workflow: {len(panels)} panels, of {_MOST_PANELS} at most; use .isel(workflow=[...])")
    titles = workflow_titles(dataset)
    with matplotlib.rc_context(size.style | {"axes.grid": False, "axes.spines.top": True, "axes.spines.right": True}):
        return _draw(chosen, metric, cells, (x, y), panels, titles, size, baseline)


class _Cells(NamedTuple):
    """Numbers of cells, whether these are marked, whether the numbers have signs, and what marks mean."""

    values: xr.DataArray
    marked: xr.DataArray
    signed: bool
    meaning: str

    @classmethod
    def of(
        cls, variable: xr.DataArray, exact: xr.DataArray | None, baseline: str | None, informative: xr.DataArray
    ) -> _Cells:
        statistics = summarize(variable)
        mean, error = (statistics.sel(statistic=name, drop=True) for name in ("mean", "standard_error"))
        signed = bool((mean < 0).any()) or baseline is not None
        compared = f"from {baseline}"
        if exact is not None:
            labels = {name: mean[name].values.tolist() for name in exact.dims if name in mean.coords}
            known = exact.sel(labels).reset_coords(drop=True).broadcast_like(mean).transpose(*mean.dims)
            z, compared = z_scores(mean, error, known), "from exact"
        if baseline is not None:
            mean, of_difference = _difference(variable, baseline)
            z = z if exact is not None else z_scores(mean, of_difference, 0.0)
        elif exact is None:
            z, compared = z_scores(mean, error, 0.0), "from 0"
        tested = signed or exact is not None
        marked = mean.copy(data=tested & (abs(z) > _MANY)) & informative
        shown = bool(tested and np.isfinite(error).any())
        return cls(mean, marked, signed, f"dots: more than 2 s.e. {compared}" if shown else "")


def _informative(variable: xr.DataArray) -> xr.DataArray:
    good = informative_by_seeds(summarize(variable))
    return good.assign_coords(iteration=variable.iteration)


def _difference(variable: xr.DataArray, baseline: str) -> tuple[xr.DataArray, xr.DataArray]:
    """Means of the differences from the baseline and their standard errors; seed by seed where all seeds are there."""
    if "seed" in variable.dims:
        apart = variable.astype(float) - variable.sel(workflow=baseline, drop=True).astype(float)
        statistics = summarize(apart)
        return tuple(statistics.sel(statistic=name, drop=True) for name in ("mean", "standard_error"))
    mean, error = (variable.sel(statistic=name, drop=True) for name in ("mean", "standard_error"))
    own = lambda part: part.sel(workflow=baseline, drop=True)
    return mean - own(mean), np.sqrt(error**2 + own(error) ** 2)


def _axes(dataset: xr.Dataset, x: str | None, y: str | None) -> tuple[str, str]:
    """The dimensions along the axes."""
    swept = line_dimensions(dataset)
    there = [*swept, "workflow", "generation"]
    for name, given in (("x", x), ("y", y)):
        if given is not None and given not in there:
            raise ValueError(f"{name}={given!r}: is no dimension of the results; choose of {', '.join(there)}")
    if x is not None and x == y:
        raise ValueError(f"x and y are both {x!r}; choose two dimensions")
    x = x or next(name for name in (*swept[::-1], "generation") if name != y)
    y = y or next(name for name in (*swept, "workflow", "generation") if name != x)
    for name in swept:
        if name not in (x, y) and dataset.sizes[name] > 1:
            raise ValueError(f"{name}: {dataset.sizes[name]} values are along no axis; choose one with .isel({name}=0)")
    return x, y


def _at(dataset: T, iteration: int | None, along: bool) -> T:
    """Results in the iteration that is shown."""
    if along:
        if iteration is not None:
            raise ValueError(f"iteration={iteration}: generations are along an axis; leave it out")
        return dataset
    there = dataset.iteration.values.tolist()
    if iteration is not None and iteration not in there:
        raise ValueError(f"iteration={iteration}: is not in the results; they have {there[0]} to {there[-1]}")
    return dataset.isel(generation=-1 if iteration is None else there.index(iteration))


def _draw(
    dataset: xr.Dataset,
    metric: str,
    cells: _Cells,
    axes: tuple[str, str],
    panels: Sequence[str | None],
    titles: dict[str, str],
    size: Width,
    baseline: str | None,
) -> Figure:
    x, y = axes
    columns = min(len(panels), max(1, int(size.inches / size.scale / 1.7)))
    rows = -(-len(panels) // columns)
    text = caption(dataset) + ("" if "generation" in axes else f", iteration {dataset.iteration.item()}")
    text += f"; {cells.meaning}" if cells.meaning else ""
    across, up = (_labels(dataset, name, titles) for name in axes)
    high = min(2.4, max(1.1, 0.6 + 0.22 * len(up))) * size.scale
    below = caption_height(text, size.scale, size.inches)
    figure = Figure(figsize=(size.inches, rows * high + 0.2 * size.scale + below))
    norm = _norm(cells)
    small = len(across) * len(up) <= _MOST_NUMBERS and len(across) * columns * _NUMBER <= size.inches / size.scale - 1.4
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axis in grid.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, workflow in zip(grid.flat, panels, strict=False):
        pick = lambda of, one=workflow: (of if one is None else of.sel(workflow=one)).transpose(y, x).values
        values, marked = pick(cells.values), pick(cells.marked)
        cmap = _DIVERGING if cells.signed else _SEQUENTIAL
        image = axis.imshow(values, norm=norm, cmap=cmap, aspect="auto", origin="lower", interpolation="nearest")
        axis.set_facecolor("0.85")  # of cells without a finite mean
        if small:
            _write(axis, values, image, 5.5 * size.scale)
        _mark(axis, marked, small, size.scale)
        axis.set_title(
            "" if workflow is None else broken_text(titles[workflow], 7 * size.scale, size.inches / columns - 0.6)
        )
        for set_ticks, labels, most in ((axis.set_xticks, across, 6), (axis.set_yticks, up, _MOST_LABELS)):
            step = -(-len(labels) // most)
            set_ticks(range(0, len(labels), step), labels[::step])
        axis.tick_params(length=0)
    lowest = {place % columns: axis for place, axis in enumerate(grid.flat[: len(panels)])}
    for axis in lowest.values():
        axis.set_xlabel(broken_text(_name(dataset, x), 7 * size.scale, size.inches / columns - 0.7 * size.scale))
        axis.tick_params(labelbottom=True)
    for axis in grid[:, 0]:
        axis.set_ylabel(_name(dataset, y))
    label = axis_label(dataset, metric) + (f", less that of {titles[baseline]}" if baseline else "")
    figure.colorbar(image, ax=grid, label=broken_text(label, 7 * size.scale, rows * high - 0.3))
    draw_strips(figure, [], text, size.scale)
    return figure


def _norm(cells: _Cells) -> matplotlib.colors.Normalize:
    finite = cells.values.values[np.isfinite(cells.values.values)]
    if not len(finite):
        return matplotlib.colors.Normalize(0, 1)
    if cells.signed:
        largest = np.abs(finite).max() or 1.0
        return matplotlib.colors.Normalize(-largest, largest)
    if finite.min() > 0 and np.log10(finite.max() / finite.min()) > _DECADES_FOR_LOG:
        return LogNorm(finite.min(), finite.max())
    return matplotlib.colors.Normalize(finite.min(), finite.max())


def _write(axis: matplotlib.axes.Axes, values: np.ndarray, image: matplotlib.image.AxesImage, size: float) -> None:
    """Write the number of each cell, dark on bright colours and bright on dark ones."""
    for (row, column), value in np.ndenumerate(values):
        red, green, blue, _ = image.cmap(image.norm(value)) if np.isfinite(value) else (1, 1, 1, 1)
        colour = "white" if 0.3 * red + 0.59 * green + 0.11 * blue < 0.5 else "black"
        text = f"{value:.2g}" if np.isfinite(value) else str(value)
        axis.text(column, row, text, ha="center", va="center", fontsize=size, color=colour)


def _mark(axis: matplotlib.axes.Axes, marked: np.ndarray, numbers: bool, scale: float) -> None:
    """A dot in each marked cell, in its corner where its number is in the middle."""
    rows, columns = np.nonzero(marked)
    shift = 0.36 if numbers else 0.0
    style = dict(s=3.0 * scale**2, color="black", edgecolors="white", linewidths=0.3 * scale, gid="marked")
    axis.scatter(columns + shift, rows + shift, **style)


def _labels(dataset: xr.Dataset, name: str, titles: dict[str, str]) -> list[str]:
    if name == "generation":
        return [str(one) for one in np.atleast_1d(dataset.iteration.values)]
    if name == "workflow":
        return [titles[str(one)] for one in dataset.workflow.values]
    return [f"{one:.3g}" if isinstance(one, float) else str(one) for one in dataset[name].values.tolist()]


def _name(dataset: xr.Dataset, name: str) -> str:
    known = {"generation": "model-fitting iteration", "workflow": "", "num_samples": "samples per generation, n"}
    return known.get(name, setting_text(name, 0).partition(" = ")[0])
