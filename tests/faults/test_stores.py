"""What the store of a sweep survives: killed processes, full disks, damaged files, two writers."""

import contextlib
import functools
import os
import random
import shutil
import tempfile
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from damage import cut_short, filling_disk, flip_a_byte
from processes import Forked
from small import Small

import collapsejax as cj

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("cache")]

OVER = {"kind": [1, 2], "num_samples": [6, 8]}  # two programs, each for two cells
NUM_CELLS = 4
SIZE = dict(num_generations=5, key=jax.random.key(7))


def sweep_there(options):
    """A sweep in a process of its own."""
    options = dict(options)
    execution = cj.Execution(chunk=options.pop("chunk"))
    cj.sweep(Small(), ["replace"], over=OVER, **SIZE, **options, execution=execution)


def start(cache, **options):
    return Forked(sweep_there, options, cache=cache)


def finish(process):
    _, err = process.communicate(timeout=240)
    return process.returncode, err


@functools.cache
def undisturbed(keep, num_seeds, chunk):
    """A sweep in memory."""
    execution = cj.Execution(chunk=chunk, devices=jax.devices()[:1])
    return cj.sweep(Small(), ["replace"], over=OVER, **SIZE, num_seeds=num_seeds, keep=keep, execution=execution)


def assert_same(path, keep, num_seeds, chunk):
    found, wanted = cj.open(path), undisturbed(keep, num_seeds, chunk)
    assert list(found.data_vars) == list(wanted.data_vars)
    for name in wanted.data_vars:
        np.testing.assert_allclose(found[name].values, wanted[name].values, rtol=1e-6, atol=1e-12, err_msg=name)


def num_records(out):
    return len(list((out / "records").glob("*-*.json"))) if out.exists() else 0


@pytest.mark.parametrize(("keep", "num_seeds", "kills"), [("seeds", 800, 6), ("summary", 400, 3)])
def test_killed_again_and_again(keep, num_seeds, kills, cache, tmp_path):
    """At random moments: every third time while it starts, else while it writes."""
    out, chances = tmp_path / "s", random.Random(20240615)
    options = dict(num_seeds=num_seeds, chunk=10, keep=keep, out=str(out))
    progress = [0]
    for kill in range(kills):
        process = start(cache, **options)
        if kill % 3 == 2:
            time.sleep(chances.uniform(0, 3))
        else:
            while num_records(out) == progress[-1]:
                time.sleep(0.01)
                assert process.poll() is None, process.communicate()
            time.sleep(chances.uniform(0, 0.4))
        assert process.poll() is None, "the sweep was finished before it was killed"
        process.kill()
        process.communicate()
        progress.append(num_records(out))
    assert progress == sorted(progress)
    assert 0 < progress[-1] < NUM_CELLS * num_seeds / 10
    code, err = finish(start(cache, **options))
    assert code == 0, err
    assert num_records(out) == NUM_CELLS * num_seeds / 10
    assert_same(out, keep, num_seeds, 10)
    assert not list(out.rglob("*.partial"))


@pytest.mark.parametrize("keep", ["seeds", "summary"])
def test_full_disk(keep, tmp_path):
    """When the store is made, there is room; the first shards cannot be written, later they can."""
    undisturbed(keep, 600, 100)  # which is compiled and kept
    sweep = functools.partial(cj.sweep, Small(), ["replace"], over=OVER, **SIZE, num_seeds=600, keep=keep)
    sweep = functools.partial(sweep, out=tmp_path / "s", execution=cj.Execution(chunk=100))
    with filling_disk() as fill, pytest.raises(OSError, match=r"s: writing failed \(File too large\)"):
        sweep(progress=fill)
    assert num_records(tmp_path / "s") == 0
    sweep()
    assert_same(tmp_path / "s", keep, 600, 100)


@contextlib.contextmanager
def nobody():
    """Without the rights of root, who may write anywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def sweep_here(out, **options):
    options = dict(over={"num_samples": [6, 8]}, execution=cj.Execution(chunk=3)) | options
    return cj.sweep(Small(), ["replace"], **SIZE, num_seeds=5, out=out, **options)


def test_read_only_directory():
    folder = Path(tempfile.mkdtemp())
    try:
        folder.chmod(0o755)
        sweep_here(folder / "s")
        (folder / "s").chmod(0o555)
        folder.chmod(0o555)
        with nobody():
            for name in ("new", "s"):
                with pytest.raises(ValueError, match=r"cannot be written .*; choose another place"):
                    sweep_here(folder / name)
        assert cj.open(folder / "s").sizes["seed"] == 5
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.parametrize("damage", [cut_short, flip_a_byte, Path.unlink], ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("keep", ["seeds", "summary"])
def test_any_damaged_file_is_mended(keep, damage, tmp_path):
    """Shards, records, metadata, coordinates, the manifest: each in turn, and then one in three of them at once."""
    out = tmp_path / "s"
    whole = sweep_here(out, keep=keep).load()
    files = sorted(file for file in out.rglob("*") if file.is_file() and not file.name.startswith("."))
    samples = {file.relative_to(out).parts[0] + file.suffix: file for file in files}
    copy = out / "manifest.copy.json"
    both = [file for file in files if file != copy]  # with its copy too, nothing would say what the store is
    for damaged in (*([file] for file in samples.values()), both[::3]):
        for file in damaged:
            damage(file)
        mended = sweep_here(out, keep=keep).load()
        for name in whole.data_vars:
            np.testing.assert_allclose(mended[name].values, whole[name].values, rtol=1e-6, err_msg=str(damaged))
        np.testing.assert_array_equal(mended.num_samples, [6, 8])


def test_both_manifests_gone_is_an_error(tmp_path):
    sweep_here(tmp_path / "s")
    for name in ("manifest.json", "manifest.copy.json"):
        cut_short(tmp_path / "s" / name)
    with pytest.raises(ValueError, match="and its copy are damaged"):
        sweep_here(tmp_path / "s")
    with pytest.raises(ValueError, match="and its copy are damaged"):
        cj.open(tmp_path / "s")


def test_two_processes_on_one_store(cache, tmp_path):
    """The second is refused, or there was nothing left to refuse; both ways nothing is lost."""
    options = dict(num_seeds=600, chunk=10, out=str(tmp_path / "s"))
    results = [finish(process) for process in (start(cache, **options), start(cache, **options))]
    assert sorted(code for code, _ in results) in ([0, 1], [0, 0])
    for code, err in results:
        assert code == 0 or "another process is writing there" in err
    assert_same(tmp_path / "s", "seeds", 600, 10)


def test_a_store_that_is_being_written_is_refused(tmp_path):
    def try_it(progress):
        with pytest.raises(ValueError, match="another process is writing there; wait for it"):
            sweep_here(tmp_path / "s")

    sweep_here(tmp_path / "s", progress=try_it)
