"""What all figures have in common: sizes, one sequence of colours, labels of axes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from .workflows import WORKFLOWS

STYLE = {
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
COLUMN_WIDTH = 3.4  # inches, of a two-column page
EXACT = dict(color="0.15", linewidth=0.5, zorder=3)  # of a line that is no simulation


def colours(number: int) -> np.ndarray:
    """So many colours of one sequence, from light to dark, that readers with any colour vision can tell apart."""
    return matplotlib.colormaps["viridis"](np.linspace(0.85, 0.1, number) if number > 1 else [0.3])


def in_published_order(workflows: Iterable[str]) -> list[str]:
    """Names of workflows, those of the library first, in its order."""
    names = [str(name) for name in workflows]
    return [name for name in WORKFLOWS if name in names] + [name for name in names if name not in WORKFLOWS]


def broken(workflow: str) -> str:
    """A workflow's name as the title of a narrow panel."""
    return str(workflow).replace("-", "-\n", 1)


def label_of(variable: xr.DataArray) -> str:
    """Long name and units, broken to fit beside a panel."""
    units = variable.attrs.get("units", "")
    name = variable.attrs.get("long_name", str(variable.name))
    return textwrap.fill(f"{name} ({units})" if units not in ("", "1") else name, 22)


def lines_of(panel: xr.DataArray, swept: Sequence[str]) -> Iterator[tuple[str, np.ndarray, xr.DataArray]]:
    """For each value of the one dimension that is swept, if any, its label, colour and part of the panel."""
    labels = panel[swept[0]].values if swept else [None]
    for label, colour in zip(labels, colours(len(labels)), strict=True):
        yield f"{label}", colour, panel.sel({swept[0]: label}) if swept else panel


def legend_below(axis: Axes, title: str, columns: int = 5) -> None:
    """A legend of the lines in a panel, below all panels, where it hides nothing."""
    handles, labels = axis.get_legend_handles_labels()
    number = min(columns, len(labels))
    axis.figure.legend(
        handles, labels, title=title, ncols=number, loc="outside lower center", frameon=False, columnspacing=1.2
    )
