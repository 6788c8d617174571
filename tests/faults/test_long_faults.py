"""What a long run survives: killed processes, damaged checkpoints, a full disk."""

import os
import random
import re
import resource
import shutil
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path

import jax
import pytest
from commands import process_of
from damage import cut_short, flip_a_byte
from processes import Forked
from warm import WORKFLOWS, Told, Warm, assert_same

import collapsejax as cj
from collapsejax.cli.main import main
from collapsejax.sweeps.program import Program

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("cache")]

SIZE = dict(num_samples=6, num_generations=8, num_seeds=4, key=jax.random.key(7))
CHUNKS = cj.Execution(chunk=2)


def sweep_there(out, share=None):
    """A sweep in a process of its own, which says what it does."""
    say = lambda progress: print(progress.doing, flush=True)
    cj.sweep(Warm(), WORKFLOWS, **SIZE, out=out, progress=say, execution=cj.Execution(chunk=2, share=share))


def sweep_without_room(out):
    """The same, no file of which may have more than some bytes from its first call on."""
    call = Program.__call__

    def limited(self, jobs):
        resource.setrlimit(resource.RLIMIT_FSIZE, (250, 250))  # now that the program is compiled, and kept
        return call(self, jobs)

    Program.__call__ = limited
    sweep_there(out)


def done_in(lines):
    """The generations that lines say are done, of all, as they are said; not those that a run resumes at."""
    return (int(found[1]) for line in lines if (found := re.search(r"generation (\d+)/", line)))


def finish(process):
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    return list(done_in([*out.splitlines(), *err.splitlines()]))


def assert_whole(out):
    """The store has what an undisturbed sweep in memory gives, to the last bit, and nothing is left over."""
    assert_same(cj.open(out), cj.sweep(Warm(), WORKFLOWS, **SIZE, execution=CHUNKS))
    assert not (out / "running").exists()
    assert not [file for file in out.rglob("*") if "partial" in file.name or "orbax" in file.name]


def test_a_run_is_killed_in_generation_4_of_8(cache, tmp_path):
    command = "run transformer --workflow replace --source markov --window 6 --width 8 --depth 1 --num-steps 20"
    command += " --num-scored 5 --num-test 20 --num-samples 6 --num-generations 8 --num-seeds 2 --out"
    arguments = [*command.split(), str(tmp_path / "killed")]
    begin = lambda: Forked(process_of, arguments, cache=cache)
    process = begin()
    assert next(done for done in done_in(process.stderr) if done == 3)
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
        process = Forked(sweep_there, tmp_path / "s", cache=cache)
        first = next(done_in(process.stdout))
        assert first > last
        time.sleep(chances.uniform(0, 0.15))
        process.kill()
        rest, _ = process.communicate()
        last = max([first, *done_in(rest.splitlines())])
        if last > 5:
            break
    assert finish(Forked(sweep_there, tmp_path / "s", cache=cache))[0] in (last + 1, last + 2)
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


def test_full_disk(cache, tmp_path):
    """No file may have more than some bytes: the checkpoint cannot be written, later it can."""
    process = Forked(sweep_without_room, tmp_path / "s", cache=cache)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 1
    assert f"OSError: {tmp_path / 's'}: writing failed (" in err
    assert "all that was complete stays" in err.splitlines()[-1]
    finish(Forked(sweep_there, tmp_path / "s", cache=cache))
    assert_whole(tmp_path / "s")


def test_one_of_two_processes_is_killed(cache, tmp_path):
    both = lambda: [Forked(sweep_there, tmp_path / "s", (process, 2), cache=cache) for process in range(2)]
    first, second = both()
    assert next(done for done in done_in(second.stdout) if done == 3)
    second.kill()
    second.communicate()
    finish(first)
    done = [finish(process) for process in both()]
    assert done[0] == []
    assert done[1][0] in (4, 5)
    assert_whole(tmp_path / "s")


# JAX is told before it is used, as when the module of this test is imported.
CONNECTED = """
import sys
import jax
jax.config.update("jax_cpu_collectives_implementation", None)
jax.distributed.initialize(f"localhost:{sys.argv[2]}", 2, int(sys.argv[3]))
assert jax.process_count() == 2
jax.distributed.shutdown()
import test_long_faults
test_long_faults.sweep_there(sys.argv[1])
"""


def test_two_processes_that_were_connected(cache, tmp_path):
    """They keep no checkpoints, which Orbax refuses them; shards that are complete stay."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = str(probe.getsockname()[1])
    environment = os.environ | {name.upper(): str(value) for name, value in cache.items()}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, Path(__file__).parents[:2]))
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    arguments = [sys.executable, "-W", "ignore", "-c", CONNECTED, str(tmp_path / "s"), port]
    for process in [subprocess.Popen([*arguments, str(number)], **pipes) for number in range(2)]:
        finish(process)
    assert_whole(tmp_path / "s")
