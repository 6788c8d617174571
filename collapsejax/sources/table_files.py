"""Numeric columns of CSV and NPY files; what keeps them from being read is named with its place in the file."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..core.arguments import nearest

_MISSING = {"", "na", "nan", "n/a", "null", "none", "?"}


def read_npy(path: Path, wanted: list[str] | None) -> tuple[list[str], np.ndarray]:
    """Names of columns, those wanted or all, and their values (rows, columns), of an array in NumPy's format.

    Raises ValueError where the file holds anything but finite numbers there.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path}: not an array in NumPy's format ({error})") from None
    if not isinstance(array, np.ndarray) or array.ndim not in (1, 2) or array.size == 0:
        raise ValueError(f"{path}: want one array of shape (rows, columns), not empty")
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{path}: want numbers, found {array.dtype}")
    array = array.reshape(len(array), -1).astype(np.float64)
    names = [str(column) for column in range(array.shape[1])]
    chosen = _choose(path, names, wanted)
    values = array[:, [names.index(name) for name in chosen]]
    for row, column in np.argwhere(~np.isfinite(values))[:1]:
        raise ValueError(
            f"{path}: row {row} of column {chosen[column]!r} is {values[row, column]}; put a finite number there"
        )
    return chosen, values


def read_csv(path: Path, wanted: list[str] | None) -> tuple[list[str], np.ndarray]:
    """Names of columns, those wanted or all that are numeric and have a name, and their values (rows, columns).

    Raises ValueError for a file that is empty or ragged, and for what is missing or no finite number.
    """
    names, lines, rows = _split_csv(path)
    cells = dict(zip(names, zip(*rows, strict=True), strict=True))
    if wanted is None:
        wanted = [name for name in names if name and _is_numeric(cells[name])]
        if not wanted:
            raise ValueError(f"{path}: none of its columns is numeric; it needs one whose cells are all numbers")
        if all(_number(name) is not None for name in wanted) and not all(map(str.isdigit, wanted)):  # years are names
            raise ValueError(
                f"{path}: its first line calls columns of numbers {', '.join(wanted)}; put a line with the names "
                "of columns before it or, if these are names, give them as columns"
            )
    chosen = _choose(path, names, wanted)
    values = np.empty((len(rows), len(chosen)))
    for column, name in enumerate(chosen):
        for row, cell in enumerate(cells[name]):
            number = _number(cell)
            if number is None or not math.isfinite(number):
                found = "is empty" if not cell.strip() else f"holds {cell.strip()!r}"
                raise ValueError(f"{path}: line {lines[row]}, column {name!r} {found}; put a finite number there")
            values[row, column] = number
    return chosen, values


def _split_csv(path: Path) -> tuple[list[str], list[int], list[list[str]]]:
    """Column names, the line number of each row, and the rows, all of one length."""
    lines, rows = [], []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=max(",;\t", key=first.count))
            for row in reader:
                if row:
                    lines.append(reader.line_num)
                    rows.append(row)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: not a CSV file ({error})") from None
    if not rows:
        raise ValueError(f"{path}: the file is empty; it needs a line of column names and rows below")
    for line, row in zip(lines, rows, strict=True):
        if len(row) != len(rows[0]):
            raise ValueError(
                f"{path}: line {line} has {len(row)} fields and line {lines[0]} has {len(rows[0])}; make them equal"
            )
    if all(_number(cell) is not None for cell in rows[0]):
        raise ValueError(f"{path}: line {lines[0]} holds numbers; put a line with the names of the columns before it")
    names = [name.strip() for name in rows[0]]
    names[0] = names[0].removeprefix("#").strip()
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{path}: two columns are named {name!r}; rename one")
    if len(rows) == 1:
        raise ValueError(f"{path}: the file has column names and no rows below them; add rows")
    return names, lines[1:], rows[1:]


def _choose(path: Path, names: list[str], wanted: list[str] | None) -> list[str]:
    for name in wanted or ():
        if name not in names:
            raise ValueError(f"{path}: no column {name!r}; {nearest(name, names)}")
    return names if wanted is None else wanted


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _is_numeric(cells: Sequence[str]) -> bool:
    """Whether every cell that is not missing holds a number, and some cell does."""
    present = [cell for cell in cells if cell.strip().lower() not in _MISSING]
    return bool(present) and all(_number(cell) is not None for cell in present)
