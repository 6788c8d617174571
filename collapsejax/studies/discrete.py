"""Discrete distributions until one outcome is left: Kazdan et al. 2024, "Collapse or Thrive?", arXiv 2410.16713."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..tasks import Categorical
from ..theory.outcomes import fixation_time_asymptote
from .figures import metric_curves
from .findings import CLEAR, Finding, Number, Verdict, number
from .study import AS_PUBLISHED, COLLAPSE_OR_THRIVE, FEW_SAMPLES, CollapseTime, Cost, Results, Study, Sweep

if TYPE_CHECKING:
    from ..plots.style import Figure

_NEAR = 0.2  # of a time from its leading order, relative to that


class DiscreteStudy(Study):
    """Numbers of outcomes times numbers of samples, by the time until one outcome is left."""

    name = "discrete"
    title = "Discrete distributions"
    citation = COLLAPSE_OR_THRIVE
    claim = "under replace outcomes are lost until one is left, after a time in proportion to n"
    full_cost = Cost(num_seeds=100, seconds=2000)
    quick_cost = Cost(num_seeds=100, seconds=20)
    form = f"{AS_PUBLISHED}, but for a loop without end under accumulate, which is left out"

    @property
    def parts(self) -> Mapping[str, CollapseTime | Sweep]:
        """Times for each number of outcomes, and on the full grid a sweep for each, of the losses on the way."""
        powers = [10**power for power in range(1, 6)]
        if self.quick:
            return {f"num_outcomes={number}": CollapseTime(number, FEW_SAMPLES) for number in (2, 10)}
        times = {f"num_outcomes={number}": CollapseTime(number, powers) for number in powers}
        sweep = lambda number: Sweep(Categorical(number), {"num_samples": powers}, 100, ("replace",))
        return times | {f"losses-num_outcomes={number}": sweep(number) for number in powers}

    def figures(self, results: Results) -> dict[str, Figure]:
        """The times against n, and curves of entropy and lost outcomes."""
        from .. import plots

        times = {}
        for part, dataset, _ in _times(results):
            leading = [_leading(part.num_outcomes, n) for n in dataset.num_samples.values]
            times[part.num_outcomes] = dataset.assign(leading=("num_samples", leading))
        losses = {name: result for name, result in results.items() if isinstance(result.part, Sweep)}
        return {"collapse-times": plots.collapse_times(times)} | metric_curves(losses, ["entropy", "num_extinct"])

    def finding(self, results: Results) -> Finding:
        """The time over its leading order 2n(K-1)ln(K/(K-1)), `theory.outcomes.fixation_time_asymptote`.

        Verified if the mean of all cells is within 20 % of 1 by more than 3 standard errors, no cell is outside by as
        much, and no seed met the limit. Falsified if the mean of all cells is outside by as much. Else open.
        """
        numbers, ratios = [], []
        for part, dataset, _ in _times(results):
            for n in dataset.num_samples.values:
                own, leading = dataset.sel(num_samples=n), _leading(part.num_outcomes, n)
                known = float(own.exact) / leading
                ratios.append(own.collapse_time.values / leading)
                label = f"K = {part.num_outcomes}, n = {n}: time until one is left / (2n(K-1)ln(K/(K-1)))"
                numbers.append(number(label, ratios[-1], known if np.isfinite(known) else None))
        overall = number("all K and n: time until one is left / (2n(K-1)ln(K/(K-1)))", np.mean(ratios, axis=0))
        near = sum(abs(one.value - 1) < _NEAR for one in numbers)
        censored = sum(int(dataset.censored.sum()) for _, dataset, _ in _times(results))
        sentence = (
            f"The time until one outcome is left is {overall} times 2n(K-1)ln(K/(K-1)), and within {100 * _NEAR:.0f} % "
            f"of that in {near} of {len(numbers)} cells; {censored} seeds met the limit"
        )
        return Finding(sentence, [overall, *numbers], _verdict(overall, numbers, censored))


def _times(results: Results) -> list:
    return [result for result in results.values() if isinstance(result.part, CollapseTime)]


def _leading(num_outcomes: int, num_samples: int) -> float:
    return fixation_time_asymptote(np.full(num_outcomes, 1 / num_outcomes), int(num_samples))


def _verdict(overall: Number, cells: list[Number], censored: int) -> Verdict:
    outside = lambda one: abs(one.value - 1) - _NEAR > CLEAR * one.standard_error
    if outside(overall):
        return Verdict.FALSIFIED
    inside = _NEAR - abs(overall.value - 1) > CLEAR * overall.standard_error
    return Verdict.VERIFIED if inside and not censored and not any(map(outside, cells)) else Verdict.OPEN
