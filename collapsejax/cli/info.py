"""The command that says what a store holds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import tyro

from ..store import datasets
from ..store.reader import Reader
from . import output


@dataclasses.dataclass(frozen=True)
class Info:
    """Say what a store holds and what is missing or damaged, when it was written, and by which versions.

    Args:
        store: directory written by `collapsejax run --out`, `collapsejax sweep --out` or `collapsejax.save`.
    """

    store: tyro.conf.Positional[str]

    def run(self) -> None:
        path = Path(self.store)
        if sweep := Reader.at(path):
            output.print_sweep(sweep, sweep.examined())
        else:
            output.print_saved(datasets.open(path), recorded=datasets.is_recorded(path))
