import subprocess
import sys
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import collapsejax as cj
from collapsejax.sweeps import program as programs
from collapsejax.sweeps.ahead import ahead

pytestmark = pytest.mark.usefixtures("cache")

SIZE = dict(num_samples=6, num_generations=3, num_seeds=5, key=jax.random.key(20240615))
SECONDS = 60  # after which something is taken to be waited for in vain


def in_main_thread():
    return threading.current_thread() is threading.main_thread()


def test_things_come_in_order_and_few_are_begun():
    drawn, done = [], []

    def things():
        for number in range(9):
            drawn.append(number)
            yield number

    for number, result in ahead(things(), lambda number: lambda: done.append(number) or -number):
        assert len(drawn) <= number + 3
        assert result() == -number
    assert sorted(done) == drawn == [*range(9)]


def test_one_thing_is_prepared_while_others_are_done():
    preparing, doing = [], threading.Barrier(3)  # passed by three at a time

    def prepare(number):
        preparing.append(number)
        assert len(preparing) == 1
        preparing.remove(number)
        return lambda: doing.wait(SECONDS)

    assert all(result() is not None for _, result in ahead(range(3), prepare))


def test_what_fails_ahead_is_none():
    assert [result() for _, result in ahead([1, 0, 2], lambda number: lambda: 2 // number)] == [2, None, 1]
    assert [result() for _, result in ahead([0], lambda number: 2 // number)] == [None]


def test_nothing_is_begun_after_the_end_and_nobody_waits():
    began, release, prepared = threading.Event(), threading.Event(), []

    def prepare(number):
        prepared.append(number)
        began.set()
        assert release.wait(SECONDS)
        return lambda: pytest.fail("this was done for nobody")

    results = ahead(range(9), prepare)
    _, result = next(results)
    assert began.wait(SECONDS)
    results.close()
    release.set()
    assert result() is None
    assert len(prepared) == 1


@cj.pytree
class Traced:
    """A task whose `number` makes programs; `traced(number)` is called while one is traced."""

    number: int = cj.static(default=0)

    name = "traced"

    def traced(self, number):
        """Replaced by tests."""

    def init(self, key, num_samples):
        return jnp.zeros(()), None

    def sample_real(self, key, truth, n):
        return jax.random.uniform(key, (n,))

    def summarize(self, truth, rows):
        return rows

    def fit(self, key, truth, train, params):
        self.traced(self.number)
        return jnp.mean(train.values)

    def sample(self, key, truth, params, n):
        return params + jax.random.uniform(key, (n,))

    def evaluate(self, truth, params):
        return {"mine": params}


def test_programs_are_compiled_while_earlier_ones_run(monkeypatch):
    begun, said = [threading.Event() for _ in range(5)], []

    def traced(task, number):
        if not in_main_thread():
            begun[number].set()

    def progress(progress):
        said.append(progress.doing)
        number = int(said[-1][-1])
        if not said[-1].startswith("compiling"):  # the next two are not waited for by anybody else
            assert all(event.wait(SECONDS) for event in begun[number : number + 3])
            assert not any(event.is_set() for event in begun[number + 3 :])

    monkeypatch.setattr(Traced, "traced", traced)
    dataset = cj.sweep(Traced([*range(5)]), ["replace"], **SIZE, progress=progress)
    assert said[::3] == [f"compiling replace, number={number}" for number in range(5)]
    assert said[1::3] == said[2::3] == [f"replace, number={number}" for number in range(5)]
    assert dataset.num_compilations == 5


def assert_only_the_first_is_there(path):
    with pytest.warns(UserWarning, match="2 of 3 shards"):
        there = np.isfinite(cj.open(path).mine).all(dim=("workflow", "seed", "generation"))
    assert there.values.tolist() == [True, False, False]


def test_an_error_comes_when_its_program_is_due(monkeypatch, tmp_path):
    said, raised_in = [], []

    def traced(task, number):
        if number == 1:
            raised_in.append(in_main_thread())
            raise RuntimeError("the second one")

    monkeypatch.setattr(Traced, "traced", traced)
    options = dict(out=tmp_path / "s", progress=lambda progress: said.append((progress.doing, progress.seeds)))
    with pytest.raises(RuntimeError, match="the second one"):
        cj.sweep(Traced([0, 1, 2]), ["replace"], **SIZE, **options)
    assert raised_in == [False, True]
    assert said[-1] == ("compiling replace, number=1", 5)
    assert_only_the_first_is_there(tmp_path / "s")


def test_who_stops_waits_for_nobody(monkeypatch, tmp_path):
    release = threading.Event()

    def traced(task, number):
        assert number == 0 or release.wait(SECONDS)

    def progress(progress):
        if progress.seeds == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(Traced, "traced", traced)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        cj.sweep(Traced([0, 1, 2]), ["replace"], **SIZE, out=tmp_path / "s", progress=progress)
    assert threading.active_count() > before
    release.set()
    assert_only_the_first_is_there(tmp_path / "s")


CONTEXTS = {
    "x64": lambda: jax.enable_x64(True),
    "precision": lambda: jax.default_matmul_precision("highest"),
    "random numbers": lambda: jax.threefry_partitionable(False),
    "keys": lambda: jax.default_prng_impl("rbg"),
    "promotion": lambda: jax.numpy_dtype_promotion("strict"),
    "device": lambda: jax.default_device(jax.devices()[0]),
    "leaks": lambda: jax.checking_leaks(),
    "mesh": lambda: jax.set_mesh(jax.make_mesh((1,), ("seed",), (jax.sharding.AxisType.Auto,))),
}


@pytest.mark.parametrize("context", CONTEXTS)
def test_programs_are_traced_in_the_context_of_the_user(monkeypatch, context):
    outside, seen = jax.config.values, []
    traced = lambda task, number: seen.append((number, in_main_thread(), jax.config.values))
    monkeypatch.setattr(Traced, "traced", traced)
    with CONTEXTS[context]():
        inside = jax.config.values
        cj.sweep(Traced([0, 1]), ["replace"], **SIZE)
    changed = [name for name in inside if inside[name] != outside[name]]
    assert changed or context == "mesh"
    assert {number for number, _, _ in seen} == {0, 1}
    assert all(main for _, main, _ in seen) == (context != "device")  # which alone threads take over
    assert all(values[name] == inside[name] for _, _, values in seen for name in changed)


def test_settings_of_all_threads_keep_nobody_from_compiling_ahead(monkeypatch):
    threads, before = set(), jax.config.jax_default_matmul_precision
    monkeypatch.setattr(Traced, "traced", lambda task, number: threads.add(in_main_thread()))
    jax.config.update("jax_default_matmul_precision", "highest")
    try:
        cj.sweep(Traced([0, 1]), ["replace"], **SIZE)
    finally:
        jax.config.update("jax_default_matmul_precision", before)
    assert False in threads


def test_memory_is_measured_while_nothing_runs(monkeypatch):
    """That is by the thread that runs programs, once it wants one, however early that was compiled."""
    said, measured = [], []

    def free_bytes(program):
        measured.append((in_main_thread(), said[-1]))
        return 0 if len(measured) == 1 else 2**40

    monkeypatch.setattr(programs.Program, "free_bytes", free_bytes)
    progress = lambda progress: said.append(progress.doing)
    dataset = cj.sweep(Traced([0, 1]), ["replace"], **SIZE, progress=progress)
    assert said[1].endswith("0 MiB are free: 3 seeds at a time instead")
    assert measured == [(True, said[0]), (True, said[1]), (True, "compiling replace, number=1")]
    assert dataset.num_compilations == 3


@pytest.mark.slow
def test_an_interrupt_ends_a_process_at_once(tmp_path):
    """Without waiting for threads, which cannot be stopped, and without being crashed by them."""
    code = """
import threading, time
from collapsejax.sweeps.ahead import ahead
import collapsejax.cli.main as cli

def main():
    began = threading.Event()
    for _, result in ahead(range(3), lambda number: lambda: began.set() or time.sleep(3600)):
        began.wait()
        cli.sys.exit(130)

cli.main = main
cli.main_of_process()
"""
    process = subprocess.run([sys.executable, "-c", code], check=False, timeout=SECONDS)
    assert process.returncode == 130
