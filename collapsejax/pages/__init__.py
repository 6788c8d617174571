"""Self-contained HTML pages: what they hold, how they are rendered, and the page of a store."""

from __future__ import annotations

from .parts import Bullets, Code, Facts, KeyNumber, Link, Page, Picture, Section, Table, with_error
from .render import html_of, save_page

__all__ = [
    "Bullets",
    "Code",
    "Facts",
    "KeyNumber",
    "Link",
    "Page",
    "Picture",
    "Section",
    "Table",
    "html_of",
    "save_page",
    "with_error",
]
