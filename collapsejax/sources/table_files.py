"""Numeric columns of tables: delimited texts, NumPy arrays, Parquet files and spreadsheets."""

from __future__ import annotations

import bz2
import gzip
import itertools
import lzma
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..core.arguments import nearest
from .cells import Column, is_missing, number, read_columns
from .delimited import layout

_UNPACK = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}
_SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods")
_READERS = {".parquet": "pyarrow", ".xlsx": "openpyxl", ".xlsm": "openpyxl", ".xls": "xlrd", ".ods": "odfpy"}
_INDEX_NAMES = {"", "unnamed: 0", "index", "rownames", "row.names", "row", "rowid", "row_id", "id", "#"}


class Raw(NamedTuple):
    """What a file holds, before anything is chosen of it.

    Attributes:
        columns: all of them.
        place: of a row's number in `columns` the words that say where it is in the file.
        cell: of a row and a column their numbers, the text that the cell holds.
        notes: what is unusual about the file, in words.
        header_line: the line of the names of columns in a text.
    """

    columns: list[Column]
    place: Callable[[int], str]
    cell: Callable[[int, int], str]
    notes: list[str]
    header_line: int | None = None


class Chosen(NamedTuple):
    """The columns of a file that are used.

    Attributes:
        names: of the columns.
        values: (rows, columns), finite.
        left_out: names of the other columns and why they are not used.
        notes: what is unusual, in words, rows that were dropped among it.
    """

    names: list[str]
    values: np.ndarray
    left_out: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def read(path: Path, wanted: Sequence[str] | None, missing: str) -> Chosen:
    """The columns of a file: those wanted, or all that are numeric and have a name.

    Args:
        path: the file.
        wanted: names of columns.
        missing: "error", or "drop" the rows in which a used column has no number.

    Raises ValueError for a file that cannot be read, and for what is wanted and is no column of numbers.
    """
    try:
        raw = _raw(path)
        left_out = _left_out(raw)
        names = [column.name for column in raw.columns]
        for name in wanted or ():
            if name not in names:
                commas = "; write names with spaces between them" if "," in name else ""
                raise ValueError(f"no column {name!r}; {nearest(name, names)}{commas}")
        numbers = wanted or [name for name in names if name not in left_out]
        for name in numbers:
            if names.count(name) > 1:
                raise ValueError(f"two columns are named {name!r}; rename one")
        if not numbers:
            why = "; ".join(f"{name!r} {reason}" for name, reason in left_out.items())
            raise ValueError(f"none of its columns is numeric ({why}); it needs one whose cells are numbers")
        if not wanted:
            _check_names(raw, numbers)
        columns = [raw.columns[names.index(name)] for name in numbers]
        without = sorted({row for column in columns for row in (*column.missing, *column.other)})
        values = np.stack([column.values for column in columns], axis=1)
        notes = list(raw.notes)
        if without and missing == "error":
            raise ValueError(_report(raw, columns, len(without)))
        if without:
            lacking = ", ".join(
                f"{column.name} {number}" for column in columns if (number := len({*column.missing, *column.other}))
            )
            dropped = f"{len(without)} of {len(values)} rows without a number in a used column were dropped"
            notes.append(f"{dropped} ({lacking})")
            values = np.delete(values, without, axis=0)
        if not len(values):
            texts = "".join(f" ({name!r} {left_out[name]})" for name in numbers if name in left_out)
            raise ValueError(f"no row has a number in every used column{texts}; choose others with columns")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    others = tuple((name, reason) for name, reason in left_out.items() if name not in numbers)
    return Chosen(list(numbers), values, () if wanted else others, tuple(notes))


def read_texts(path: Path) -> dict[str, list[str]]:
    """By the name of each column of text its cells that are not missing, in the order of the rows.

    Raises ValueError for a file that cannot be read.
    """
    try:
        raw = _raw(path)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    texts = {}
    for place, column in enumerate(raw.columns):
        if column.name and not column.is_numeric and len(column.missing) < len(column.values):
            cells = [raw.cell(row, place) for row in range(len(column.values))]
            texts[column.name] = [cell for cell in cells if not is_missing(cell)]
    return texts


def _left_out(raw: Raw) -> dict[str, str]:
    """The columns that are not used unless they are wanted, by name, and why."""
    reasons = {}
    for place, column in enumerate(raw.columns):
        whole = np.arange(len(column.values))
        is_count = any(np.array_equal(column.values, whole + first) for first in (0, 1))
        if len(column.missing) == len(column.values):
            reasons[column.name] = "is empty"
        elif not column.is_numeric:
            reasons[column.name] = f"holds text, as {raw.cell(column.other[0], place)!r}"
        elif place == 0 and column.name.lower() in _INDEX_NAMES and is_count:
            reasons[column.name] = "numbers the rows"
        elif not column.name:
            reasons[column.name] = "has no name"
    return reasons


def _check_names(raw: Raw, numbers: Sequence[str]) -> None:
    """Raise ValueError where the names of columns of numbers look like a row of the table."""
    given = [number(name) for name in numbers]
    if raw.header_line is None or None in given:
        return
    columns = [column for column in raw.columns if column.name in numbers]
    years = all(1000 <= value < 3000 and value == int(value) for value in given)
    like_years = all(np.all((column.values >= 1000) & (column.values < 3000)) for column in columns)
    steps = {second - first for first, second in itertools.pairwise(given)}
    regular = len(given) > 2 and len(steps) == 1 and steps != {0.0}
    counted = len(given) > 1 and given in [list(range(first, first + len(given))) for first in (0, 1)]
    if (years and (regular or not like_years)) or counted:
        return
    raise ValueError(
        f"line {raw.header_line} calls columns of numbers {', '.join(numbers)}; put a line with the "
        "names of columns before it or, if these are names, give them as columns"
    )


