"""How seconds and bytes grow with seeds, generations, samples and dimensions, one at a time, for Gaussians.

Sizes are such that one core of a CPU is busy; a larger device shows how they grow only where they fill it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import measure

if __name__ == "__main__":
    measure.prepare()

import jax
import numpy as np
import rich.console
import rich.table
import tyro
from rich.box import SIMPLE

import collapsejax as cj
from collapsejax.loop.memory import state_bytes


class Axis(NamedTuple):
    """A size that takes `values` while the others stay as in `base`; each point is timed `repeats` times."""

    name: str
    values: tuple[int, ...]
    base: dict[str, int]
    repeats: int = 5


class Data(NamedTuple):
    """What a workflow works on: the exact law, or literal rows, of which only the bytes are asked."""

    workflow: Any
    rows: bool = False


class Point(NamedTuple):
    """One measurement: the sizes num_seeds (S), num_generations (G), num_samples (n) and dim (d), and the data."""

    data: Data
    sizes: dict[str, int]

    def arguments(self) -> tuple[tuple, dict[str, Any]]:
        """What `run`, `run_seeds` and `state_bytes` take beside the keys, by position and by name."""
        sizes = dict(num_samples=self.sizes["num_samples"], num_generations=self.sizes["num_generations"])
        return (cj.Gaussian(self.sizes["dim"]), self.data.workflow), dict(**sizes, rows=self.data.rows)

    def keys(self, number: int) -> jax.Array:
        return jax.block_until_ready(cj.seed_keys(jax.random.key(number), self.sizes["num_seeds"]))

    def seconds(self, number: int) -> float:
        """Of a call of `run_seeds`, each number having other keys."""
        (keys, parts, options) = (self.keys(number), *self.arguments())
        return measure.seconds(lambda: cj.run_seeds(keys, *parts, **options))

    def program_bytes(self) -> int:
        """Bytes that the program of `run`, mapped over the keys, needs: arguments, results, what lies between."""
        parts, options = self.arguments()
        program = jax.jit(jax.vmap(lambda key: cj.run(key, *parts, **options).metrics))
        memory = program.lower(self.keys(0)).compile().memory_analysis()
        return memory.argument_size_in_bytes + memory.output_size_in_bytes + memory.temp_size_in_bytes

    def state_bytes(self) -> int:
        """Bytes that one seed carries from generation to generation."""
        parts, options = self.arguments()
        return state_bytes(*parts, **options)


AXES = (
    Axis("num_seeds", (1000, 2000, 4000, 8000, 16_000), dict(num_generations=100, num_samples=100, dim=3)),
    Axis("num_generations", (25, 50, 100, 200, 400), dict(num_seeds=4000, num_samples=100, dim=3)),
    Axis(
        "num_samples",
        (100, 1000, 10_000, 100_000, 1_000_000),
        dict(num_seeds=8000, num_generations=100, dim=3),
        repeats=11,
    ),
    Axis("dim", (1, 2, 4, 8, 16, 32, 64), dict(num_seeds=100, num_generations=100, num_samples=1000)),
)
MOST_ROWS = 2**34  # bytes of rows beyond which a program is not even compiled
DATA = (Data(cj.Replace()), Data(cj.Accumulate()), Data(cj.Accumulate(), rows=True))


def measured(axis: Axis) -> list[dict[str, Any]]:
    """The records of an axis, by data and value. Points take turns, so that a slower minute is one for all of them."""
    points = [Point(data, {**axis.base, axis.name: value}) for data in DATA for value in axis.values]
    points = [point for point in points if not point.data.rows or all_rows(point.sizes) <= MOST_ROWS]
    times = {place: [] for place, point in enumerate(points) if not point.data.rows}
    for number in range(axis.repeats + 1):
        for place, seconds in times.items():
            seconds.append(points[place].seconds(number))
    records = []
    for place, point in enumerate(points):
        # The first call of all compiles.
        seconds = measure.spread("seconds", times[place][1:]) if place in times else {}
        records.append(
            {
                **dict(axis=axis.name, task="gaussian", workflow=point.data.workflow.name, rows=point.data.rows),
                **dict(sizes=point.sizes, repeats=axis.repeats if seconds else 0),
                **(seconds or dict.fromkeys(("seconds", "seconds_min", "seconds_max"))),
                **dict(program_bytes=point.program_bytes(), state_bytes=point.state_bytes()),
                **measure.provenance(),
            }
        )
    return records


def slope(sizes: list[int], values: list[float]) -> float:
    """The power of the size that the values grow with: least squares of logarithms."""
    return np.polyfit(np.log(sizes), np.log(values), 1)[0]


def rows_of_seed(sizes: dict[str, int]) -> int:
    """Bytes of all float32 rows of a seed, real and synthetic: n (G + 1) d 4."""
    return 4 * sizes["num_samples"] * (sizes["num_generations"] + 1) * sizes["dim"]


def all_rows(sizes: dict[str, int]) -> int:
    """The same of all seeds."""
    return sizes["num_seeds"] * rows_of_seed(sizes)


def print_axis(axis: Axis, records: list[dict[str, Any]]) -> None:
    """A table of an axis: for each kind of data a row for each value, the slope of all, and that of the last two."""
    table = rich.table.Table(box=SIMPLE, title=f"{axis.name} ({', '.join(f'{k}={v}' for k, v in axis.base.items())})")
    for heading in ("workflow", axis.name, "seconds", "bytes", "state, bytes a seed", "state / rows"):
        table.add_column(heading, justify="left" if heading == "workflow" else "right", no_wrap=True)
    for data in DATA:
        label = data.workflow.name + (", rows" if data.rows else "")
        mine = [record for record in records if (record["workflow"], record["rows"]) == (data.workflow.name, data.rows)]
        for record in mine:
            seconds = "-" if record["seconds"] is None else f"{record['seconds']:.4f}"
            sizes = (f"{record['program_bytes']:,}", f"{record['state_bytes']:,}")
            constant = f"{record['state_bytes'] / rows_of_seed(record['sizes']):.4f}" if data.rows else "-"
            table.add_row(label, f"{record['sizes'][axis.name]:,}", seconds, *sizes, constant)
        table.add_row("", "slope", *slopes(axis, mine), "", style="bold")
        table.add_row("", "last slope", *slopes(axis, mine[-2:]), "", style="bold", end_section=True)
    console = rich.console.Console()
    if not console.is_terminal:
        console.width = 120
    console.print(table)


def slopes(axis: Axis, records: list[dict[str, Any]]) -> list[str]:
    """Slopes of seconds, bytes and state, as they are printed."""
    sizes = [record["sizes"][axis.name] for record in records]
    columns = [[record[quantity] for record in records] for quantity in ("seconds", "program_bytes", "state_bytes")]
    # Adding zero makes a slope of -0 one of 0.
    return ["-" if None in column else f"{round(slope(sizes, column), 3) + 0.0:+.3f}" for column in columns]


def main(out: Path | None = None) -> None:
    """Measure seconds and bytes of Gaussians along each axis, and print the slopes of their logarithms.

    Args:
        out: file to add a line of JSON to for each point. Default: scaling- and the platform, in benchmarks/results.
    """
    path = measure.results_file(out, "scaling-")
    for axis in AXES:
        records = measured(axis)
        for record in records:
            measure.append(path, record)
        print_axis(axis, records)
        jax.clear_caches()


if __name__ == "__main__":
    tyro.cli(main)
