"""The user's own data: numeric columns of a table, split once into rows to fit to and held-out rows."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import jax.numpy as jnp
import numpy as np

from ..core.arguments import check_count
from ..core.base import Array, Source
from ..core.pytree import static
from ..numerics.subsets import subset
from .table_files import read

_FAR = 64  # times its spread: up to there, float32 keeps a value to 4e-6 of it


class Table(Source):
    """Rows of a file; made by `table`.

    `train` (N, d) and `test` (M, d) are the two parts, `mean` (d,) and `covariance` (d, d) the moments of `train`
    (divided by N). From columns whose values lie far from 0, compared with their spread, `offset` was subtracted in
    double precision, as float32 would round the spread away; no metric of a table depends on it. `sha256` is of the
    file; `dependent_columns` are those that make the covariance singular. `left_out` has the names of the columns that
    are not used and why, `notes` what else is to be known.
    """

    train: Array
    test: Array
    mean: Array
    covariance: Array
    path: str = static()
    sha256: str = static()
    columns: tuple[str, ...] = static()
    dependent_columns: tuple[str, ...] = static()
    standardize: bool = static()
    test_fraction: float = static()
    split_seed: int = static()
    offset: tuple[float, ...] = static(default=())
    left_out: tuple[tuple[str, str], ...] = static(default=())
    notes: tuple[str, ...] = static(default=())

    name: ClassVar[str] = "table"
    read_from_file: ClassVar[bool] = True

    def __repr__(self) -> str:
        return f"table({self.path!r})"

    def __str__(self) -> str:
        columns = ", ".join(self.columns)
        lines = [f"{self.path}: {self.train.shape[0]} rows to fit to, {self.num_held_out} held out; columns {columns}"]
        lines += [f"  column {name!r} {reason}, and is not used" for name, reason in self.left_out]
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])

    @property
    def dim(self) -> int:
        return len(self.columns)

    @property
    def num_held_out(self) -> int:
        return self.test.shape[0]

    @property
    def standard_deviations(self) -> dict[str, float]:
        """Standard deviation of each column of `train`."""
        return dict(zip(self.columns, np.sqrt(np.diagonal(self.covariance)).tolist(), strict=True))

    def check(self, num_samples: int) -> None:
        available, held_out = self.train.shape[0], self.num_held_out
        if num_samples > available:
            raise ValueError(
                f"num_samples={num_samples}: {self.path} has {available} rows to fit to "
                f"({available + held_out} less {held_out} held out); use at most {available}"
            )

    def sample(self, key: Array, real: tuple[()], n: int) -> Array:
        """Draw n different rows of the training part. Raises ValueError if there are fewer."""
        del real
        self.check(n)
        return self.train[subset(key, self.train.shape[0], n)]

    def sample_test(self, key: Array, real: tuple[()], n: int) -> Array:
        """Draw n different held-out rows."""
        del real
        return self.test[subset(key, self.num_held_out, n)]

    def moments(self, real: tuple[()]) -> tuple[Array, Array]:
        del real
        return self.mean, self.covariance


def table(
    path: str | Path,
    *,
    columns: Sequence[str] | None = None,
    missing: str = "error",
    standardize: bool = False,
    test_fraction: float = 0.2,
    split_seed: int = 0,
) -> Table:
    """Read numeric columns of a table: a text with a line of names, a NumPy array, a Parquet file or a spreadsheet.

    In a text (.csv, .tsv, .txt and others, also .gz, .bz2 and .xz) fields are separated by commas, semicolons, tabs,
    vertical bars or spaces. Decimal points and commas, marks between thousands, lines before the table, comments (#, %,
    //), UTF-8, UTF-16 and Latin-1 are recognized. Pandas reads .parquet, .xlsx and .ods, with the package for each.

    Args:
        path: file with a table.
        columns: names of the columns to use (of a NumPy array, their numbers from 0, also as integers). Default: all
            numeric ones that have a name, but for a first one that numbers the rows.
        missing: "error" or "drop": what becomes of rows in which a used column has no finite number.
        standardize: subtract the training part's mean from every column and divide by its standard deviation.
        test_fraction: share of the rows that are held out.
        split_seed: which rows are held out.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: for a file that is empty, ragged or of another format, for columns that are missing or not
            numeric, for cells without a finite number (how many, and the first line, for each column), and for
            fractions that leave either part without rows.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file; check the path")
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction={test_fraction}: must lie between 0 and 1")
    check_count("split_seed", split_seed, least=0)
    if missing not in ("error", "drop"):
        raise ValueError(f"missing={missing!r}: must be 'error' or 'drop'")
    wanted = None if columns is None else [columns] if isinstance(columns, str | int) else list(columns)
    if wanted is not None and (not wanted or len(set(wanted)) < len(wanted)):
        raise ValueError(f"columns={wanted}: give at least one name, each of them once")
    names, values, left_out, notes = read(path, wanted and list(map(str, wanted)), missing)
    order = np.random.default_rng(split_seed).permutation(len(values))
    num_test = round(test_fraction * len(values))
    if not 0 < num_test < len(values):
        raise ValueError(
            f"{path}: test_fraction={test_fraction} of {len(values)} rows leaves one part empty; change it or add rows"
        )
    test, train = values[order[:num_test]], values[order[num_test:]]
    mean, spread = train.mean(axis=0), _spread(train)
    if standardize:
        if np.any(spread == 0):
            raise ValueError(
                f"{path}: column {names[np.argmin(spread)]!r} is constant and cannot be standardized; leave it out"
            )
        train, test, offset = (train - mean) / spread, (test - mean) / spread, np.zeros_like(mean)
    else:
        _check_range(path, names, mean, spread)
        centre = np.where(spread > 0, mean, train[0])
        offset = np.where(abs(centre) > _FAR * spread, centre, 0.0)
        train, test = train - offset, test - offset
    mean = train.mean(axis=0)
    return Table(
        train=jnp.asarray(train, dtype=float),
        test=jnp.asarray(test, dtype=float),
        mean=jnp.asarray(mean, dtype=float),
        covariance=jnp.asarray(np.cov(train, rowvar=False, ddof=0).reshape(len(names), -1), dtype=float),
        path=str(path),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        columns=tuple(names),
        dependent_columns=_dependent(names, train),
        offset=tuple(offset.tolist()),
        left_out=left_out,
        notes=notes,
        standardize=standardize,
        test_fraction=test_fraction,
        split_seed=split_seed,
    )


def _check_range(path: Path, names: list[str], mean: np.ndarray, spread: np.ndarray) -> None:
    for name, centre, width in zip(names, mean, spread, strict=True):
        if width > 1e15 or 0 < width < max(1e-12 * abs(centre), 1e-15):
            raise ValueError(
                f"{path}: column {name!r} varies by {width:.3g} about {centre:.6g}, which float32 cannot follow; "
                "standardize it"
            )


def _spread(rows: np.ndarray) -> np.ndarray:
    """Standard deviation of each column, exactly 0 where it is constant (whose mean rounding can put elsewhere)."""
    return np.where(np.ptp(rows, axis=0) == 0, 0.0, rows.std(axis=0))


def _dependent(names: list[str], rows: np.ndarray) -> tuple[str, ...]:
    """Columns that are constant, or a combination of those before them up to 0.3 % of their spread.

    Below that, float32 could not factor the covariance.
    """
    spread = _spread(rows)
    centred = np.where(spread > 0, rows - rows.mean(axis=0), 0.0) / np.where(spread > 0, spread, 1.0)
    unexplained = np.zeros(len(names))
    triangle = np.abs(np.diagonal(np.linalg.qr(centred, mode="r"))) / math.sqrt(len(rows))
    unexplained[: len(triangle)] = triangle
    return tuple(name for name, left in zip(names, unexplained, strict=True) if left < 3e-3)
