"""Cells that share a program, with room for more rows than some of them draw, give what each gives alone."""

import functools

import jax
import numpy as np
import pytest
from small import Small

import collapsejax as cj
from collapsejax.workflows import WORKFLOWS

pytestmark = pytest.mark.usefixtures("cache")

SIZES = [5, 6, 9]
slow = functools.partial(pytest.param, marks=pytest.mark.slow)
MOONS, CIRCLES = cj.sources.moons(), cj.sources.circles()
CASES = [
    *(pytest.param(name, Small(), id=name) for name in WORKFLOWS if name != "selected"),
    slow("accumulate-subsample", cj.Gaussian(2)),
    slow("accumulate", cj.Gaussian(source=MOONS)),
    slow("accumulate", cj.KDE(MOONS, 0.3, num_test=7)),
    slow("accumulate-subsample", cj.KDE(CIRCLES, "scott-scaled", num_test=7)),
    slow("accumulate-subsample", cj.LinearRegression(2)),
    slow("accumulate", cj.Categorical(5, "zipf")),
    slow("replace", cj.ExponentialFamily("gamma", 2.0, 3.0)),
]


@pytest.mark.parametrize(("workflow", "task"), CASES, ids=lambda part: getattr(part, "name", part))
def test_cells_with_room_for_more_are_what_run_seeds_gives(monkeypatch, workflow, task):
    for part in (task, getattr(task, "source", None) or task):
        monkeypatch.setattr(type(part), "paddable", True)
    options = dict(num_generations=5, rows=True)
    key = jax.random.key(20240615)
    dataset = cj.sweep(task, [workflow], over={"num_samples": SIZES}, key=key, num_seeds=25, **options)
    assert dataset.num_compilations == 1
    for n in SIZES[::2]:
        alone = cj.run_seeds(cj.seed_keys(key, 25), task, WORKFLOWS[workflow], num_samples=n, **options)
        cell = dataset.isel(workflow=0).sel(num_samples=n)
        for name, values in alone.metrics.items():
            np.testing.assert_allclose(cell[name], values, rtol=1e-4, atol=1e-5)
