"""The layout of a delimited text: its delimiter, the lines before the table, the names of columns, the rows."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from typing import NamedTuple

from .cells import is_missing, number

_DELIMITERS = (",", ";", "\t", "|", " ")
_NONE = "\x1f"  # in no text
_COMMENT = re.compile(r"#|%|//")
_SAMPLE = 2**16  # characters that the delimiter is found from


class Row(NamedTuple):
    """The cells of a row, and the number of its (last) line."""

    line: int
    cells: list[str]


class Layout(NamedTuple):
    """A delimited text.

    Attributes:
        names: of the columns; "" for one without.
        rows: below the names, each with a cell a column.
        header: the number of the line of names.
        notes: what is unusual about it, in words.
    """

    names: list[str]
    rows: list[Row]
    header: int
    notes: list[str]


def layout(text: str, delimiter: str | None = None) -> Layout:
    """The layout of a text, whose delimiter is found unless it is given.

    Raises ValueError for a text that is empty or ragged, or has no names of columns.
    """
    notes, first_line = [], text.partition("\n")[0].strip()
    if said := re.fullmatch(r"sep=(.)", first_line):
        delimiter, text = said[1], "\n" + text.partition("\n")[2]
    try:
        delimiter = delimiter or _find_delimiter(text)
        rows, comments = _split(text, delimiter)
    except csv.Error as error:
        raise ValueError(f"not a CSV file ({error})") from None
    if not rows:
        raise ValueError("the file is empty; it needs a line of column names and rows below")
    width = _width(rows)
    start = _first_row(rows, width)
    if any(map(_is_number, rows[start].cells)):  # these are no names
        if start and len(rows[start - 1].cells) == width - 1:  # of rows that have names, or end in a delimiter
            start -= 1
        elif named := [row for row in comments if row.line < rows[start].line and len(row.cells) == width]:
            rows, start = [named[-1], *rows[start:]], 0  # as numpy.savetxt writes names
    head, body = rows[start], rows[start + 1 :]
    for row in body:
        if len(row.cells) != width:
            raise ValueError(
                f"line {row.line} has {len(row.cells)} fields and line {head.line} has {len(head.cells)}; "
                "make them equal"
            )
    if start:
        notes.append(f"{head.line - 1} lines before the names of columns were skipped")
    if among := [row.line for row in comments if row.line > head.line]:
        notes.append(f"{len(among)} lines that begin as comments do were skipped, the first is line {among[0]}")
    names = [name.strip() for name in head.cells]
    names[0] = _COMMENT.sub("", names[0], count=1).strip() if _COMMENT.match(names[0]) else names[0]
    if len(names) < width and all(is_missing(row.cells[-1]) for row in body):
        body = [row._replace(cells=row.cells[:-1]) for row in body]
    elif len(names) < width:
        names = ["", *names]
    if _all_numbers(head.cells):
        raise ValueError(f"line {head.line} holds numbers; put a line with the names of the columns before it")
    if not body:
        raise ValueError("the file has column names and no rows below them; add rows")
    return Layout(names, body, head.line, notes)


def _find_delimiter(text: str) -> str:
    """The delimiter whose fields agree best in number and hold most numbers.

    One that is in no text where rows have one field.
    """
    sample = text if len(text) <= _SAMPLE else text[: text.rfind("\n", 0, _SAMPLE) + 1] or text
    scores, agreement = {}, {}
    for delimiter in _DELIMITERS:
        rows, _ = _split(sample, delimiter)
        width = _width(rows) if rows else 1
        if width > 1:
            agreeing = [row for row in rows if len(row.cells) == width]
            cells = [cell for row in agreeing[1:] for cell in row.cells]
            numbers = sum(_is_number(cell) for cell in cells) / max(len(cells), 1)
            agreement[delimiter] = len(agreeing) / len(rows)
            names_agree = 1.5 if len(rows[0].cells) == width else 1.0
            scores[delimiter] = names_agree * agreement[delimiter] * (numbers + 0.05)
    # A column alone, of numbers with decimal commas perhaps, is none of these.
    lines = [line.strip().strip('"') for line in sample.splitlines() if line.strip()]
    agreed = 1.0 in agreement.values()
    named = bool(lines) and not _is_number(lines[0]) and not any(mark in lines[0] for mark in _DELIMITERS[:-1])
    if not scores or (named and not agreed and all(map(_is_number, lines[1:]))):
        return _NONE
    return max(scores, key=scores.get)


def _split(text: str, delimiter: str) -> tuple[list[Row], list[Row]]:
    """Rows of cells, without blank ones; and those that are comments."""
    rows, comments = [], []
    lines = (line.rstrip("\n").strip(" ") + "\n" for line in io.StringIO(text, newline=None))
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    for cells in reader:
        if any(map(str.strip, cells)):
            first = cells[0].strip()
            commented = _COMMENT.match(first) and not (len(cells) > 1 and first == "#") and not is_missing(first)
            (comments if commented else rows).append(Row(reader.line_num, cells))
    return rows, comments


def _width(rows: list[Row]) -> int:
    """How many cells most rows have."""
    return Counter(len(row.cells) for row in rows).most_common(1)[0][0]


def _first_row(rows: list[Row], width: int) -> int:
    """The place of the first row of the table: of names, unless it has none.

    Rows before it have another number of cells, or are filled up with blank ones, as spreadsheets export them.
    """
    start = next(place for place, row in enumerate(rows) if len(row.cells) == width)
    named = lambda row: len(row.cells) == width and all(cell.strip() for cell in row.cells[1:])
    of_numbers = lambda row: any(map(_is_number, row.cells[1:]))
    first = next((place for place in range(start, len(rows)) if named(rows[place])), start)
    return start if of_numbers(rows[first]) else first


def _is_number(cell: str) -> bool:
    return number(cell) is not None or number(cell, ",") is not None


def _all_numbers(cells: list[str]) -> bool:
    return all(map(_is_number, cells))
