"""What a study's numbers say: sentences, and the numbers behind them with their standard errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

_CLEAR = 3.0  # standard errors by which a difference is counted as one
_LEVEL = 1.1  # a loss that grows by less than this factor in half of the iterations has levelled off


class Number(NamedTuple):
    """A mean over the seeds with its standard error; `exact` is what theory says of it, if anything is known."""

    label: str
    value: float
    se: float
    exact: float | None = None

    @property
    def z(self) -> float | None:
        """(value - exact) / s.e.; None where nothing exact is known."""
        return None if self.exact is None else (self.value - self.exact) / self.se

    def __str__(self) -> str:
        return f"{self.value:.4g} ± {self.se:.2g}"


class Finding(NamedTuple):
    """A sentence that was computed, and what it rests on."""

    sentence: str
    numbers: list[Number]


def number(label: str, values: np.ndarray, exact: float | None = None) -> Number:
    """The mean of values of independent seeds, (S,)."""
    values = np.asarray(values, float)
    return Number(label, float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))), exact)


def of_cells(variable: xr.DataArray) -> np.ndarray:
    """Values of a metric with one workflow, (cells, S, G)."""
    dims = [str(name) for name in variable.dims if name not in ("seed", "generation")]
    values = variable.transpose(*dims, "seed", "generation").values.astype(float)
    return values.reshape(-1, *values.shape[-2:])


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


def count_above(more: np.ndarray, less: np.ndarray) -> tuple[int, int]:
    """Of cells, (cells, S) each, in how many the one's mean is above the other's, and in how many clearly so."""
    apart = more - less
    mean, se = apart.mean(axis=1), apart.std(axis=1, ddof=1) / np.sqrt(apart.shape[1])
    return int(np.sum(mean > 0)), int(np.sum(mean > _CLEAR * se))


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
        f"replace lost more than accumulate in {above} of {cells} cells (by more than {_CLEAR:g} s.e. in {clearly}), "
        f"and accumulate-subsample lay between them in {between} (clearly outside in {outside})"
        + (f" ({left_out} cells with losses that are not finite left out)" if left_out else "")
    )


def factors(grown: Mapping[str, np.ndarray], what: str) -> list[Number]:
    """The geometric mean over cells and seeds by which a loss grew, by workflow."""
    numbers = []
    for workflow, values in grown.items():
        log = number("", values.mean(axis=0))
        factor = float(np.exp(log.value))
        numbers.append(Number(f"{what}, last over first, {workflow} (geometric mean)", factor, factor * log.se))
    return numbers


def rises(grown: Mapping[str, np.ndarray], units: str) -> list[Number]:
    """The mean over seeds of the median cell's rise of the loss, by workflow."""
    return [
        number(f"rise of the held-out loss in the median cell, {units}, {workflow}", np.median(values, axis=0))
        for workflow, values in grown.items()
    ]


def levelled(late: Mapping[str, np.ndarray]) -> str:
    """What became of the losses in the second half of all iterations, from `growth` of that half."""
    accumulate = late["accumulate"].mean(axis=1)
    by = {name: np.expm1(number("", values.mean(axis=0)).value) for name, values in late.items()}
    return (
        f"in the second half of the iterations the loss grew by {by['replace']:.1%} under replace, "
        f"{by['accumulate-subsample']:.1%} under accumulate-subsample and {by['accumulate']:.1%} under accumulate, "
        f"where it stayed within {_LEVEL - 1:.0%} in {np.sum(accumulate < np.log(_LEVEL))} of {len(accumulate)} cells"
    )


def plateau(dataset: xr.Dataset, exact: xr.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of a Gaussian of variance 1 in d dimensions under accumulate n |error of the mean|^2: (n, S), exactly (n,), n."""
    last = dataset.mean_sq_error.sel(workflow="accumulate").isel(generation=-1).transpose("num_samples", "seed")
    known = exact.mean_sq_error.sel(workflow="accumulate").isel(generation=-1)
    sizes = dataset.num_samples.values
    return last.values.astype(float) * sizes[:, None], known.values * sizes, sizes


def slopes(variable: xr.DataArray, first: int) -> np.ndarray:
    """Least squares slope of a metric against log t from iteration `first` on, of each cell and seed (cells, S)."""
    t = variable.generation.values + 1.0
    later = t >= first
    x = np.log(t[later]) - np.log(t[later]).mean()
    return of_cells(variable)[:, :, later] @ x / (x @ x)
