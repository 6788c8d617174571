"""The API reference has a place for every public name, those that are imported late among them."""

import html
import re
import subprocess
import sys

import pytest

import collapsejax as cj


@pytest.mark.slow
def test_reference_has_all_public_names(tmp_path):
    pytest.importorskip("pdoc")
    modules = ["collapsejax", "collapsejax.core.base", "collapsejax.data.rows"]
    command = [sys.executable, "-m", "pdoc", "--docformat", "google", "-o", str(tmp_path), *modules]
    subprocess.run(command, check=True, capture_output=True)
    page = (tmp_path / "collapsejax.html").read_text()
    submodules = {"plots", "sources", "theory"}
    assert [name for name in cj.__all__ if name not in submodules and f'id="{name}"' not in page] == []
    assert [name for name in submodules if not (tmp_path / "collapsejax" / f"{name}.html").exists()] == []
    text = html.unescape(re.sub(r"<[^>]+>", "", page))
    for sentence in (
        "Simulate seeds 0 ... S-1 in every cell of a grid",  # sweep
        "directory of a store. Where this sweep is there already",  # an argument of it
        "Fit N(mean, covariance) to the data",
        "Each model is fitted to the previous model's batch, and to nothing else.",
    ):
        assert sentence in text
    theory = (tmp_path / "collapsejax" / "theory.html").read_text()
    assert "What is known exactly of the means over seeds" in theory
    assert 'id="Workflow.select"' in (tmp_path / "collapsejax" / "core" / "base.html").read_text()
