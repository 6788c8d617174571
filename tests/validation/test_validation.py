import json
import os
import subprocess
import sys

import numpy as np
import pytest

from collapsejax.cli import main as cli
from collapsejax.validation import validate as validation
from collapsejax.validation.validate import Comparison, Report, cases, validate


def test_the_table_covers_what_there_is():
    table = cases()
    assert sum(len(case.num_samples) for case in table) >= 100
    assert {case.task.name for case in table} == {"gaussian", "kde", "regression", "categorical", "family"}
    names = {case.workflow.name for case in table}
    assert names == {
        *("replace", "accumulate", "accumulate-subsample"),
        *("fresh-data", "augment", "weighted", "window"),
    }
    gaussians = [case for case in table if case.task.name == "gaussian"]
    assert any(min(case.num_samples) <= case.task.dim for case in gaussians)
    assert any(case.task.ddof == 1 for case in gaussians)
    assert any(case.rows for case in gaussians)


@pytest.fixture
def small(monkeypatch):
    """A table of one program."""
    chosen = [case for case in cases() if case.task.name == "family"][:1]
    monkeypatch.setattr(validation, "cases", lambda: chosen)


def test_simulation_agrees_with_theory_and_a_planted_error_does_not(small, monkeypatch, tmp_path):
    told = []
    report = validate(num_seeds=40_000, seed=3, say=lambda *doing: told.append(doing))
    assert report.passed
    assert report.num_cells == 2
    assert told[-1][1:] == (2, 2)
    assert {comparison.iteration for comparison in report.comparisons} == {1, 2, 5, 10}
    planted = validate(num_seeds=40_000, seed=3, plant=0.1)
    assert not planted.passed
    assert planted.planted.metric == "sq_error"
    changed = [a for a, b in zip(planted.comparisons, report.comparisons, strict=True) if a.exact != b.exact]
    assert {comparison[:4] for comparison in changed} == {planted.planted[:4]}


@pytest.mark.slow
def test_seeds_differ_between_cells_and_not_between_runs(small):
    first, again = (validate(num_seeds=2000, seed=1) for _ in range(2))
    assert first.comparisons == again.comparisons
    assert validate(num_seeds=2000, seed=2).comparisons[0].mean != first.comparisons[0].mean
    assert (
        len({comparison.mean / comparison.exact for comparison in first.comparisons if comparison.iteration == 1}) == 2
    )


def report_of(scores, num_cells=100):
    comparisons = [Comparison("gaussian", "cell", 10, "kl", 1, 1 + z, 1.0, 1.0) for z in scores]
    return Report(comparisons, num_cells, 1000, 0, None, 1.0)


def test_verdicts():
    good = np.random.default_rng(0).normal(size=400)
    assert report_of(good).passed
    assert not report_of([*good, 5.1]).passed
    assert not report_of([*good, -5.1]).passed
    assert not report_of(1.3 * good).passed
    assert not report_of(0.7 * good).passed
    assert report_of([1.3, 1.3], num_cells=10).passed


def test_what_is_not_there_or_stands_still_fails():
    nothing = Comparison("gaussian", "cell", 10, "kl", 1, np.nan, np.nan, 1.0)
    stuck = Comparison("gaussian", "cell", 10, "kl", 1, 0.9, 0.0, 1.0)
    fixed = Comparison("gaussian", "cell", 10, "kl", 1, 1.0 + 1e-7, 0.0, 1.0)
    assert [c.is_rounding for c in (nothing, stuck, fixed)] == [False, False, True]
    for comparison in (nothing, stuck):
        assert not Report([comparison], 100, 1000, 0, None, 1.0).passed


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="only='gausian': no such task; did you mean 'gaussian'"):
        validate(num_seeds=100, only="gausian")
    with pytest.raises(ValueError, match="num_seeds=10: must be at least 100"):
        validate(num_seeds=10)


@pytest.fixture
def run(tmp_path):
    """Run the command, which keeps its programs for the next call."""
    settings = {
        "JAX_ENABLE_COMPILATION_CACHE": "true",
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }

    def call(*arguments):
        command = [sys.executable, "-m", "collapsejax", "validate", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=os.environ | settings)

    return call


@pytest.mark.slow
def test_report_and_figure_of_the_command(small, tmp_path, capsys):
    with pytest.raises(SystemExit) as leaving:
        cli.main(["validate", "--num-seeds", "20000", "--seed", "3", "--out", str(tmp_path / "r.json")])
    assert leaving.value.code == 0
    assert "passed" in capsys.readouterr().out
    written = json.loads((tmp_path / "r.json").read_text())
    assert written["passed"]
    assert written["num_cells"] == 2
    for comparison in written["comparisons"]:
        z = (comparison["mean"] - comparison["exact"]) / comparison["standard_error"]
        assert comparison["z"] == pytest.approx(z)
    assert (tmp_path / "r.png").stat().st_size > 5000
    with pytest.raises(SystemExit) as leaving:
        cli.main(["validate", "--num-seeds", "20000", "--seed", "3", "--plant", "0.2"])
    assert leaving.value.code == 1
    assert "FAILED" in capsys.readouterr().out


def test_where_nothing_can_be_written_nothing_is_simulated(tmp_path, capsys):
    for out, message in ((tmp_path / "r.txt", "ending"), (tmp_path / "no" / "r.json", "there is no folder")):
        with pytest.raises(SystemExit) as leaving:
            cli.main(["validate", "--out", str(out)])
        assert leaving.value.code == 2
        assert message in capsys.readouterr().err


@pytest.mark.slow
def test_the_whole_table(run):
    result = run("--num-seeds", "4000", "--seed", "5")
    assert result.returncode == 0, result.stdout[-3000:]
    assert "largest |z|" in result.stdout
    assert run("--num-seeds", "20000", "--only", "gaussian", "--plant", "0.01").returncode == 1
