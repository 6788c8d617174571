"""What a long run survives: killed processes, damaged checkpoints, a full disk."""

import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path

import jax
import pytest
from damage import cut_short, flip_a_byte
from warm import WORKFLOWS, Told, Warm, assert_same

import collapsejax as cj
from collapsejax.cli.main import main

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("cache")]

SIZE = dict(num_samples=6, num_generations=8, num_seeds=4, key=jax.random.key(7))
CHUNKS = cj.Execution(chunk=2)
PROGRAM = f"""
import gc
gc.disable()  # which saves a tenth of the time
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
import jax
BEFORE
import collapsejax as cj
from warm import WORKFLOWS, Warm
size = dict(num_samples=6, num_generations=8, num_seeds=4, key=jax.random.key(7))
say = lambda progress: print(progress.doing, flush=True)
execution = cj.Execution(chunk=2, share=SHARE)
cj.sweep(Warm(), WORKFLOWS, **size, out=sys.argv[1], progress=say, execution=execution)
"""


def start(out, cache, before="", share=None):
    return subprocess.Popen(
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            PROGRAM.replace("BEFORE", before).replace("SHARE", str(share)),
            str(out),
        ],
        env=os.environ | {name.upper(): str(value) for name, value in cache.items()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def done_in(lines):
    """The generations that lines say are done, of all; not those that a run resumes at."""
    return (int(found[1]) for line in lines if (found := re.search(r"generation (\d+)/", line)))


def generations(process):
    """The generations that a process says it has done, as it does them."""
    return done_in(process.stdout)


def finish(process):
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    return list(done_in(out.splitlines()))


def assert_whole(out):
    """The store has what an undisturbed sweep in memory gives, to the last bit, and nothing is left over."""
    assert_same(cj.open(out), cj.sweep(Warm(), WORKFLOWS, **SIZE, execution=CHUNKS))
    assert not (out / "running").exists()
    assert not [file for file in out.rglob("*") if "partial" in file.name or "orbax" in file.name]


def test_a_run_is_killed_in_generation_4_of_8(cache, tmp_path):
    command = "run transformer --workflow replace --source markov --window 6 --width 8 --depth 1 --num-steps 20"
    command += " --num-scored 5 --num-test 20 --num-samples 6 --num-generations 8 --num-seeds 2 --out"
    environment = os.environ | {name.upper(): str(value) for name, value in cache.items()}

    def begin():
        arguments = [sys.executable, "-m", "collapsejax", *command.split(), str(tmp_path / "killed")]
        streams = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return subprocess.Popen(arguments, env=environment, **streams)

    process = begin()
    assert next(done for done in generations(process) if done == 3)
    process.kill()
    process.communicate()
    checkpoints = [path for path in (tmp_path / "killed" / "running" / "0").iterdir() if path.name.isdigit()]
    assert len(checkpoints) in (2, 3)  # the third one, of generation 4, is begun
    done = finish(begin())
    assert done[0] in (4, 5)
    assert done == list(range(done[0], 9))
    main([*command.split(), str(tmp_path / "whole")])
    assert_same(cj.open(tmp_path / "killed"), cj.open(tmp_path / "whole"))


def test_killed_again_and_again(cache, tmp_path):
    """At random moments, most of them while it writes."""
    chances, last = random.Random(20240615), 0
    for _ in range(4):
        process = start(tmp_path / "s", cache)
        first = next(generations(process))
        assert first > last
        time.sleep(chances.uniform(0, 0.15))
        process.kill()
        rest, _ = process.communicate()
        last = max([first, *done_in(rest.splitlines())])
        if last > 5:
            break
    assert finish(start(tmp_path / "s", cache))[0] in (last + 1, last + 2)
    assert_whole(tmp_path / "s")


def test_any_damaged_file_of_the_checkpoints(cache, tmp_path):
    """One of the last two is used, or one line says that none is; the numbers are the same."""
    with pytest.raises(KeyboardInterrupt):
        cj.sweep(Warm(), WORKFLOWS, **SIZE, execution=CHUNKS, out=tmp_path / "s", progress=Told(most=3))
    files = [file.relative_to(tmp_path) for file in (tmp_path / "s" / "running").rglob("*") if file.is_file()]
    latest = [file for file in files if file.parts[3].startswith("3")]
    latest = random.Random(20240615).sample(sorted(latest), min(len(latest), 3))
    for number, damaged in enumerate([*([file] for file in latest), files]):
        damage = flip_a_byte if damaged == files else (cut_short, flip_a_byte, Path.unlink)[number % 3]
        shutil.copytree(tmp_path / "s", tmp_path / "t" / "s")
        for file in damaged:
            damage(tmp_path / "t" / file)
        told = Told()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            cj.sweep(Warm(), WORKFLOWS, **SIZE, execution=CHUNKS, out=tmp_path / "t" / "s", progress=told)
        if damaged == files:
            assert ["the checkpoint is incomplete or damaged" in str(one.message) for one in said] == [True]
        else:
            assert not said
            assert told.generations[0] in ("3/8", "4/8")
        assert_whole(tmp_path / "t" / "s")
        shutil.rmtree(tmp_path / "t")


LIMITED = """
import resource
from collapsejax.sweeps.program import Program

call = Program.__call__


def limited(self, jobs):
    resource.setrlimit(resource.RLIMIT_FSIZE, (250, 250))  # now that the program is compiled, and kept
    return call(self, jobs)


Program.__call__ = limited
"""


def test_full_disk(cache, tmp_path):
    """No file may have more than some bytes: the checkpoint cannot be written, later it can."""
    process = start(tmp_path / "s", cache, LIMITED)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 1
    assert f"OSError: {tmp_path / 's'}: writing failed (" in err
    assert "all that was complete stays" in err.splitlines()[-1]
    finish(start(tmp_path / "s", cache))
    assert_whole(tmp_path / "s")


JOIN = """
jax.config.update("jax_cpu_collectives_implementation", None)
jax.distributed.initialize("localhost:PORT", 2, PROCESS)
assert jax.process_count() == 2
jax.distributed.shutdown()
"""


def test_one_of_two_processes_is_killed(cache, tmp_path):
    both = lambda: [start(tmp_path / "s", cache, share=(process, 2)) for process in range(2)]
    first, second = both()
    assert next(done for done in generations(second) if done == 3)
    second.kill()
    second.communicate()
    finish(first)
    done = [finish(process) for process in both()]
    assert done[0] == []
    assert done[1][0] in (4, 5)
    assert_whole(tmp_path / "s")


def test_two_processes_that_were_connected(cache, tmp_path):
    """They keep no checkpoints, which Orbax refuses them; shards that are complete stay."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = str(probe.getsockname()[1])
    join = [JOIN.replace("PORT", port).replace("PROCESS", str(process)) for process in range(2)]
    for process in [start(tmp_path / "s", cache, before) for before in join]:
        finish(process)
    assert_whole(tmp_path / "s")
