"""The numbers in the cells of a column, as people write them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_MISSING = {"", "na", "n/a", "n.a.", "n.a", "<na>", "nan", "-nan", "nil", "null", "(null)", "\\n", "none"}
_MISSING |= {"missing", "unknown", "?", "-", "--", "---", ".", "..", "...", "*", "\u2013", "\u2014"}
_MISSING |= {"#na", "#n/a", "#n/a n/a", "#nan", "#null!", "#value!", "#ref!", "#num!", "#name?", "#div/0!"}
_MISSING |= {"1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"}
_EXPONENT = r"(?:[eE][+-]?\d+)?"
# By decimal mark, numbers without and with marks between thousands.
_NUMBERS = {
    mark: re.compile(
        rf"[+-]?(?:\d+(?:{point}\d*)?|{point}\d+){_EXPONENT}|"
        rf"[+-]?\d{{1,3}}(?:(?:{other}\d{{3}})+|(?:[ \u00a0\u202f'\u2019]\d{{3}})+)(?:{point}\d*)?",
        re.ASCII,
    )
    for mark, point, other in ((".", r"\.", ","), (",", ",", r"\."))
}
_PLAIN_COLUMN = re.compile(rf"(?:[+-]?\d++(?:\.\d*+)?{_EXPONENT}\n)*+", re.ASCII)
_NO_THOUSANDS = re.compile(r"\.(?!\d{3}\n)|\d{4}\.|e", re.IGNORECASE)
_BETWEEN = re.compile(r"[ \u00a0\u202f'\u2019]")


class Column(NamedTuple):
    """A column of cells: its name, its values (rows,), NaN where there is none, and which rows those are.

    `missing` are rows whose cell says that its value is missing, `other` rows whose cell is no finite number.
    """

    name: str
    values: np.ndarray
    missing: np.ndarray
    other: np.ndarray

    @property
    def is_numeric(self) -> bool:
        """Whether most cells that are not missing hold numbers."""
        numbers = len(self.values) - len(self.missing) - len(self.other)
        return numbers > len(self.other)


def is_missing(cell: str) -> bool:
    """Whether a cell says that its value is missing."""
    return cell.strip().lower() in _MISSING


def number(cell: str, mark: str = ".") -> float | None:
    """The finite number in a cell, given the decimal mark, "." or ","; None if it holds none.

    Digits are those of ASCII; a minus may be Unicode's. Thousands may be set apart by a space, an apostrophe, or the
    other mark.
    """
    text = cell.strip().replace("\u2212", "-")
    if not _NUMBERS[mark].fullmatch(text):
        return None
    text = _BETWEEN.sub("", text)
    value = float(text.replace(",", "") if mark == "." else text.replace(".", "").replace(",", "."))
    return value if math.isfinite(value) else None


def read_columns(names: Sequence[str], cells: Sequence[Sequence[str]]) -> list[Column]:
    """Columns of cells. Which mark is the decimal one, shows in each column, or in the others.

    Raises ValueError where the numbers of a column can be read with either mark and would differ.
    """
    read = [_readings(name, column) for name, column in zip(names, cells, strict=True)]
    shown = {_mark(readings) for readings in read if any(column.is_numeric for column in readings.values())} - {""}
    return [_chosen(readings, column, shown) for readings, column in zip(read, cells, strict=True)]


def _chosen(readings: dict[str, Column], cells: Sequence[str], shown: set[str]) -> Column:
    """The reading of a column, given the decimal marks that the columns show."""
    mark = _mark(readings)
    if mark or not readings["."].is_numeric or _are_equal(*readings.values()):
        return readings[mark or "."]
    used = "," if any("," in cell for cell in cells) else "."
    if used == "." and "," not in shown:  # nothing speaks against a decimal point
        return readings["."]
    if used == "," and len(shown) == 1:
        return readings[shown.pop()]
    example = next(cell.strip() for cell in cells if used in cell)
    raise ValueError(
        f"column {readings['.'].name!r} holds {example!r}, whose mark may be of decimals or of thousands; write its "
        "numbers without marks between thousands"
    )


def _readings(name: str, cells: Sequence[str]) -> dict[str, Column]:
    """A column by decimal mark; with a decimal point alone, where that is certain."""
    lines = "\n".join(cells) + "\n"
    if _PLAIN_COLUMN.fullmatch(lines):
        nothing = np.array([], dtype=int)
        column = Column(name, np.array([float(cell) for cell in cells]), nothing, nothing)
        if np.isfinite(column.values).all():
            if "." not in lines:
                return {".": column, ",": column}
            if _NO_THOUSANDS.search(lines):
                return {".": column}
    return {mark: _column(name, cells, mark) for mark in ".,"}


def _mark(readings: dict[str, Column]) -> str:
    """The decimal mark with which more cells of a column are numbers; "" if it makes no difference."""
    others = {mark: len(column.other) for mark, column in readings.items()}
    best = [mark for mark in others if others[mark] == min(others.values())]
    return best[0] if len(best) == 1 else ""


def _are_equal(first: Column, second: Column) -> bool:
    return np.array_equal(first.values, second.values, equal_nan=True)


def _column(name: str, cells: Sequence[str], mark: str) -> Column:
    values = np.array([math.nan if (value := number(cell, mark)) is None else value for cell in cells])
    nothing = np.flatnonzero(np.isnan(values))
    missing = np.array([is_missing(cells[row]) for row in nothing], dtype=bool)
    return Column(name, values, nothing[missing], nothing[~missing])
