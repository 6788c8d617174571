"""Kernel density estimates: bandwidths that are fixed, swept, and given by a rule.

Kazdan et al. 2024, "Collapse or Thrive?", arXiv 2410.16713. Its blobs have other centres in the held-out rows than in
the training rows, so its curves of blobs measure the distance between centres; its rules for bandwidths ignore the
scale of the data. Both are there with `published`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .. import sources
from ..core.base import Source
from ..tasks import KDE
from .figures import metric_curves
from .findings import (
    Finding,
    Verdict,
    combined,
    count_above,
    exceeds,
    growth,
    in_order,
    num_generations,
    number,
    order,
    rises,
    slopes,
)
from .study import AS_PUBLISHED, COLLAPSE_OR_THRIVE, SAMPLES, Cost, Results, Study, Sweep

if TYPE_CHECKING:
    from ..plots.style import Figure

_SAME = 1e-3  # nats: a difference of two rules that only rounding makes


class KDEStudy(Study):
    """Three bandwidths, by the loss of held-out rows."""

    name = "kde"
    title = "Density estimates of fixed bandwidth"
    citation = COLLAPSE_OR_THRIVE
    claim = "replace diverges, accumulate-subsample lies between, and accumulate, too, degrades: slowly, like log t"
    full_cost = Cost(num_seeds=100, seconds=300)
    quick_cost = Cost(num_seeds=20, seconds=15)

    @property
    def form(self) -> str:
        return _form_of_sources(self)

    @property
    def parts(self) -> Mapping[str, Sweep]:
        """A sweep for each source."""
        widths, samples = ((0.1, 0.5), (10, 32, 100)) if self.quick else ((0.1, 0.5, 1.0), SAMPLES)
        over = {"bandwidth": widths, "num_samples": samples}
        return {name: Sweep(KDE(source, widths[0]), over, 100) for name, source in _sources(self).items()}

    def figures(self, results: Results) -> dict[str, Figure]:
        """Curves of the loss and of the estimate's variance."""
        return metric_curves(results, ["test_nll", "cov_trace_ratio"], excess="test_nll")

    def finding(self, results: Results) -> Finding:
        """How the loss grew, and under accumulate the slopes against log t of the loss and of the estimate's variance.

        Verified if the loss rose more under replace than under accumulate-subsample, more there than under accumulate,
        and there with log t, each as `findings.exceeds` has it; falsified if one of these is.
        """
        return _degradation(results)


class BandwidthStudy(Study):
    """Bandwidths over four orders of magnitude, by the loss of held-out rows."""

    name = "kde-bandwidth"
    title = "Density estimates: which bandwidth is best"
    citation = COLLAPSE_OR_THRIVE
    claim = (
        "small bandwidths are best for the first model and worst for late ones; no fixed bandwidth avoids degradation"
    )
    full_cost = Cost(num_seeds=100, seconds=2400)
    quick_cost = Cost(num_seeds=20, seconds=20)
    takes_long = True

    @property
    def form(self) -> str:
        return _form_of_sources(self)

    @property
    def parts(self) -> Mapping[str, Sweep]:
        """A sweep for each source."""
        widths = [0.01, 0.1, 1.0, 10.0] if self.quick else [10 ** (place / 2) for place in range(-4, 5)]
        over = {"bandwidth": widths, "num_samples": (32,) if self.quick else SAMPLES}
        length = 100 if self.quick else 1000
        return {name: Sweep(KDE(source, widths[0]), over, length) for name, source in _sources(self).items()}

    def figures(self, results: Results) -> dict[str, Figure]:
        """For each source and n, the loss against the bandwidth."""
        from .. import plots

        return {
            f"{part}-num_samples={n}": plots.against(result.dataset.sel(num_samples=n), "test_nll", "bandwidth")
            for part, result in results.items()
            for n in result.dataset.num_samples.values
        }

    def finding(self, results: Results) -> Finding:
        """The finding of `KDEStudy`, and how often the best bandwidth changes from the first model to the last.

        Verified if `KDEStudy` would be, and under replace the last model's best bandwidth is larger than the first's
        for each source and n; falsified if `KDEStudy` would be, or if it is larger for none.
        """
        sentence, numbers, degrades = _degradation(results)
        moved = larger = cells = 0
        for _, dataset, _ in results.values():
            best = dataset.test_nll.mean("seed").sel(workflow="replace").idxmin("bandwidth")
            first, last = best.isel(generation=0), best.isel(generation=-1)
            moved += int((last != first).sum())
            larger += int((last > first).sum())
            cells += first.size
        moves = Verdict.VERIFIED if larger == cells else Verdict.OPEN if larger else Verdict.FALSIFIED
        other = f"under replace the last model's best bandwidth is another than the first's in {moved} of {cells}"
        return Finding(f"{sentence}; {other} pairs of source and n", numbers, combined(degrades, moves))


