"""Time collapsejax against the published loops of reference.py: seconds a seed, cell by cell, in one process.

Beside each time stands the least that bounds.py finds it could be on this device.
On a CPU both run on one core. On a GPU or TPU the loops run on the host, and `--seeds` fills the device.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import measure

if __name__ == "__main__":
    measure.prepare()

import bounds
import jax
import numpy as np
import reference
import rich.console
import rich.table
import tyro
from rich.box import SIMPLE

import collapsejax as cj
from collapsejax.core.checks import uses_rows

NUM_GENERATIONS = 100
SHORT = 0.2  # seconds below which a timing is one of several calls, for further seeds
LONG = 60.0  # seconds of a reference from which on the user is told how long the cell takes
QUIET = 0.95  # share of the wall time for which a process has the core, if nothing else wants it


class Cell(NamedTuple):
    """One measurement: a task, its fields, and a workflow; `num_seeds` are about what a core's caches have room for.

    `target` is the least ratio that is aimed at, seconds a seed of the reference over those of collapsejax.
    """

    name: str
    task: str
    fields: dict[str, Any]
    num_samples: int
    rows: bool
    workflow: str
    num_seeds: int
    target: float


# Name, task, its fields, n, whether literal rows are asked for, and for each workflow: seeds of a call, target.
_TABLE = [
    ("gaussian-d1-n100", "gaussian", {"dim": 1}, 100, False,
     {"replace": (8192, 5000), "accumulate": (8192, 5000), "accumulate-subsample": (256, 100)}),
    ("gaussian-d10-n1000", "gaussian", {"dim": 10}, 1000, False,
     {"replace": (1024, 400), "accumulate": (256, 4000), "accumulate-subsample": (8, 20)}),
    ("gaussian-d100-n1000", "gaussian", {"dim": 100}, 1000, False,
     {"replace": (32, 60), "accumulate": (32, 300), "accumulate-subsample": (4, 15)}),
    ("gaussian-rows-d1-n100", "gaussian", {"dim": 1}, 100, True,
     {"replace": (1024, 150), "accumulate": (32, 100)}),
    ("kde-moons-h0.5-n100", "kde", {"source": "moons", "bandwidth": 0.5}, 100, False,
     {"replace": (128, 100), "accumulate": (32, 1000), "accumulate-subsample": (64, 60)}),
    ("kde-moons-h0.5-n1000", "kde", {"source": "moons", "bandwidth": 0.5}, 1000, False,
     {"replace": (16, 40), "accumulate": (8, 1500), "accumulate-subsample": (8, 30)}),
    ("regression-d10-n1000", "regression", {"dim": 10}, 1000, False,
     {"replace": (1024, 500), "accumulate": (256, 5000), "accumulate-subsample": (2, 20)}),
]  # fmt: skip
CELLS = [
    Cell(f"{name}-{workflow}", task, fields, num_samples, rows, workflow, num_seeds, target)
    for name, task, fields, num_samples, rows, workflows in _TABLE
    for workflow, (num_seeds, target) in workflows.items()
]
REFERENCES = {"gaussian": reference.gaussian, "kde": reference.kde, "regression": reference.regression}
TASKS = {
    "gaussian": cj.Gaussian,
    "kde": lambda source, **fields: cj.KDE(getattr(cj.sources, source)(), **fields),
    "regression": cj.LinearRegression,
}
WORKFLOWS = {workflow.name: workflow for workflow in (cj.Replace(), cj.Accumulate(), cj.AccumulateSubsample())}


def chosen(only: tuple[str, ...]) -> list[Cell]:
    """The cells that have one of these names, or one of these texts in their names; without any, all.

    Raises ValueError for a text that is in no name.
    """
    names = [cell.name for cell in CELLS]
    taken = set()
    for text in only or ("",):
        matching = {text} & set(names) or {name for name in names if text in name}
        if not matching:
            raise ValueError(f"--only {text}: no cell's name has it; there are {', '.join(names)}")
        taken |= matching
    return [cell for cell in CELLS if cell.name in taken]


def timed(cell: Cell, num_seeds: int, repeats: int, costs: dict[str, float]) -> dict[str, Any]:
    """The record of one cell: reference and collapsejax timed in turn, each call with other random numbers.

    `costs` are what `bounds.unit_costs` measured; `share` is that of the bound in the seconds a seed takes, and
    `cpu_share` is the CPU time of all these calls over their wall time: on one core, how far they had it to themselves.
    """
    size = dict(num_samples=cell.num_samples, num_generations=NUM_GENERATIONS)
    task, workflow = TASKS[cell.task](**cell.fields), WORKFLOWS[cell.workflow]

    def theirs(number: int) -> float:
        rng = np.random.default_rng(number)
        return _mean(lambda: measure.seconds(lambda: REFERENCES[cell.task](rng, cell.workflow, **cell.fields, **size)))

    def call(key: jax.Array) -> float:
        keys = jax.block_until_ready(cj.seed_keys(key, num_seeds))
        return measure.seconds(lambda: cj.run_seeds(keys, task, workflow, **size, rows=cell.rows))

    def ours(number: int) -> float:
        turns = itertools.count()
        return _mean(lambda: call(jax.random.fold_in(jax.random.key(number), next(turns))))

    first = call(jax.random.key(0))
    reference_times, our_times, cpu_share = [], [], measure.cpu_share()
    for number in range(1, repeats + 1):
        reference_times.append(theirs(number))
        if number == 1 and reference_times[0] > LONG:
            left = (repeats - 1) * reference_times[0] / 60
            print(f"{cell.name}: a reference of {reference_times[0]:.0f} s, {left:.0f} min to go", flush=True)
        our_times.append(ours(number))
    their_seconds = measure.spread("reference_s", reference_times)
    our_seconds = measure.spread("seconds_a_seed", our_times, num_seeds)
    dim = cell.fields.get("dim") or task.source.dim
    sizes = bounds.Sizes(dim, cell.num_samples, getattr(task, "num_test", 0), NUM_GENERATIONS)
    needs = bounds.counts(cell.task, cell.workflow, uses_rows(task, workflow, cell.rows), sizes)
    bound, binding = bounds.bound(needs, NUM_GENERATIONS, costs)
    return {
        **dict(name=cell.name, task=cell.task, workflow=cell.workflow),
        **dict(sizes={**cell.fields, **size}, rows=cell.rows, seeds=num_seeds, repeats=repeats),
        **their_seconds,
        **our_seconds,
        "compile_s": first - num_seeds * our_seconds["seconds_a_seed"],
        "ratio": their_seconds["reference_s"] / our_seconds["seconds_a_seed"],
        "target": cell.target,
        **dict(bound_s=bound, binding=binding, share=bound / our_seconds["seconds_a_seed"], unit_costs=costs),
        "cpu_share": cpu_share(),
        "peak_bytes": measure.peak_bytes(),
        **measure.provenance(),
    }


def _mean(seconds: Callable[[], float]) -> float:
    """Mean of as many calls as it takes to fill `SHORT`."""
    times: list[float] = []
    while sum(times) < SHORT:
        times.append(seconds())
    return sum(times) / len(times)


def print_table(records: list[dict[str, Any]]) -> None:
    """One row for each record, and below them what a missed target would take, beside what the bound allows."""
    table = rich.table.Table(box=SIMPLE)
    table.add_column("cell", no_wrap=True)
    headings = ("reference\n(ms a seed)", "collapsejax\n(ms a seed)", "compile\n(s)", "ratio", "target")
    for heading in (*headings, "bound\n(ms)", "share", "binds", "verdict"):
        table.add_column(heading, justify="right", no_wrap=True)
    for record in records:
        milliseconds = (f"{1e3 * record[name]:.4g}" for name in ("reference_s", "seconds_a_seed"))
        ratios = (f"{record['ratio']:.0f}", f"{record['target']:.0f}")
        bound = (f"{1e3 * record['bound_s']:.2g}", f"{record['share']:.0%}", record["binding"])
        compiled = f"{record['compile_s']:.2f}"
        table.add_row(record["name"], *milliseconds, compiled, *ratios, *bound, bounds.verdict(record))
    console = rich.console.Console()
    if not console.is_terminal:
        console.width = 160
    console.print(table)
    for record in records:
        if bounds.verdict(record) != "met":
            print(explained(record))


def explained(record: dict[str, Any]) -> str:
    """Why a target is not met, or that no bound is in its way."""
    wanted, bound = 1e3 * record["reference_s"] / record["target"], 1e3 * record["bound_s"]
    why = {"bound": "explained", "short": "short of the bound"}[bounds.verdict(record)]
    return f"{record['name']}: {why}: {record['target']}x would be {wanted:.3g} ms a seed, the bound is {bound:.3g} ms"


def main(
    only: tuple[str, ...] = (),
    seeds: int | None = None,
    repeats: int = 5,
    out: Path | None = None,
) -> None:
    """Time collapsejax against the published loops.

    Args:
        only: cells of this name or, if there is none, with this text in their names. Default: all.
        seeds: seeds of each call of collapsejax. Default: as many as run best on one core of a CPU.
        repeats: timed calls of both; medians are compared.
        out: file to add a line of JSON to for each cell. Default: that of the platform in benchmarks/results.
    """
    cells = chosen(only)
    for name, value in (("seeds", seeds), ("repeats", repeats)):
        if value is not None and value < 1:
            raise ValueError(f"--{name} {value}: must be at least 1")
    path = measure.results_file(out)
    costs = bounds.unit_costs()
    print("ns each:", ", ".join(f"{unit} {cost:.3g}" for unit, cost in costs.items()), flush=True)
    records = []
    for cell in cells:
        record = timed(cell, seeds or cell.num_seeds, repeats, costs)
        measure.append(path, record)
        print(f"{cell.name}: {record['ratio']:.0f} times as fast", flush=True)
        if record["device"]["platform"] == "cpu" and record["cpu_share"] < QUIET:
            print(f"  but the core was shared: {record['cpu_share']:.0%} of it were ours; time again", flush=True)
        records.append(record)
        jax.clear_caches()
    print_table(records)


if __name__ == "__main__":
    try:
        tyro.cli(main)
    except ValueError as error:
        sys.exit(f"run.py: {error}")
