"""Pages as HTML."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from ..store.pages import page_place
from .colours import DARK_GROUND, DARK_INK, on_dark
from .parts import Block, Page, Picture
from .svg import Inlined, inline

if TYPE_CHECKING:
    import jinja2


def html_of(page: Page) -> str:
    """A page as HTML that needs nothing else: no script, no network, the figures in it.

    The same page gives the same text each time.
    """
    from markupsafe import Markup

    number = itertools.count(1)
    figures: dict[int, Inlined] = {}
    for block in (block for section in page.sections for block in section.blocks):
        if isinstance(block, Picture) and id(block) not in figures:
            figures[id(block)] = inline(block.svg, f"figure-{next(number)}-", block.title, block.description)
    colours = sorted(frozenset().union(*(figure.colours for figure in figures.values())))
    return _template().render(
        page=page,
        groups=_groups,
        kind=lambda block: "text" if isinstance(block, str) else block.kind,
        svg=lambda picture: Markup(figures[id(picture)].markup),  # of ElementTree, which escapes
        is_map=lambda picture: not figures[id(picture)].colours,
        colours=[(colour, on_dark(colour)) for colour in colours],
        ground=DARK_GROUND,
        ink=DARK_INK,
    )


def save_page(page: Page, path: str | Path) -> None:
    """Write a page to `path`, whole or not at all, in place of one that was written like this.

    Raises as `store.pages.page_place`, with which a place can be held while the page is still to be made.
    """
    with page_place(path) as place:
        place.save(html_of(page))


def _groups(blocks: list[Block]) -> list[tuple[bool, list[Block]]]:
    """The blocks of a section in their order, pictures that follow one another together."""
    return [(alike, list(group)) for alike, group in itertools.groupby(blocks, lambda one: isinstance(one, Picture))]


@functools.cache
def _template() -> jinja2.Template:
    import jinja2

    loader = jinja2.PackageLoader("collapsejax.pages")
    options = dict(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, **options)
    return environment.get_template("page.html")
