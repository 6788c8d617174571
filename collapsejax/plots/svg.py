"""Figures as SVG."""

from __future__ import annotations

import io

import matplotlib
from matplotlib.figure import Figure

# The same figure gives the same text each time, without a date and with names made of its content alone.
_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "collapsejax"}
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def svg_text(figure: Figure) -> str:
    """A figure as the text of an SVG file, in which text is text: it can be selected, searched and read aloud."""
    file = io.StringIO()
    with matplotlib.rc_context(_STYLE):
        figure.savefig(file, format="svg", metadata=_NO_METADATA)
    return file.getvalue()
