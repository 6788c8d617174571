"""What every task under every workflow must do. A new task or workflow is one more row."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import collapsejax as cj
from collapsejax import base, loop
from collapsejax.datasets import Rows
from collapsejax.workflows import WORKFLOWS

TABLE = cj.sources.Table(
    train=jax.random.normal(jax.random.key(1), (30, 3)),
    test=jax.random.normal(jax.random.key(2), (8, 3)),
    mean=jnp.zeros(3),
    covariance=jnp.eye(3),
    path="made up",
    sha256="",
    columns=("a", "b", "c"),
    dependent=(),
    standardize=False,
    test_fraction=0.2,
    split_seed=0,
)

TASKS = {
    "gaussian": cj.Gaussian(2),
    "gaussian, real data, fewer rows than dimensions": cj.Gaussian(source=cj.sources.gaussian(8), ddof=1),
    "kde": cj.KDE(cj.sources.moons(), 0.3, num_test=7),
    "kde, tophat, scaled rule, table": cj.KDE(TABLE, "silverman-scaled", kernel="tophat", num_test=50),
}
SIZE = dict(  # the sizes of other tests too, so that they share compiled programs
    num_samples=6, num_generations=5
)


@pytest.fixture(params=list(TASKS))
def task(request):
    return TASKS[request.param]


@pytest.fixture(params=list(WORKFLOWS))
def workflow(request):
    return WORKFLOWS[request.param]


def by_hand(key, task, workflow, num_samples, num_generations):
    """The generation loop as a plain Python loop over the protocols' methods."""
    k_init, k_real, k_scan = jax.random.split(key, 3)
    truth, params = task.init(k_init, num_samples)
    exact = not workflow.needs_rows

    def real(key, n):
        if exact and getattr(task, "sample_real_summary", None):
            return task.sample_real_summary(key, truth, n)
        rows = Rows.of(task.sample_real(key, truth, n))
        return task.summarize(truth, rows) if exact else rows

    def synthetic(key):
        if exact and hasattr(task, "sample_summary"):
            return task.sample_summary(key, truth, params, num_samples)
        rows = Rows.of(task.sample(key, truth, params, num_samples))
        return task.summarize(truth, rows) if exact else rows

    first = real(k_real, num_samples)
    room = workflow.capacity(num_samples, num_generations + 1)
    state = workflow.init(first.empty(room), first)
    curves = []
    for g in range(num_generations):
        k_select, k_fit, k_sample, k_update = jax.random.split(jax.random.fold_in(k_scan, g), 4)
        train = workflow.select(k_select, state)
        params = task.fit(k_fit, truth, train if exact else task.summarize(truth, train), None)
        curves.append(task.evaluate(truth, params))
        state = workflow.update(k_update, state, synthetic(k_sample), real)
    return {name: np.array([curve[name] for curve in curves]) for name in curves[0]}


def test_task_under_workflow(key, task, workflow):
    keys = cj.seed_keys(key, 3)
    result = cj.run_seeds(keys, task, workflow, **SIZE)
    compiled = loop._simulate._cache_size()
    turned = cj.run_seeds(keys[::-1], task, workflow, **SIZE)
    assert loop._simulate._cache_size() == compiled
    for name, values in result.metrics.items():
        assert values.shape == (3, 5)
        assert not np.isnan(values).any()
        np.testing.assert_allclose(values, turned.metrics[name][::-1], rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "workflow"),
    [
        ("gaussian", "accumulate"),
        ("gaussian, real data, fewer rows than dimensions", "accumulate-subsample"),
        pytest.param("kde", "accumulate", marks=pytest.mark.slow),
    ],
)
def test_scan_is_a_python_loop(key, name, workflow):
    keys, workflow = cj.seed_keys(key, 3), WORKFLOWS[workflow]
    seeds = cj.run_seeds(keys, TASKS[name], workflow, **SIZE)
    curves = by_hand(keys[1], TASKS[name], workflow, **SIZE)
    assert list(seeds.metrics) == sorted(curves)
    for metric, values in curves.items():
        np.testing.assert_allclose(values, seeds.metrics[metric][1], rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "workflow"),
    [
        ("gaussian", "accumulate"),
        ("kde", "accumulate-subsample"),
        *[
            pytest.param(name, workflow, marks=pytest.mark.slow)
            for name, workflow in [
                ("gaussian", "replace"),
                ("gaussian", "accumulate-subsample"),
                ("kde", "accumulate"),
                ("kde", "replace"),
            ]
        ],
    ],
)
def test_shorter_run_is_a_prefix_bit_for_bit(key, name, workflow):
    """And a seed's curve does not depend on how many others there are, to rounding."""
    keys, workflow = cj.seed_keys(key, 3), WORKFLOWS[workflow]
    longer = cj.run_seeds(keys, TASKS[name], workflow, num_samples=6, num_generations=8)
    shorter = cj.run_seeds(keys, TASKS[name], workflow, **SIZE)
    for metric, values in shorter.metrics.items():
        np.testing.assert_array_equal(values, longer.metrics[metric][:, :5])
    single = cj.run_seeds(keys[2:], TASKS[name], workflow, **SIZE)
    for metric, values in single.metrics.items():
        np.testing.assert_allclose(values[0], shorter.metrics[metric][2], rtol=2e-5, atol=1e-5)


def public_methods(protocol):
    return {name: value for name, value in vars(protocol).items() if inspect.isfunction(value) and name[0] != "_"}


@pytest.mark.parametrize(
    ("classes", "protocol"),
    [
        ({type(task) for task in TASKS.values()}, base.Task),
        ({type(workflow) for workflow in WORKFLOWS.values()}, base.Workflow),
        ({*cj.sources.SHAPES.values(), cj.sources.Table}, base.Source),
        ({cj.datasets.Rows, cj.datasets.Moments, cj.datasets.KernelSums}, base.Dataset),
    ],
)
def test_signatures_match_the_protocols(classes, protocol):
    for name, method in public_methods(protocol).items():
        for cls in classes:
            assert list(inspect.signature(getattr(cls, name)).parameters) == list(inspect.signature(method).parameters)
