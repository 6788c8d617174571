"""Verdicts on a statistic: yes or no where it is 3 standard errors away from the other answer, else cannot tell.

Statistics are functions of medians over the seeds. A median exists for every distribution, does not depend on a few
extreme seeds, and takes infinite values as they are; the median of logarithms is the logarithm of the median. Standard
errors are from the bootstrap (Efron 1979, Annals of Statistics 7, 1): seeds are resampled with replacement, the same
ones in all cells and generations, so that a seed is compared with itself. Where only statistics over the seeds were
kept, a median has the standard error (q0.75 - q0.25) / sqrt(S), which is too large for a density with one peak near the
median, and medians count as independent.
"""

from __future__ import annotations

import dataclasses
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

_SIGMAS = 3.0
_RESAMPLES = 200
_MANY_SEEDS = 10**7
_ROOM = 40  # characters for what a statistic is, beside it
PROBED = "needs a sweep of cj.Probed(task), for real data of known density"
FEWEST_SEEDS = 10  # with 9, all may agree by chance more often than 3 standard errors allow


class Verdict(NamedTuple):
    """Whether results meet a definition of collapse: "yes", "no" or "cannot tell".

    Attributes:
        definition: one of the eight definitions, see `diagnose`.
        verdict: "yes", "no" or "cannot tell".
        statistic: the number that was judged; None where it cannot be computed.
        standard_error: its standard error; None without a statistic.
        about: what the statistic is and its limits, or what is needed to compute it.
    """

    definition: str
    verdict: str
    statistic: float | None
    standard_error: float | None
    about: str


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """A verdict for each definition of collapse. Prints as a table; `diagnosis[definition]` is one verdict.

    Attributes:
        title: what was compared.
        verdicts: one for each definition, in their order.
    """

    title: str
    verdicts: tuple[Verdict, ...]

    def __getitem__(self, definition: str) -> Verdict:
        return {verdict.definition: verdict for verdict in self.verdicts}[definition]

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self.verdicts)

    def __str__(self) -> str:
        return self.table(min(shutil.get_terminal_size((100, 24)).columns, 160))

    def table(self, width: int) -> str:
        """The verdicts as a table of at most `width` characters, 60 or more; what needs `Probed` is a footnote."""
        rows = [("definition", "verdict", "statistic", "s.e.", "what it is")]
        rows += [
            (
                one.definition,
                f"{one.verdict}{'*' * one.about.startswith(PROBED)}",
                _number(one.statistic, 4),
                _number(one.standard_error, 2),
                "" if one.about.startswith(PROBED) else one.about,
            )
            for one in self
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
        left = sum(widths) + 2 * len(widths)
        lines = [line for row in rows for line in _lines(row, widths, left, width)]
        title = textwrap.wrap(self.title, width, break_on_hyphens=False)
        footnote = textwrap.wrap(f"* {PROBED}", width) if any(one.about.startswith(PROBED) for one in self) else []
        rule = "-" * min(max(map(len, lines)), width)
        return "\n".join([*title, lines[0], rule, *lines[1:], *footnote])


def _lines(row: Sequence[str], widths: Sequence[int], left: int, width: int) -> list[str]:
    """A row of a table in lines; the last cell is beside the others where that leaves it room, else below them."""
    cells = [
        text.rjust(size) if column in (2, 3) else text.ljust(size)
        for column, (text, size) in enumerate(zip(row, widths, strict=False))
    ]
    start, about = "  ".join(cells), row[-1]
    if width - left >= _ROOM:
        first, *more = textwrap.wrap(about, width - left, break_on_hyphens=False) or [""]
        return [f"{start}  {first}".rstrip(), *(" " * left + line for line in more)]
    below = [] if about == "what it is" else textwrap.wrap(about, width - 4, break_on_hyphens=False)
    return [start.rstrip(), *(f"    {line}" for line in below)]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}g}"


