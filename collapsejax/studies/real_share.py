"""Which share of real data keeps the loss bounded: a question that Kazdan et al. 2024, "Collapse or Thrive?", leave.

The paper (arXiv 2410.16713) shows the share of real data in what each model is fitted to. Here the loss is set against
that share: under workflows that hold it fixed, and under accumulate, where it falls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..core.base import Workflow
from ..tasks import Gaussian
from ..theory import curve
from ..theory.shares import real_share
from ..workflows import Accumulate, Augment, FreshData, Weighted
from .figures import metric_curves
from .findings import Finding, Number, late_growth, levels_off, number
from .study import COLLAPSE_OR_THRIVE, SAMPLES, Cost, Results, Study, Sweep

if TYPE_CHECKING:
    from ..plots.style import Figure

_LENGTH = 100  # generations
_TASK = Gaussian(3)
_FRESH = FreshData(10)

_SHARES = {
    "weighted, w = 0.3": Weighted(0.3),
    "augment": Augment(),
    "fresh-data, 10 beside n = 100": _FRESH,
    "accumulate (-subsample: on average)": Accumulate(),
}


class RealShareStudy(Study):
    """Gaussians under workflows with a fixed share of real data, with fresh data, and under accumulate."""

    name = "real-share"
    title = "How much real data keeps the loss bounded"
    citation = COLLAPSE_OR_THRIVE
    claim = "accumulate's share of real data falls like 1 / t, and yet its loss stays bounded"
    full_cost = Cost(num_seeds=1000, seconds=40)
    quick_cost = Cost(num_seeds=1000, seconds=20)
    form = "no study of the paper's, which shows the share of real data alone"

    @property
    def parts(self) -> Mapping[str, Sweep]:
        """A sweep for each way to have real data."""
        weights = (0.03, 0.3) if self.quick else (0.01, 0.03, 0.1, 0.3, 0.5)
        samples = SAMPLES if self.quick else (10, 18, 32, 56, 100, 178, 316, 562, 1000)
        mixed = (*map(Weighted, weights), Augment())
        return {
            "fixed-share": Sweep(_TASK, {"num_samples": (100,)}, _LENGTH, mixed),
            "fresh-data": Sweep(_TASK, {"num_samples": samples}, _LENGTH, (_FRESH,)),
            "accumulate": Sweep(_TASK, {"num_samples": (100,)}, _LENGTH, (Accumulate(),)),
        }

    def figures(self, results: Results) -> dict[str, Figure]:
        """The shares against iteration, the last loss against the share, and curves of the loss."""
        from .. import plots

        length = max(result.part.num_generations for result in results.values())
        shares = {label: real_share(workflow, 100, length) for label, workflow in _SHARES.items()}
        points: dict[str, list] = {}
        for cell in _cells(results):
            if not isinstance(cell.workflow, Accumulate):  # whose share falls
                share = real_share(cell.workflow, cell.num_samples, length)[-1]
                relative = number("", cell.relative)
                row = (share, relative.value, relative.standard_error)
                points.setdefault(cell.workflow.name, []).append(row)
        weights, sizes = np.geomspace(0.01, 0.6, 30), np.geomspace(10, 1000, 30).astype(int)
        lines = {
            "weighted": [(weight, _last_over_first(Weighted(weight), 100, length)) for weight in weights],
            "fresh-data": [(real_share(_FRESH, n, 2)[-1], _last_over_first(_FRESH, n, length)) for n in sizes],
        }
        drawn = [{name: np.array(sorted(rows)).T for name, rows in of.items()} for of in (points, lines)]
        figures = {"shares": plots.real_shares(shares), "loss-against-share": plots.loss_against_share(*drawn)}
        return figures | metric_curves(results, ["mean_sq_error"])

    def finding(self, results: Results) -> Finding:
        """The last error of the mean, in units of that of n real rows, beside theory.

        Verified if under accumulate the error grew by less than 10 % in the second half of the iterations, as
        `findings.exceeds` has it; falsified if by more. That the share falls like 1 / t is exact.
        """
        found = [(cell, cell.last_over_first()) for cell in _cells(results)]
        fixed = [f"{cell.label} {one}" for cell, one in found if not isinstance(cell.workflow, FreshData)]
        fresh = [f"{one} (n = {cell.num_samples})" for cell, one in found if isinstance(cell.workflow, FreshData)]
        worst = max(abs(one.z) for _, one in found)
        sentence = (
            f"The last error of the mean, in units of that of n real rows: {', '.join(fixed)}; with 10 fresh rows "
            f"beside n synthetic ones from {fresh[0]} to {fresh[-1]}. The largest |z| against theory is {worst:.1f}"
        )
        verdict = levels_off(late_growth([results["accumulate"].dataset], "mean_sq_error"))
        return Finding(sentence, [one for _, one in found], verdict)


class _Cell(NamedTuple):
    """One experiment: errors of the mean of its seeds in the last generation (S,), exact ones (G,)."""

    workflow: Workflow
    label: str
    num_samples: int
    last: np.ndarray
    exact: np.ndarray

    @property
    def relative(self) -> np.ndarray:
        """The last errors in units of the exact error of n real rows, (S,)."""
        return self.last / self.exact[0]

    def last_over_first(self) -> Number:
        label = f"{self.label}, n = {self.num_samples}: last error of the mean over that of n real rows"
        return number(label, self.relative, self.exact[-1] / self.exact[0])


def _cells(results: Results) -> Iterator[_Cell]:
    for part, dataset, exact in results.values():
        for workflow, label in zip(part.workflows, dataset.workflow.values, strict=True):
            for n in dataset.num_samples.values:
                chosen = dict(workflow=label, num_samples=n)
                last = dataset.mean_sq_error.sel(chosen).isel(generation=-1).values.astype(float)
                yield _Cell(workflow, str(label), int(n), last, exact.mean_sq_error.sel(chosen).values)


def _last_over_first(workflow: Workflow, num_samples: int, num_generations: int) -> float:
    error = curve(_TASK, workflow, num_samples=int(num_samples), num_generations=num_generations)["mean_sq_error"]
    return error[-1] / error[0]
