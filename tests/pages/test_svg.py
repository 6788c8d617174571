from xml.etree import ElementTree

import numpy as np
import pytest
from pages_made import HOSTILE, heat_map, lines

from collapsejax.pages.colours import DARK_GROUND, DARK_INK, on_dark
from collapsejax.pages.svg import inline
from collapsejax.plots.svg import svg_text


def markup(figure, prefix="p-", title="title", description=""):
    return inline(svg_text(figure), prefix, title, description).markup


def test_the_same_figure_gives_the_same_text():
    assert svg_text(lines()) == svg_text(lines())
    assert "date" not in svg_text(lines()).lower()


def test_text_stays_text_and_is_escaped():
    text = markup(lines(HOSTILE), title=HOSTILE, description=HOSTILE)
    assert "<script" not in text
    root = ElementTree.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    assert HOSTILE in [element.text for element in root.iter(f"{space}text")]
    assert [root.find(f"{space}{tag}").text for tag in ("title", "desc")] == [HOSTILE, HOSTILE]
    assert root.get("aria-labelledby") == "p-title p-desc"


def test_characters_that_xml_has_not_are_left_out():
    assert ">ab<" in markup(lines(), title="a\0\x07b\ud800")


def test_all_names_have_the_prefix_and_are_there():
    root = ElementTree.fromstring(markup(lines(), "p-"))
    names = [element.get("id") for element in root.iter() if "id" in element.attrib]
    assert len(names) == len(set(names)) > 2
    assert all(name.startswith("p-") for name in names)  # "mean", which two lines are called, is gone
    referred = [element.get("clip-path")[5:-1] for element in root.iter() if "clip-path" in element.attrib]
    referred += [element.get("href")[1:] for element in root.iter() if "href" in element.attrib]
    assert set(referred) <= set(names)
    assert len(referred) > 4


def test_nothing_is_referred_to_elsewhere():
    text = markup(lines()).replace("http://www.w3.org/2000/svg", "")
    assert "http" not in text
    assert "<style" not in text


def test_colours_of_lines_become_variables():
    found = inline(svg_text(lines()), "p-", "title", "")
    assert {"#482475", "#addc30", "#000000", "#ffffff"} <= found.colours
    assert "var(--c482475)" in found.markup
    assert "#482475" not in found.markup


@pytest.mark.parametrize("style", ["font: italic 7px 'A', 'B'; x: y", "font-size: 7px; font-family: 'A', 'B'; x: y"])
def test_the_page_chooses_the_font(style):
    text = svg_text(lines()).replace("<g ", f'<g style="{style}" ', 1)
    found = inline(text, "p-", "title", "").markup
    assert " var(--figure-font); x: y" in found
    assert "7px" in found
    assert "'A'" not in found
    assert "DejaVu" not in found


def test_maps_keep_their_colours():
    found = inline(svg_text(heat_map()), "p-", "title", "")
    assert found.colours == frozenset()
    assert "var(--c" not in found.markup
    assert 'href="data:image/png' in found.markup


def contrast(a, b):
    """The contrast ratio of two colours, as WCAG 2 defines it."""

    def luminance(colour):
        parts = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_ground_and_ink_change_places():
    assert (on_dark("#ffffff"), on_dark("#000000")) == (DARK_GROUND, DARK_INK)
    greys = [contrast(on_dark(f"#{level:02x}{level:02x}{level:02x}"), DARK_GROUND) for level in range(0, 256, 51)]
    assert greys == sorted(greys, reverse=True)


# The ends of viridis as figures use it, red, blue, and colours of matplotlib's cycle.
@pytest.mark.parametrize("colour", ["#482475", "#21918c", "#addc30", "#ff0000", "#0000ff", "#1f77b4", "#d62728"])
def test_colours_stand_out_on_dark(colour):
    assert contrast(on_dark(colour), DARK_GROUND) > 4.5
