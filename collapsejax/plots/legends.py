"""The strips above and below the panels of a figure: what its colours and its kinds of lines are, and its caption."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.collections import LineCollection
from matplotlib.container import ErrorbarContainer
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from .lines import GROUND, MEDIAN, OTHER, Line
from .style import EXACT, Figure
from .texts import POINTS, broken_lines, legend_columns, line_height

_GREY = "0.4"
_ROW, _PAD = 1.5, 0.5  # height of a row of a legend, and of the space around it, in units of the size of its text
_MARGIN = 0.08  # inches at either side
LEGEND, CAPTION = 6.0, 6.0  # sizes of text in print


def kind_handles(kinds: set[str]) -> list[tuple[Any, str]]:
    """Handles and labels of the kinds of lines that are there, in the order in which they are read."""
    known = {
        "one": (Line2D([], [], color=_GREY), "one seed, without error bars"),
        "points": (_error_bar(), "mean, 95 % error bars"),
        "mean": ((Patch(color=_GREY, alpha=0.25, linewidth=0), Line2D([], [], color=_GREY)), "mean, 95 % band"),
        "median": (Line2D([], [], color=_GREY, **MEDIAN), "median"),
        "exact": (Line2D([], [], **EXACT), "exact mean"),
        "other": (Line2D([], [], color=_GREY, **OTHER), "mean of the other results"),
        "ground": (_ground(kinds), "mean carried by few seeds"),
    }
    return [known[kind] for kind in known if kind in kinds]


def _error_bar() -> ErrorbarContainer:
    bars = LineCollection([], colors=_GREY, linewidths=0.8)
    return ErrorbarContainer((Line2D([], [], color=_GREY, marker="o", linestyle=""), (), (bars,)), has_yerr=True)


def _ground(kinds: set[str]) -> Any:
    patch = Patch(**GROUND)
    if "points" in kinds:
        return patch, Line2D(
            [], [], color=_GREY, marker="o", markerfacecolor="white", markeredgewidth=0.6, linestyle=""
        )
    return (patch, Line2D([], [], color=_GREY, linestyle=":")) if "mean" in kinds else patch


def line_handles(lines: Sequence[Line], points: bool) -> list[tuple[Any, str]]:
    """Handles and labels of the colours of lines, with the markers of their points where these are drawn."""
    marker = lambda line: dict(marker=line.marker, linestyle="") if points else {}
    return [(Line2D([], [], color=line.colour, **marker(line)), line.label) for line in lines]


def legend_height(entries: Sequence[tuple[Any, str]], size: float, inches: float) -> float:
    """Inches that a legend of that width takes, 0 without entries."""
    if not entries:
        return 0.0
    columns = legend_columns([label for _, label in entries], size, inches - 2 * _MARGIN)
    return (-(-len(entries) // columns) * _ROW + _PAD) * size / POINTS


def draw_strips(figure: Figure, legends: Sequence[Sequence[tuple[Any, str]]], caption: str, scale: float) -> None:
    """Draw legends above each other at the top of a figure and a caption at its bottom, and keep panels between them.

    Their heights are as `legend_height` and `caption_height` tell.
    """
    width, height = figure.get_size_inches()
    size, top = LEGEND * scale, _PAD * LEGEND * scale / POINTS / 2
    for entries in legends:
        if entries:
            labels = [label for _, label in entries]
            columns = legend_columns(labels, size, width - 2 * _MARGIN)
            place = dict(loc="upper center", bbox_to_anchor=(0.5, 1 - top / height), borderaxespad=0, borderpad=0)
            spacing = dict(labelspacing=0.4, columnspacing=1.4, handlelength=2.0, handletextpad=0.6)
            figure.legend([handle for handle, _ in entries], labels, ncols=columns, **place, **spacing)
            top += legend_height(entries, size, width)
    bottom = caption_height(caption, scale, width)
    if caption:
        lines = "\n".join(caption_lines(caption, scale, width))
        style = dict(fontsize=CAPTION * scale, color="0.35", ha="left", va="bottom", linespacing=1.2, gid="caption")
        figure.text(_MARGIN / width, 0.03 / height, lines, **style)
    figure.get_layout_engine().set(rect=(0, bottom / height, 1, 1 - (top + bottom) / height))


def caption_lines(caption: str, scale: float, inches: float) -> list[str]:
    """The lines of a caption that are no wider than that; its own line breaks stay."""
    size = CAPTION * scale
    return [line for one in caption.split("\n") for line in broken_lines(one, size, inches - 2 * _MARGIN)]


def caption_height(caption: str, scale: float, inches: float) -> float:
    """Inches that a caption takes."""
    return (len(caption_lines(caption, scale, inches)) + 0.6) * line_height(CAPTION * scale) if caption else 0.0
