"""Figures, which are written whole or not at all."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .files import checked_place, staged
from .marks import check_ours, is_ours, marked

SUFFIXES = (".png", ".pdf", ".svg")


@dataclasses.dataclass(frozen=True)
class FigurePlace:
    """A place that `figure_place` holds for one figure."""

    scratch: Path
    suffix: str

    def save(self, figure: Any) -> None:
        """Write a figure, or anything with matplotlib's `savefig`, in the format that the suffix names."""
        figure.savefig(self.scratch, format=self.suffix.removeprefix("."))
        self.scratch.write_bytes(marked(self.scratch.read_bytes(), self.suffix))


@contextlib.contextmanager
def figure_place(path: str | Path) -> Iterator[FigurePlace]:
    """A place for a figure: what is saved in it gets the name `path` when the block ends, or vanishes if it fails.

    Whether the place can be written to shows on entering. A figure that was saved like this is replaced.

    Raises:
        FileNotFoundError: the folder is not there.
        ValueError: the place cannot be written to, something else is there, or the name does not end like one of a
            figure.
    """
    path = checked_place(path)
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path}: a figure's name ends in {', '.join(SUFFIXES)}")
    check_ours(path)
    with staged(path, lambda: is_ours(path)) as scratch:
        yield FigurePlace(scratch, path.suffix)


def save_figure(figure: Any, path: str | Path) -> None:
    """Write a figure to `path`, whole or not at all. Arguments as of `FigurePlace.save`, errors of `figure_place`."""
    with figure_place(path) as place:
        place.save(figure)
