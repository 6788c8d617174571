"""What a generation of a seed spends its time on: nanoseconds of each kernel of the compiled program, cell by cell.

The profiler adds a little to each kernel, most to those of a microsecond or less: shares matter, sums are for run.py.
"""

from __future__ import annotations

import collections
import gzip
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import measure

if __name__ == "__main__":
    measure.prepare()

import jax
import run
import tyro

import collapsejax as cj
from collapsejax import loop

_CONTROL = re.compile(r"(while|call|conditional)(\.\d+)?$")  # whose times are those of the kernels within


def kernel_times(cell: run.Cell) -> dict[str, float]:
    """Nanoseconds that each kernel takes for a generation of a seed, the most expensive first.

    A kernel is named by the operation that its result comes from, and by what the compiler calls it.
    """
    keys = cj.seed_keys(jax.random.key(0), cell.num_seeds)
    sizes = dict(num_samples=cell.num_samples, num_generations=run.NUM_GENERATIONS)
    parts = (run.TASKS[cell.task](**cell.fields), run.WORKFLOWS[cell.workflow])
    arguments, static = loop.prepared(keys, *parts, **sizes, rows=cell.rows)
    program = loop.simulate.lower(*arguments, **static).compile()
    operations = dict(re.findall(r'%?([\w.\-]+) = .*op_name="[^"]*?([\w\[\]\-]+)"', program.as_text()))
    jax.block_until_ready(program(*arguments))
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            jax.block_until_ready(program(*arguments))
        microseconds = collections.Counter()
        for event in _events(Path(folder)):
            name = event.get("args", {}).get("hlo_op", "")
            if name and not _CONTROL.match(name):
                microseconds[f"{operations.get(name, '?')} ({name})"] += event["dur"]
    generations = cell.num_seeds * run.NUM_GENERATIONS
    return {name: 1e3 * time / generations for name, time in microseconds.most_common()}


def _events(folder: Path) -> list[dict[str, Any]]:
    (path,) = folder.rglob("*.trace.json.gz")
    with gzip.open(path) as file:
        return json.load(file)["traceEvents"]


def main(only: tuple[str, ...] = (), most: int = 8, out: Path | None = None) -> None:
    """Profile collapsejax in the cells of run.py.

    Args:
        only: cells of this name or, if there is none, with this text in their names. Default: all.
        most: kernels of each cell that are shown and stored.
        out: file to add a line of JSON to for each cell. Default: that of the platform in benchmarks/results.
    """
    cells = run.chosen(only)
    path = measure.results_file(out, "kernels-")
    for cell in cells:
        show(cell, kernel_times(cell), most, path)
        jax.clear_caches()


def show(cell: run.Cell, times: dict[str, float], most: int, path: Path) -> None:
    """Print the first kernels of a cell, and add them to a file."""
    total, shown = sum(times.values()), dict(list(times.items())[:most])
    print(f"{cell.name}: {total:.3g} ns a generation of a seed, in {len(times)} kernels", flush=True)
    for name, time in shown.items():
        print(f"  {time:10.1f} ns {time / total:4.0%}  {name}", flush=True)
    record = dict(name=cell.name, seeds=cell.num_seeds, generation_ns=total, kernels_ns=shown)
    measure.append(path, record | measure.provenance())


if __name__ == "__main__":
    try:
        tyro.cli(main)
    except ValueError as error:
        sys.exit(f"kernels.py: {error}")
