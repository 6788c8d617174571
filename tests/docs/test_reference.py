"""The API reference: the guide first, a place for every public name, formulas as mathematics, and no warning."""

import html
import re
import subprocess
import sys
from pathlib import Path

import pytest

import collapsejax as cj
from collapsejax.guide import exactness

GUIDE = Path(exactness.__file__).parent
MODULES = {"guide", "plots", "sources", "theory"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, made by the README's command."""
    pytest.importorskip("pdoc")
    folder = tmp_path_factory.mktemp("site")
    # Matplotlib asks the system for its fonts once, which pdoc does not let it and warns of.
    subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], check=True)
    command = [sys.executable, "-m", "pdoc", "--docformat", "google", "--math", "-o", str(folder), "collapsejax"]
    assert " ".join(command[1:6]) in (GUIDE.parents[1] / "README.md").read_text()
    made = subprocess.run(command, check=True, capture_output=True, text=True)
    assert (made.stdout, made.stderr) == ("", "")
    return folder


def text_of(page):
    return html.unescape(re.sub(r"<[^>]+>", "", page))


@pytest.mark.slow
def test_reference_has_all_public_names(site):
    page = (site / "collapsejax.html").read_text()
    assert [name for name in cj.__all__ if name not in MODULES and f'id="{name}"' not in page] == []
    assert [name for name in MODULES if not (site / "collapsejax" / f"{name}.html").exists()] == []
    text = text_of(page)
    for sentence in (
        "directory of a store. Where this sweep is there already",  # an argument of sweep
        "Fit N(mean, covariance) to the data",
        "Each model is fitted to the previous model's batch, and to nothing else.",
    ):
        assert sentence in text
    assert 'id="Workflow.select"' in page
    assert "What is known exactly of the means over seeds" in text_of(
        (site / "collapsejax" / "theory.html").read_text()
    )


@pytest.mark.slow
def test_reference_begins_with_the_guide_and_what_is_subclassed(site):
    page = (site / "collapsejax.html").read_text()
    assert re.findall(r'<section id="([^"]+)"', page)[:2] == ["Task", "Workflow"]
    guide = (site / "collapsejax" / "guide.html").read_text()
    links = re.findall(r'href="collapsejax/guide\.html#([^"]+)"', page)
    assert len(links) >= len([*GUIDE.glob("*.md")]) - 1  # the index links to every page but itself
    assert [link for link in links if f'id="{link}"' not in guide] == []
    modules = re.findall(r'<li><a href="collapsejax/(\w+)\.html">', page)
    assert modules[0] == "guide"


@pytest.mark.slow
def test_formulas_are_left_as_they_are(site):
    """Markdown takes no character of theirs for its own; MathJax sets what is between the marks."""
    pages = [path.read_text() for path in (site / "collapsejax" / "theory").glob("*.html")]
    formulas = [formula for page in pages for formula in re.findall(r"<p>\$\$(.*?)\$\$</p>", page, flags=re.DOTALL)]
    assert len(formulas) >= 20
    assert [formula for formula in formulas if "<" in formula] == []
    written = {
        "".join(formula.split())
        for path in Path(cj.theory.__file__).parent.glob("*.py")
        for formula in re.findall(r"\$\$(.*?)\$\$", path.read_text(), flags=re.DOTALL)
    }
    assert {"".join(html.unescape(formula).split()) for formula in formulas} == written


def test_page_on_exact_curves_is_up_to_date():
    """Else: python -m collapsejax.guide.exactness > collapsejax/guide/exactness.md."""
    assert (GUIDE / "exactness.md").read_text() == exactness.page()


def test_table_of_exact_curves_follows_the_theory(monkeypatch):
    known = exactness.table()
    monkeypatch.setattr(exactness, "curve", lambda task, workflow, **size: {})
    assert "| exact |" not in exactness.table()
    assert "| exact |" in known


def test_every_page_is_in_the_guide():
    included = re.findall(r"\.\. include:: (\S+)", cj.guide.__doc__)
    assert sorted(included) == sorted(path.name for path in GUIDE.glob("*.md") if path.name != "index.md")
