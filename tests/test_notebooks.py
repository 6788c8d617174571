"""Every notebook runs from its first cell to its last, and is stored with what it printed and drew."""

import json
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
cost = {path: () if path.stem == "quickstart" else pytest.mark.slow for path in NOTEBOOKS}
each_by_its_cost = pytest.mark.parametrize(
    "path", [pytest.param(path, marks=cost[path], id=path.stem) for path in NOTEBOOKS]
)


def code_cells(path):
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


@each_by_its_cost
@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
def test_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    with matplotlib.rc_context():
        for number, cell in enumerate(code_cells(path), 1):
            exec(compile("".join(cell["source"]), f"{path.name}, code cell {number}", "exec"), namespace)
        plt.close("all")


@each_notebook
def test_is_stored_as_it_ran(path):
    cells = code_cells(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert {output["output_type"] for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert all(output.get("name") != "stderr" for output in outputs)
    assert path.stat().st_size < 300_000
