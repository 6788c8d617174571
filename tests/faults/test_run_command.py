"""What a run from the command line survives: a scheduler's signals, and being killed."""

import contextlib
import random
import signal
import time

import jax
import numpy as np
import pytest
from commands import process_of
from processes import Forked
from small import Small

import collapsejax as cj

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("cache")]


@pytest.mark.parametrize(
    ("number", "overwrite"), [(signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGHUP, True)]
)
def test_a_run_is_terminated(number, overwrite, cache, tmp_path):
    """It goes on where it was stopped, or what it was to overwrite stays; no partial file or folder is left."""
    (tmp_path / "notes.txt").write_text("keep me")
    size = dict(num_samples=5, num_generations=2, num_seeds=4, key=jax.random.key(0))
    if overwrite:
        cj.save(cj.sweep(Small(), ["replace"], **size), tmp_path / "a.zarr")

    def begun():
        with contextlib.suppress(FileNotFoundError):  # of a folder that gets its name meanwhile
            return list(tmp_path.rglob("records"))

    arguments = f"run gaussian --num-seeds 1000000 --out {tmp_path}/a.zarr --plot {tmp_path}/a.png".split()
    arguments += ["--workflow", "replace"] + ["--overwrite"] * overwrite
    process = Forked(process_of, arguments, cache=cache)
    while not begun():
        time.sleep(0.01)
        assert process.poll() is None, process.communicate()
    process.send_signal(number)
    _, err = process.communicate()
    assert process.returncode == 128 + number
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr", "notes.txt"]
    assert not list(tmp_path.rglob("*.partial"))
    if overwrite:
        assert "collapsejax: terminated; results are written whole or not at all" in err
        assert cj.open(tmp_path / "a.zarr").sizes["seed"] == 4
    else:
        assert f"collapsejax: terminated; what is complete is in {tmp_path}/a.zarr" in err
        with pytest.warns(UserWarning, match="shards are missing"):
            assert cj.open(tmp_path / "a.zarr").sizes["seed"] == 1000000


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_run_is_killed_again_and_again(overwrite, cache, tmp_path):
    """It goes on with what is there; with `--overwrite` the old results stay until the new ones are complete."""
    out, chances = tmp_path / "s", random.Random(20240615)
    size = dict(num_samples=10, num_generations=50, key=jax.random.key(7))
    if overwrite:
        old = cj.sweep(Small(), ["replace"], num_samples=5, num_generations=2, num_seeds=4, key=jax.random.key(0))
        cj.save(old, out)
    arguments = f"run gaussian --num-samples 10 --num-generations 50 --num-seeds 4000 --seed 7 --out {out}".split()
    arguments += ["--workflow", "replace"] + ["--overwrite"] * overwrite

    def there(since=0.0):
        with contextlib.suppress(FileNotFoundError):  # of a process before, removed by this one meanwhile
            records = [path for path in tmp_path.rglob("records/*-*.json") if "partial" not in path.name]
            return sum(path.stat().st_mtime > since for path in records)
        return 0

    before = 0
    for _ in range(2):
        process = Forked(process_of, arguments, cache=cache)
        begun = time.time()
        while there(begun) == 0:
            time.sleep(0.002)
            assert process.poll() is None, process.communicate()
        time.sleep(chances.uniform(0, 0.05))
        process.kill()
        process.communicate()
        if overwrite:
            assert cj.open(out).load().identical(old)
        else:
            assert there() >= before
            before = there()
    _, err = (last := Forked(process_of, arguments, cache=cache)).communicate(timeout=240)
    assert last.returncode == 0, err
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    wanted = cj.sweep(cj.Gaussian(), ["replace"], **size, num_seeds=4000)
    np.testing.assert_array_equal(cj.open(out).kl.values, wanted.kl.values)
