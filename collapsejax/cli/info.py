"""The command that says what a store holds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import tyro

from ..store.shards import Shards
from . import output


@dataclasses.dataclass(frozen=True)
class Info:
    """Say what a sweep's store holds and what is missing, when it was written, and by which versions.

    Args:
        store: directory written by `collapsejax sweep --out`.
    """

    store: tyro.conf.Positional[str]

    def run(self) -> None:
        if not Path(self.store).exists():
            raise FileNotFoundError(f"{self.store}: there is no such store; check the path")
        sweep = Shards.at(Path(self.store))
        if sweep is None:
            raise ValueError(f"{self.store}: no store of a sweep, as `collapsejax sweep --out` writes it")
        output.print_store(sweep.manifest, sweep.records(), sweep.records(verify=True))
