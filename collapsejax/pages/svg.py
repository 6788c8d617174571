"""SVG files as parts of a page."""

from __future__ import annotations

import re
from typing import NamedTuple
from xml.etree import ElementTree

_SPACE = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")
_URL = re.compile(r"url\(#([^)]+)\)")
_FONT = re.compile(r"(font:[^;]*?[\d.]+px)[^;]*")
_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_POINT = 96 / 72  # CSS pixels
_MOST_COLOURS = 32  # of a figure of lines; one with more is a map, whose colours and the text on them belong together


class Inlined(NamedTuple):
    """An SVG element for a page, and its colours, "#rrggbb"; none where it keeps its own on any ground, as maps do."""

    markup: str
    colours: frozenset[str]


def inline(text: str, prefix: str, title: str, description: str) -> Inlined:
    """The SVG file `text` as an element of a page.

    Its colours become variables, as --c0a1b2c of #0a1b2c, unless it is a map, in a bitmap or in many colours. So does
    the font, --figure-font. What is named in it gets names that begin with `prefix`, so that several can stand on one
    page.
    """
    root = ElementTree.fromstring(_NOT_IN_XML.sub("", text))
    _drop(root, ("metadata", "style"))
    _rename(root, prefix)
    for element in _styled(root):
        element.set("style", _FONT.sub(r"\1 var(--figure-font)", element.get("style")))
    colours = frozenset(found.lower() for element in _styled(root) for found in _COLOUR.findall(element.get("style")))
    if root.find(f".//{_SPACE}image") is None and len(colours) <= _MOST_COLOURS:
        for element in _styled(root):
            element.set("style", _COLOUR.sub(lambda found: f"var(--c{found[0][1:].lower()})", element.get("style")))
        root.set("fill", "var(--c000000)")  # what has no colour of its own is black
        colours |= {"#000000"}
    else:
        colours = frozenset()
    _describe(root, prefix, title, description)
    _size(root)
    return Inlined(_markup(root), colours)


def _styled(root: ElementTree.Element) -> list[ElementTree.Element]:
    return [element for element in root.iter() if element.get("style")]


def _drop(root: ElementTree.Element, names: tuple[str, ...]) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.removeprefix(_SPACE) in names:
                parent.remove(child)


def _rename(root: ElementTree.Element, prefix: str) -> None:
    """Give names that are referred to the prefix, and remove the others, which need not differ."""
    used = {name for element in root.iter() for value in element.attrib.values() for name in _URL.findall(value)}
    used |= {link[1:] for element in root.iter() if (link := element.get(_HREF, "")).startswith("#")}
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            if key == "id" and value not in used:
                del element.attrib["id"]
            elif key == "id":
                element.set("id", prefix + value)
            elif key == _HREF:
                del element.attrib[_HREF]
                element.set("href", f"#{prefix}{value[1:]}" if value.startswith("#") else value)
            else:
                element.set(key, _URL.sub(rf"url(#{prefix}\1)", value))


def _describe(root: ElementTree.Element, prefix: str, title: str, description: str) -> None:
    names = {"title": title, "desc": description} if description else {"title": title}
    for place, (tag, words) in enumerate(names.items()):
        element = ElementTree.Element(_SPACE + tag, {"id": prefix + tag})
        element.text = _NOT_IN_XML.sub("", words)
        root.insert(place, element)
    root.set("role", "img")
    root.set("aria-labelledby", " ".join(prefix + tag for tag in names))


def _size(root: ElementTree.Element) -> None:
    """Leave the size to the page, and tell it the figure's own."""
    width = float(root.attrib.pop("width").removesuffix("pt")) * _POINT
    del root.attrib["height"]
    root.set("style", f"--width: {width:.0f}px")


def _markup(root: ElementTree.Element) -> str:
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SPACE)
        element.tail = None if element.tail is None or not element.tail.strip() else element.tail
        element.text = None if element.text is None or not element.text.strip() else element.text
    root.set("xmlns", _SPACE[1:-1])
    return ElementTree.tostring(root, encoding="unicode")
