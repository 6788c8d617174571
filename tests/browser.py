"""Pages opened in headless Chromium: what is seen of them at some width, and what they complain of."""

import html
import json
import re
import shutil
import subprocess
from typing import NamedTuple

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FOUND = next(filter(None, map(shutil.which, _NAMES)), None)
needs_chromium = pytest.mark.skipif(
    _FOUND is None, reason="no Chromium is installed here: what pages look like is not tested; apt-get install chromium"
)

# The page stands in a frame, since it lets no script run in itself. What sticks out to the right counts, unless it is
# in a part that scrolls by itself.
_PROBE = """<!DOCTYPE html><meta charset="utf-8">
<iframe id="frame" style="width: %(width)dpx; height: 2000px; border: 0" src="%(page)s"></iframe><pre id="seen"></pre>
<script>
document.getElementById("frame").onload = event => {
  const view = event.target.contentWindow, page = view.document, root = page.documentElement;
  const size = element => { const box = element.getBoundingClientRect(); return [box.width, box.height]; };
  const within = element => element.closest(".wide") && !element.matches(".wide");
  const texts = [...page.querySelectorAll("figure svg text")].map(size);
  const wide = [...page.body.querySelectorAll("*")].filter(element =>
    !within(element) && element.getBoundingClientRect().right > root.clientWidth + 0.5);
  const ids = [...page.querySelectorAll("[id]")].map(element => element.id);
  const missing = [...page.querySelectorAll("*")].flatMap(element => [...element.attributes])
    .flatMap(one => [...one.value.matchAll(/url\\(#([^)]+)\\)/g)].map(found => found[1])
      .concat(/href$/.test(one.name) && one.value[0] === "#" ? [one.value.slice(1)] : []))
    .filter(name => !page.getElementById(name));
  document.getElementById("seen").textContent = JSON.stringify({
    width: root.clientWidth, scrolls: root.scrollWidth, wide: wide.map(element => element.outerHTML.slice(0, 80)),
    figures: [...page.querySelectorAll("figure svg")].map(size),
    texts, smallest: Math.min(...texts.map(sizes => Math.max(...sizes))),
    loaded: view.performance.getEntriesByType("resource").map(one => one.name),
    repeated: ids.filter((id, place) => ids.indexOf(id) !== place), missing,
    scripts: page.scripts.length, ground: view.getComputedStyle(page.body).backgroundColor,
    title: page.title, text: page.body.innerText,
  });
};
</script>
"""


class Seen(NamedTuple):
    """What is seen of a page; sizes in CSS pixels.

    `complaints` are lines of the console. `wide`: elements that stick out to the right. `smallest`: the least height of
    the texts in figures. `repeated`, `missing`: ids that several elements have, and those that are referred to and that
    none has.
    """

    complaints: list[str]
    width: int
    scrolls: int
    wide: list[str]
    figures: list[list[float]]
    texts: list[list[float]]
    smallest: float
    loaded: list[str]
    repeated: list[str]
    missing: list[str]
    scripts: int
    ground: str
    title: str
    text: str


def look(page, folder, *, width=390, dark=False):
    """What is seen of the HTML file `page` at a width; `folder` is for scratch files."""
    probe = folder / f"probe-{width}.html"
    probe.write_text(_PROBE % dict(width=width, page=html.escape(page.resolve().as_uri())))
    flags = "--headless --no-sandbox --disable-gpu --allow-file-access-from-files --enable-logging=stderr --dump-dom"
    own = [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=10000", "--window-size=1600,2200"]
    own += ["--force-dark-mode"] if dark else []
    command = [_FOUND, *flags.split(), *own, probe.resolve().as_uri()]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    seen = re.search(r'<pre id="seen">(.+?)</pre>', result.stdout, flags=re.DOTALL)
    assert seen, result.stderr[-2000:]
    complaints = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
    return Seen(complaints, **json.loads(html.unescape(seen[1])))


def assert_is_sound(seen, num_figures):
    """A page opens without a complaint, loads nothing, fits its width, and its figures and their texts are there."""
    assert seen.complaints == []
    assert seen.loaded == []
    assert seen.scripts == 0
    assert seen.wide == []
    assert seen.scrolls <= seen.width
    assert len(seen.figures) == num_figures
    assert all(width > 100 and height > 50 for width, height in seen.figures)
    assert all(width > 0 and height > 0 for width, height in seen.texts)
    assert seen.repeated == []
    assert seen.missing == []
