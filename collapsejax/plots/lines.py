"""One line of a figure of curves: what is simulated, the exact curve under it, and where it says nothing."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from ..theory import informative_by_seeds
from .style import EXACT, band, darker

_MOST_POINTS = 12  # of a simulation that lie on an exact curve
_MOST_STRETCH = 2.0  # decades of an axis that a median may make of one
GROUND = dict(color="0.93", linewidth=0, zorder=0)
MEDIAN = dict(linestyle="--", zorder=2.5)
OTHER = dict(linestyle=(0, (4, 1.5, 1, 1.5)), alpha=0.8, zorder=2.2)


class Line(NamedTuple):
    """What is drawn of one experiment: statistics (statistic, generation), the exact curve and another mean or None."""

    label: str
    colour: Any
    marker: str
    statistics: xr.DataArray
    exact: xr.DataArray | None
    other: xr.DataArray | None

    @property
    def means(self) -> np.ndarray:
        """Means over the seeds, (G,)."""
        return self.statistics.sel(statistic="mean").values


def shown_points(iterations: np.ndarray, log: bool) -> np.ndarray:
    """Places of the iterations at which points are drawn: the first, the last, and others evenly over the axis."""
    number = len(iterations)
    if number <= _MOST_POINTS:
        return np.arange(number)
    if log:
        wanted = np.geomspace(iterations[0], iterations[-1], _MOST_POINTS)
        return np.unique([np.argmin(np.abs(iterations - one)) for one in wanted])
    step = -(-(number - 1) // (_MOST_POINTS - 1))
    return np.unique([0, *range(number - 1, -1, -step)])


def nature(line: Line) -> str:
    """Why a line cannot be drawn; empty for one that can."""
    mean = line.means
    if np.isfinite(mean).any():
        return ""
    return "missing" if np.isnan(mean).any() else f"{'-' if (mean < 0).all() else '+'}infinite"


def draw_lines(axis: Axes, lines: list[Line], width: float) -> set[str]:
    """Draw the lines of a panel, all but their medians; return the kinds of what was drawn.

    Args:
        axis: a panel whose scales are set.
        lines: what is drawn; those that have no finite mean are left out.
        width: of thin lines, in units of those in print.
    """
    drawn = [line for line in lines if not nature(line)]
    many = sum(line.exact is not None for line in drawn) > 1
    kinds, first_bad = set(), []
    for line in drawn:
        iterations = line.statistics.iteration.values
        good = informative_by_seeds(line.statistics).values
        if not good[-1]:
            first_bad.append(iterations[np.flatnonzero(good).max(initial=-1) + 1])
        if line.exact is not None:
            colour = darker(line.colour) if many else EXACT["color"]
            style = {**EXACT, "color": colour, "linewidth": EXACT["linewidth"] * width}
            axis.plot(line.exact.iteration, _visible(axis, line.exact.values), gid="exact", **style)
            kinds.add("exact")
        if line.other is not None:
            kinds |= _draw_other(axis, line)
        kinds |= _draw_simulated(axis, line, good, width)
    if first_bad:
        first = min(first_bad)
        edge = first * (first / (first + 1)) ** 0.5 if axis.get_xscale() == "log" else first - 0.5
        axis.axvspan(edge, 10 * iterations[-1] + 10, gid="ground", **GROUND)
        kinds.add("ground")
    return kinds


def _visible(axis: Axes, values: np.ndarray) -> np.ndarray:
    """Values that an axis has a place for, NaN instead of others."""
    return np.where(np.isfinite(values) & ((values > 0) | (axis.get_yscale() == "linear")), values, np.nan)


def _draw_simulated(axis: Axes, line: Line, good: np.ndarray, width: float) -> set[str]:
    iterations, mean = line.statistics.iteration.values, _visible(axis, line.means)
    standard_error = line.statistics.sel(statistic="standard_error").values
    style = dict(color=line.colour, label=line.label)
    if line.statistics.sel(statistic="count").max() <= 1:
        axis.plot(iterations, mean, gid="one", **style)
        return {"one"}
    if line.exact is None:
        solid = np.where(good, mean, np.nan)
        axis.plot(iterations, solid, gid="mean", **style)
        axis.fill_between(iterations, *band(axis, solid, standard_error), color=line.colour, alpha=0.25, linewidth=0)
        if good.all():
            return {"mean"}
        behind = ~good | np.append(~good[1:], False)
        axis.plot(iterations, np.where(behind, mean, np.nan), color=line.colour, linestyle=":", gid="tail")
        return {"mean"}
    places = shown_points(iterations, axis.get_xscale() == "log")
    sure, unsure = places[good[places]], places[~good[places]]
    low, high = band(axis, mean, standard_error)
    bars = [(mean - low)[sure], (high - mean)[sure]]
    bar = dict(elinewidth=0.8 * width, zorder=4)
    axis.errorbar(iterations[sure], mean[sure], bars, fmt=line.marker, gid="points", **bar, **style)
    if len(unsure):
        hollow = dict(linestyle="", marker=line.marker, markerfacecolor="white", markeredgewidth=0.6 * width)
        axis.plot(iterations[unsure], mean[unsure], color=line.colour, gid="hollow", zorder=4, **hollow)
    return {"points"}


def _draw_other(axis: Axes, line: Line) -> set[str]:
    mean = _visible(axis, line.other.sel(statistic="mean").values)
    axis.plot(line.other.iteration, mean, color=line.colour, gid="other", **OTHER)
    return {"other"}


def draw_medians(panels: list[tuple[Axes, list[Line]]], shared: bool) -> set[str]:
    """Draw the medians of lines whose means come to depend on few seeds, each along the whole axis or not at all.

    They change the limits of no other panel: where panels share their axis, medians that leave it are not drawn.
    """
    kinds = set()
    for axis, lines in panels:
        for line in lines:
            if nature(line) or informative_by_seeds(line.statistics).all():
                continue
            median = line.statistics.sel(statistic="median").values
            if np.isfinite(_visible(axis, median)).all() and _make_room(axis, median, shared):
                axis.plot(line.statistics.iteration, median, color=line.colour, gid="median", **MEDIAN)
                kinds.add("median")
    return kinds


def _make_room(axis: Axes, values: np.ndarray, shared: bool) -> bool:
    """Whether values fit on an axis, whose limits are fixed here; those of a single panel are stretched for them."""
    low, high = axis.get_ylim()
    axis.set_ylim(low, high)
    least, most = values.min(), values.max()
    if low <= least and most <= high:
        return True
    if shared or axis.get_yscale() != "log" or np.log10(high / least) > _MOST_STRETCH * np.log10(high / low) + 1:
        return False
    axis.set_ylim(min(low, least / 1.5), max(high, most * 1.5))
    return True
