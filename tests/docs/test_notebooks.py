"""Every notebook runs from its first cell to its last, and is stored with what it printed and drew."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path):
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


@pytest.mark.slow
@each_notebook
def test_runs(path, tmp_path):
    """In a process of its own, compiled as users do."""
    program = tmp_path / "program.py"
    program.write_text("\n\n".join("".join(cell["source"]) for cell in code_cells(path)))
    environment = {**os.environ, "MPLBACKEND": "agg", "PYTHONPATH": str(ROOT)}
    environment.pop("XLA_FLAGS", None)
    warnings = ["-W", "error::RuntimeWarning", "-W", "ignore:FigureCanvasAgg is non-interactive"]
    command = [sys.executable, *warnings, str(program)]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@each_notebook
def test_is_stored_as_it_ran(path):
    cells = code_cells(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert {output["output_type"] for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert all(output.get("name") != "stderr" for output in outputs)
    assert path.stat().st_size < 300_000


@each_notebook
def test_figures_have_alternative_texts(path):
    outputs = [
        output for cell in code_cells(path) for output in cell["outputs"] if "image/png" in output.get("data", {})
    ]
    alternatives = [output["metadata"].get("image/png", {}).get("alt", "") for output in outputs]
    assert [text for text in alternatives if len(text) < 40] == []


@each_notebook
def test_begins_with_its_answer(path):
    """A title and a text, and then a cell that draws."""
    words, answer = json.loads(path.read_text())["cells"][:2]
    assert re.match(r"# .+\?\n\n\w", "".join(words["source"]))
    assert any("image/png" in output.get("data", {}) for output in answer["outputs"])


@each_notebook
def test_lines_fit(path):
    lines = [line for cell in json.loads(path.read_text())["cells"] for line in "".join(cell["source"]).splitlines()]
    assert [line for line in lines if len(line) > 120] == []
    assert "XLA_FLAGS" not in "".join(lines)
