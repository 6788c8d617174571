"""Verdicts on a statistic: yes or no where it is 3 standard errors from where it would be the other, else cannot tell.

Statistics are functions of medians over the seeds. A median needs no moments, so no few seeds carry it, and infinite
values count as what they are; that of logarithms is the logarithm of the median. Standard errors are from the bootstrap
(Efron 1979, Annals of Statistics 7, 1): seeds are drawn again, with replacement, the same ones in all cells and
generations, so that what a seed has in one of them is compared with what it has in the other. Where summaries were kept
a median has the standard error (q0.75 - q0.25) / sqrt(S), which is too large for a density with one peak near the
median; medians count as independent.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr

_SIGMAS = 3.0
_RESAMPLES = 200
_MANY_SEEDS = 10**7
FEWEST_SEEDS = 10  # of 9, all may agree by chance more often than 3 s.e. allow


class Verdict(NamedTuple):
    """Whether a definition of collapse applies: "yes", "no" or "cannot tell".

    `statistic` and its standard error `se` are None where there is none; `about` says what the statistic is and where
    it decides, or what is needed for one.
    """

    definition: str
    verdict: str
    statistic: float | None
    se: float | None
    about: str


@dataclasses.dataclass(frozen=True)
class Profile:
    """A verdict for each definition, and what was compared. Prints as a table; `profile[definition]` is one of them."""

    title: str
    verdicts: tuple[Verdict, ...]

    def __getitem__(self, definition: str) -> Verdict:
        return {verdict.definition: verdict for verdict in self.verdicts}[definition]

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self.verdicts)

    def __str__(self) -> str:
        rows = [("definition", "verdict", "statistic", "s.e.", "what it is")]
        rows += [(name, verdict, _number(value, 4), _number(se, 2), about) for name, verdict, value, se, about in self]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = []
        for row in rows:
            name, verdict, value, se, about = (
                text.rjust(width) if place in (2, 3) else text.ljust(width)
                for place, (text, width) in enumerate(zip(row, widths, strict=True))
            )
            lines.append(f"{name}  {verdict}  {value}  {se}  {about}".rstrip())
        return "\n".join([self.title, lines[0], "-" * max(map(len, lines)), *lines[1:]])


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}g}"


class Medians:
    """Medians over the seeds with their resamples, of as many seeds as all datasets have."""

    def __init__(self, datasets: list[xr.Dataset]) -> None:
        self._noise = np.random.default_rng(1)
        self.num_seeds = min(map(_num_seeds, datasets))

    def of(self, variable: xr.DataArray) -> np.ndarray:
        """The median, and those of resamples: (1 + R, ...), the other axes as they are."""
        if "statistic" in variable.dims:
            low, median, high, count = (
                variable.sel(statistic=name).values for name in ("q0.25", "median", "q0.75", "count")
            )
            with np.errstate(invalid="ignore"):
                se = np.where(low == high, 0.0, (high - low) / np.sqrt(count))
                noise = se * self._noise.normal(size=(_RESAMPLES, *np.shape(median)))
                return np.concatenate([median[None], median + noise])
        values = np.moveaxis(variable.values, variable.get_axis_num("seed"), 0)[: self.num_seeds]
        drawn = np.random.default_rng(0)
        chosen = (drawn.integers(self.num_seeds, size=self.num_seeds) for _ in range(_RESAMPLES))
        middle = self.num_seeds // 2  # one of the values: between an infinite and a finite one there is none
        nan = np.isnan(values).any(axis=0)  # such as results that are not there yet
        medians = [np.partition(rows, middle, axis=0)[middle] for rows in (values, *(values[rows] for rows in chosen))]
        return np.where(nan, np.nan, np.stack(medians).astype(float))


def _num_seeds(dataset: xr.Dataset) -> int:
    if "seed" in dataset.dims:
        return dataset.sizes["seed"]
    counts = [variable.sel(statistic="count").min() for variable in dataset.data_vars.values()]
    return int(np.nan_to_num(min(counts)))  # none where results are not there yet


def estimate(resampled: np.ndarray) -> tuple[float, float]:
    """The first of these numbers (1 + R,), and the standard deviation of the others: infinite where they are."""
    value, others = float(resampled[0]), resampled[1:]
    if (others == value).all():
        return value, 0.0
    return value, float(np.std(others)) if np.isfinite(resampled).all() else np.inf


def judge(
    definition: str, resampled: np.ndarray, about: str, *, num_seeds: int, yes_above: float, no_below: float
) -> Verdict:
    """The verdict on a statistic (1 + R,), with its limits said behind what it is `about`."""
    value, se = estimate(resampled)
    if np.isnan(value) or se == np.inf:
        return unknown(definition, f"{about}: is not finite here, so it cannot be compared")
    limits = [f"yes above {yes_above:.3g}"] if yes_above < np.inf else []
    limits += ["else no"] if yes_above == no_below else [f"no below {no_below:.3g}"]
    about = f"{about}; {', '.join(limits)}"
    if num_seeds < FEWEST_SEEDS:
        return Verdict(definition, "cannot tell", value, se, f"{about}; {num_seeds} seeds, needs {FEWEST_SEEDS}")
    if value - _SIGMAS * se > yes_above:
        return Verdict(definition, "yes", value, se, about)
    if value + _SIGMAS * se < no_below:
        return Verdict(definition, "no", value, se, about)
    room = max(value - yes_above, no_below - value)
    needed = num_seeds * (_SIGMAS * se / room) ** 2 if room > 0 else np.inf
    hint = f"needs some {float(f'{needed:.2g}'):,.0f} seeds" if needed < _MANY_SEEDS else "is too near to that"
    return Verdict(definition, "cannot tell", value, se, f"{about}; {hint}")


def unknown(definition: str, about: str) -> Verdict:
    """No statistic."""
    return Verdict(definition, "cannot tell", None, None, about)
