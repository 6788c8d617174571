"""What a study's numbers say: numbers with standard errors, sentences made of them, and verdicts on claims."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from ..results.statistics import mean_and_standard_error

CLEAR = 3.0  # standard errors by which a difference is counted as one
_LEVEL = 1.1  # a loss that grows by less than this factor in half of the iterations has levelled off


class Verdict(enum.StrEnum):
    """What a run says of a claim. OPEN: its seeds do not decide it, or its cells disagree."""

    VERIFIED = "verified"
    FALSIFIED = "falsified"
    OPEN = "open"


class Number(NamedTuple):
    """A mean over the seeds with its standard error; `exact` is what theory says of it, if anything is known."""

    label: str
    value: float
    standard_error: float
    exact: float | None = None

    @property
    def z(self) -> float | None:
        """(value - exact) / standard error; None where nothing exact is known."""
        return None if self.exact is None else (self.value - self.exact) / self.standard_error

    def __str__(self) -> str:
        return f"{self.value:.4g} ± {self.standard_error:.2g}"


class Finding(NamedTuple):
    """A sentence that was computed, the numbers it rests on, and the verdict on what the paper found."""

    sentence: str
    numbers: list[Number]
    verdict: Verdict


def number(label: str, values: np.ndarray, exact: float | None = None) -> Number:
    """The mean of values of independent seeds, (S,)."""
    return Number(label, *map(float, mean_and_standard_error(values)), exact)


def of_cells(variable: xr.DataArray) -> np.ndarray:
    """Values of a metric with one workflow, (cells, S, G)."""
    dims = [str(name) for name in variable.dims if name not in ("seed", "generation")]
    values = variable.transpose(*dims, "seed", "generation").values.astype(float)
    return values.reshape(-1, *values.shape[-2:])


def num_generations(datasets: Sequence[xr.Dataset]) -> int:
    """Generations of the longest of some sweeps (G)."""
    return max(dataset.sizes["generation"] for dataset in datasets)


def growth(datasets: Sequence[xr.Dataset], metric: str, *, ratio: bool, since: int = 0) -> dict[str, np.ndarray]:
    """By workflow, of each cell and seed how the last model's metric stands to that of generation `since`, (cells, S).

    The logarithm of their ratio, or their difference. Seeds and generations as in `sweep`; a cell of which a seed has
    no finite value is left out under every workflow.
    """
    of: dict[str, list[np.ndarray]] = {}
    for dataset in datasets:
        for workflow in dataset.workflow.values:
            first, last = np.moveaxis(of_cells(dataset[metric].sel(workflow=workflow))[:, :, [since, -1]], 2, 0)
            with np.errstate(divide="ignore", invalid="ignore"):
                of.setdefault(str(workflow), []).append(np.log(last / first) if ratio else last - first)
    grown = {workflow: np.concatenate(parts) for workflow, parts in of.items()}
    usable = np.all([np.isfinite(values).all(axis=1) for values in grown.values()], axis=0)
    return {workflow: values[usable] for workflow, values in grown.items()}


def late_growth(datasets: Sequence[xr.Dataset], metric: str) -> dict[str, np.ndarray]:
    """By workflow, log of the last model's metric over that of the model halfway, (cells, S), as `growth` gives it."""
    return growth(datasets, metric, ratio=True, since=num_generations(datasets) // 2 - 1)


def slopes(variable: xr.DataArray, first: int) -> np.ndarray:
    """Least squares slope of a metric against log t from iteration `first` on, of each cell and seed (cells, S)."""
    t = variable.generation.values + 1.0
    later = t >= first
    x = np.log(t[later]) - np.log(t[later]).mean()
    return of_cells(variable)[:, :, later] @ x / (x @ x)


def count_above(more: np.ndarray, less: np.ndarray | float) -> tuple[int, int]:
    """Of cells, (cells, S) each, in how many the one's mean is above the other's, and in how many clearly so."""
    mean, standard_error = mean_and_standard_error(more - less)
    return int(np.sum(mean > 0)), int(np.sum(mean > CLEAR * standard_error))


def exceeds(more: np.ndarray, less: np.ndarray | float = 0.0) -> Verdict:
    """Whether one quantity is above another, from their values in all cells, (cells, S) each, or a constant.

    Verified if the mean of all cells is above by more than 3 standard errors, and no cell's mean is below by more than
    that. Falsified if the mean of all cells is below by more than 3 standard errors. Else open.
    """
    if not len(more):
        return Verdict.OPEN
    overall = number("", np.mean(more - less, axis=0))
    if overall.value < -CLEAR * overall.standard_error:
        return Verdict.FALSIFIED
    clear = overall.value > CLEAR * overall.standard_error
    return Verdict.VERIFIED if clear and not count_above(-more, -less)[1] else Verdict.OPEN


def combined(*verdicts: Verdict) -> Verdict:
    """The verdict on several claims together: falsified if one of them is, verified if all of them are, else open."""
    if Verdict.FALSIFIED in verdicts:
        return Verdict.FALSIFIED
    return Verdict.VERIFIED if set(verdicts) == {Verdict.VERIFIED} else Verdict.OPEN


def order(grown: Mapping[str, np.ndarray], left_out: int = 0) -> str:
    """In how many cells the three published workflows are in the published order."""
    replace, subsample, accumulate = (grown[name] for name in ("replace", "accumulate-subsample", "accumulate"))
    cells = len(replace)
    above, clearly = count_above(replace, accumulate)
    between = np.sum(
        (replace.mean(axis=1) > subsample.mean(axis=1)) & (subsample.mean(axis=1) > accumulate.mean(axis=1))
    )
    outside = count_above(subsample, replace)[1] + count_above(accumulate, subsample)[1]
    return (
        f"Replace lost more than accumulate in {above} of {cells} cells (by more than {CLEAR:g} s.e. in {clearly}), "
        f"and accumulate-subsample lay between them in {between} (clearly outside in {outside})"
        + (f" ({left_out} cells with losses that are not finite left out)" if left_out else "")
    )


def in_order(grown: Mapping[str, np.ndarray]) -> Verdict:
    """Whether a loss grew more under replace than under accumulate-subsample, and more there than under accumulate."""
    replace, subsample, accumulate = (grown[name] for name in ("replace", "accumulate-subsample", "accumulate"))
    return combined(exceeds(replace, subsample), exceeds(subsample, accumulate))


def factors(grown: Mapping[str, np.ndarray], what: str) -> list[Number]:
    """The geometric mean over cells and seeds by which a loss grew, by workflow."""
    numbers = []
    for workflow, values in grown.items():
        log = number("", values.mean(axis=0))
        factor = float(np.exp(log.value))
        label = f"{what}, last over first, {workflow} (geometric mean)"
        numbers.append(Number(label, factor, factor * log.standard_error))
    return numbers


def rises(grown: Mapping[str, np.ndarray], units: str) -> list[Number]:
    """The mean over seeds of the median cell's rise of the loss, by workflow."""
    return [
        number(f"rise of the held-out loss in the median cell, {units}, {workflow}", np.median(values, axis=0))
        for workflow, values in grown.items()
    ]


def levelled(late: Mapping[str, np.ndarray]) -> str:
    """What became of the losses in the second half of all iterations, from `late_growth`."""
    accumulate = late["accumulate"].mean(axis=1)
    by = {name: np.expm1(number("", values.mean(axis=0)).value) for name, values in late.items()}
    return (
        f"in the second half of the iterations the loss grew by {by['replace']:.1%} under replace, "
        f"{by['accumulate-subsample']:.1%} under accumulate-subsample and {by['accumulate']:.1%} under accumulate, "
        f"where it stayed within {_LEVEL - 1:.0%} in {np.sum(accumulate < np.log(_LEVEL))} of {len(accumulate)} cells"
    )


def levels_off(late: Mapping[str, np.ndarray]) -> Verdict:
    """Whether the loss grew by less than 10 % in the second half under accumulate, by `exceeds`, from `late_growth`."""
    return exceeds(np.log(_LEVEL) - late["accumulate"])
