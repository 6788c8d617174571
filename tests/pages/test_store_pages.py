"""Pages of results that no simulation made."""

import numpy as np
import pytest
from pages_made import S, results

from collapsejax.core.describe import describe
from collapsejax.pages import Facts, Picture, Table, html_of, stores
from collapsejax.pages.cells import cells_of, label_of, some
from collapsejax.pages.numbers import metric_table
from collapsejax.pages.settings import in_words, meaning_of
from collapsejax.pages.stores import store_page
from collapsejax.sources import moons


def page_of(dataset, **options):
    return store_page(dataset, store="my.zarr", command="collapsejax run", **options)


def blocks(page, heading):
    return next(section.blocks for section in page.sections if section.heading == heading)


@pytest.mark.parametrize("summary", [False, True])
def test_a_page_says_what_is_in_the_store(summary):
    page = page_of(results({"workflow": ["replace", "mine"]}, summary=summary))
    assert page.title == "Own under replace and mine"
    assert page.summary[0].startswith("Under replace, trace_ratio (tr(fitted cov.) / tr(true cov.)) goes from 0.990")
    assert [section.heading for section in page.sections][:2] == ["Figures", "Numbers"]
    pictures = blocks(page, "Figures")
    assert [type(block) for block in pictures] == [Picture, Picture]
    assert "under replace, mine" in pictures[0].description
    (facts,) = blocks(page, "Settings")
    assert isinstance(facts, Facts)
    given = {"store": "my.zarr", "task": "own", "dim": "2", "workflow": "replace, mine", "num_samples": "10"}
    assert given.items() <= facts.values.items()
    assert facts.values["num_seeds"] == str(S)
    assert page.versions == {"version_jax": "1.2", "created": "now"}
    methods = blocks(page, "Methods")
    assert any("No exact means" in block for block in methods if isinstance(block, str))
    assert "Each model is fitted to the previous model's batch" in methods[1].items[0]
    assert "<svg" in html_of(page)


def test_missing_parts_come_first():
    page = page_of(results({"workflow": ["replace"]}), missing=["seeds 3 to 5 are missing"])
    assert page.sections[0].heading == "Missing or damaged"


def test_tables_have_means_errors_and_exact_values():
    data = results({"dim": [1, 2], "workflow": ["replace", "accumulate"]})
    exact = data[["trace_ratio"]].isel(seed=0, drop=True)
    exact.trace_ratio.values[:] = 0.25
    exact.trace_ratio.values[:, 1] = np.nan  # nothing is known of the other workflow
    table = metric_table(data, exact, "trace_ratio")
    assert table.headings == ["dim", "iteration", "replace", "exact", "accumulate"]
    assert [row[:2] for row in table.rows] == [[dim, iteration] for dim in (1, 2) for iteration in (1, 2, 5)]
    last = data.trace_ratio.sel(dim=2, workflow="replace").isel(generation=-1).values
    error = last.std(ddof=1) / np.sqrt(S)
    mean, _, shown = table.rows[-1][2].partition(" ±\N{NO-BREAK SPACE}")
    assert float(mean) == pytest.approx(last.mean(), abs=error / 10)
    assert float(shown) == pytest.approx(error, rel=0.06)
    assert table.rows[-1][3] == 0.25
    assert table.numeric == [True] * 5
    assert metric_table(data, exact, "mine").headings == ["dim", "iteration", "replace", "accumulate"]


def test_of_many_cells_some_are_shown():
    sizes = {"dim": list(range(2, 12)), "workflow": ["replace"], "sigma2": [0.5 * i for i in range(1, 11)]}
    page = page_of(results(sizes))
    table = next(block for block in blocks(page, "Numbers") if isinstance(block, Table))
    assert len(table.rows) == 60
    assert "60 of 100 cells" in table.caption
    figures = blocks(page, "Figures")
    assert sum(isinstance(block, Picture) for block in figures) == 2 * 4
    assert figures[0] == "Lines: 6 of 10 values of sigma2."
    assert figures[1] == "Figures of 4 of 10 combinations of dim."


def test_what_no_figure_can_show_is_said(monkeypatch):
    def curves(dataset, metrics, exact):
        raise ValueError("workflow: 40 lines in a panel")

    monkeypatch.setattr(stores, "curves", curves)
    figures = blocks(page_of(results({"workflow": ["replace"]})), "Figures")
    assert figures[0] == "No figure of trace_ratio: workflow: 40 lines in a panel."


def test_infinite_values_are_counted():
    data = results({"workflow": ["replace"]})
    data.trace_ratio.values[0, :3, -1] = np.inf
    assert metric_table(data, data[[]], "trace_ratio").rows[-1][1].endswith("(3 inf)")


def test_some_are_the_first_the_last_and_some_between():
    assert some(range(10), 4) == [0, 3, 6, 9]
    assert some("ab", 4) == ["a", "b"]


def test_cells_in_words():
    cells = cells_of(results({"dim": [1, 2], "workflow": ["replace"], "share": [1 / 3]}), ["dim", "share"])
    assert [label_of(cell) for cell in cells] == ["dim=1, share=0.3333", "dim=2, share=0.3333"]


def test_configurations_in_words():
    assert in_words(describe(moons(noise=0.2))) == "moons(noise=0.2)"
    assert in_words({"shape": [3, 2], "sha256": "0"}) == "array of 3 x 2 numbers"
    assert in_words([1, "a"]) == "1, a"
    assert meaning_of("weighted(real_weight=0.3)").startswith("Each model is fitted to as many new rows")
    assert meaning_of("my own") is None
