import contextlib

import pytest

from collapsejax.store.pages import page_place


def test_a_page_is_there_when_the_block_has_ended(tmp_path):
    with page_place(tmp_path / "page.html") as place:
        place.save("<p>words</p>")
        assert not (tmp_path / "page.html").exists()
    assert (tmp_path / "page.html").read_text().startswith("<p>words</p>")


def test_nothing_is_left_of_a_page_that_fails(tmp_path):
    with contextlib.suppress(KeyError), page_place(tmp_path / "page.html") as place:
        place.save("words")
        raise KeyError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "message"), [("page.htm", "an .html file"), ("no/page.html", "there is no folder")])
def test_places_that_cannot_be_are_told_on_entering(tmp_path, name, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message), page_place(tmp_path / name):
        raise AssertionError
