"""HTML pages, which are written whole or not at all."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from .files import checked_place, staged
from .marks import check_ours, is_ours, marked


@dataclasses.dataclass(frozen=True)
class PagePlace:
    """A place that `page_place` holds for one page."""

    scratch: Path

    def save(self, html: str) -> None:
        """Write the page."""
        self.scratch.write_bytes(marked(html.encode(errors="backslashreplace"), ".html"))


@contextlib.contextmanager
def page_place(path: str | Path) -> Iterator[PagePlace]:
    """A place for a page: what is saved in it gets the name `path` when the block ends, or vanishes if it fails.

    Whether the place can be written to shows on entering. A page that was saved like this is replaced.

    Raises:
        FileNotFoundError: the folder is not there.
        ValueError: the place cannot be written to, something else is there, or the name does not end in .html.
    """
    path = checked_place(path)
    if path.suffix != ".html":
        raise ValueError(f"{path}: a page is an .html file; give it that ending")
    check_ours(path)
    with staged(path, lambda: is_ours(path)) as scratch:
        yield PagePlace(scratch)