class Medians:
    """Medians over the seeds and their bootstrap resamples, of as many seeds as all datasets have."""

    def __init__(self, datasets: list[xr.Dataset]) -> None:
        self._noise = np.random.default_rng(1)
        self.num_seeds = min(map(_num_seeds, datasets))

    def of(self, variable: xr.DataArray) -> np.ndarray:
        """The median and its R resamples: (1 + R, ...), the other axes unchanged."""
        if "statistic" in variable.dims:
            low, median, high, count = (
                variable.sel(statistic=name).values for name in ("q0.25", "median", "q0.75", "count")
            )
            with np.errstate(invalid="ignore"):
                standard_error = np.where(low == high, 0.0, (high - low) / np.sqrt(count))
                noise = standard_error * self._noise.normal(size=(_RESAMPLES, *np.shape(median)))
                return np.concatenate([median[None], median + noise])
        values = np.moveaxis(variable.values, variable.get_axis_num("seed"), 0)[: self.num_seeds]
        drawn = np.random.default_rng(0)
        chosen = (drawn.integers(self.num_seeds, size=self.num_seeds) for _ in range(_RESAMPLES))
        middle = self.num_seeds // 2  # always one of the values: a finite and an infinite one have no mean
        nan = np.isnan(values).any(axis=0)  # such as results that are not there yet
        medians = [np.partition(rows, middle, axis=0)[middle] for rows in (values, *(values[rows] for rows in chosen))]
        return np.where(nan, np.nan, np.stack(medians).astype(float))


def _num_seeds(dataset: xr.Dataset) -> int:
    if "seed" in dataset.dims:
        return dataset.sizes["seed"]
    counts = [variable.sel(statistic="count").min() for variable in dataset.data_vars.values()]
    return int(np.nan_to_num(min(counts)))  # 0 where results are not there yet


def estimate(resampled: np.ndarray) -> tuple[float, float]:
    """The statistic and its standard error, from the statistic and its resamples (1 + R,).

    The standard error is the standard deviation of the resamples; 0 where all of them equal the statistic, infinite
    where some are not finite.
    """
    value, others = float(resampled[0]), resampled[1:]
    if (others == value).all():
        return value, 0.0
    return value, float(np.std(others)) if np.isfinite(resampled).all() else np.inf


def judge(
    definition: str, resampled: np.ndarray, about: str, *, num_seeds: int, yes_above: float, no_below: float
) -> Verdict:
    """The verdict on a statistic, given with its resamples (1 + R,); `about` is completed by its limits."""
    value, standard_error = estimate(resampled)
    if np.isnan(value) or standard_error == np.inf:
        return unknown(definition, f"{about}: is not finite here, so it cannot be compared")
    limits = [f"yes above {yes_above:.3g}"] if yes_above < np.inf else []
    limits += ["else no"] if yes_above == no_below else [f"no below {no_below:.3g}"]
    about = f"{about}; {', '.join(limits)}"
    number = (value, standard_error)
    if num_seeds < FEWEST_SEEDS:
        return Verdict(definition, "cannot tell", *number, f"{about}; {num_seeds} seeds, needs {FEWEST_SEEDS}")
    if value - _SIGMAS * standard_error > yes_above:
        return Verdict(definition, "yes", *number, about)
    if value + _SIGMAS * standard_error < no_below:
        return Verdict(definition, "no", *number, about)
    room = max(value - yes_above, no_below - value)
    needed = num_seeds * (_SIGMAS * standard_error / room) ** 2 if room > 0 else np.inf
    hint = f"needs about {float(f'{needed:.2g}'):,.0f} seeds" if needed < _MANY_SEEDS else "is too close to a limit"
    return Verdict(definition, "cannot tell", *number, f"{about}; {hint}")


def unknown(definition: str, about: str) -> Verdict:
    """The verdict "cannot tell" where there is no statistic."""
    return Verdict(definition, "cannot tell", None, None, about)
