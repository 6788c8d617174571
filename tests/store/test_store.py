import os
import shutil
import warnings
from pathlib import Path

import jax
import numpy as np
import pytest
import xarray as xr
from small import Small

import collapsejax as cj
from collapsejax.results.dataset import milestones
from collapsejax.results.metrics import METRICS
from collapsejax.store import datasets
from collapsejax.store.files import locked


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
    (tmp_path / "empty").mkdir()
    cj.save(dataset, tmp_path / "empty", overwrite=True)
    assert cj.open(tmp_path / "empty").sizes["seed"] == 25


def contents(folder):
    """What is in a folder, by name; of links where they lead."""
    files = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    return {path.relative_to(folder): os.readlink(path) if path.is_symlink() else path.read_bytes() for path in files}


def add_notes(store):
    (store / "notes.txt").write_text("keep me")


def add_hidden(store):
    (store / ".draft.partial").write_text("keep me")


def add_folder(store):
    (store / "figures").mkdir()


def add_link(store):
    (store / "link").symlink_to("/etc")


def edit(store):
    (store / "zarr.json").write_text((store / "zarr.json").read_text().replace("replace", "Replace"))


def forget(store):
    (store / "checksums.json").unlink(missing_ok=True)
    (store / "manifest.json").unlink(missing_ok=True)
    (store / "manifest.copy.json").unlink(missing_ok=True)


def forge(store):
    """A folder of the user's with the names of a store."""
    shutil.rmtree(store)
    store.mkdir()
    (store / "zarr.json").write_text("version_collapsejax")
    (store / "manifest.json").write_text('{"name": "app"}')


CHANGES = [add_notes, add_hidden, add_folder, add_link, forget, forge]
CASES = [(kind, change) for kind in ("saved", "seeds", "summary") for change in CHANGES]


@pytest.mark.parametrize(("kind", "change"), [("saved", edit), *CASES])
def test_only_what_this_package_wrote_is_overwritten(dataset, tmp_path, kind, change):
    path = tmp_path / "a.zarr"
    if kind == "saved":
        cj.save(dataset, path)
    else:
        size = dict(num_samples=5, num_generations=2, num_seeds=4, key=jax.random.key(0))
        cj.sweep(Small(), ["replace"], **size, keep=kind, out=path)
    change(path)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="no part of a store of results as this program left it"):
        cj.save(dataset, path, overwrite=True)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("keep", ["seeds", "summary"])
def test_a_sweep_is_overwritten_when_asked(dataset, tmp_path, keep):
    """With all that a sweep leaves, when it is killed, too; not while another process writes there."""
    path, size = tmp_path / "a.zarr", dict(num_samples=5, num_generations=2, num_seeds=4, key=jax.random.key(0))
    over = {"num_samples": [5, 6]}
    cj.sweep(Small(), ["replace", "window"], **size | dict(num_samples=None), over=over, keep=keep, out=path)
    (path / f".manifest.json.{'a' * 32}.partial").write_text("half")
    (path / ".skeleton.abcd1234.partial" / "new").mkdir(parents=True)
    (path / "running" / "0" / "3").mkdir(parents=True)
    (path / "running" / "0" / "3" / "state").write_text("a checkpoint")
    with locked(path / ".lock", shared=True), pytest.raises(ValueError, match="another process is writing there"):
        cj.save(dataset, path, overwrite=True)
    cj.save(dataset, path, overwrite=True)
    assert cj.open(path).sizes["seed"] == 25


@pytest.mark.parametrize("name", [".bashrc", "old.partial", ".draft.partial", ".lock", "thesis.txt"])
def test_a_sweep_takes_no_folder_with_anything_in_it(tmp_path, name):
    home = tmp_path / "home"
    home.mkdir()
    (home / name).write_text("keep me")
    size = dict(num_samples=5, num_generations=2, num_seeds=4, key=jax.random.key(0))
    with pytest.raises(ValueError, match="is there already and holds no sweep"):
        cj.sweep(Small(), ["replace"], **size, out=home)
    assert contents(home) == {Path(name): b"keep me"}


def test_a_sweep_deletes_partial_files_of_its_own_alone(tmp_path):
    path, size = tmp_path / "s", dict(num_samples=5, num_generations=2, num_seeds=4, key=jax.random.key(0))
    cj.sweep(Small(), ["replace"], **size, out=path)
    ours = [path / f".{name}.{'0123456789abcdef' * 2}.partial" for name in ("zarr.json", "manifest.json")]
    theirs = [path / name for name in ("old.partial", "records/mine.partial", f".thesis.tex.{'a' * 32}.partial")]
    for file in (*ours, *theirs):
        file.write_text("something")
    cj.sweep(Small(), ["replace"], **size | dict(num_seeds=5), out=path)
    assert not any(file.exists() for file in ours)
    assert all(file.read_text() == "something" for file in theirs)


def test_any_flipped_byte_of_what_was_saved_is_found(dataset, tmp_path):
    path = tmp_path / "a.zarr"
    cj.save(dataset, path)
    for file in [file for file in path.rglob("*") if file.is_file()]:
        content = file.read_bytes()
        for place in np.random.default_rng(len(content)).integers(len(content), size=2):
            flipped = bytearray(content)
            flipped[place] ^= 16
            file.write_bytes(flipped)
            with pytest.raises(ValueError, match=f"{file.relative_to(path)}.*damaged|not a store of results"):
                cj.open(path)
        if file.name != "checksums.json":
            file.unlink()
            with pytest.raises(ValueError, match=f"{file.relative_to(path)}.*damaged or missing"):
                cj.open(path)
        file.write_bytes(content)
    xr.testing.assert_identical(cj.open(path).load(), dataset)


def test_copies_that_xarray_makes_are_read(dataset, tmp_path):
    cj.save(dataset, tmp_path / "a.zarr")
    twice = xr.open_zarr(tmp_path / "a.zarr").assign(twice=lambda data: 2 * data.kl)
    twice.to_zarr(tmp_path / "b.zarr", consolidated=False)
    np.testing.assert_array_equal(cj.open(tmp_path / "b.zarr").twice, 2 * dataset.kl)
    with pytest.raises(ValueError, match="no part of a store"):
        cj.save(dataset, tmp_path / "b.zarr", overwrite=True)


def test_a_failure_leaves_what_was_there(dataset, tmp_path):
    cj.save(dataset, tmp_path / "a.zarr")

    def interrupted():
        with datasets.reserve(tmp_path / "a.zarr", overwrite=True) as scratch:
            cj.save(dataset.isel(seed=slice(3)), scratch)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]
    assert cj.open(tmp_path / "a.zarr").sizes["seed"] == 25


def test_what_came_meanwhile_is_kept(dataset, tmp_path):
    """Two runs with one name: the second to finish finds the first's results there."""

    def second():
        with datasets.reserve(tmp_path / "a.zarr") as scratch:
            cj.save(dataset, scratch)
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
    with pytest.raises(ValueError, match="no part of a store of results"):
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
