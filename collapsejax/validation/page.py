"""The page of a validation: all z-scores in a figure, and each curve where it is furthest from the exact one."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from ..pages.parts import Cell, KeyNumber, Page, Picture, Section, Table, with_error
from ..store.provenance import provenance
from .validate import MOST_Z, Comparison, Report


def validation_page(report: Report, command: str) -> Page:
    """The page of a report; `command` repeats the validation."""
    from .. import plots

    passed = "agree with" if report.passed else "do not agree with"
    low, high = report.rms_bounds
    summary = [
        f"Simulated means {passed} the exact ones, in {report.num_cells} cells of {report.num_seeds} seeds.",
        "They agree if every z = (mean - exact) / standard error is at most "
        f"{MOST_Z:g} to either side, and the root mean square of all of them is from {low:.2f} to {high:.2f}.",
    ]
    if report.planted:
        summary.append(f"An error was planted: {report.about_planted}.")
    scores = {task: [one.z for one in found] for task, found in _by_task(report.comparisons)}
    about = f"Histogram of {len(report.comparisons)} z-scores with the density of N(0, 1), a colour for each task."
    tables = [_table(task, found) for task, found in _by_task(report.comparisons)]
    return Page(
        title="Simulation against theory",
        summary=summary,
        key_numbers=[
            KeyNumber(f"{report.most:.2f}", "largest |z|"),
            KeyNumber(f"{report.rms:.3f}", "root mean square of z"),
            KeyNumber(str(len(report.comparisons)), "comparisons"),
        ],
        sections=[
            Section("z-scores", [Picture.of(plots.z_scores(scores), "z-scores", about, about)]),
            Section("Each curve where it is furthest off", tables),
        ],
        command=command,
        versions=provenance(),
    )


def _by_task(comparisons: Iterable[Comparison]) -> list[tuple[str, list[Comparison]]]:
    found: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        found.setdefault(comparison.task, []).append(comparison)
    return list(found.items())


def _table(task: str, comparisons: Iterable[Comparison]) -> Table:
    curves = itertools.groupby(comparisons, key=lambda comparison: comparison[:4])
    rows = [_row(max(of_curve, key=lambda comparison: abs(comparison.z))) for _, of_curve in curves]
    return Table(["cell", "n", "metric", "iteration", "mean ± s.e.", "exact", "z"], rows, task)


def _row(one: Comparison) -> list[Cell]:
    mean = with_error(one.mean, one.standard_error)
    return [one.cell, one.num_samples, one.metric, one.iteration, mean, one.exact, f"{one.z:+.2f}"]
