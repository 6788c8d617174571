"""What a sweep survives: killed processes, full disks, damaged files, two writers, and mistaken specifications."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from damage import cut_short, flip_a_byte

import collapsejax as cj
from collapsejax.cli.main import main

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("cache")]

FLAGS = ["--task", "gaussian", "--dim", "1", "2", "--workflow", "replace", "--devices", "1"]
FLAGS += ["--num-samples", "6", "8", "--num-generations", "5", "--seed", "7"]
SIZE = dict(num_samples=[6, 8], num_generations=5, key=jax.random.key(7))


def start(arguments, cache, program=(sys.executable, "-m", "collapsejax")):
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return subprocess.Popen(
        [*program, "sweep", *FLAGS, *arguments],
        env=os.environ | {name.upper(): str(value) for name, value in cache.items()},
        **pipes,
    )


def finish(process):
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def assert_same(path, keep, num_seeds, chunk):
    """The store equals a sweep in memory that nothing has disturbed."""
    found = cj.open(path)
    wanted = cj.sweep(
        cj.Gaussian([1, 2]), ["replace"], **SIZE, num_seeds=num_seeds, keep=keep, chunk=chunk, devices=jax.devices()[:1]
    )
    assert list(found.data_vars) == list(wanted.data_vars)
    for name in wanted.data_vars:
        np.testing.assert_allclose(found[name].values, wanted[name].values, rtol=1e-6, err_msg=name)


def num_records(out):
    return len(list((out / "records").glob("*.json"))) if out.exists() else 0


@pytest.mark.parametrize(("keep", "num_seeds", "kills"), [("seeds", 2400, 21), ("summary", 800, 6)])
def test_killed_again_and_again(keep, num_seeds, kills, cache, tmp_path):
    """At random moments: every third time while it starts, else while it writes."""
    out, chances = tmp_path / "s", random.Random(20240615)
    arguments = ["--num-seeds", str(num_seeds), "--chunk", "10", "--keep", keep, "--out", str(out)]
    progress = [0]
    for kill in range(kills):
        process = start(arguments, cache)
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
    assert 0 < progress[-1] < 4 * num_seeds / 10
    code, _, err = finish(start(arguments, cache))
    assert code == 0, err
    assert num_records(out) == 4 * num_seeds / 10
    assert_same(out, keep, num_seeds, 10)
    assert not list(out.rglob("*.partial"))


@pytest.mark.parametrize("keep", ["seeds", "summary"])
def test_full_disk(keep, cache, tmp_path):
    """No file may have more than some bytes: the first shards cannot be written, later they can."""
    out = tmp_path / "s"
    arguments = ["--num-seeds", "600", "--chunk", "100", "--keep", keep, "--out", str(out)]

    most = 8000 if keep == "summary" else 1500
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}));"
    limited = [sys.executable, "-c", f"{limited} from collapsejax.cli.main import main; main()"]
    code, _, err = finish(start(arguments, {}, limited))
    assert code == 2
    assert "File too large" in err
    assert "Traceback" not in err
    assert err.strip().splitlines()[-1].startswith(f"collapsejax: {out}: ")
    code, _, err = finish(start(arguments, cache))
    assert code == 0, err
    assert_same(out, keep, 600, 100)


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
    return cj.sweep(cj.Gaussian([2]), ["replace"], **SIZE, num_seeds=5, out=out, **options)


def test_read_only_directory():
    folder = Path(tempfile.mkdtemp())
    try:
        folder.chmod(0o755)
        sweep_here(folder / "s", chunk=3)
        (folder / "s").chmod(0o555)
        folder.chmod(0o555)
        with nobody():
            for name in ("new", "s"):
                with pytest.raises(ValueError, match=r"cannot be written .*; choose another place"):
                    sweep_here(folder / name, chunk=3)
        assert cj.open(folder / "s").sizes["seed"] == 5
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.parametrize("damage", [cut_short, flip_a_byte, Path.unlink], ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("keep", ["seeds", "summary"])
def test_any_damaged_file_is_mended(keep, damage, tmp_path):
    """Shards, records, metadata, coordinates, the manifest: each in turn, and then one in three of them at once."""
    out = tmp_path / "s"
    whole = sweep_here(out, keep=keep, chunk=3).load()
    files = sorted(file for file in out.rglob("*") if file.is_file() and not file.name.startswith("."))
    samples = {file.relative_to(out).parts[0] + file.suffix: file for file in files}
    copy = out / "manifest.copy.json"
    both = [file for file in files if file != copy]  # with its copy too, nothing would say what the store is
    for damaged in (*([file] for file in samples.values()), both[::3]):
        for file in damaged:
            damage(file)
        mended = sweep_here(out, keep=keep, chunk=3).load()
        for name in whole.data_vars:
            np.testing.assert_allclose(mended[name].values, whole[name].values, rtol=1e-6, err_msg=str(damaged))
        np.testing.assert_array_equal(mended.num_samples, [6, 8])


def test_a_damaged_shard_is_announced(tmp_path, capsys):
    sweep_here(tmp_path / "s", chunk=3)
    flip_a_byte(tmp_path / "s" / "kl" / "c" / "0" / "0" / "1" / "1" / "0")
    main(["info", str(tmp_path / "s")])
    said = capsys.readouterr().out
    assert "shards: 3 of 4 complete" in said
    assert "damaged: 1, the first for seeds 3 to 4 of dim=2, workflow=replace, num_samples=8" in said


def test_both_manifests_gone_is_an_error(tmp_path):
    sweep_here(tmp_path / "s", chunk=3)
    for name in ("manifest.json", "manifest.copy.json"):
        cut_short(tmp_path / "s" / name)
    with pytest.raises(ValueError, match="and its copy are damaged"):
        sweep_here(tmp_path / "s", chunk=3)
    with pytest.raises(ValueError, match="and its copy are damaged"):
        cj.open(tmp_path / "s")


def test_two_processes_on_one_store(cache, tmp_path):
    """The second is refused, or there was nothing left to refuse; both ways nothing is lost."""
    arguments = ["--num-seeds", "600", "--chunk", "10", "--out", str(tmp_path / "s")]
    results = [finish(process) for process in (start(arguments, cache), start(arguments, cache))]
    assert sorted(code for code, _, _ in results) in ([0, 2], [0, 0])
    for code, _, err in results:
        assert code == 0 or "another process is writing there" in err
    assert_same(tmp_path / "s", "seeds", 600, 10)


def test_a_store_that_is_being_written_is_refused(tmp_path):
    def try_it(progress):
        with pytest.raises(ValueError, match="another process is writing there; wait for it"):
            sweep_here(tmp_path / "s")

    sweep_here(tmp_path / "s", progress=try_it)


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def processes(arguments, cache, port, number=2):
    coordinator = ["--coordinator", f"localhost:{port}", "--num-processes", str(number)]
    return [start([*arguments, *coordinator, "--process-id", str(process)], cache) for process in range(number)]


def test_two_processes_share_a_sweep(cache, port, tmp_path):
    arguments = ["--num-seeds", "300", "--chunk", "20", "--keep", "summary", "--out", str(tmp_path / "s")]
    for code, _, err in map(finish, processes(arguments, cache, port)):
        assert code == 0, err
    assert_same(tmp_path / "s", "summary", 300, 20)


@pytest.mark.parametrize("victim", [0, 1])
def test_one_of_two_processes_is_killed(victim, cache, port, tmp_path):
    """The other finishes its share, whichever was killed; the same command again does what is missing."""
    out = tmp_path / "s"
    arguments = ["--num-seeds", "3000", "--chunk", "10", "--out", str(out)]
    both = processes(arguments, cache, port)
    while num_records(out) < 20:
        time.sleep(0.01)
        assert all(process.poll() is None for process in both), both[0].communicate()
    both[victim].send_signal(signal.SIGKILL)
    both[victim].communicate()
    code, _, err = finish(both[1 - victim])
    assert code == 0, err
    assert "shards are missing" in err
    there = num_records(out)
    assert 600 <= there < 1200
    for code, _, err in map(finish, processes(arguments, cache, port)):
        assert code == 0, err
    assert_same(out, "seeds", 3000, 10)


def test_interrupted(cache, tmp_path):
    """Ctrl-C stops after the chunk in flight, and says how to go on."""
    out = tmp_path / "s"
    arguments = ["--num-seeds", "6000", "--chunk", "10", "--out", str(out)]
    process = start(arguments, cache)
    while num_records(out) < 3:
        time.sleep(0.01)
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    assert code == 130
    assert "stopping after the chunk in flight" in err
    assert f"what is complete is in {out}; the same command again goes on" in err
    assert not list(out.rglob("*.partial"))
    with pytest.warns(UserWarning, match="of 2400 shards are missing"):
        assert np.isfinite(cj.open(out).kl.values[0, 0, 0, :10]).all()


GOOD = """task = "gaussian"
workflow = ["replace", "accumulate"]
num_samples = [6, 8]
num_generations = 5
num_seeds = 25
[gaussian]
dim = [1, 2]
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("num_seeds", "num_seed", "s.toml: line 5: num_seed: there is no such field; did you mean 'num_seeds'"),
        ("dim =", "dimm =", "s.toml: line 7: gaussian.dimm: there is no such field; did you mean 'dim'"),
        ("[gaussian]", "[gausian]", "gausian: there is no such field"),
        ("[gaussian]", "[kde]", "kde: there is no such field"),
        ('"gaussian"', '"gausian"', "task: there is no 'gausian'; did you mean 'gaussian'"),
        ("num_seeds = 25", "", "num_seeds: is missing"),
        ("= 25", '= "many"', "s.toml: line 5: num_seeds: 'many': want a whole number"),
        ("= 25", "= 25.0", "num_seeds: 25.0: want a whole number"),
        ("= 25", "= true", "num_seeds: True: want a whole number"),
        ("[1, 2]", '[1, "two"]', "s.toml: line 7: gaussian.dim: 'two': want a whole number"),
        ("[1, 2]", "[[1], [2]]", "gaussian.dim: [1]: want a whole number"),
        ("dim = [1, 2]", 'sigma2 = "large"', "gaussian.sigma2: 'large': want a number"),
        ("dim = [1, 2]", "source = 3", "gaussian.source: 3: want a name"),
        ("dim = [1, 2]", 'source = "moon"', "did you mean 'moons'"),
        ("[1, 2]", "[]", "s.toml: line 7: gaussian.dim: an empty list"),
        ("[6, 8]", "[]", "s.toml: line 3: num_samples: an empty list"),
        ('["replace", "accumulate"]', "[]", "workflow: an empty list"),
        ("[1, 2]", "[1, 2, 1]", "dim: 1 stands there 2 times"),
        ("[6, 8]", "[6, 6]", "num_samples: 6 stands there 2 times"),
        ('"accumulate"]', '"replace"]', "workflow: replace stands there 2 times"),
        ("[6, 8]", str(list(range(2, 50003))), "cells are more than 100000"),
        ("[1, 2]", "[0]", "dim=0: must be at least 1"),
        ("[6, 8]", "[6, 1]", "num_samples=1: a covariance needs at least 2"),
        ("= 25", "= 25\nkeep = 'all'", "keep='all': must be 'seeds' or 'summary'"),
        ("= 25", "= 25\nchunk = 0", "chunk=0: must be at least 1"),
        ("= 25", "= 25\nseed = -1", "seed=-1: must be at least 0"),
        ("= 25", "= ", "s.toml: not a TOML file (Invalid value (at line 5, column 13))"),
    ],
)
def test_bad_specifications(old, new, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert old in GOOD
    Path("s.toml").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(SystemExit) as leaving:
        main(["sweep", "s.toml", "--out", "s"])
    assert leaving.value.code == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert os.listdir() == ["s.toml"]
