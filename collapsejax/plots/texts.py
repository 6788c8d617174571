"""Widths of texts, by which labels are broken into lines and legends into columns before anything is drawn."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from matplotlib.cbook import is_math_text
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

POINTS = 72  # of an inch
_LINE = 1.35  # height of a line, in units of the size of its text
_SHARES = (0.9, 0.8, 0.7, 0.6)  # of a width, which lines are tried at
_HANDLE, _BETWEEN = 2.8, 1.4  # width of a legend's handle and of the space behind an entry, in the same units


def plain(text: str) -> str:
    """A text for matplotlib in which no dollar sign begins a formula."""
    return text.replace("$", r"\$")


@functools.lru_cache(maxsize=4096)
def text_width(text: str, size: float) -> float:
    """Inches that a line of text takes, which may have mathtext."""
    if not text.strip():
        return 0.0
    formula = bool(is_math_text(text))
    shown = text if formula else text.replace(r"\$", "$")
    width, _, _ = text_to_path.get_text_width_height_descent(shown, FontProperties(size=size), ismath=formula)
    return width / POINTS


def line_height(size: float) -> float:
    """Inches from a line of text to the next."""
    return _LINE * size / POINTS


def broken_lines(text: str, size: float, inches: float) -> list[str]:
    """A text in lines no wider than that, as far as words, and parts of words behind a hyphen or "(", allow."""
    lines = [""]
    for word in _parts(text):
        if lines[-1] and text_width((lines[-1] + word).rstrip(), size) > inches:
            lines[-1] = lines[-1].rstrip()
            lines.append("")
        lines[-1] += word
    return [*lines[:-1], lines[-1].rstrip()]


def broken_text(text: str, size: float, inches: float) -> str:
    """`broken_lines` as one text, whose lines are about equally long."""
    lines = broken_lines(text, size, inches)
    for share in _SHARES:
        shorter = broken_lines(text, size, share * inches)
        if len(shorter) > len(lines):
            break
        lines = shorter
    return "\n".join(lines)


def _parts(text: str) -> list[str]:
    """Words with the space behind them: names of workflows are parted further, formulas and brackets are not."""
    parts, formula, bracket = [""], False, False
    for before, character, following in zip(" " + text[:-1], text, text[1:] + " ", strict=True):
        formula ^= character == "$" and before != "\\"
        if character == "(" and not formula:
            bracket = parts[-1] == ""
            if not bracket:
                parts.append("")
        bracket &= character != ")"
        parts[-1] += character
        if not formula and not bracket and (character == " " or (character in "-," and following not in " 0123456789")):
            parts.append("")
    return [part for part in parts if part]


def legend_columns(labels: Sequence[str], size: float, inches: float) -> int:
    """How many columns of a legend with these entries, filled column by column, are no wider than that."""
    em = size / POINTS
    for number in range(len(labels), 1, -1):
        columns = columns_of(labels, number)
        width = sum(max(text_width(label, size) for label in column) + _HANDLE * em for column in columns)
        if width + _BETWEEN * em * (len(columns) - 1) <= inches:
            return number
    return 1


def columns_of(entries: Sequence, number: int) -> list[Sequence]:
    """Entries of a legend in as many columns as matplotlib makes of them, the first ones longer by one."""
    whole, more = divmod(len(entries), number)
    lengths = [whole + (place < more) for place in range(number)]
    return [entries[sum(lengths[:place]) : sum(lengths[: place + 1])] for place in range(number)]
