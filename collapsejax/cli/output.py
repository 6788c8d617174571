"""What the command line shows: progress on stderr, tables and times on stdout."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rich.console
import rich.table
import xarray as xr
from rich.box import SIMPLE
from rich.filesize import decimal

from ..sweeps.progress import Report as ProgressReport
from ..sweeps.progress import bar

if TYPE_CHECKING:
    from ..sweeps.plan import Plan
    from ..sweeps.run import Timing

_WIDE = 120  # where stdout is no terminal


@contextlib.contextmanager
def progress(*, quiet: bool) -> Iterator[ProgressReport]:
    """Report how far a sweep has come to stderr: a bar in a terminal, else lines; nothing if `quiet`."""
    with contextlib.nullcontext(lambda progress: None) if quiet else bar() as report:
        yield report


def console() -> rich.console.Console:
    """The console of stdout, as wide as the terminal; elsewhere as COLUMNS says, or 120 characters."""
    console = rich.console.Console(highlight=False, markup=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDE
    return console


def width() -> int:
    """Characters in a line of stdout."""
    return console().width


def print_json(value: Any) -> None:
    """Print a value as JSON; numbers that are not finite are null."""
    print(json.dumps(_finite(value), indent=1))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_written(*paths: str | None) -> None:
    """A line for each of these files that was asked for."""
    for path in paths:
        if path is not None:
            print(f"wrote {path}")


def duration(seconds: float) -> str:
    """Seconds in words, as "2 h 05 min"."""
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def print_rehearsal(plan: Plan, timings: Sequence[Timing]) -> None:
    """What a sweep would take, program by program and in all."""
    manifest = plan.manifest
    table = rich.table.Table(box=SIMPLE)
    for heading in ("program", "compile", "1000 seeds", "all seeds"):
        table.add_column(heading, justify="left" if heading == "program" else "right")
    for timing in timings:
        seconds = timing.seconds_a_seed * timing.num_cells * manifest.num_seeds
        cells = (timing.compile_seconds, 1000 * timing.seconds_a_seed, seconds)
        table.add_row(timing.label, *map(duration, cells))
    console().print(table)
    compiling = sum(timing.compile_seconds for timing in timings)
    running = sum(timing.seconds_a_seed * timing.num_cells for timing in timings) * manifest.num_seeds
    states = [plan.state_bytes(numbers) for numbers in plan.groups]
    folder = plan.out.parent if plan.out else Path()
    print(f"cells: {len(plan.grid.cells)}, each of {manifest.num_seeds} seeds")
    print(f"compilations: {len(timings)}")
    print(f"bytes per seed: {_range(states)} of state, {plan.result_bytes} of results")
    print(f"chunk: {manifest.chunk} seeds, {len(manifest.chunks)} to a cell")
    print(f"disk: at most {decimal(plan.kept_bytes)}, of {decimal(shutil.disk_usage(folder).free)} that are free")
    print(f"time: about {duration(compiling + running)}, of it {duration(compiling)} compiling")


def _range(numbers: Sequence[int]) -> str:
    return f"{min(numbers)}" if min(numbers) == max(numbers) else f"{min(numbers)} to {max(numbers)}"


def print_times(dataset: xr.Dataset) -> None:
    """A line of the seconds to compile, and of those to run by workflow."""
    number = int(dataset.num_compilations)
    compiling = f"{number} program{'s' * (number != 1)} compiled or loaded in {sum(dataset.compile_seconds):.1f} s"
    times = zip(dataset.workflow.values, dataset.run_seconds, strict=True)
    running = ", ".join(f"{workflow} {seconds:.2f} s" for workflow, seconds in times)
    print(f"{compiling}; ran: {running} ({dataset.num_seeds} seeds)")
