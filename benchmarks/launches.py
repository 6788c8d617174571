"""What a compiled program launches, read from its text: kernels of a generation, and loops whose length is data."""

from __future__ import annotations

import re
from typing import NamedTuple

# Instructions that an accelerator runs as a kernel of its own; others are bookkeeping of the host or of the compiler.
_KERNELS = frozenset(
    {
        *("all-gather", "all-reduce", "broadcast", "cholesky", "concatenate", "convolution", "copy", "copy-start"),
        *("custom-call", "dot", "dynamic-slice", "dynamic-update-slice", "fusion", "gather", "iota", "pad", "reduce"),
        *("reduce-window", "scatter", "select-and-scatter", "slice", "sort", "transpose", "triangular-solve"),
    }
)
_CALLED = re.compile(r"(?:to_apply|true_computation|false_computation)=%?([\w.\-]+)|branch_computations=\{([^}]*)\}")


class Launches(NamedTuple):
    """Of one iteration of a loop.

    `data_loops`: loops within whose number of iterations the compiler does not know, each a round trip to the host.
    `kernels`: all but theirs; those of other loops within are counted as often as they run.
    """

    kernels: int
    data_loops: int


def of_generation(text: str) -> Launches:
    """What one generation launches: an iteration of the program's largest outermost loop. `text` is optimized HLO.

    Raises ValueError for a program without a loop of known length.
    """
    computations, entry = _computations(text)
    bodies = [body for body, count in _outermost_loops(computations, entry) if count]
    if not bodies:
        raise ValueError("the program has no loop of known length")
    return max((_launches(computations, body) for body in bodies), key=lambda launches: launches.kernels)


def _computations(text: str) -> tuple[dict[str, list[tuple[str, str]]], str]:
    """Instructions of each computation, as (operation, line), by its name; and the name of the first to run."""
    computations: dict[str, list[tuple[str, str]]] = {}
    name = entry = ""
    for line in text.splitlines():
        heading = re.match(r"(ENTRY )?%?([\w.\-]+) .*->.*\{$", line.rstrip())
        if heading:
            name = heading[2]
            computations[name] = []
            entry = name if heading[1] else entry
        elif name and " = " in line:
            # The type may be a tuple, with comments in it; the operation is the first word that opens a bracket.
            operation = re.search(r"(?:^|[\s)}\]])([a-z][a-z0-9\-]*)\(", line.split(" = ", 1)[1])
            if operation:
                computations[name].append((operation[1], line))
    return computations, entry


def _loop(line: str) -> tuple[str, int | None]:
    """Name of the body, and number of iterations where the compiler knows it."""
    count = re.search(r'known_trip_count"?:?\s*=?\s*\{"?n"?:"?(\d+)', line)
    return re.search(r"body=%?([\w.\-]+)", line)[1], int(count[1]) if count else None


def _within(line: str) -> list[str]:
    found = (one or several for one, several in _CALLED.findall(line))
    return [name.strip().lstrip("%") for names in found for name in names.split(",")]


def _outermost_loops(computations: dict, name: str) -> list[tuple[str, int | None]]:
    """Those that a computation runs, not those within them."""
    found = []
    for operation, line in computations.get(name, ()):
        if operation == "while":
            found.append(_loop(line))
        elif operation in ("call", "conditional"):
            found += [loop for called in _within(line) for loop in _outermost_loops(computations, called)]
    return found


def _launches(computations: dict, name: str) -> Launches:
    kernels = data_loops = 0
    for operation, line in computations.get(name, ()):
        if operation in _KERNELS:
            kernels += 1
        elif operation == "while":
            body, count = _loop(line)
            inner = _launches(computations, body)
            kernels += inner.kernels * (count or 0)
            data_loops += inner.data_loops + (count is None)
        elif operation in ("call", "conditional"):
            parts = [_launches(computations, called) for called in _within(line)]
            kernels += sum(part.kernels for part in parts)
            data_loops += sum(part.data_loops for part in parts)
    return Launches(kernels, data_loops)
