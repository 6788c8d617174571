"""Real data: `gaussian`, `blobs`, `moons`, `circles`, `swiss_roll`, and `table` for data of one's own."""

import inspect
from typing import Any

from ..base import Source, nearest
from .shapes import Blobs as blobs
from .shapes import Circles as circles
from .shapes import GaussianSource as gaussian
from .shapes import Moons as moons
from .shapes import SwissRoll as swiss_roll
from .table import Table, table

SHAPES = {shape.name: shape for shape in (gaussian, blobs, moons, circles, swiss_roll)}


def make(name: str, **options: Any) -> Source:
    """The source of that name. Raises ValueError for an unknown name or option, naming the nearest; else as `table`."""
    makers = {**SHAPES, "table": table}
    if name not in makers:
        raise ValueError(f"source {name!r}: there is none; {nearest(name, makers)}")
    known = inspect.signature(makers[name]).parameters
    for option in options:
        if option not in known:
            taken = f"it takes {', '.join(known)}" if known else "it takes none"
            raise ValueError(f"{option}={options[option]}: source {name!r} has no such setting; {taken}")
    if name == "table" and "path" not in options:
        raise ValueError("source 'table': needs the path of a CSV or NPY file")
    return makers[name](**options)


__all__ = ["SHAPES", "Table", "blobs", "circles", "gaussian", "make", "moons", "swiss_roll", "table"]
