"""The style of all figures: sizes, colours, labels of axes, confidence bands, legends."""

from __future__ import annotations

import io
import json
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import matplotlib
import matplotlib.figure
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from ..core.arguments import nearest
from ..results.metrics import metric_of
from ..workflows import WORKFLOWS
from .texts import plain

STYLE = {
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "figure.labelsize": 7,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "legend.fontsize": 6,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "ytick.minor.size": 1,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.1,
    "lines.markersize": 3,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "figure.dpi": 160,
    "mathtext.default": "regular",
    "pdf.fonttype": 42,  # text stays text in a PDF
}
"""The matplotlib settings of all figures; `matplotlib.pyplot.rcParams.update(STYLE)` applies them to your own."""
COLUMN_WIDTH = 3.4  # inches, of a two-column page
_GROWING = ("size", "width")  # endings of settings that grow with the text


class Width(NamedTuple):
    """A width that figures are made for: inches, and how many times as large text and lines are as in print."""

    inches: float
    scale: float

    @property
    def style(self) -> dict[str, Any]:
        """`STYLE`, with text and lines of that size."""
        return {name: value * self.scale if name.endswith(_GROWING) else value for name, value in STYLE.items()}


WIDTHS = {"column": Width(COLUMN_WIDTH, 1.0), "page": Width(6.9, 1.0), "slide": Width(10.0, 2.0)}
"""A column and the text of a two-column page, and a slide."""


def width_of(name: str) -> Width:
    """The width of that name. Raises ValueError, naming the nearest."""
    if name not in WIDTHS:
        raise ValueError(f"width={name!r}: no such width; {nearest(name, WIDTHS)}")
    return WIDTHS[name]


_BAND = 1.96  # standard errors in half a 95 % band
_MOST_RELATIVE = 2.0  # half width of a band on a logarithmic axis, in units of the mean
EXACT = dict(color="0.15", linewidth=0.5, zorder=3)  # the style of exact curves


class Figure(matplotlib.figure.Figure):
    """A figure that notebooks display without pyplot, which would keep it in memory; it is saved at 300 dpi."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, dpi=300, **options)

    def _repr_png_(self) -> bytes:
        image = io.BytesIO()
        self.savefig(image, format="png", dpi=STYLE["figure.dpi"])
        return image.getvalue()


def colours(number: int) -> np.ndarray:
    """Colours (number, 4) from light to dark that readers with any colour vision can tell apart."""
    return matplotlib.colormaps["viridis"](np.linspace(0.85, 0.1, number) if number > 1 else [0.3])


# By Okabe and Ito, "Color Universal Design" (2008), without yellow and black, which are hard to see on white or taken.
_DIFFERENT = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F6000", "#5B3A8C", "#7F7F7F")
_DARKER = 0.6
MARKERS = "osD^v<>Ph"


def different_colours(names: Sequence[str], chosen: Sequence[str]) -> list[Any]:
    """Colours of some of the names, which have no order, in colours that readers with any colour vision tell apart."""
    if len(names) > len(_DIFFERENT):
        return [colours(len(names))[list(names).index(name)] for name in chosen]
    return [_DIFFERENT[in_published_order(names).index(name)] for name in chosen]


def darker(colour: Any) -> tuple[float, ...]:
    """A darker tone of a colour, in which the exact curve of points of that colour is drawn among others."""
    return tuple(_DARKER * part for part in matplotlib.colors.to_rgb(colour))


def in_published_order(workflows: Iterable[str]) -> list[str]:
    """Names of workflows: the library's own first, in its order, then the others."""
    names = [str(name) for name in workflows]
    return [name for name in WORKFLOWS if name in names] + [name for name in names if name not in WORKFLOWS]


def broken(workflow: str) -> str:
    """A workflow's name with line breaks, as the title of a narrow panel."""
    name = str(workflow)
    return name.replace("(", "\n(", 1) if "(" in name else textwrap.fill(name, 12, break_long_words=False)


def label_of(variable: xr.DataArray) -> str:
    """The long name and units of a variable, with line breaks that fit beside a panel."""
    units = variable.attrs.get("units", "")
    name = variable.attrs.get("long_name", str(variable.name))
    return wrapped(f"{name} ({units})" if units not in ("", "1") else name)


def axis_label(dataset: xr.Dataset, metric: str) -> str:
    """What a metric is called along an axis, with its units."""
    task = json.loads(dataset.attrs.get("task", "{}")).get("name")
    return metric_of(metric, task).short or plain(dataset[metric].attrs.get("long_name", metric))


def wrapped(text: str, width: int = 23) -> str:
    """A text with line breaks that fit beside a panel."""
    return textwrap.fill(text, width, break_on_hyphens=False)


def band(axis: Axes, mean: np.ndarray, standard_error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lower and upper ends of the 95 % band; on a logarithmic axis, of the band of the logarithm of the mean.

    They are NaN on a logarithmic axis where half the band is more than twice the mean.
    """
    width = _BAND * np.nan_to_num(standard_error)
    if axis.get_yscale() != "log":
        return mean - width, mean + width
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(width < _MOST_RELATIVE * mean, width / mean, np.nan)
    return mean * np.exp(-relative), mean * np.exp(relative)


def tick_short_log_axes(axes: Axes) -> None:
    """Put ticks at 1, 2, 5, 10, ... on a logarithmic axis whose range includes fewer than two powers of ten."""
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            low, high = np.log10(axis.get_view_interval())
            if np.floor(high) <= np.ceil(low):
                axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
                axis.set_major_formatter(StrMethodFormatter("{x:g}"))
                axis.set_minor_formatter(NullFormatter())


def lines_of(panel: xr.DataArray, swept: Sequence[str]) -> Iterator[tuple[str, np.ndarray, xr.DataArray]]:
    """The label, colour and values of each line of a panel: one for each value of the swept dimension, or just one."""
    labels = panel[swept[0]].values if swept else [""]
    for label, colour in zip(labels, colours(len(labels)), strict=True):
        yield f"{label}", colour, panel.sel({swept[0]: label}) if swept else panel


def legend_below(axis: Axes, title: str, columns: int = 5, more: Sequence[tuple[Any, str]] = ()) -> None:
    """Add a legend of the lines in a panel, and of `more` handles with labels, below all panels of its figure."""
    handles, labels = axis.get_legend_handles_labels()
    handles, labels = [*handles, *(handle for handle, _ in more)], [*labels, *(label for _, label in more)]
    number = min(columns, len(labels))
    axis.figure.legend(handles, labels, title=title, ncols=number, loc="outside lower center", columnspacing=1.2)
