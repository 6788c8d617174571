"""The command that says what a store holds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from .flags import positional


@dataclasses.dataclass(frozen=True)
class Info:
    """Say what a store holds and what is missing or damaged, when it was written, and by which versions.

    Args:
        store: directory written by `collapsejax run --out`, `collapsejax sweep --out` or `collapsejax.save`.
        json: print the same as JSON.
    """

    store: positional("STORE")
    json: bool = False

    def run(self) -> None:
        from ..store import datasets
        from ..store.reader import Reader
        from .output import print_json
        from .pages import as_json, page, saved_page, sweep_page

        path = Path(self.store)
        if sweep := Reader.at(path):
            entries = sweep_page(sweep, sweep.examined())
        else:
            entries = saved_page(datasets.open(path), recorded=datasets.is_recorded(path))
        if self.json:
            print_json(as_json(entries))
        else:
            print(f"{self.store}\n\n{page(entries)}")
