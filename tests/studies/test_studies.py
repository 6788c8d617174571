import json

import jax
import numpy as np
import pytest
import xarray as xr
from checks import GATE

import collapsejax as cj
from collapsejax.cli.main import main
from collapsejax.core.describe import describe
from collapsejax.experiments.value_checks import check_candidates, check_sizes
from collapsejax.results.dataset import to_dataset
from collapsejax.studies import catalogue as studies
from collapsejax.studies.catalogue import LONG, STUDIES, Collapse, Study, Sweep, Value, find
from collapsejax.studies.conclusions import CONCLUSIONS
from collapsejax.studies.figures import FIGURES
from collapsejax.studies.findings import count_above, growth, number, order, plateau, slopes
from collapsejax.sweeps.grid import expand
from collapsejax.theory.outcomes import fixation_time, fixation_time_asymptote
from collapsejax.theory.shares import real_share

DEFAULT = ["gaussian", "kde", "regression", "discrete", "real-share"]
KEY = jax.random.key(20240615)


def test_every_study_is_well_formed():
    assert set(CONCLUSIONS) == set(FIGURES) == set(STUDIES)
    assert list(find([], quick=True, published=False)) == [name for name in STUDIES if name not in LONG] == DEFAULT
    for quick in (False, True):
        for study in find(list(STUDIES), quick=quick, published=False).values():
            assert study.num_seeds >= (2 if quick else 100)
            for part in study.parts.values():
                if isinstance(part, Sweep):
                    grid = expand(part.task, part.workflows, list(part.num_samples))
                    assert "num_samples" in grid.dims
                elif isinstance(part, Value):
                    check_sizes(part.task, part.num_real, part.num_synthetic, part.generator, part.teacher_rows)
                    check_candidates(part.task, part.tune, min(part.num_real))
                else:
                    assert isinstance(part, Collapse)
                    assert part.task.num_outcomes == part.num_outcomes


def test_grids_are_the_papers():
    full = find(list(STUDIES), quick=False, published=False)
    assert [part.task.dim for part in full["gaussian"].parts.values()] == [1, 3, 10, 31, 100]
    assert [part.task.dim for part in full["regression"].parts.values()] == [1, 3, 10, 32, 100]
    assert list(full["kde"].parts) == ["blobs", "moons", "circles", "swiss_roll"]
    for name, generations in (("gaussian", 100), ("kde", 100), ("kde-bandwidth", 1000), ("kde-estimated", 1000)):
        for part in full[name].parts.values():
            assert (part.num_samples, part.num_generations) == ((10, 32, 100, 316, 1000), generations)
    widths = full["kde-bandwidth"].parts["moons"].task.bandwidth
    np.testing.assert_allclose(widths, np.logspace(-2, 2, 9))


def test_published_errors_are_switched_on():
    corrected, published = (find(list(STUDIES), quick=False, published=on) for on in (False, True))
    differ = {
        (name, part)
        for name in STUDIES
        for part in corrected[name].parts
        if describe(corrected[name].parts[part].task) != describe(published[name].parts[part].task)
    }
    blobs = {("kde", "blobs"), ("kde-bandwidth", "blobs")}
    rules = {("kde-estimated", name) for name in ("blobs", "moons", "circles", "swiss_roll")}
    assert differ == blobs | rules | {("regression", f"dim={dim}") for dim in (1, 3, 10, 32, 100)}
    assert not published["kde"].parts["blobs"].task.source.shared_centres
    assert list(published["kde-estimated"].parts["moons"].task.bandwidth) == ["scott", "silverman"]
    assert not published["regression"].parts["dim=3"].task.fresh_design
    for name in {name for name, _ in differ}:
        assert "as published" in published[name].form
        assert "corrected" in corrected[name].form


