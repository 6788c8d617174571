"""The table of speed in Markdown, from the measurements of run.py: the latest of each device and cell.

Below it stands how the published loops' times compare with the published ones.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from measure import RESULTS

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- speed table -->", "<!-- end of speed table -->"
# Times of such loops on one core of a 2.5 GHz Xeon, in milliseconds a seed of 100 generations: replace, accumulate,
# accumulate-subsample. What collapsejax does with rows makes no difference to the loops.
_WORKFLOWS = ("replace", "accumulate", "accumulate-subsample")
_PUBLISHED = {
    "gaussian-d1-n100": (22, 25, 35),
    "gaussian-rows-d1-n100": (22, 25, 35),
    "gaussian-d10-n1000": (76, 1057, 308),
    "gaussian-d100-n1000": (970, 8729, 2543),
    "kde-moons-h0.5-n100": (704, 17_200, 410),
    "kde-moons-h0.5-n1000": (3500, 200_000, 4000),
    "regression-d10-n1000": (58, 2254, 322),
}
PUBLISHED = {
    f"{cell}-{workflow}": milliseconds / 1e3
    for cell, times in _PUBLISHED.items()
    for workflow, milliseconds in zip(_WORKFLOWS, times, strict=True)
}
_HEADINGS = (
    ("cell", ":--"),
    ("workflow", ":--"),
    ("published loop (ms a seed)", "--:"),
    ("collapsejax (ms a seed)", "--:"),
    ("ratio", "--:"),
    ("target", "--:"),
    ("bound (ms a seed)", "--:"),
    ("share", "--:"),
    ("binds", ":--"),
    ("ratio to that loop on a Xeon", "--:"),
    ("compile (s)", "--:"),
)


def read(folder: Path) -> list[dict[str, Any]]:
    """The records of all files of run.py in a folder, oldest first; those of scaling.py are left out.

    Raises ValueError for a line that is no JSON, and where there is no record.
    """
    records = []
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError:
                raise ValueError(f"{path}: line {number} is no JSON; mend or remove it") from None
    records = [record for record in records if "ratio" in record]
    if not records:
        raise ValueError(f"{folder}: no measurements; make some with run.py")
    return sorted(records, key=lambda record: record["date"])


def render(records: Iterable[dict[str, Any]]) -> str:
    """A table for each device, each with a row for each cell, of its latest record."""
    devices: dict[str, dict[str, dict[str, Any]]] = {}
    for record in records:
        devices.setdefault(_device(record), {})[record["name"]] = record
    return "\n\n".join(f"{device}:\n\n{_table(cells.values())}" for device, cells in devices.items())


def _device(record: dict[str, Any]) -> str:
    device, cores = record["device"], f"{record['cores']} core{'s' if record['cores'] > 1 else ''}"
    host = f"{device['cpu']}, {cores}"
    return host if device["platform"] == "cpu" else f"{device['kind']}, the published loops on {host}"


def _table(records: Iterable[dict[str, Any]]) -> str:
    """The rows, and below them a sentence on the times on a Xeon, if one of the cells has any."""
    records = list(records)
    lines = [[heading for heading, _ in _HEADINGS], [rule for _, rule in _HEADINGS]]
    lines += [_line(record) for record in records]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    faster = [PUBLISHED[record["name"]] / record["reference_s"] for record in records if record["name"] in PUBLISHED]
    if not faster:
        return table
    least, most = (_digits(value, 2) for value in (min(faster), max(faster)))
    times = least if least == most else f"{least} to {most}"
    return f"{table}\n\nThe published loops ran {times} times as fast here as on one core of a 2.5 GHz Xeon."


def _line(record: dict[str, Any]) -> list[str]:
    milliseconds = [_digits(1e3 * record[name]) for name in ("reference_s", "seconds_a_seed")]
    ratios = [_digits(record["ratio"]), f"{record['target']:,.0f}"]
    bound = [_digits(1e3 * record["bound_s"], 2), f"{record['share']:.0%}", record["binding"]]
    published = PUBLISHED.get(record["name"])
    published = "-" if published is None else _digits(published / record["seconds_a_seed"])
    cell = record["name"].removesuffix(f"-{record['workflow']}")
    return [cell, record["workflow"], *milliseconds, *ratios, *bound, published, f"{record['compile_s']:.1f}"]


def _digits(value: float, number: int = 3) -> str:
    """So many significant digits, whole numbers in full, never an exponent."""
    if value >= 10 ** (number - 1):
        return f"{value:,.0f}"
    return np.format_float_positional(value, precision=number, fractional=False, trim="-")


def inserted(text: str, table: str) -> str:
    """`text` with the table between its marks, instead of what stood there. Raises ValueError without these marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no place for the table: want a line {BEGIN} and below it {END}")
    return f"{before}{begin}\n\n{table}\n\n{end}{after}"


def main(write: bool = False) -> None:
    """Print the table of speed, or write it into the benchmarks' README.

    Args:
        write: replace the text between the marks in README.md beside this file.
    """
    table = render(read(RESULTS))
    if write:
        README.write_text(inserted(README.read_text(), table))
    else:
        print(table)


if __name__ == "__main__":
    try:
        tyro.cli(main)
    except ValueError as error:
        sys.exit(f"table.py: {error}")
