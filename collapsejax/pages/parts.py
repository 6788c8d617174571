"""What a page holds: sections of paragraphs, lists, tables, figures and settings, all of it plain text until rendered.

Whatever a user may have named, a column or a file, is given as it is: rendering escapes it.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from ..plots.style import Figure


# With the mark of a mean that few seeds carry, if it has one.
_NUMBER = re.compile(r"\*?[-+<>≤≥~≈]?\s?(\d[\d,.]*(e[-+]?\d+)?|inf|nan|-)(\s?±\s?\S+)?(\s?%|\s\(\d+ inf\))?")
_FIXED = "\N{NO-BREAK SPACE}"  # where lines are short they break before the sign


@dataclasses.dataclass(frozen=True)
class Link:
    """A cell of a table that leads elsewhere: `href` is "#" with a section's anchor, or an address."""

    text: str
    href: str


Cell = str | int | float | Link | None


@dataclasses.dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    kind: ClassVar[str] = "bullets"

    items: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Code:
    """Text to copy, such as a command or a program."""

    kind: ClassVar[str] = "code"

    text: str


@dataclasses.dataclass(frozen=True)
class Facts:
    """Settings, methods or versions, by name."""

    kind: ClassVar[str] = "facts"

    values: Mapping[str, object]


@dataclasses.dataclass(frozen=True)
class Table:
    """A table. Numbers have four digits, unless they are given as text; None is an empty cell.

    Args:
        headings: of the columns.
        rows: a cell for each column.
        caption: what it shows, a sentence.
    """

    kind: ClassVar[str] = "table"

    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.headings):
                raise ValueError(f"rows: one has {len(row)} cells for {len(self.headings)} headings; give one for each")

    @property
    def cells(self) -> list[list[str | Link]]:
        """The rows, numbers as text."""
        return [[_shown(cell) for cell in row] for row in self.rows]

    @property
    def numeric(self) -> list[bool]:
        """Of each column whether it has nothing but numbers, which are aligned."""
        columns = ([cell for cell in column if cell != ""] for column in zip(*self.cells, strict=True))
        found = [bool(column) and all(map(_is_number, column)) for column in columns]
        return found or [False] * len(self.headings)


@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure: its SVG, what it is called, and what it shows for those who do not see it.

    Args:
        svg: as from `plots.svg.svg_text`; `Picture.of` takes a figure.
        title: a short name.
        description: what is drawn and what it shows, a sentence or two.
        caption: stands below it.
    """

    kind: ClassVar[str] = "picture"

    svg: str
    title: str
    description: str = ""
    caption: str = ""

    @classmethod
    def of(cls, figure: Figure, title: str, description: str = "", caption: str = "") -> Picture:
        """A matplotlib figure, best as wide as a column: then its text can be read on a phone."""
        from ..plots.svg import svg_text

        return cls(svg_text(figure), title, description, caption)


Block = str | Bullets | Code | Facts | Picture | Table


@dataclasses.dataclass(frozen=True)
class Section:
    """A heading, and what is below it: paragraphs, which are strings, and other parts. Pictures stand side by side.

    Args:
        heading: its words.
        blocks: what is below it.
        anchor: what links lead to. Default: made of its number.
    """

    heading: str
    blocks: Sequence[Block]
    anchor: str | None = None


@dataclasses.dataclass(frozen=True)
class KeyNumber:
    """A number that the page is read for, as text, and the words that say what it is."""

    value: str
    label: str


@dataclasses.dataclass(frozen=True)
class Page:
    """A page.

    Args:
        title: its heading.
        summary: what it says, in a few paragraphs: the answer first.
        sections: what it rests on.
        key_numbers: the few numbers that matter, shown large below the summary.
        command: repeats all of it; the last section but one.
        versions: of programs, as from `store.provenance.provenance`; the last section.
    """

    title: str
    summary: Sequence[str]
    sections: Sequence[Section]
    key_numbers: Sequence[KeyNumber] = ()
    command: str | None = None
    versions: Mapping[str, object] = dataclasses.field(default_factory=dict)


def with_error(value: float, standard_error: float) -> str:
    """A mean with its standard error, to two digits of that, as "0.913 ± 0.014"; without one where there is none."""
    if not (np.isfinite(standard_error) and standard_error > 0):
        return f"{value:.4g}"
    decimals = 1 - math.floor(math.log10(standard_error))
    if not -4 <= decimals <= 6:
        return f"{value:.4g} ±{_FIXED}{standard_error:.2g}"
    decimals = max(decimals, 0)
    return f"{value:.{decimals}f} ±{_FIXED}{standard_error:.{decimals}f}"


def _shown(cell: Cell) -> str | Link:
    if cell is None:
        return ""
    return f"{cell:.4g}" if isinstance(cell, float | np.floating) else cell if isinstance(cell, Link) else str(cell)


def _is_number(cell: str | Link) -> bool:
    return isinstance(cell, str) and _NUMBER.fullmatch(cell) is not None
