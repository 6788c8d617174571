import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from checks import assert_mean_is, assert_same_law

import collapsejax as cj
from collapsejax.theory import curve

slow = pytest.mark.slow
TASKS = {
    "bernoulli": cj.ExponentialFamily("bernoulli", 0.3),
    "poisson": cj.ExponentialFamily("poisson", 2.0),
    "exponential": cj.ExponentialFamily("exponential", 2.0),
    "gamma": cj.ExponentialFamily("gamma", 2.0, shape=3.0),
}
SIZE = dict(num_samples=10, num_generations=6)


def simulate(seed, task, workflow, num_seeds=40_000, **size):
    keys = cj.seed_keys(jax.random.key(seed), num_seeds)
    return np.asarray(cj.run_seeds(keys, task, workflow, **size).metrics["sq_error"], np.float64)


CELLS = [
    ("bernoulli", cj.Replace()),
    ("poisson", cj.Accumulate()),
    ("gamma", cj.Weighted(0.3)),
]
ALL = (
    cj.Weighted(0.3),
    cj.Replace(),
    cj.Accumulate(),
    cj.AccumulateSubsample(),
    cj.FreshData(4),
    cj.Augment(),
    cj.Window(3),
)
CELLS += [
    pytest.param(name, workflow, marks=slow) for name in TASKS for workflow in ALL if (name, workflow) not in CELLS
]


@pytest.mark.parametrize(("name", "workflow"), CELLS)
def test_mean_squared_error_is_exact(name, workflow):
    exact = curve(TASKS[name], workflow, **SIZE)["sq_error"]
    assert_mean_is(simulate(1, TASKS[name], workflow, **SIZE), exact)


def test_schedule_of_sizes_is_exact():
    size = dict(num_samples=[4, 9, 6], num_generations=3)
    exact = curve(TASKS["poisson"], cj.Accumulate(), **size)["sq_error"]
    assert_mean_is(simulate(2, TASKS["poisson"], cj.Accumulate(), **size), exact)


@slow
@pytest.mark.parametrize("name", list(TASKS))
@pytest.mark.parametrize("workflow", [cj.Replace(), cj.Window(2)], ids=lambda w: w.name)
def test_exact_law_is_the_law_of_rows(name, workflow):
    size = dict(num_samples=7, num_generations=3)
    rows, law = (
        simulate(seed, TASKS[name], workflow, 20_000, rows=rows, **size) for seed, rows in ((3, True), (4, False))
    )
    assert_same_law(np.sqrt(rows), np.sqrt(law))


def test_a_rate_of_zero_stays(key):
    """Few counts of a small rate are often all zero; from then on nothing is drawn, and nothing is NaN."""
    task, size = cj.ExponentialFamily("poisson", 0.1), dict(num_samples=3, num_generations=6)
    record = lambda truth, params, synthetic: params.mean
    for rows in (False, True):
        means = np.asarray(cj.run_seeds(cj.seed_keys(key, 20), task, cj.Replace(), rows=rows, record=record, **size)[1])
        assert np.isfinite(means).all()
        assert (means[:, 0] == 0).any()
        assert (means[:, 1:][means[:, :-1] == 0] == 0).all()


@pytest.mark.parametrize("name", list(TASKS))
def test_log_density_is_scipys(key, name):
    law = {
        "bernoulli": lambda x: scipy.stats.bernoulli(0.3).logpmf(x),
        "poisson": lambda x: scipy.stats.poisson(2.0).logpmf(x),
        "exponential": lambda x: scipy.stats.expon(scale=2.0).logpdf(x),
        "gamma": lambda x: scipy.stats.gamma(3.0, scale=2.0 / 3.0).logpdf(x),
    }[name]
    x = np.array([0.0, 1.0, 1.0] if name == "bernoulli" else [1.0, 4.0, 7.0])
    truth, _ = TASKS[name].init(key, 5)
    np.testing.assert_allclose(TASKS[name].log_density(truth, jnp.asarray(x, dtype=float)), law(x), rtol=1e-5)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (cj.ExponentialFamily("bernoulli", 1.0), "mean=1.0: of a bernoulli variable, must be below 1"),
        (cj.ExponentialFamily("poisson", 0.0), "mean=0.0: must be a finite number above 0"),
        (cj.ExponentialFamily("exponential", -1.0), "mean=-1.0: must be a finite number above 0"),
        (cj.ExponentialFamily("poisson", 2.0, 3.0), "shape=3.0: is for gamma; leave it out"),
        (cj.ExponentialFamily("gamma", 2.0, 0.0), "shape=0.0: must be a finite number above 0"),
        (cj.ExponentialFamily("gamma", 2.0, 0.3), "shape=0.3: must be at least 0.5"),
    ],
)
def test_mistakes_are_refused_before_compiling(key, task, message, compilations):
    keys = cj.seed_keys(key, 2)
    with compilations(at_most=0), pytest.raises(ValueError, match=message):
        cj.run_seeds(keys, task, cj.Replace(), num_samples=6, num_generations=3)


def test_unknown_families_are_refused():
    with pytest.raises(ValueError, match="family='poison': there is none; did you mean 'poisson'"):
        cj.ExponentialFamily("poison")
