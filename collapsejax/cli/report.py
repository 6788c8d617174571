"""The command that makes a page of stored results."""

from __future__ import annotations

import dataclasses
import shlex
import warnings
from pathlib import Path

from .flags import optional, positional


@dataclasses.dataclass(frozen=True)
class Report:
    """Make an HTML page of stored results: figures, tables, settings, methods, and the command to repeat it.

    The page needs no other file, no script and no network.

    Args:
        store: directory written by `collapsejax run --out`, `collapsejax sweep --out` or `collapsejax.save`.
        out: page to write, an .html file. An older one is replaced. Default: the store's name and .html.
    """

    store: positional("STORE")
    out: optional(str, "FILE.html") = None

    def run(self) -> None:
        from ..pages import html_of
        from ..pages.stores import store_page
        from ..store import datasets
        from ..store.pages import page_place
        from .command_line import command_of

        store = Path(self.store)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            dataset = datasets.open(store)
        for warning in caught:
            warnings.warn(str(warning.message), stacklevel=1)
        out = store.with_name(f"{store.name.removesuffix('.zarr')}.html") if self.out is None else self.out
        with page_place(out) as place:
            page = store_page(
                dataset,
                store=str(store),
                command=command_of(dataset, self.store) or shlex.join(["collapsejax", "report", self.store]),
                missing=[str(warning.message) for warning in caught],
            )
            place.save(html_of(page))
        print(f"wrote {out}")
