"""Real data: rows of `gaussian`, `blobs`, `moons`, `circles`, `swiss_roll`, and `table` for data of one's own.

And sequences of tokens: `markov`, and `text`.
"""

import inspect
from typing import Any

from ..core.arguments import nearest
from ..core.base import SequenceSource, Source
from .markov import Markov as markov
from .shapes import Blobs as blobs
from .shapes import Circles as circles
from .shapes import GaussianSource as gaussian
from .shapes import Moons as moons
from .shapes import SwissRoll as swiss_roll
from .table import Table, table
from .text import Text, text

SHAPES = {shape.name: shape for shape in (gaussian, blobs, moons, circles, swiss_roll)}
SEQUENCES = {"markov": markov, "text": text}


def make(name: str, **options: Any) -> Source | SequenceSource:
    """The source of that name.

    Raises ValueError for an unknown name or option, naming the nearest; else as `table` and `text`.
    """
    makers = {**SHAPES, "table": table, **SEQUENCES}
    if name not in makers:
        raise ValueError(f"source {name!r}: there is none; {nearest(name, makers)}")
    known = inspect.signature(makers[name]).parameters
    for option in options:
        if option not in known:
            others = [other for other, maker in makers.items() if option in inspect.signature(maker).parameters]
            of_others = f", {' and '.join(others)} {'has' if len(others) == 1 else 'have'}" if others else ""
            taken = f"it takes {', '.join(known)}" if known else "it takes none"
            raise ValueError(f"{option}={options[option]}: source {name!r} has no such setting{of_others}; {taken}")
    if name == "table" and "path" not in options:
        raise ValueError("source 'table': needs the path of a CSV or NPY file")
    return makers[name](**options)


__all__ = [
    "SEQUENCES",
    "SHAPES",
    "Table",
    "Text",
    "blobs",
    "circles",
    "gaussian",
    "make",
    "markov",
    "moons",
    "swiss_roll",
    "table",
    "text",
]
