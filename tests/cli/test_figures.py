import os

import jax
import numpy as np
import pytest

import collapsejax as cj
from collapsejax.cli.main import main
from collapsejax.results.dataset import to_dataset
from collapsejax.sweeps.plan import make_plan

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def drawn(monkeypatch):
    """The results and options of every figure of curves that is drawn."""
    calls, draw = [], cj.plots.curves

    def curves(dataset, metrics, **options):
        calls.append((dataset, options))
        return draw(dataset, metrics, **options)

    monkeypatch.setattr(cj.plots, "curves", curves)
    return calls


def store(path, task, *, num_seeds=3, num_samples=5, **options):
    """A store of made-up results that say that they are of a sweep."""
    size = dict(num_generations=4, num_seeds=num_seeds, key=jax.random.key(0))
    size |= {} if "num_samples" in options.get("over", {}) else {"num_samples": num_samples}
    manifest = make_plan(task, ["replace", "accumulate"], **size, **options).manifest
    shape = (*map(len, manifest.dims.values()), num_seeds, 4)
    values = {"trace_ratio": np.random.default_rng(0).gamma(4.0, 0.25, shape)}
    cj.save(to_dataset(values, manifest.dims, num_samples, manifest.attributes), path)


def test_figures_have_exact_curves_unless_one_wants_none(drawn, capsys):
    store("g.zarr", cj.Gaussian(3))
    main(["plot", "g.zarr"])
    main(["plot", "g.zarr", "--no-exact", "--split", "--logx", "--logy", "--width", "page"])
    wanted = cj.theory.curve(cj.Gaussian(3), cj.Replace(), num_samples=5, num_generations=4)["trace_ratio"]
    with_exact, without = (options for _, options in drawn)
    np.testing.assert_array_equal(with_exact["exact"].trace_ratio.sel(workflow="replace"), wanted)
    assert {with_exact[name] for name in ("split", "logy")} == {None}
    assert without == dict(exact=None, against=None, split=True, logx=True, logy=True, width="page")
    assert capsys.readouterr().err == ""


def test_run_draws_exact_curves(drawn):
    size = ["--num-samples", "6", "--num-generations", "3", "--num-seeds", "2", "--metric", "sq_error"]
    main(["run", "family", "--workflow", "replace", *size, "--plot", "f.png", "--logx"])
    ((_, options),) = drawn
    assert options["exact"].sq_error.sizes == {"workflow": 1, "generation": 3}
    assert options["logx"]


def test_an_unknown_width_is_an_error(capsys):
    with pytest.raises(SystemExit) as leaving:
        main(["plot", "g.zarr", "--width", "colum"])
    assert leaving.value.code == 2
    assert "width: 'colum' is none of 'column', 'page', 'slide'" in capsys.readouterr().err


def test_what_does_not_say_what_made_it_is_drawn_without_exact_curves(drawn, capsys):
    values = {"trace_ratio": np.random.default_rng(0).gamma(4.0, 0.25, (2, 3, 4))}
    cj.save(to_dataset(values, {"workflow": ["replace", "accumulate"]}, 5, {}), "g.zarr")
    main(["plot", "g.zarr"])
    assert drawn[0][1]["exact"] is None
    assert "the figure has no exact curves (data: does not say what made it" in capsys.readouterr().err


def test_another_store_is_drawn_for_comparison(drawn):
    over = {"dim": [1, 2], "num_samples": [5, 10]}
    store("a.zarr", cj.Gaussian(), over=over)
    store("b.zarr", cj.Gaussian(), over=over, num_seeds=6)
    main(["plot", "a.zarr", "--against", "b.zarr"])
    assert {"a-dim=1.png", "a-dim=2.png"} <= {*os.listdir()}
    for (dataset, options), dim in zip(drawn, (1, 2), strict=True):
        assert dataset.dim == options["against"].dim == dim
        assert options["against"].sizes["seed"] == 6
        assert dict(options["exact"].sizes) == {"workflow": 2, "num_samples": 2, "generation": 4}


def test_many_cells_make_a_heat_map(drawn, monkeypatch):
    maps, draw = [], cj.plots.heatmap
    monkeypatch.setattr(
        cj.plots, "heatmap", lambda *values, **options: maps.append(options) or draw(*values, **options)
    )
    store("m.zarr", cj.Gaussian(), over={"sigma2": [1.0, 2.0, 3.0], "num_samples": list(range(5, 20))})
    main(["plot", "m.zarr"])
    assert not drawn
    assert "m-trace_ratio.png" in os.listdir()
    assert (maps[0]["x"], maps[0]["y"]) == ("num_samples", "sigma2")
    assert dict(maps[0]["exact"].sizes) == {"sigma2": 3, "workflow": 2, "num_samples": 15, "generation": 4}


def test_results_that_cannot_be_drawn_are_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    size = ["--num-samples", "5", "--num-generations", "2", "--num-seeds", "4", "--workflow", "replace"]
    with pytest.raises(SystemExit) as leaving:
        main(["run", "gaussian", *size, "--metric", "logdet_ratio", "--plot", "f.png", "--logy"])
    assert leaving.value.code == 2
    shown = capsys.readouterr()
    assert "logdet_ratio: " in shown.out
    assert "logy" in shown.err.splitlines()[-1]
    assert not list(tmp_path.iterdir())
