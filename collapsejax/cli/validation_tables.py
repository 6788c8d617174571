"""Tables of z-scores on stdout, and the verdict."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import rich.console
import rich.table
from rich.box import SIMPLE

from .output import console, duration

if TYPE_CHECKING:
    from ..validation.validate import Comparison, Report


def print_validation(report: Report, *, full: bool) -> None:
    """A table of comparisons, a row for each cell or curve, at its largest |z|; and the verdict."""
    shown = console()
    shown.print((_curve_table if full else _cell_table)(report))
    if report.planted:
        shown.print(f"planted: {report.about_planted}")
    from ..validation.validate import MOST_Z

    low, high = report.rms_bounds
    shown.print(
        f"{report.num_cells} cells of {report.num_seeds} seeds, {len(report.comparisons)} comparisons in "
        f"{duration(report.seconds)}: largest |z| {report.most:.2f} (at most {MOST_Z:g}), "
        f"r.m.s. {report.rms:.3f} (from {low:.2f} to {high:.2f}): {'passed' if report.passed else 'FAILED'}",
    )


def _cell_table(report: Report) -> rich.table.Table:
    table = rich.table.Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for heading in ("cell", "n", "curves", "largest |z|", "of", "iteration"):
        table.add_column(heading, justify="left" if heading in ("cell", "of") else "right", overflow="fold")
    for (_, cell, num_samples), comparisons in _grouped(report, 3):
        curves, worst = len({comparison.metric for comparison in comparisons}), _worst(comparisons)
        numbers = (str(num_samples), str(curves), f"{abs(worst.z):.2f}", worst.metric, str(worst.iteration))
        table.add_row(cell, *numbers, style=_style(worst))
    return table


def _curve_table(report: Report) -> rich.table.Table:
    table = rich.table.Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for heading in ("cell", "n", "metric", "iteration", "mean", "s.e.", "exact", "relative", "z"):
        table.add_column(heading, justify="left" if heading in ("cell", "metric") else "right", overflow="fold")
    for (_, cell, num_samples, metric), comparisons in _grouped(report, 4):
        worst = _worst(comparisons)
        numbers = (f"{worst.mean:.6g}", f"{worst.standard_error:.1e}", f"{worst.exact:.6g}", f"{worst.relative:+.1e}")
        row = (cell, str(num_samples), metric, str(worst.iteration), *numbers, f"{worst.z:+.2f}")
        table.add_row(*row, style=_style(worst))
    return table


def _grouped(report: Report, number: int) -> Iterator[tuple[tuple, list[Comparison]]]:
    """Comparisons that have the first fields in common, so many."""
    groups = itertools.groupby(report.comparisons, key=lambda comparison: comparison[:number])
    return ((key, [*comparisons]) for key, comparisons in groups)


def _worst(comparisons: Sequence[Comparison]) -> Comparison:
    return max(comparisons, key=lambda comparison: abs(comparison.z))


def _style(worst: Comparison) -> str | None:
    from ..validation.validate import MOST_Z

    return "bold red" if abs(worst.z) > MOST_Z else None
