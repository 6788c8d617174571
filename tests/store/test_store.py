import warnings

import jax
import numpy as np
import pytest
import xarray as xr

import collapsejax as cj
from collapsejax.results.dataset import milestones
from collapsejax.results.metrics import METRICS
from collapsejax.store import datasets


@pytest.fixture(scope="module")
def dataset():
    key = jax.random.key(20240615)
    return cj.sweep(
        cj.Gaussian(2), ["replace", cj.Accumulate()], num_samples=6, num_generations=5, num_seeds=25, key=key
    )


def test_dataset_is_labelled(dataset):
    assert dict(dataset.sizes) == {"workflow": 2, "seed": 25, "generation": 5}
    assert list(dataset.workflow.values) == ["replace", "accumulate"]
    np.testing.assert_array_equal(dataset.iteration, dataset.generation + 1)
    assert int(dataset.num_samples) == 6
    assert list(dataset.data_vars) == [name for name in METRICS if name in dataset]
    assert all({"long_name", "units"} <= set(variable.attrs) for variable in dataset.data_vars.values())
    assert (
        dataset.attrs["task"]
        == '{"name": "gaussian", "dim": 2, "sigma2": 1.0, "ddof": 0, "source": null, "sampling_temperature": 1.0}'
    )
    assert {"version_jax", "version_collapsejax", "platform", "device", "git_commit", "created"} <= set(dataset.attrs)


def test_what_is_opened_is_what_was_written(dataset, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cj.save(dataset, tmp_path / "a.zarr")
        opened = cj.open(tmp_path / "a.zarr")
    xr.testing.assert_identical(opened.load(), dataset)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


def test_infinite_values_come_back(tmp_path):
    size = dict(num_samples=2, num_generations=5, num_seeds=3, key=jax.random.key(0))
    singular = cj.sweep(cj.Gaussian(2), ["replace"], **size)
    cj.save(singular, tmp_path / "a.zarr")
    assert np.isneginf(cj.open(tmp_path / "a.zarr").logdet_ratio).all()


def test_configuration_names_the_data(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n" + "".join(f"{i},{i * i % 7}\n" for i in range(20)))
    task = cj.KDE(cj.sources.table(tmp_path / "a.csv"), "scott")
    size = dict(num_samples=5, num_generations=2, num_seeds=2, key=jax.random.key(0))
    described = cj.sweep(task, ["replace"], **size).attrs["task"]
    for part in ('"name": "scott"', '"columns": ["a", "b"]', '"sha256": "', '"split_seed": 0'):
        assert part in described


def test_nothing_is_overwritten_unasked(dataset, tmp_path):
    cj.save(dataset.isel(seed=slice(3)), tmp_path / "a.zarr")
    with pytest.raises(ValueError, match="is there already"):
        cj.save(dataset, tmp_path / "a.zarr")
    assert cj.open(tmp_path / "a.zarr").sizes["seed"] == 3
    cj.save(dataset, tmp_path / "a.zarr", overwrite=True)
    assert cj.open(tmp_path / "a.zarr").sizes["seed"] == 25
    (tmp_path / "thesis").mkdir()
    (tmp_path / "notes.txt").write_text("keep me")
    for name in ("thesis", "notes.txt"):
        with pytest.raises(ValueError, match="is no store of results"):
            cj.save(dataset, tmp_path / name, overwrite=True)
    assert (tmp_path / "notes.txt").read_text() == "keep me"


def test_a_failure_leaves_what_was_there(dataset, tmp_path):
    cj.save(dataset, tmp_path / "a.zarr")

    def interrupted():
        with datasets.reserve(tmp_path / "a.zarr", overwrite=True) as scratch:
            datasets.write(dataset.isel(seed=slice(3)), scratch)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]
    assert cj.open(tmp_path / "a.zarr").sizes["seed"] == 25


def test_what_came_meanwhile_is_kept(dataset, tmp_path):
    """Two runs with one name: the second to finish finds the first's results there."""

    def second():
        with datasets.reserve(tmp_path / "a.zarr") as scratch:
            datasets.write(dataset, scratch)
            cj.save(dataset.isel(seed=slice(3)), tmp_path / "a.zarr")

    with pytest.raises(ValueError, match="something else was written there meanwhile"):
        second()
    assert cj.open(tmp_path / "a.zarr").sizes["seed"] == 3
    (beside,) = (path for path in tmp_path.iterdir() if path.name != "a.zarr")
    assert cj.open(beside).sizes["seed"] == 25


def test_other_stores_are_not_ours(dataset, tmp_path):
    xr.Dataset({"a": ("x", np.ones(3))}).to_zarr(tmp_path / "b.zarr", zarr_format=3, consolidated=False)
    with pytest.raises(ValueError, match="not a store of results"):
        cj.open(tmp_path / "b.zarr")
    with pytest.raises(ValueError, match="is no store of results"):
        cj.save(dataset, tmp_path / "b.zarr", overwrite=True)


def test_places_that_cannot_be_written_to(dataset, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        cj.save(dataset, tmp_path / "nowhere" / "a.zarr")
    with pytest.raises(ValueError, match="cannot be written"):
        cj.save(dataset, "/proc/a.zarr")
    with pytest.raises(FileNotFoundError, match="there is no such store"):
        cj.open(tmp_path / "a.zarr")
    with pytest.raises(ValueError, match="not a store of results"):
        cj.open(tmp_path)


@pytest.mark.parametrize(
    ("generations", "shown"),
    [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (100, [0, 1, 4, 9, 19, 49, 99]), (7, [0, 1, 4, 6])],
)
def test_milestones(generations, shown):
    assert milestones(generations) == shown