def _report(raw: Raw, columns: Sequence[Column], num_rows: int) -> str:
    """What is missing or no number in some columns, each with its first place; and what can be done."""
    parts = []
    for column in columns:
        place = next(place for place, other in enumerate(raw.columns) if other is column)
        kinds = []
        if len(column.missing):
            kinds.append(f"{len(column.missing)} missing, the first in {raw.place(column.missing[0])}")
        if len(column.other):
            cell = raw.cell(column.other[0], place)
            kinds.append(f"{len(column.other)} no finite number, the first {cell!r} in {raw.place(column.other[0])}")
        if kinds:
            parts.append(f"column {column.name!r} has cells without a number ({'; '.join(kinds)})")
    total = len(columns[0].values)
    rows = f"{num_rows} of {total} rows"
    return f"{', '.join(parts)}; put numbers there, drop {rows} with missing='drop', or choose other columns"


def _raw(path: Path) -> Raw:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = suffixes[-1] if suffixes else ""
    if kind == ".npy":
        return _read_npy(path)
    if kind == ".parquet" or kind in _SPREADSHEETS:
        return _read_frame(path, kind)
    return _read_text(path, suffixes)


def _read_npy(path: Path) -> Raw:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"not an array in NumPy's format ({error})") from None
    if not isinstance(array, np.ndarray) or array.ndim not in (1, 2) or array.size == 0:
        raise ValueError("want one array of shape (rows, columns), not empty")
    if array.dtype.kind not in "fiub":
        raise ValueError(f"want numbers, found {array.dtype}")
    array = array.reshape(len(array), -1).astype(np.float64)
    columns = [_of_numbers(str(number), values) for number, values in enumerate(array.T)]
    return Raw(columns, lambda row: f"row {row}", lambda row, column: str(array[row, column]), [])


def _read_frame(path: Path, kind: str) -> Raw:
    import pandas as pd  # which needs another package for each of these

    try:
        frame = pd.read_parquet(path) if kind == ".parquet" else pd.read_excel(path)
    except ImportError:
        raise ValueError(f"{kind} files are read by {_READERS.get(kind, 'another package')}: pip install it") from None
    except Exception as error:  # each reader has errors of its own
        raise ValueError(f"not a {kind} file that pandas reads ({' '.join(str(error).split())[:200]})") from None
    if frame.empty:
        raise ValueError("the file is empty; it needs names of columns and rows below")
    columns, texts = [], []
    for name, (_, values) in zip(map(str, frame.columns), frame.items(), strict=True):
        name = "" if name.startswith("Unnamed: ") else name
        texts.append(["" if missing else str(value) for value, missing in zip(values, values.isna(), strict=True)])
        if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            columns.append(_of_numbers(name, values.to_numpy(dtype=np.float64, na_value=np.nan)))
        else:
            columns += read_columns([name], [texts[-1]])
    first = 0 if kind == ".parquet" else 2  # a sheet's rows count from 1, and one has the names
    return Raw(columns, lambda row: f"row {row + first}", lambda row, column: texts[column][row], [])


def _of_numbers(name: str, values: np.ndarray) -> Column:
    """A column of numbers, of which NaN are missing and others may be infinite."""
    nothing = np.flatnonzero(np.isnan(values))
    return Column(name, values, nothing, np.flatnonzero(np.isinf(values)))


def _read_text(path: Path, suffixes: Sequence[str]) -> Raw:
    content, notes = path.read_bytes(), []
    if suffixes and suffixes[-1] in _UNPACK:
        try:
            content = _UNPACK[suffixes[-1]](content)
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise ValueError(f"not a {suffixes[-1]} file ({error})") from None
    text = _decoded(content, notes)
    found = layout(text, "\t" if ".tsv" in suffixes else None)
    cells = list(zip(*(row.cells for row in found.rows), strict=True))
    columns = read_columns(found.names, cells)
    return Raw(
        columns,
        lambda row: f"line {found.rows[row].line}",
        lambda row, column: cells[column][row].strip(),
        notes + found.notes,
        found.header,
    )


def _decoded(content: bytes, notes: list[str]) -> str:
    """The text of a file in UTF-8, UTF-16 or UTF-32 with a byte-order mark, or else in Windows' Latin code page."""
    marks = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
    encoding = next((encoding for mark, encoding in marks.items() if content.startswith(mark)), "utf-8-sig")
    start = content[:400]
    if encoding == "utf-8-sig" and 0 in start:
        if start[1::2].count(0) > 0.7 * len(start[1::2]):
            encoding = "utf-16-le"
        elif start[::2].count(0) > 0.7 * len(start[::2]):
            encoding = "utf-16-be"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8-sig":
            raise ValueError(f"not a text in {encoding}; write it in UTF-8") from None
        notes.append("the text is not in UTF-8 and was read as Latin-1")
        text = content.decode("cp1252", errors="replace")
    if "\0" in text:
        raise ValueError("not a CSV file (it has zero bytes); give a text, .npy, .parquet or .xlsx")
    return text