def test_unknown_study(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as leaving:
        main(["reproduce", "gausian", "--quick"])
    assert leaving.value.code == 2
    assert "study 'gausian': there is none; did you mean 'gaussian'?" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def tiny(name, parts):
    return lambda quick, published: Study(name, "the paper's words", "as published", parts, 3, 1.0)


@pytest.mark.usefixtures("cache")
def test_command(capsys, tmp_path, monkeypatch):
    sweep = Sweep(cj.Gaussian(1), (4,), 4, ("accumulate", "accumulate-subsample", "replace"))
    monkeypatch.setitem(studies.STUDIES, "gaussian", tiny("Gaussians", {"dim=1": sweep}))
    monkeypatch.setitem(studies.STUDIES, "discrete", tiny("Discrete", {"num_outcomes=2": Collapse(2, (2, 3))}))
    out = tmp_path / "reproduced"
    main(["reproduce", "gaussian", "--quick", "--out", str(out)])
    told = capsys.readouterr()
    assert f"wrote {out / 'index.md'}" in told.out
    assert "gaussian: dim=1, compiling" in told.err
    folder = out / "gaussian-quick"
    made = {path.name for path in folder.iterdir()}
    assert made == {"dim=1.zarr", "finding.json"} | {
        f"dim=1{form}{suffix}" for form in ("", "-excess") for suffix in (".pdf", ".png")
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
    for part in ("the paper's words", before["found"], f"{before['numbers'][0]['value']:.4g}"):
        assert part in lines[0]
    assert "![collapse-times](discrete-quick/collapse-times.png)" in index
    times = xr.open_zarr(out / "discrete-quick" / "num_outcomes=2.zarr", consolidated=False)
    assert times.collapse_time.dims == ("num_samples", "seed")

    main(["reproduce", "discrete", "--quick", "--published", "--out", str(out)])
    again = [line for line in (out / "index.md").read_text().splitlines() if line.startswith("| [")]
    assert [again[0], again[2]] == lines
    assert again[1].startswith("| [discrete-published-quick]")
    monkeypatch.setitem(studies.STUDIES, "discrete", tiny("Discrete", {"num_outcomes=2": Collapse(2, (2, 4))}))
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
    for place, name in enumerate(("gaussian", "discrete")):
        monkeypatch.setitem(studies.STUDIES, name, tiny(name, {"num_outcomes=2": Collapse(2, (2, 3 + place))}))
    for broken, written in (("gaussian", []), ("discrete", ["gaussian"])):

        def conclude(datasets, exact, broken=broken):
            raise OSError(f"no room for {broken}")

        with monkeypatch.context() as patched:
            patched.setitem(CONCLUSIONS, "gaussian", CONCLUSIONS["discrete"])
            patched.setitem(FIGURES, "gaussian", FIGURES["discrete"])
            patched.setitem(CONCLUSIONS, broken, conclude)
            out = tmp_path / broken
            with pytest.raises(SystemExit):
                main(["reproduce", "gaussian", "discrete", "--quick", "--out", str(out)])
        told = capsys.readouterr()
        assert f"no room for {broken}" in told.err
        assert [name for name in ("gaussian", "discrete") if f"{name}: " in told.out] == written
        assert {path.parent.name for path in out.glob("*/*.zarr")} == {"gaussian-quick", "discrete-quick"}


def results(curves, workflows=("replace", "accumulate-subsample", "accumulate"), metric="test_nll"):
    """Curves (workflow, n, S, G) as results."""
    sizes = list(range(10, 10 + np.shape(curves)[1]))
    return to_dataset({metric: np.asarray(curves)}, {"workflow": list(workflows), "num_samples": sizes}, 0, {})


def test_growth_order_and_slopes():
    rng = np.random.default_rng(0)
    t, seeds = np.arange(1, 101), rng.normal(1.0, 0.1, (3, 4, 50, 1))
    curves = 2.0 + seeds * np.array([3.0, 2.0, 1.0])[:, None, None, None] * np.log(t)
    dataset = results(curves)
    grown = growth([dataset, dataset], "test_nll", ratio=False)
    assert grown["replace"].shape == (8, 50)
    np.testing.assert_allclose(grown["replace"][:4], 3 * seeds[0, :, :, 0] * np.log(100))
    ratios = growth([dataset], "test_nll", ratio=True, since=9)["accumulate"]
    np.testing.assert_allclose(np.exp(ratios), curves[2, :, :, -1] / curves[2, :, :, 9])
    assert count_above(grown["replace"], grown["accumulate"]) == (8, 8)
    assert "in 8 of 8 cells (by more than 3 s.e. in 8)" in order(grown)
    assert "lay between them in 8 (clearly outside in 0)" in order(grown)
    wrong = {"replace": grown["accumulate"], "accumulate": grown["replace"]} | {
        "accumulate-subsample": grown["accumulate-subsample"]
    }
    assert "in 0 of 8 cells" in order(wrong)
    assert "lay between them in 0 (clearly outside in 16)" in order(wrong)
    fitted = slopes(dataset.test_nll.sel(workflow="accumulate"), 10)
    np.testing.assert_allclose(fitted, seeds[2, :, :, 0], rtol=1e-6)
    curves[0, 1, 2, -1] = np.inf
    assert len(growth([results(curves)], "test_nll", ratio=False)["accumulate"]) == 3


def test_numbers():
    one = number("mean", np.array([1.0, 2.0, 3.0]), 1.0)
    assert (one.value, one.se) == (2.0, pytest.approx(1 / np.sqrt(3)))
    assert one.z == pytest.approx(np.sqrt(3))
    assert number("mean", np.arange(3)).z is None


def test_verdicts_on_synthetic_data():
    """A U where real rows are scarce and harm where they are ample agrees with the paper; anything else does not."""

    def study(scarce, ample):
        noise = np.random.default_rng(0).normal(size=(2, 4, 50)) * 0.01
        loss = np.array([scarce, ample])[:, :, None] + noise
        coords = {"num_real": [10, 1000], "num_synthetic": [0, 10, 100, 1000]}
        return xr.Dataset({"test_nll": (("num_real", "num_synthetic", "seed"), loss)}, coords)

    cases = {
        "a": ([3, 2, 2.5, 2.6], [1, 1.1, 1.2, 1.3]),
        "b": ([3, 2.5, 2, 1.5], [1, 1.1, 1.2, 1.3]),
        "c": ([3, 3.1, 3.2, 3.3], [1, 1.1, 1.2, 1.3]),
        "d": ([3, 2, 2.5, 2.6], [1, 0.9, 0.8, 0.7]),
    }
    found = CONCLUSIONS["value"]({name: study(*losses) for name, losses in cases.items()}, {})
    assert found.sentence.startswith("Of 4 experiments 1 agree with the paper in full")
    assert "synthetic ones help in 3, a moderate amount being best in 2" in found.sentence
    assert "any amount hurts in 3" in found.sentence
    a, b, c, d = found.sentence.split(". ", 1)[1].split("; ")
    assert a == "a: with 10 real rows a moderate amount helps and more hurts, with 1000 any hurts (agrees)"
    assert "the more the better" in b
    assert "none helps, with 1000 any hurts" in c
    assert "it still helps" in d
    assert all("DISAGREES" in text for text in (b, c, d))
    assert found.numbers[0].value < -0.9


def test_shares_of_real_data():
    t = np.arange(1, 9)
    np.testing.assert_allclose(real_share(cj.Replace(), 7, 8), t == 1)
    np.testing.assert_allclose(real_share(cj.Accumulate(), 7, 8), 1 / t)
    np.testing.assert_allclose(real_share(cj.AccumulateSubsample(), 7, 8), 1 / t)
    np.testing.assert_allclose(real_share(cj.FreshData(3), 7, 8)[1:], 0.3)
    np.testing.assert_allclose(real_share(cj.Weighted(0.2), 7, 8)[1:], 0.2)
    np.testing.assert_allclose(real_share(cj.Window(3), 7, 8), [1, 1 / 2, 1 / 3, 0, 0, 0, 0, 0])


def test_exact_curves_of_a_grid():
    sizes = dict(num_samples=[3, 20], num_generations=6)
    known = cj.exact_curves(cj.Gaussian(dim=[2, 5]), ["replace", "accumulate"], **sizes)
    assert dict(known.sizes) == {"dim": 2, "workflow": 2, "num_samples": 2, "generation": 6}
    one = cj.theory.curve(cj.Gaussian(5), cj.Replace(), num_samples=20, num_generations=6)
    for name, curve in one.items():
        np.testing.assert_array_equal(known[name].sel(dim=5, workflow="replace", num_samples=20), curve)
    assert np.isnan(known.logdet_ratio.sel(workflow="accumulate")).all()


def test_exact_lines_are_where_something_is_known():
    curves = np.random.default_rng(0).uniform(1, 2, (3, 2, 9, 6))
    known = results(curves[:, :, :1]).test_nll.isel(seed=0, drop=True).to_dataset()
    known = known.where(known.workflow != "accumulate")
    for figure in (
        cj.plots.curves(results(curves), exact=known),
        cj.plots.excess(results(np.cumsum(curves, axis=3)), "test_nll", exact=known.cumsum("generation")),
    ):
        lines = [[line for line in axis.lines if str(line.get_color()) == "0.15"] for axis in figure.axes]
        finite = [sum(np.isfinite(line.get_ydata()).any() for line in of) for of in lines]
        assert finite[:2] == [2, 2]


@pytest.mark.slow
def test_gaussian_findings():
    task, sizes = cj.Gaussian(10), dict(num_samples=[32, 100], num_generations=100)
    dataset = cj.sweep(task, studies.PUBLISHED, **sizes, num_seeds=200, key=KEY)
    exact = cj.exact_curves(task, studies.PUBLISHED, **sizes)
    found = CONCLUSIONS["gaussian"]({"dim=10": dataset}, {"dim=10": exact})
    assert "in 2 of 2 cells (by more than 3 s.e. in 2)" in found.sentence
    assert "lay between them in 2 (clearly outside in 0)" in found.sentence
    # The plateau alone needs more seeds, and costs little.
    many = cj.sweep(task, ["accumulate"], **sizes, num_seeds=10_000, key=KEY)
    scaled, known, _ = plateau(many, exact)
    level = number("", scaled.mean(axis=0) / 10, known.mean() / 10)
    assert abs(level.z) < GATE
    assert abs(level._replace(exact=1.05 * level.exact).z) > GATE
    assert level.exact == pytest.approx(np.pi**2 / 6, rel=0.03)


@pytest.mark.slow
def test_kde_findings():
    task, sizes = cj.KDE(cj.sources.moons(noise=0.05), [0.5, 1.0]), dict(num_samples=[32], num_generations=100)
    dataset = cj.sweep(task, studies.PUBLISHED, **sizes, num_seeds=200, key=KEY)
    exact = cj.exact_curves(task, studies.PUBLISHED, **sizes)
    found = CONCLUSIONS["kde"]({"moons": dataset}, {"moons": exact})
    assert "in 2 of 2 cells (by more than 3 s.e. in 2)" in found.sentence
    assert "variance rose against log t in 2 of 2 cells, and its loss in 2 (clearly in 2)" in found.sentence
    slope = found.numbers[0]
    assert abs(slope.z) < GATE
    assert abs(slope._replace(exact=1.1 * slope.exact).z) > GATE
    assert "over theory's slope" in slope.label


@pytest.mark.slow
def test_rules_are_the_same_in_two_dimensions_only():
    size = dict(num_samples=20, num_generations=10, num_seeds=10, key=KEY)
    apart = {}
    for source in (cj.sources.moons(noise=0.05), cj.sources.swiss_roll(noise=0.05)):
        dataset = cj.sweep(cj.KDE(source, ["scott", "silverman"]), studies.PUBLISHED, **size)
        losses = dataset.test_nll.transpose("bandwidth", ...).values
        apart[source.name] = np.abs(losses[0] - losses[1]).max()
    assert apart["moons"] < 1e-4
    assert apart["swiss_roll"] > 0.01


@pytest.mark.slow
def test_discrete_findings():
    keys = cj.seed_keys(KEY, 20_000)
    for outcomes, n in ((10, 100), (100, 32)):
        probs = np.full(outcomes, 1 / outcomes)
        times = cj.until_collapse(keys, cj.Categorical(outcomes), num_samples=n, limit=50 * n)
        assert not times.censored.any()
        one = number("", times.iterations, fixation_time(probs, n))
        assert abs(one.z) < GATE
        assert abs(one._replace(exact=1.05 * one.exact).z) > GATE
        leading = fixation_time_asymptote(probs, n)
        assert leading == pytest.approx(2 * n * (outcomes - 1) * np.log(outcomes / (outcomes - 1)))
        assert one.exact == pytest.approx(leading, rel=0.05)


@pytest.mark.slow
def test_regression_findings():
    task, sizes = cj.LinearRegression(3, [1.0], True), dict(num_samples=[32, 100], num_generations=100)
    dataset = cj.sweep(task, studies.PUBLISHED, **sizes, num_seeds=4000, key=KEY)
    exact = cj.exact_curves(task, studies.PUBLISHED, **sizes)
    found = CONCLUSIONS["regression"]({"dim=3": dataset}, {"dim=3": exact})
    assert "in 2 of 2 cells (by more than 3 s.e. in 2)" in found.sentence
    assert "lay between them in 2 (clearly outside in 0)" in found.sentence
    known = [one for one in found.numbers if one.exact is not None]
    assert len(known) == 2
    for one in known:
        assert abs(one.z) < GATE
        assert abs(one._replace(exact=1.1 * one.exact).z) > GATE
