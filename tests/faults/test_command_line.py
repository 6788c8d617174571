"""What a sweep from the command line survives: a full disk, killed processes, Ctrl-C, and bad specifications."""

import os
import signal
import socket
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from commands import COMMAND, started
from damage import flip_a_byte
from small import Small

import collapsejax as cj
from collapsejax.cli.main import main

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("cache")]

FLAGS = ["--task", "gaussian", "--workflow", "replace", "--devices", "1", "--num-samples", "6", "7", "8", "9"]
FLAGS += ["--num-generations", "5", "--seed", "7"]
SIZE = dict(over={"num_samples": [6, 7, 8, 9]}, num_generations=5, key=jax.random.key(7))


def start(arguments, cache, program=COMMAND):
    return started(["sweep", *FLAGS, *arguments], cache, program)


def finish(process):
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def assert_same(path, keep, num_seeds, chunk):
    """The store equals a sweep in memory that nothing has disturbed."""
    found = cj.open(path)
    execution = cj.Execution(chunk=chunk, devices=jax.devices()[:1])
    wanted = cj.sweep(cj.Gaussian(), ["replace"], **SIZE, num_seeds=num_seeds, keep=keep, execution=execution)
    assert list(found.data_vars) == list(wanted.data_vars)
    for name in wanted.data_vars:
        # Programs that are not optimized round otherwise where the processes have fewer threads each.
        np.testing.assert_allclose(found[name].values, wanted[name].values, rtol=1e-4, atol=1e-6, err_msg=name)


def num_records(out):
    return len(list((out / "records").glob("*-*.json"))) if out.exists() else 0


def test_full_disk(cache, tmp_path):
    """No file may have more than some bytes: the first shards cannot be written, later they can."""
    out = tmp_path / "s"
    arguments = ["--num-seeds", "600", "--chunk", "100", "--out", str(out)]
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500));"
    limited = [sys.executable, "-c", f"{limited} from collapsejax.cli.main import main; main()"]
    code, _, err = finish(start(arguments, {}, limited))
    assert code == 2
    assert "File too large" in err
    assert "Traceback" not in err
    assert err.strip().splitlines()[-1].startswith(f"collapsejax: {out}: ")
    code, _, err = finish(start(arguments, cache))
    assert code == 0, err
    assert_same(out, "seeds", 600, 100)


def test_a_damaged_shard_is_announced(tmp_path, capsys):
    over, options = {"kind": [2], "num_samples": [6, 8]}, dict(out=tmp_path / "s", execution=cj.Execution(chunk=3))
    cj.sweep(Small(), ["replace"], num_generations=5, num_seeds=5, key=SIZE["key"], over=over, **options)
    flip_a_byte(tmp_path / "s" / "error" / "c" / "0" / "0" / "1" / "1" / "0")
    main(["info", str(tmp_path / "s")])
    said = capsys.readouterr().out
    assert "3 of 4 shards" in said
    said = " ".join(said.split())
    assert "1 of 4 shards are damaged, the first is error/c/0/0/1/1/0" in said
    assert "(seeds 3 to 4 of kind=2, workflow=replace, num_samples=8); the same command again" in said


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def processes(arguments, cache, port, number=2):
    coordinator = ["--coordinator", f"localhost:{port}", "--num-processes", str(number)]
    return [start([*arguments, *coordinator, "--process-id", str(process)], cache) for process in range(number)]


@pytest.mark.parametrize(("victim", "keep"), [(0, "seeds"), (1, "summary")])
def test_one_of_two_processes_is_killed(victim, keep, cache, port, tmp_path):
    """The other finishes its share, whichever was killed; the same command again does what is missing."""
    out = tmp_path / "s"
    arguments = ["--num-seeds", "400", "--chunk", "10", "--keep", keep, "--out", str(out)]
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
    assert 80 <= there < 160
    again = processes(arguments, cache, port) if victim else [start(arguments, cache)]  # or by one alone
    for code, _, err in map(finish, again):
        assert code == 0, err
    assert_same(out, keep, 400, 10)


def test_interrupted(cache, tmp_path):
    """Ctrl-C stops after the chunk in flight, and says how to go on."""
    out = tmp_path / "s"
    arguments = ["--num-seeds", "2000", "--chunk", "10", "--out", str(out)]
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
    with pytest.warns(UserWarning, match="of 800 shards are missing"):
        assert np.isfinite(cj.open(out).kl.values[0, 0, :10]).all()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_terminated(number, cache, tmp_path):
    """A scheduler's signals clean up as Ctrl-C does, at once."""
    out = tmp_path / "s"
    process = start(["--num-seeds", "2000", "--chunk", "10", "--out", str(out)], cache)
    while num_records(out) < 3:
        time.sleep(0.01)
        assert process.poll() is None, process.communicate()
    process.send_signal(number)
    code, _, err = finish(process)
    assert code == 128 + number
    assert f"collapsejax: terminated; what is complete is in {out}" in err
    assert not list(out.rglob("*.partial"))


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
        ("[1, 2]", "[1, 2, 1]", "dim: duplicate value 1"),
        ("[6, 8]", "[6, 6]", "num_samples: duplicate value 6"),
        ('"accumulate"]', '"replace"]', "workflows: duplicate value replace"),
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
