from pathlib import Path

import jax
import numpy as np
import pytest
import xarray as xr

import collapsejax as cj
from collapsejax.sweeps.plan import make_plan

SIZE = dict(num_samples=6, num_generations=5)


class Halving(cj.Workflow):
    """A workflow of a user's own."""

    share: float = 0.5

    def capacity(self, num_samples, num_generations):
        return num_samples * num_generations

    def init(self, pool, real):
        return pool.append(real)

    def update(self, key, state, synthetic, draw_real):
        return state.scale(self.share).append(synthetic)

    def select(self, key, state):
        return state


class OwnGaussian(cj.Task):
    """A task of a user's own, which is called like one of the library's."""

    name = "gaussian"

    def init(self, key, num_samples):
        return None, None

    def sample_real(self, key, truth, n):
        return jax.random.normal(key, (n,))

    def fit(self, key, truth, train, params):
        return train.values.mean()

    def sample(self, key, truth, params, n):
        return params + jax.random.normal(key, (n,))

    def evaluate(self, truth, params):
        return {"mean_sq_error": params**2}


def planned(task, workflows, key, **options):
    """What a sweep would say of its results, without simulating them."""
    manifest = make_plan(task, workflows, **{**SIZE, "num_seeds": 2, "key": key, **options}).manifest
    return xr.Dataset(coords=manifest.dims, attrs=manifest.attributes)


def check_same(found, wanted):
    """Two datasets of curves, whose labels may be of different kinds of text."""
    assert list(found.data_vars) == list(wanted.data_vars)
    for name in wanted.data_vars:
        assert found[name].dims == wanted[name].dims
        np.testing.assert_array_equal(found[name].values, wanted[name].values)
    for name in wanted.coords:
        assert found[name].values.tolist() == wanted[name].values.tolist()


def test_exact_curves_of_a_grid():
    over = {"dim": [2, 5], "num_samples": [3, 20]}
    known = cj.exact_curves(cj.Gaussian(), ["replace", "accumulate"], over=over, num_generations=6)
    assert dict(known.sizes) == {"dim": 2, "workflow": 2, "num_samples": 2, "generation": 6}
    one = cj.theory.curve(cj.Gaussian(5), cj.Replace(), num_samples=20, num_generations=6)
    for name, curve in one.items():
        np.testing.assert_array_equal(known[name].sel(dim=5, workflow="replace", num_samples=20), curve)
    unknown = known.logdet_ratio.sel(workflow="accumulate")
    assert np.isnan(unknown.sel(num_samples=20)).all()
    assert np.isneginf(unknown.sel(dim=5, num_samples=3, generation=0))


def test_results_tell_what_their_exact_curves_are(tmp_path, key):
    workflows, task = [cj.FreshData(2), cj.Weighted(0.3), "replace"], cj.ExponentialFamily("poisson")
    over = {"mean": [2.0, 3.0], "weighted.real_weight": [0.2, 0.4]}
    kept = dict(keep="summary", out=tmp_path / "g.zarr", num_seeds=2, key=key)
    cj.sweep(task, workflows, over=over, **SIZE, **kept)
    wanted = cj.exact_curves(task, workflows, over=over, **SIZE)
    opened = cj.open(tmp_path / "g.zarr")
    check_same(cj.exact_curves(opened), wanted)
    part = opened.sel(workflow=["replace", "weighted"], mean=3).isel(real_weight=[1], generation=slice(1, 3))
    selected = wanted.sel(workflow=["replace", "weighted"], mean=3).isel(real_weight=[1], generation=slice(1, 3))
    check_same(cj.exact_curves(part), selected)
    scalar = opened.sel(workflow="weighted", real_weight=0.4).isel(generation=-1)
    check_same(cj.exact_curves(scalar), wanted.sel(workflow="weighted", real_weight=0.4).isel(generation=-1))
    with pytest.raises(ValueError, match="mean: is no longer in the results"):
        cj.exact_curves(opened.isel(mean=0, drop=True))
    with pytest.raises(ValueError, match=r"num_samples: the results that are given say it themselves"):
        cj.exact_curves(opened, num_samples=6)


def test_results_of_before_origins_were_recorded_tell_their_exact_curves(key):
    over = {"num_samples": [4, 6]}
    data = planned(cj.ExponentialFamily(mean=0.3), ["replace", "accumulate"], key, over=over, num_samples=None)
    wanted = cj.exact_curves(cj.ExponentialFamily(mean=0.3), ["replace", "accumulate"], over=over, num_generations=5)
    del data.attrs["origin"]
    check_same(cj.exact_curves(data.sel(num_samples=[6])), wanted.sel(num_samples=[6]))


