"""A page with every kind of part, where users chose unlucky names, and results that no simulation made."""

import json

import numpy as np

from collapsejax.pages import Bullets, Code, Facts, KeyNumber, Link, Page, Picture, Section, Table, with_error
from collapsejax.plots.style import Figure
from collapsejax.results.dataset import summarize, to_dataset

G, S = 5, 40
HOSTILE = "<script>alert('x')</script> & \"q\" {{ 7 * 6 }}"
LONG = "a_column_name_that_has_no_place_to_break_and_goes_on_and_on_" * 3


def lines(label="a"):
    """A figure of lines with a clip path and a legend."""
    figure = Figure(figsize=(3.4, 2.2))
    axis = figure.subplots()
    axis.plot([1, 2, 3], [3, 1, 2], label=label, color="#482475", gid="mean")
    axis.plot([1, 2, 3], [1, 2, 3], color="#addc30", gid="mean")
    axis.fill_between([1, 2, 3], [2, 0, 1], [4, 2, 3], alpha=0.25)
    axis.legend()
    return figure


def heat_map():
    """A figure with a bitmap."""
    figure = Figure(figsize=(3.4, 2.2))
    axis = figure.subplots()
    figure.colorbar(axis.imshow(np.arange(6.0).reshape(2, 3)))
    return figure


def everything():
    """The page; it has three figures."""
    rows = [[LONG, 1, with_error(0.91234, 0.0141), 0.9], [HOSTILE, 2, with_error(0.8, 0.1), None]]
    table = Table(["column", "iteration", HOSTILE, "exact"], rows, f"Of {HOSTILE}")
    pictures = [
        Picture.of(lines(HOSTILE), HOSTILE, HOSTILE, HOSTILE),
        Picture.of(lines(), "Lines"),
        Picture.of(heat_map(), "Map"),
    ]
    wide = Table([f"column {number}" for number in range(30)], [[f"word{number}" for number in range(30)]])
    sections = [
        Section("Figures", ["Words before.", *pictures, "Words behind."]),
        Section(HOSTILE, [table, wide, Bullets([HOSTILE, LONG]), Code(f"{LONG}\n{HOSTILE}")]),
        Section("Settings", [Facts({HOSTILE: LONG, "n": 10}), Table(["to"], [[Link(HOSTILE, "#there")]])], "there"),
    ]
    return Page(
        title=f"Of {HOSTILE}",
        summary=[LONG, "Short."],
        sections=sections,
        key_numbers=[KeyNumber("12 ± 2", "generations"), KeyNumber("3 %", LONG), KeyNumber(HOSTILE, HOSTILE)],
        command=f"collapsejax assess '{LONG}.csv' --html x.html\ncollapsejax info '{HOSTILE}'",
        versions={"version_jax": "1.2", "git_commit": "0" * 40},
    )


def results(dims, *, task="own", summary=False):
    """Curves of `trace_ratio` about 0.5 to the power of the generation, and of a metric of one's own."""
    rng = np.random.default_rng(0)
    shape = (*map(len, dims.values()), S, G)
    curves = 0.5 ** np.arange(G) * np.exp(0.1 * rng.normal(size=shape))
    attributes = {"task": json.dumps({"name": task, "dim": 2}), "num_seeds": S, "version_jax": "1.2", "created": "now"}
    made = to_dataset({"trace_ratio": curves, "mine": -curves}, dims, 10, attributes)
    return made.map(lambda variable: summarize(variable), keep_attrs=True) if summary else made
