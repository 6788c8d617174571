import re

import pytest
from pages_made import HOSTILE, everything, lines

from collapsejax.pages import Page, Picture, Section, Table, html_of, save_page, with_error


def test_the_same_page_gives_the_same_text():
    assert html_of(everything()) == html_of(everything())


def test_what_users_name_is_escaped():
    page = html_of(everything())
    assert "<script" not in page
    assert "{{ 7 * 6 }}" in page  # no template either
    assert page.count("&lt;script&gt;") > 10


def test_a_page_needs_nothing_else():
    page = html_of(everything()).replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert re.findall(r"https?://|@import|<link|<script|\ssrc=", page) == []
    assert "default-src 'none'" in page


def test_pictures_that_stand_twice_have_names_of_their_own():
    picture = Picture.of(lines(), "Lines")
    page = html_of(Page("title", [], [Section("once", [picture]), Section("again", [Picture.of(lines(), "Lines")])]))
    names = re.findall(r'\bid="([^"]+)"', page)
    assert len(names) == len(set(names))
    assert page.count("<svg") == 2


def test_numbers_are_aligned_and_words_are_not():
    rows = [["a", 1, 0.123456, "0.91 ± 0.14", "1e-05 ± 2e-06 (3 inf)"], ["b", None, 2.0, "*-1.5 ± 0.1", "inf"]]
    table = Table(["word", "n", "x", "y", "z"], rows)
    assert table.numeric == [False, True, True, True, True]
    assert table.cells[0][:3] == ["a", "1", "0.1235"]
    assert table.cells[1][1] == ""


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="has 1 cells for 2 headings"):
        Table(["a", "b"], [[1]])


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.91234, 0.0141, "0.912 ± 0.014"),
        (-12.3456, 0.5, "-12.35 ± 0.50"),
        (123456.0, 78.0, "123456 ± 78"),
        (0.5, float("nan"), "0.5"),
        (0.0, 0.0, "0"),
        (float("inf"), float("nan"), "inf"),
        (1.5e-9, 2e-10, "1.5e-09 ± 2e-10"),
        (1.5e9, 2e8, "1.5e+09 ± 2e+08"),
    ],
)
def test_means_are_given_to_two_digits_of_their_errors(value, error, text):
    assert with_error(value, error).replace("\N{NO-BREAK SPACE}", " ") == text


def test_a_page_replaces_none_but_its_own(tmp_path):
    path = tmp_path / "page.html"
    page = Page("title", ["words"], [])
    save_page(page, path)
    first = path.read_text()
    save_page(page, path)
    assert path.read_text() == first
    assert first.rstrip().rpartition("\n")[2].startswith("<!-- collapsejax ")
    path.write_text(first.replace("words", "my words"))
    with pytest.raises(ValueError, match="not as this program left it"):
        save_page(page, path)
    assert "my words" in path.read_text()
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


def test_surrogates_of_odd_file_names_are_written(tmp_path):
    save_page(Page(f"{HOSTILE}\udce9", [], []), tmp_path / "page.html")
    assert "\\udce9" in (tmp_path / "page.html").read_text(encoding="utf-8")
