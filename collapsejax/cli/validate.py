"""The command that compares simulation and theory."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import sys
from json import dumps
from typing import TYPE_CHECKING, Literal

from .compilation_cache import Compiles
from .flags import optional

if TYPE_CHECKING:
    from ..store.figures import FigurePlace
    from ..validation.validate import Report


@dataclasses.dataclass(frozen=True)
class Validate(Compiles):
    """Simulate a table of experiments, each compared with its exact curves. The exit code is 1 if they disagree.

    They disagree if any |z| is above 5, or if the root mean square of all z-scores leaves [0.8, 1.2] (a wider range for
    fewer than 60 cells).

    Args:
        num_seeds: seeds of each cell.
        seed: root of all randomness.
        only: gaussian, kde, regression, categorical or family: the cells of this task alone. Default: all.
        out: JSON file for all comparisons; beside it a figure of the z-scores and a page, of that name and .png and
            .html. Older ones are replaced.
        plant: scale one exact curve by 1 + PLANT, which has to make this fail; it is told how large an error the
            seeds are sure to find.
        table: short, a line a cell, or full, a line a curve.
        json: print all comparisons as JSON instead of the table.
    """

    num_seeds: int = 100_000
    seed: int = 0
    only: optional(str, "TASK") = None
    out: optional(str, "FILE.json") = None
    plant: float = 0.0
    table: Literal["short", "full"] = "short"
    json: bool = False

    def run(self) -> None:
        from ..pages import html_of
        from ..store.figures import figure_place
        from ..store.marks import check_ours, write_marked
        from ..store.pages import page_place
        from ..sweeps.progress import Progress
        from ..validation.page import validation_page
        from ..validation.validate import validate
        from . import output
        from .devices import chosen_devices
        from .validation_tables import print_validation

        out = None if self.out is None else check_ours(self.out)
        if out is not None and out.suffix != ".json":
            raise ValueError(f"out={self.out}: the report is a .json file; give it that ending")
        self.set_up_cache()
        with contextlib.ExitStack() as stack:
            figure = stack.enter_context(figure_place(out.with_suffix(".png"))) if out is not None else None
            page = stack.enter_context(page_place(out.with_suffix(".html"))) if out is not None else None
            progress = stack.enter_context(output.progress(quiet=self.quiet))
            say = lambda doing, done, total: progress(
                Progress(doing, done, total, done * self.num_seeds, total * self.num_seeds)
            )
            settings = dict(num_seeds=self.num_seeds, seed=self.seed, only=self.only, plant=self.plant)
            report = validate(**settings, devices=chosen_devices(), say=say)
            if out is not None:
                write_marked(out, dumps(_as_json(report), indent=1).encode())
                _draw(report, figure)
                page.save(html_of(validation_page(report, self._command())))
        if self.json:
            output.print_json(_as_json(report))
        else:
            print_validation(report, full=self.table == "full")
        if out is not None and not (self.quiet or self.json):
            print("\n".join(f"wrote {out.with_suffix(suffix)}" for suffix in (".json", ".png", ".html")))
        sys.exit(0 if report.passed else 1)

    def _command(self) -> str:
        words = ["--num-seeds", str(self.num_seeds), "--seed", str(self.seed)]
        words += [] if self.only is None else ["--only", self.only]
        words += ["--plant", str(self.plant)] if self.plant else []
        return shlex.join(["collapsejax", "validate", *words, "--out", str(self.out)])


def _as_json(report: Report) -> dict:
    from ..store.provenance import provenance

    low, high = report.rms_bounds
    verdict = dict(passed=report.passed, largest_z=report.most, rms_z=report.rms, rms_from=low, rms_to=high)
    sizes = dict(num_cells=report.num_cells, num_seeds=report.num_seeds, seed=report.seed, seconds=report.seconds)
    planted = report.planted and report.planted._asdict()
    comparisons = [c._asdict() | {"relative": c.relative, "z": c.z} for c in report.comparisons]
    return verdict | sizes | {"planted": planted, "versions": provenance(), "comparisons": comparisons}


def _draw(report: Report, place: FigurePlace) -> None:
    from .. import plots

    scores: dict[str, list[float]] = {}
    for comparison in report.comparisons:
        scores.setdefault(comparison.task, []).append(comparison.z)
    place.save(plots.z_scores(scores))