def test_every_kind_of_field_is_made_again(key):
    probs = [0.5, 0.3, 0.2]
    for task, workflows in [
        (cj.Categorical(3, probs=probs), ["replace", cj.Selected(cj.FreshData(2), keep=1.0)]),
        (cj.Categorical(4, probs="zipf"), ["augment"]),
        (cj.KDE(cj.sources.moons(0.1), "scott-scaled"), ["replace", cj.Window(2)]),
        (cj.LinearRegression(2, sigma2=0.5), ["accumulate"]),
    ]:
        check_same(cj.exact_curves(planned(task, workflows, key)), cj.exact_curves(task, workflows, **SIZE))


def test_metrics_and_tasks_without_theory_are_absent(key):
    task = cj.Transformer(cj.sources.markov(), width=8, depth=1, heads=1)
    assert not cj.exact_curves(planned(task, ["replace"], key)).data_vars
    known = cj.exact_curves(planned(cj.KDE(cj.sources.moons(), 0.3), ["replace"], key, num_samples=4))
    assert set(known.data_vars) == {"cov_trace_ratio", "mean_sq_error"}


def test_own_tasks_are_told_of_also_if_they_have_a_name_of_the_library(key):
    data = planned(OwnGaussian(), ["replace"], key)
    with pytest.raises(ValueError, match=r"a class of your own, .*OwnGaussian; give the curves with exact"):
        cj.exact_curves(data)


def test_an_own_workflow_is_nan_and_told_of(key):
    workflows = [Halving(), "replace"]
    data = planned(cj.Gaussian(), workflows, key, over={"Halving.share": [0.2, 0.5]})
    with pytest.warns(UserWarning, match="exact curves are NaN where 'Halving' is a class of your own"):
        known = cj.exact_curves(data)
    wanted = cj.exact_curves(cj.Gaussian(), workflows, over={"Halving.share": [0.2, 0.5]}, **SIZE)
    assert dict(known.sizes) == {"share": 2, "workflow": 2, "generation": 5}
    assert np.isnan(known.mean_sq_error.sel(workflow="Halving")).all()
    replace = wanted.sel(workflow="replace")
    np.testing.assert_array_equal(known.sel(workflow="replace").mean_sq_error, replace.mean_sq_error)
    with pytest.raises(ValueError, match="'Halving' is a class of your own"):
        cj.exact_curves(planned(cj.Gaussian(), [Halving()], key))


def test_long_arrays_in_memory_are_told_of(key):
    data = planned(cj.Categorical(1001, probs=np.full(1001, 1 / 1001)), ["replace"], key)
    with pytest.raises(ValueError, match=r"probs is an array of shape \(1001,\), recorded by its digest alone"):
        cj.exact_curves(data)


def test_a_table_that_cannot_be_read_is_told_of(tmp_path, monkeypatch, key):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "\n".join(f"{number},{number**2}" for number in range(30)))
    data = planned(cj.Gaussian(source=cj.sources.table(path)), ["replace"], key)

    def refused(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(ValueError, match=r"the table .*t\.csv cannot be read \(Permission denied\); give the curves"):
        cj.exact_curves(data)


def test_tables_are_read_again_unless_they_have_changed(tmp_path, monkeypatch, key):
    monkeypatch.chdir(tmp_path)
    rows = np.random.default_rng(0).normal(size=(30, 2)).tolist()
    write = lambda rows: (tmp_path / "t.csv").write_text("a,b\n" + "\n".join(f"{a},{b}" for a, b in rows))
    write([*rows, ["", 1.0]])
    task = cj.Gaussian(source=cj.sources.table("t.csv", missing="drop", standardize=True))
    data = planned(task, ["replace"], key)
    check_same(cj.exact_curves(data), cj.exact_curves(task, ["replace"], **SIZE))
    write(rows)
    with pytest.raises(ValueError, match=r"the table t\.csv has changed since; give the curves"):
        cj.exact_curves(data)
    (tmp_path / "t.csv").unlink()
    with pytest.raises(ValueError, match=r"the table t\.csv is no longer there"):
        cj.exact_curves(data)


def test_datasets_that_do_not_say_what_made_them_are_refused():
    with pytest.raises(ValueError, match=r"data: does not say what made it \('task' is not in its attributes\)"):
        cj.exact_curves(xr.Dataset())
    with pytest.raises(ValueError, match="workflows: is missing"):
        cj.exact_curves(cj.Gaussian(), num_generations=3)
