"""Calls that are made smaller where memory does not suffice."""

import functools
import itertools

import jax
import numpy as np
import pytest
from small import Small

import collapsejax as cj
from collapsejax.sweeps import calls, program
from collapsejax.sweeps.calls import Calls
from collapsejax.sweeps.program import CallShape

SIZE = dict(num_samples=6, num_generations=5, key=jax.random.key(20240615))
OUT_OF_MEMORY = "RESOURCE_EXHAUSTED: Out of memory allocating 123 bytes."


class Scarce:
    """A stand-in for a program, of which a device can compile and call one for some numbers of seeds at a time."""

    def __init__(self, compiled=10**9, called=10**9, message=OUT_OF_MEMORY, need=0):
        self.compiled, self.called, self.message, self.need = compiled, called, message, need
        self.compilations, self.jobs = [], []

    def compile(self, key, shape):
        self.compilations.append(shape.rows * shape.seeds)
        if self.compilations[-1] > self.compiled:
            raise jax.errors.JaxRuntimeError(self.message)
        self.shape = shape
        return self.need * self.compilations[-1]

    def __call__(self, jobs):
        assert len(jobs) <= self.shape.rows
        assert all(stop - first <= self.shape.seeds for _, first, stop in jobs)
        if self.shape.rows * self.shape.seeds > self.called:
            raise jax.errors.JaxRuntimeError(self.message)
        self.jobs += jobs
        return [{"seed": np.arange(first, max(first, stop)) + 1000 * cell} for cell, first, stop in jobs]


JOBS = [(0, 0, 25), (1, 0, 10), (2, 7, 25)]


def assert_right(results):
    for (cell, first, stop), result in zip(JOBS, results, strict=True):
        np.testing.assert_array_equal(result["seed"], np.arange(first, stop) + 1000 * cell)


@pytest.mark.parametrize("limits", [dict(compiled=6), dict(called=6), dict(compiled=30, called=1)])
def test_calls_are_halved_until_memory_suffices(limits):
    scarce, said = Scarce(**limits), []
    results = Calls(scarce, None, CallShape(3, 25, 75), jax.devices(), said.append)(JOBS)
    assert_right(results)
    assert scarce.compilations == sorted(scarce.compilations, reverse=True)
    assert said[0] == "out of memory with 75 seeds at a time: 50 seeds at a time instead"
    assert all(f"{number} seeds at a time" in line for number, line in zip(scarce.compilations[1:], said, strict=True))


def test_no_memory_at_all_and_other_failures_are_errors():
    for limits in (dict(compiled=0), dict(called=0)):
        with pytest.raises(jax.errors.JaxRuntimeError, match="RESOURCE_EXHAUSTED"):
            Calls(Scarce(**limits), None, CallShape(3, 25, 75), jax.devices())(JOBS)
        other = Scarce(**limits, message="INTERNAL: something else")
        with pytest.raises(jax.errors.JaxRuntimeError, match="something else"):
            Calls(other, None, CallShape(3, 25, 75), jax.devices())(JOBS)
        assert other.compilations == [75]


def test_calls_are_compiled_for_the_memory_that_is_free(monkeypatch):
    """It is asked for after each compilation, and four fifths of it may be used."""
    monkeypatch.setattr(calls, "free_bytes_of_each", lambda devices: 10 * 2**20)
    scarce, said = Scarce(need=2**20), []
    assert_right(Calls(scarce, None, CallShape(3, 25, 75), jax.devices(), said.append)(JOBS))
    assert scarce.compilations == [75, 50, 25, 13, 7]
    assert said[0] == "75 seeds at a time needs 75 MiB, 8 MiB are free: 50 seeds at a time instead"
    # The smallest call is tried, whatever is said to be free.
    monkeypatch.setattr(calls, "free_bytes_of_each", lambda devices: 0)
    assert_right(Calls(Scarce(need=1), None, CallShape(3, 25, 75), jax.devices())(JOBS))


def test_halving_halves_what_is_in_step():
    shape, batches, sizes = CallShape(8, 1000, 8000), [], []
    while shape:
        batches.append(shape.batch)
        sizes.append(shape.rows * shape.seeds)
        shape = shape.halved()
    for values in (batches, sizes):
        assert all(b <= -(-a // 2) for a, b in itertools.pairwise(values))
    assert sizes[-1] == 1


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("keep", ["seeds", "summary"])
def test_a_sweep_in_smaller_calls_is_the_same(monkeypatch, keep):
    sweep = functools.partial(cj.sweep, Small(), ["replace"], **SIZE, num_seeds=25, keep=keep)
    whole, simulate, said = sweep(), program.Program.__call__, []

    def limited(self, jobs):
        if self.shape.rows * self.shape.seeds > 13:
            raise jax.errors.JaxRuntimeError(OUT_OF_MEMORY)
        return simulate(self, jobs)

    monkeypatch.setattr(program.Program, "__call__", limited)
    smaller = sweep(progress=lambda progress: said.append(progress.doing))
    assert "out of memory with 25 seeds at a time: 13 seeds at a time instead" in said
    assert smaller.num_compilations == 2
    for name in whole.data_vars:
        np.testing.assert_allclose(smaller[name], whole[name], rtol=1e-5, atol=1e-12)
