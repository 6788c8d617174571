"""What pages look like."""

import pytest
from browser import assert_is_sound, look, needs_chromium
from pages_made import HOSTILE, LONG, everything, results

from collapsejax.pages import html_of, save_page
from collapsejax.pages.stores import store_page

pytestmark = needs_chromium


@pytest.mark.parametrize(("width", "dark"), [(390, False), (1280, True)])
def test_all_parts_are_seen(tmp_path, width, dark):
    save_page(everything(), tmp_path / "page.html")
    seen = look(tmp_path / "page.html", tmp_path, width=width, dark=dark)
    assert_is_sound(seen, 3)
    assert seen.title == f"Of {HOSTILE}"
    assert HOSTILE in seen.text
    assert seen.smallest >= 8  # CSS pixels: figures do not shrink below what can be read
    assert (seen.ground == "rgb(255, 255, 255)") == (not dark)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<main>", '<main><img src="https://example.org/x.png">'),
        ("<main>", "<main><script>1</script>"),
        ("<main>", '<main><div style="width: 500px">wide</div>'),
        ('id="figure-2-', 'id="figure-1-'),
        ("<svg ", '<svg hidden="" '),
        ("<h1>", '<h1 style="background: url(#nothing)">'),
    ],
)
def test_a_page_that_is_not_sound_is_found_out(tmp_path, before, after):
    page = html_of(everything())
    assert before in page
    hidden = "<style>svg[hidden] { display: none !important; }</style></head>"
    (tmp_path / "page.html").write_text(page.replace(before, after).replace("</head>", hidden))
    with pytest.raises(AssertionError):
        assert_is_sound(look(tmp_path / "page.html", tmp_path), 3)


def test_the_page_of_a_store(tmp_path):
    data = results({"dim": [1, 2, 3], "workflow": ["replace", "weighted(real_weight=0.333333)", "accumulate"]})
    page = store_page(data, store=f"/home/{LONG}.zarr", command=f"collapsejax run own --out /home/{LONG}.zarr")
    save_page(page, tmp_path / "page.html")
    seen = look(tmp_path / "page.html", tmp_path)
    assert_is_sound(seen, 2)
    assert seen.smallest >= 8
    assert page.summary[0] in seen.text
