"""The value of synthetic data beside real data: Kazdan et al. 2024, "Collapse or Thrive?", arXiv 2410.16713.

Bandwidths and training steps are tuned in every cell, real rows alone included, since what is best for few rows is not
what is best for many: untuned, synthetic rows may help only as a cure for a wrong setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import xarray as xr

from .. import sources
from ..experiments.synthetic_value import value_table
from ..tasks import KDE, Gaussian, Transformer
from .findings import CLEAR, Finding, Number, Verdict, combined
from .study import COLLAPSE_OR_THRIVE, SAMPLES, Cost, Results, Study, ValueGrid
from .transformer import text

if TYPE_CHECKING:
    from ..plots.style import Figure


class ValueStudy(Study):
    """Numbers of real rows times numbers of synthetic ones, by the loss of three tasks, with two generators each."""

    name = "value"
    title = "The value of synthetic data"
    citation = COLLAPSE_OR_THRIVE
    claim = "with little real data a moderate amount of synthetic data lowers the loss; with much, any raises it"
    full_cost = Cost(num_seeds=100, seconds=40_000)
    quick_cost = Cost(num_seeds=10, seconds=240)
    takes_long = True
    form = "corrected: bandwidths and training steps are tuned in every cell, real data alone included"

    @property
    def parts(self) -> Mapping[str, ValueGrid]:
        """A grid for each task and generator."""
        quick = self.quick
        few = (10, 100, 1000)
        rows = dict(
            num_real=few if quick else SAMPLES,
            num_synthetic=few if quick else (10, 32, 100, 316, 1000, 3162),
            teacher_rows=1000,
        )
        sequences = dict(
            num_real=(32, 256) if quick else (32, 64, 256, 1024),
            num_synthetic=(64, 256) if quick else (64, 256, 1024, 4096),
            teacher_rows=512 if quick else 4096,
        )
        widths = (0.05, 0.1, 0.2, 0.4) if quick else (0.025, 0.05, 0.1, 0.2, 0.4, 0.8)
        steps = (50, 100, 200) if quick else (25, 50, 100, 200, 400, 800)
        settings = {
            "gaussian": dict(rows, task=Gaussian(3)),
            "kde": dict(rows, task=KDE(sources.moons(noise=0.05), 0.1), tune={"bandwidth": widths}),
            "transformer": dict(sequences, task=Transformer(text()), tune={"num_steps": steps}),
        }
        return {
            f"{name}-{generator}": ValueGrid(generator=generator, **setting)
            for name, setting in settings.items()
            for generator in ("self", "teacher")
        }

    def figures(self, results: Results) -> dict[str, Figure]:
        """For each task and generator, a map of what synthetic rows add to the loss, and lines of the loss."""
        from .. import plots

        figures = {}
        for name, (_, dataset, _) in results.items():
            table = value_table(dataset)
            metric = table.attrs["metric"]
            figures[f"{name}-map"] = plots.value_map(table, dataset[metric].attrs["long_name"])
            figures[f"{name}-lines"] = plots.value_lines(dataset, metric)
        return figures

    def finding(self, results: Results) -> Finding:
        """The best number of synthetic rows for each number of real ones, and what becomes of few and of many.

        An experiment agrees with the paper if three things hold, each by 3 standard errors: with the fewest real rows
        some number of synthetic rows lowers the loss; the largest number lowers it less than the best; and with the
        most real rows any number raises it. It contradicts the paper if with the fewest real rows any number raises the
        loss, or if with the most real rows some number lowers it, by as much. Verified if all experiments agree,
        falsified if one contradicts, else open.
        """
        numbers, texts, comparisons = [], [], []
        for name, (_, dataset, _) in results.items():
            table = value_table(dataset)
            numbers += _best_amounts(name, table)
            comparison = _compared(table)
            comparisons.append(comparison)
            agrees = "agrees" if comparison.agrees else "DISAGREES with the paper"
            texts.append(f"{name}: {_in_words(table, comparison)} ({agrees})")
        count = lambda field: sum(getattr(one, field) for one in comparisons)
        heading = (
            f"Of {len(results)} experiments {count('agrees')} agree with the paper in full: where real rows are scarce "
            f"synthetic ones help in {count('helps')}, a moderate amount being best in {count('turns')}; where they "
            f"are ample any amount hurts in {count('hurts')}"
        )
        numbers.sort(key=lambda one: one.value / one.standard_error if one.standard_error else 0.0)
        verdict = combined(*(comparison.verdict for comparison in comparisons))
        return Finding(f"{heading}. {'; '.join(texts)}", numbers, verdict)


class _Comparison(NamedTuple):
    """An experiment beside the paper.

    Where real rows are scarce, whether synthetic ones help, whether too many less so, and whether any number of them
    hurts; where real rows are ample, whether any number hurts, and whether some number helps. All by 3 standard errors.
    """

    helps: bool
    turns: bool
    hurts_scarce: bool
    hurts: bool
    helps_ample: bool

    @property
    def agrees(self) -> bool:
        return self.helps and self.turns and self.hurts

    @property
    def verdict(self) -> Verdict:
        if self.hurts_scarce or self.helps_ample:
            return Verdict.FALSIFIED
        return Verdict.VERIFIED if self.agrees else Verdict.OPEN


def _compared(table: xr.Dataset) -> _Comparison:
    scarce, ample = table.isel(num_real=0), table.isel(num_real=-1)
    best, most = scarce.best_num_synthetic, scarce.isel(num_synthetic=-1)
    helps = _helps(scarce)
    # The two differences have real rows alone in common, so this standard error is too large rather than too small.
    apart = np.hypot(most.difference_standard_error, scarce.best_difference_standard_error)
    turns = helps and bool((best < most.num_synthetic) & (most.difference - scarce.best_difference > CLEAR * apart))
    return _Comparison(helps, turns, _any_hurts(scarce), _any_hurts(ample), _helps(ample))


def _helps(row: xr.Dataset) -> bool:
    """Whether with this number of real rows some number of synthetic ones lowers the loss."""
    return bool(row.best_difference < -CLEAR * row.best_difference_standard_error)


def _any_hurts(row: xr.Dataset) -> bool:
    """Whether with this number of real rows every number of synthetic ones raises the loss."""
    row = row.sel(num_synthetic=row.num_synthetic > 0)
    return bool((row.difference > CLEAR * row.difference_standard_error).all())


def _best_amounts(name: str, table: xr.Dataset) -> list[Number]:
    """For each number of real rows what the best number of synthetic ones adds to the loss."""
    numbers = []
    for real in table.num_real.values:
        row = table.sel(num_real=real)
        best, gain = int(row.best_num_synthetic), float(row.best_difference)
        clear = "" if _helps(row) or not best else " (not clearly)"
        label = f"{name}, {real} real rows: best with {best} synthetic{clear}, loss changed by"
        numbers.append(Number(label, gain, float(row.best_difference_standard_error)))
    return numbers


def _in_words(table: xr.Dataset, comparison: _Comparison) -> str:
    real = table.num_real.values
    helps, turns = comparison.helps, comparison.turns
    few = "a moderate amount helps and more hurts" if turns else "the more the better" if helps else "none helps"
    some = "it still helps" if comparison.helps_ample else "none helps, and some do not hurt"
    many = "any hurts" if comparison.hurts else some
    return f"with {real[0]} real rows {few}, with {real[-1]} {many}"
