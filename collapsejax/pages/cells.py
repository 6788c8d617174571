"""Cells of a grid of experiments, as parts of a page show them: all of them where they are few, else some."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

Cell = dict[str, Any]


def cells_of(dataset: xr.Dataset, names: Sequence[str]) -> list[Cell]:
    """Each combination of the values of these dimensions, by name."""
    return [dict(zip(names, labels, strict=True)) for labels in itertools.product(*(dataset[n].values for n in names))]


def some(values: Sequence[Any], most: int) -> list[Any]:
    """At most so many of the values, evenly spaced, the first and the last among them."""
    places = np.unique(np.linspace(0, len(values) - 1, min(most, len(values))).round().astype(int))
    return [values[place] for place in places]


def label_of(cell: Cell) -> str:
    """A cell in words, as "dim=3, num_samples=100"."""
    return ", ".join(
        f"{name}={label:.4g}" if isinstance(label, float) else f"{name}={label}" for name, label in cell.items()
    )
