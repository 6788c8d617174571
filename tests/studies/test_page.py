from pathlib import Path

from test_index import record

from collapsejax.pages import Link, Picture
from collapsejax.plots.style import Figure
from collapsejax.plots.svg import svg_text
from collapsejax.store.marks import write_marked
from collapsejax.studies.index import write_index
from collapsejax.studies.page import index_page


def drawing():
    figure = Figure(figsize=(3.4, 2.2))
    figure.subplots().plot([1, 2])
    return svg_text(figure)


def test_the_page_has_the_studies_and_their_figures():
    records = [record(), record(folder="gaussian-published-quick-seed=5", verdict="verified")]
    page = index_page(records, [{"one": drawing()}, {}], "my folder")
    assert page.summary == ["Claims of published studies, each tested by simulation: 1 open, 1 verified."]
    (overview,) = page.sections[0].blocks
    assert overview.rows[0][0] == Link("gaussian-quick", "#gaussian-quick")
    assert page.sections[1].anchor == "gaussian-quick"
    assert [block.caption for block in page.sections[1].blocks if isinstance(block, Picture)] == ["one"]
    assert page.command.splitlines() == [
        "collapsejax reproduce gaussian --quick --out 'my folder'",
        "collapsejax reproduce gaussian --published --quick --seed 5 --out 'my folder'",
    ]


def test_figures_that_were_drawn_are_in_the_page_and_others_are_not(tmp_path: Path):
    folder = tmp_path / "gaussian-quick"
    folder.mkdir()
    record().write(folder)
    write_marked(folder / "one.svg", drawing().encode())
    (folder / "two.svg").write_text(drawing())  # of somebody else
    write_index(tmp_path)
    assert (tmp_path / "index.html").read_text().count("<svg") == 1
    assert (tmp_path / "index.md").exists()