class EstimatedBandwidthStudy(Study):
    """Bandwidths that a rule gives for each training set, by the loss of held-out rows."""

    name = "kde-estimated"
    title = "Density estimates: bandwidths by a rule"
    citation = COLLAPSE_OR_THRIVE
    claim = (
        "a bandwidth that shrinks fast enough avoids degradation; scott and silverman are the same in two dimensions"
    )
    full_cost = Cost(num_seeds=100, seconds=260_000)
    quick_cost = Cost(num_seeds=20, seconds=60)
    takes_long = True

    @property
    def form(self) -> str:
        if self.published:
            return f"as published: the rules ignore the scale; {_form_of_sources(self)}"
        scale = "corrected: the rules have the data's scale"
        return scale if self.quick else f"{scale}; {_form_of_sources(self)}"

    @property
    def parts(self) -> Mapping[str, Sweep]:
        """A sweep for each source."""
        rules = ["scott", "silverman"] if self.published else ["scott-scaled", "silverman-scaled"]
        over = {"bandwidth": rules, "num_samples": (32,) if self.quick else SAMPLES}
        length = 100 if self.quick else 1000
        return {name: Sweep(KDE(source, rules[0]), over, length) for name, source in _sources(self).items()}

    def figures(self, results: Results) -> dict[str, Figure]:
        """Curves of the loss and of the estimate's variance."""
        return metric_curves(results, ["test_nll", "cov_trace_ratio"], excess="test_nll")

    def finding(self, results: Results) -> Finding:
        """How the loss grew, and how far the two rules are apart.

        Verified if under accumulate the loss fell, as `findings.exceeds` has it, and in two dimensions no loss differs
        by 0.001 nats between the rules; falsified if the loss rose, or if one differs.
        """
        grown = growth([result.dataset for result in results.values()], "test_nll", ratio=False)
        apart = {
            name: float(np.abs(np.subtract(*result.dataset.test_nll.transpose("bandwidth", ...).values)).max())
            for name, result in results.items()
        }
        texts = [f"{name} {gap:.2g}" for name, gap in apart.items()]
        sentence = (
            f"{order(grown)}; the largest difference that scott and silverman made anywhere, in nats: "
            f"{', '.join(texts)}"
        )
        plane = [apart[name] for name, result in results.items() if result.part.task.source.dim == 2]
        same = Verdict.VERIFIED if max(plane) < _SAME else Verdict.FALSIFIED
        return Finding(sentence, rises(grown, "nats a row"), combined(exceeds(-grown["accumulate"]), same))


def _sources(study: Study) -> dict[str, Source]:
    """The sources of the density estimates, each of which is compiled on its own."""
    shapes = {
        "blobs": sources.blobs(shared_centres=not study.published),
        "moons": sources.moons(noise=0.05),
        "circles": sources.circles(noise=0.05),
        "swiss_roll": sources.swiss_roll(noise=0.05),
    }
    if not study.quick:
        return shapes
    # Blobs have the published error, and moons exact slopes to compare with.
    one = "blobs" if study.published else "moons"
    return {one: shapes[one]}


def _form_of_sources(study: Study) -> str:
    if study.published:
        return "as published: training and held-out rows of blobs have different centres"
    if study.quick:
        return f"{AS_PUBLISHED} but for blobs, which are left out"
    return "corrected: training and held-out rows of blobs have the same centres"


def _degradation(results: Results) -> Finding:
    """The finding of `KDEStudy`."""
    datasets = [result.dataset for result in results.values()]
    grown = growth(datasets, "test_nll", ratio=False)
    first = max(2, num_generations(datasets) // 10)
    rising = np.concatenate([slopes(one.test_nll.sel(workflow="accumulate"), first) for one in datasets])
    up, clearly = count_above(rising, 0.0)
    wider, numbers = [], []
    for name, (_, dataset, exact) in results.items():
        spread = slopes(dataset.cov_trace_ratio.sel(workflow="accumulate"), first)
        wider.append(spread)
        label = f"accumulate, {name}, t >= {first}: slope against log t of the variance of the estimate"
        if "cov_trace_ratio" in exact:
            # Theory's slopes are of the size of the squared bandwidth: what has the least error weighs most.
            known = exact.cov_trace_ratio.sel(workflow="accumulate").expand_dims("seed")
            known = slopes(known, first)[:, 0]
            weights = known / spread.var(axis=1)
            numbers.append(number(f"{label}, over theory's slope", weights @ spread / (weights @ known), 1.0))
        else:
            numbers.append(number(f"{label} over the true one", spread.mean(axis=0)))
    widened, _ = count_above(np.concatenate(wider), 0.0)
    numbers.sort(key=lambda one: one.exact is None)
    sentence = (
        f"{order(grown)}; under accumulate the estimate's variance rose against log t in {widened} of "
        f"{len(rising)} cells, and its loss in {up} (clearly in {clearly}), falling in the others"
    )
    numbers += rises(grown, "nats a row")
    return Finding(sentence, numbers, combined(in_order(grown), exceeds(rising)))
