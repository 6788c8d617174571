"""What all figures have in common: sizes, one sequence of colours, labels of axes."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import matplotlib
import matplotlib.figure
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from ..workflows import WORKFLOWS

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
"""What all figures of this library are drawn with; `matplotlib.pyplot.rcParams.update(STYLE)` gives it to your own."""
COLUMN_WIDTH = 3.4  # inches, of a two-column page
_BAND = 1.96
_MOST_RELATIVE = 2.0  # of a band's half width
EXACT = dict(color="0.15", linewidth=0.5, zorder=3)  # of a line that is no simulation


class Figure(matplotlib.figure.Figure):
    """A figure that notebooks show, without pyplot, which would keep it in memory. It is saved for print."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, dpi=300, **options)

    def _repr_png_(self) -> bytes:
        image = io.BytesIO()
        self.savefig(image, format="png", dpi=STYLE["figure.dpi"])
        return image.getvalue()


def colours(number: int) -> np.ndarray:
    """So many colours of one sequence, from light to dark, that readers with any colour vision can tell apart."""
    return matplotlib.colormaps["viridis"](np.linspace(0.85, 0.1, number) if number > 1 else [0.3])


def in_published_order(workflows: Iterable[str]) -> list[str]:
    """Names of workflows, those of the library first, in its order."""
    names = [str(name) for name in workflows]
    return [name for name in WORKFLOWS if name in names] + [name for name in names if name not in WORKFLOWS]


def broken(workflow: str) -> str:
    """A workflow's name as the title of a narrow panel."""
    name = str(workflow)
    return name.replace("(", "\n(", 1) if "(" in name else textwrap.fill(name, 12, break_long_words=False)


def label_of(variable: xr.DataArray) -> str:
    """Long name and units, broken to fit beside a panel."""
    units = variable.attrs.get("units", "")
    name = variable.attrs.get("long_name", str(variable.name))
    return wrapped(f"{name} ({units})" if units not in ("", "1") else name)


def wrapped(text: str, width: int = 23) -> str:
    """Lines that fit beside a panel."""
    return textwrap.fill(text, width, break_on_hyphens=False)


def band(axis: Axes, mean: np.ndarray, se: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % band, on a logarithmic axis that of the logarithm of the mean; none where that is not known at all."""
    width = _BAND * np.nan_to_num(se)
    if axis.get_yscale() != "log":
        return mean - width, mean + width
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(width < _MOST_RELATIVE * mean, width / mean, np.nan)
    return mean * np.exp(-relative), mean * np.exp(relative)


def tick_short_log_axes(axes: Axes) -> None:
    """Where a logarithmic axis has less than two powers of ten, of all that is drawn, put ticks at 1, 2, 5, 10, ..."""
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            low, high = np.log10(axis.get_view_interval())
            if np.floor(high) <= np.ceil(low):
                axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
                axis.set_major_formatter(StrMethodFormatter("{x:g}"))
                axis.set_minor_formatter(NullFormatter())


def lines_of(panel: xr.DataArray, swept: Sequence[str]) -> Iterator[tuple[str, np.ndarray, xr.DataArray]]:
    """For each value of the one dimension that is swept, if any, its label, colour and part of the panel."""
    labels = panel[swept[0]].values if swept else [None]
    for label, colour in zip(labels, colours(len(labels)), strict=True):
        yield f"{label}", colour, panel.sel({swept[0]: label}) if swept else panel


def legend_below(axis: Axes, title: str, columns: int = 5) -> None:
    """A legend of the lines in a panel, below all panels, where it hides nothing."""
    handles, labels = axis.get_legend_handles_labels()
    number = min(columns, len(labels))
    axis.figure.legend(handles, labels, title=title, ncols=number, loc="outside lower center", columnspacing=1.2)
