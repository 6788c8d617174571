"""The table that is assessed: what of a file can be used, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..sources import Table, table
from ..sources.table_files import read, read_texts
from .categories import Categories, categories

_FEWEST_ROWS = 30
_FEW_VALUES = 10  # of a column


def read_table(path: Path, columns: Sequence[str] | None) -> tuple[Table, dict[str, str]]:
    """The table, standardized, of the columns that can be used; the others, and why they cannot."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file; check the path")
    try:
        names, values, others, _ = read(path, columns and list(columns), "drop")
    except ValueError as error:
        hint = "; text to assess is a folder, or a .md or .jsonl file" if path.suffix == ".txt" else ""
        raise ValueError(f"{error}{hint}") from None
    _check_enough(path, len(values))
    left_out = dict(others)
    left_out |= {name: "is constant" for name, column in zip(names, values.T, strict=True) if np.ptp(column) == 0}
    while used := [name for name in names if name not in left_out]:
        found = table(path, columns=used, missing="drop", standardize=True)
        if not found.dependent_columns:
            return found, left_out
        left_out |= dict.fromkeys(found.dependent_columns, "is fixed by the columns before it")
    raise ValueError(f"{path}: every column of numbers is constant; give a table whose columns vary")


def _check_enough(path: str | Path, number: int) -> None:
    if number < _FEWEST_ROWS:
        raise ValueError(f"{path}: {number} rows without missing cells; an assessment needs {_FEWEST_ROWS}")


def usable(rows: Table) -> Table:
    """The same table, if its rows are enough and their covariance can be factored."""
    _check_enough(rows.path, len(rows.train) + rows.num_held_out)
    if rows.dependent_columns:
        names = ", ".join(map(repr, rows.dependent_columns))
        raise ValueError(f"{rows.path}: constant, or fixed by the columns before, is {names}; leave it out by columns=")
    return rows


def few_values(rows: Table) -> list[str]:
    """Columns that may be categories that are written as numbers, in words."""
    numbers = {
        name: len(np.unique(column)) for name, column in zip(rows.columns, np.asarray(rows.train).T, strict=True)
    }
    return [
        f"  column {name!r} has {number} different values, and is taken for a number"
        for name, number in numbers.items()
        if number <= _FEW_VALUES
    ]


def categories_in(rows: Table, sizes: dict[str, int]) -> tuple[tuple[Categories, ...], dict[str, str]]:
    """The columns of categories, and the columns of text that are none, with the reason."""
    found, left_out = [], {}
    there = Path(rows.path).is_file()  # a Table remembers no text
    for name, cells in (read_texts(Path(rows.path)) if there else {}).items():
        column = categories(name, cells, **sizes)
        if isinstance(column, str):
            left_out[name] = column
        else:
            found.append(column)
    return tuple(found), left_out
