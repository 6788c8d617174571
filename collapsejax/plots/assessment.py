"""Figures of an assessment: growth of a loss, shares of fresh rows, columns and categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from .panels import draw_line, finish
from .style import COLUMN_WIDTH, STYLE, Figure, colours, different_colours, legend_below
from .texts import plain

_BAND = 1.96  # standard errors in half a 95 % band
_DASHES = ("-", "--", "-.", ":")  # that tell lines apart where colours do not
_TOLERANCE = dict(color="0.4", linewidth=0.8, linestyle="--", zorder=1)


def loss_growth(lines: Mapping[str, tuple[np.ndarray, np.ndarray]], tolerance: float, units: str) -> Figure:
    """A figure of the growth of a loss against generation, with a line for each workflow and the tolerance.

    The axis is linear up to twice the tolerance and logarithmic beyond.

    Args:
        lines: by workflow the mean growth (G,) and half the length of its 95 % interval (G,).
        tolerance: what the loss may grow by.
        units: of the loss.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_WIDTH, 2.8))
        axis = figure.subplots()
        axis.set_xlabel("Generation, 0 = fitted to real rows")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        names = list(lines)
        for number, (label, colour) in enumerate(zip(names, different_colours(names, names), strict=True)):
            mean, half = lines[label]
            finite = np.where(np.isfinite(mean), mean, np.nan)
            dashes = _DASHES[number % len(_DASHES)]
            draw_line(axis, np.arange(len(mean)), finite, half / _BAND, colour, label, linestyle=dashes)
        _finish_growth(axis, [mean for mean, _ in lines.values()], tolerance, units)
        legend_below(axis, "", columns=2)
    return figure


def growth_against_share(
    points: Sequence[tuple[float, float, float]], interval: tuple[float, float, float], tolerance: float, units: str
) -> Figure:
    """A figure of the growth of a loss in the end against the share of fresh rows, and the least share on a band.

    Args:
        points: share, mean growth and half the length of its 95 % interval.
        interval: the least share that keeps the growth within the tolerance, and the ends of its 95 % interval.
        tolerance: what the loss may grow by.
        units: of the loss.
    """
    share, mean, half = np.array(points).T
    least, lower, upper = interval
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_WIDTH, 2.2))
        axis = figure.subplots()
        colour = colours(1)[0]
        axis.axvspan(lower, upper, color="0.85", linewidth=0, zorder=0)
        axis.axvline(least, color="0.4", linewidth=0.8, zorder=1, label="least share, with its 95 % interval")
        axis.errorbar(share, mean, half, fmt="o-", color=colour, linewidth=0.8, label="growth in the end")
        axis.set(xlabel="Share of fresh rows", xlim=(-0.02, 1.02))
        _finish_growth(axis, [mean], tolerance, units)
        legend_below(axis, "", columns=2)
    return figure


def column_changes(columns: Sequence[tuple[str, float, float, float]]) -> Figure:
    """A figure of how far each column's distribution is from the real one, first and in the end.

    Args:
        columns: name, first and last distance, and the standard error of their difference.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_WIDTH, 0.8 + 0.22 * len(columns)))
        axis = figure.subplots()
        first, last = colours(2)
        for place, (_, before, after, error) in enumerate(columns):
            axis.plot([before, after], [place, place], color="0.7", linewidth=0.8, zorder=1)
            axis.plot(before, place, "o", color=first, label="generation 0" if not place else None)
            axis.errorbar(
                after, place, xerr=_BAND * error, fmt="s", color=last, label="last generation" if not place else None
            )
        axis.set_yticks(range(len(columns)), [_short(name) for name, *_ in columns])
        axis.invert_yaxis()
        axis.set(xlabel="Largest difference of the cumulative distributions", xlim=(0, None))
        legend_below(axis, "")
    return figure


def category_survival(survivors: Mapping[str, np.ndarray], name: str) -> Figure:
    """A figure of the expected number of categories that are left against generation, exact.

    Args:
        survivors: by workflow, (G,).
        name: of the column.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_WIDTH, 1.8))
        axis = figure.subplots()
        for (label, left), colour in zip(survivors.items(), colours(len(survivors)), strict=True):
            axis.plot(np.arange(len(left)), left, color=colour, label=label)
        axis.set(xlabel="Generation, 0 = fitted to real rows", ylim=(0, None))
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        finish(axis, f"Categories left of {_short(name)}")
        legend_below(axis, "", columns=3)
    return figure


def _finish_growth(axis: Axes, means: Sequence[np.ndarray], tolerance: float, units: str) -> None:
    """Draw the tolerance, and scale and label the axis of growth: linear up to twice the tolerance."""
    axis.axhline(tolerance, **_TOLERANCE, label="tolerance")
    axis.set_yscale("symlog", linthresh=2 * tolerance, linscale=1)
    finite = np.concatenate([mean[np.isfinite(mean)] for mean in means])
    axis.set_ylim(min(-tolerance, 1.3 * finite.min(initial=0)), max(4 * tolerance, 1.5 * finite.max(initial=0)))
    axis.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    finish(axis, f"Growth of the loss ({units})")


def _short(name: str, most: int = 24) -> str:
    name = name if len(name) <= most else f"{name[: most - 1]}\N{HORIZONTAL ELLIPSIS}"
    return plain(name)
