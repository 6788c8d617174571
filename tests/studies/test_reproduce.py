import json
import re

import numpy as np
import pytest
import xarray as xr
from made_up import simulated, tiny

import collapsejax as cj
from collapsejax.cli.main import main
from collapsejax.studies import catalogue
from collapsejax.studies.discrete import DiscreteStudy
from collapsejax.studies.gaussian import GaussianStudy
from collapsejax.studies.study import CollapseTime, Sweep, ValueGrid
from collapsejax.studies.value import ValueStudy

GAUSSIAN = tiny(GaussianStudy, {"dim=1": Sweep(cj.Gaussian(1), {"num_samples": (4,)}, 4)})


def discrete(*sizes, **options):
    return tiny(DiscreteStudy, {"num_outcomes=2": CollapseTime(2, sizes)}, **options)


@pytest.mark.usefixtures("cache")
def test_command(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "STUDIES", (GAUSSIAN, discrete(2, 3)))
    out = tmp_path / "reproduced"
    main(["reproduce", "gaussian", "--quick", "--out", str(out)])
    told = capsys.readouterr()
    assert f"wrote {out / 'index.md'}" in told.out
    assert "gaussian: dim=1, compiling" in told.err
    folder = out / "gaussian-quick"
    made = {path.name for path in folder.iterdir()}
    assert made == {"dim=1.zarr", "finding.json"} | {
        f"dim=1{form}{suffix}" for form in ("", "-excess") for suffix in (".pdf", ".png", ".svg")
    }
    assert cj.open(folder / "dim=1.zarr").sizes["seed"] == 3
    before = json.loads((folder / "finding.json").read_text())

    main(["reproduce", "discrete", "gaussian", "--quick", "--out", str(out)])
    assert "compiling" not in capsys.readouterr().err  # the sweep is complete, and the other is none
    after = json.loads((folder / "finding.json").read_text())
    assert after == before  # also the seconds that it took to compute
    index = (out / "index.md").read_text()
    lines = [line for line in index.splitlines() if line.startswith("| [")]
    assert [line.split("]")[0] for line in lines] == ["| [gaussian-quick", "| [discrete-quick"]
    for part in (
        "the paper's words",
        before["found"],
        f"| {before['verdict']} |",
        f"{before['numbers'][0]['value']:.4g}",
    ):
        assert part in lines[0]
    assert "![collapse-times](discrete-quick/collapse-times.png)" in index
    page = (out / "index.html").read_text()
    assert page.count("<svg") == 3  # two of the one study, one of the other
    assert f"collapsejax reproduce discrete --quick --out {out}" in re.sub("<[^>]+>", "", page)
    times = xr.open_zarr(out / "discrete-quick" / "num_outcomes=2.zarr")
    assert times.collapse_time.dims == ("num_samples", "seed")

    main(["reproduce", "discrete", "--quick", "--published", "--out", str(out)])
    again = [line for line in (out / "index.md").read_text().splitlines() if line.startswith("| [")]
    assert [again[0], again[2]] == lines
    assert again[1].startswith("| [discrete-published-quick]")
    monkeypatch.setattr(catalogue, "STUDIES", (GAUSSIAN, discrete(2, 4)))
    (folder / "finding.json").unlink()
    with pytest.raises(SystemExit):
        main(["reproduce", "discrete", "gaussian", "--quick", "--out", str(out)])
    told = capsys.readouterr()
    assert "is there already, of another study" in told.err
    assert f"wrote {folder}" in told.out  # the study before it is written up all the same
    assert (folder / "finding.json").exists()


@pytest.mark.usefixtures("cache")
def test_a_study_that_cannot_be_written_up_is_an_error(capsys, tmp_path, monkeypatch):
    """In the thread that does it; also of the first study, while the next is computed, which stays."""
    for broken, written in (("gaussian", []), ("discrete", ["gaussian"])):

        def refuse(study, results):
            raise OSError(f"no room for {study.name}")

        studies = [
            discrete(2, 3 + place, named=name, finds=refuse if name == broken else None)
            for place, name in enumerate(("gaussian", "discrete"))
        ]
        out = tmp_path / broken
        with monkeypatch.context() as patched:
            patched.setattr(catalogue, "STUDIES", tuple(studies))
            with pytest.raises(SystemExit):
                main(["reproduce", "gaussian", "discrete", "--quick", "--out", str(out)])
        told = capsys.readouterr()
        assert f"no room for {broken}" in told.err
        assert [name for name in ("gaussian", "discrete") if f"{name}: " in told.out] == written
        assert {path.parent.name for path in out.glob("*/*.zarr")} == {"gaussian-quick", "discrete-quick"}


@pytest.mark.usefixtures("cache")
def test_results_of_each_kind_of_part(tmp_path):
    """A study's parts come back with what they were made of, in the dimensions that its finding reads."""
    part = Sweep(cj.Gaussian(1), {"sigma2": (0.5, 2.0), "num_samples": (4, 6)}, 3, ("replace",))
    swept = simulated(tiny(GaussianStudy, {"dim=1": part})(), tmp_path)["dim=1"]
    assert swept.part == part
    assert set(swept.dataset.mean_sq_error.dims) == {"sigma2", "workflow", "num_samples", "seed", "generation"}
    assert set(swept.exact.mean_sq_error.dims) == {"sigma2", "workflow", "num_samples", "generation"}
    for labelled in (swept.dataset, swept.exact):
        np.testing.assert_array_equal(labelled.sigma2, [0.5, 2.0])
        np.testing.assert_array_equal(labelled.num_samples, [4, 6])
        assert list(labelled.workflow.values) == ["replace"]

    grid = ValueGrid(cj.Gaussian(2), (8,), (8, 16), "self", 8)
    study = tiny(ValueStudy, {"gaussian": grid})()
    value = simulated(study, tmp_path)["gaussian"]
    assert value.part == grid
    assert value.dataset.mean_sq_error.dims == ("num_real", "num_synthetic", "seed")
    assert not value.exact
    assert study.finding({"gaussian": value}).sentence.startswith("Of 1 experiments")
    again = simulated(study, tmp_path)["gaussian"]  # from its store
    np.testing.assert_array_equal(again.dataset.mean_sq_error, value.dataset.mean_sq_error)
