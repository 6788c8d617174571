"""A seed that memory cannot hold is refused before anything is compiled or written, with the size that would fit."""

import jax
import pytest

import collapsejax as cj
from collapsejax.loop import seeds
from collapsejax.sweeps import plan
from collapsejax.sweeps.plan import make_plan
from collapsejax.workflows import find

MOONS = cj.sources.moons()
MOST = 2**31 - 1
SIZE = dict(num_samples=100, num_generations=10, num_seeds=4, key=jax.random.key(0))


@pytest.fixture(autouse=True)
def memory(monkeypatch):
    """A device with a GiB."""
    monkeypatch.setattr(plan, "free_bytes", lambda device: 2**30)


@pytest.mark.parametrize(
    ("task", "workflow", "sizes", "fix"),
    [
        (cj.Gaussian(50_000), "replace", {}, "dim=50000, use at most 7000"),
        (cj.Gaussian(source=cj.sources.gaussian(2**16)), "replace", {}, "dim=65536, use at most 5000"),
        (cj.LinearRegression(2**16), "accumulate", {}, "dim=65536, use at most 4000"),
        (cj.KDE(MOONS, 0.1, num_test=MOST), "replace", {}, "num_test=2147483647, use at most 40000000"),
        (cj.KDE(MOONS, 0.1), cj.FreshData(10**9), {}, "num_fresh=1000000000, use at most 40000000"),
        (cj.KDE(MOONS, 0.1), "accumulate", dict(num_samples=10**8), "num_samples=100000000, use at most 4000000"),
        (cj.Gaussian(), cj.Selected(keep=6e-8), {}, "num_samples=100, use at most 8"),
        (cj.Gaussian(), "replace", dict(num_generations=10**9), "num_generations=1000000000, use at most 60000000"),
    ],
)
def test_the_size_that_is_to_blame_is_named(task, workflow, sizes, fix, tmp_path, compilations):
    message = f"^{fix}: one seed needs [0-9.,]+ GiB of memory, and 1.0 GiB are free$"
    with compilations(at_most=0), pytest.raises(ValueError, match=message):
        make_plan(task, [workflow], **SIZE | sizes, out=tmp_path / "s")
    assert not list(tmp_path.iterdir())


def test_the_largest_cell_of_a_grid_is_found():
    over = {"dim": [1, 2, 60_000, 3]}
    with pytest.raises(ValueError, match="dim=60000, use at most"):
        make_plan(cj.Gaussian(), ["replace", "accumulate"], over=over, **SIZE)


def test_what_fits_is_planned(tmp_path):
    make_plan(cj.Gaussian(7000), ["replace"], **SIZE)
    make_plan(cj.Gaussian(), ["accumulate"], **SIZE | dict(num_seeds=MOST, num_generations=1000), out=tmp_path / "s")


@pytest.mark.parametrize(
    ("num_seeds", "task", "workflow", "sizes", "fix"),
    [
        (3, cj.Gaussian(50_000), "replace", {}, "dim=50000, use at most 4000: 3 seeds need"),
        (2000, cj.KDE(MOONS, 0.1), "accumulate", dict(num_samples=10**4), "num_seeds=2000, use at most"),
        (10**6, cj.Gaussian(), "replace", dict(num_generations=10**4), "num_seeds=1000000, use at most 25000:"),
        (1, cj.Gaussian(50_000), "replace", {}, "dim=50000, use at most 7000: one seed needs"),
    ],
)
def test_seeds_that_are_run_at_once_are_counted(num_seeds, task, workflow, sizes, fix, monkeypatch, compilations):
    monkeypatch.setattr(seeds, "free_bytes", lambda device: 2**30)
    keys = cj.seed_keys(jax.random.key(0), num_seeds)
    first = keys[0]
    sizes = dict(num_samples=100, num_generations=10) | sizes
    with compilations(at_most=0), pytest.raises(ValueError, match=f"^{fix}"):
        cj.run_seeds(keys, task, find(workflow), **sizes)
    if num_seeds == 1:
        with compilations(at_most=0), pytest.raises(ValueError, match=f"^{fix}"):
            cj.run(first, task, find(workflow), **sizes)


def test_a_run_within_a_traced_function_is_not_looked_at(monkeypatch):
    monkeypatch.setattr(seeds, "free_bytes", lambda device: 0)
    size = dict(num_samples=10**6, num_generations=2)
    jax.eval_shape(lambda key: cj.run(key, cj.KDE(MOONS, 0.1), cj.Replace(), **size), jax.random.key(0))
