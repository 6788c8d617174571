import jax
import numpy as np
import pytest
from checks import assert_mean_is

import collapsejax as cj
from collapsejax.experiments import collapse_time
from collapsejax.experiments.collapse_time import until_collapse
from collapsejax.theory.outcomes import fixation_time

slow = pytest.mark.slow


CASES = {"two": (cj.Categorical(2, (0.3, 0.7)), 20), "ten": (cj.Categorical(10), 12)}


@slow
@pytest.mark.parametrize("case", ["two", "ten"])
def test_mean_time_is_exact(key, case):
    task, num_samples = CASES[case]
    times = until_collapse(cj.seed_keys(key, 16_000), task, num_samples=num_samples, limit=5000)
    assert not times.censored.any()
    probs = np.asarray(task.init(key, 2)[0].probs, np.float64)
    assert_mean_is(times.iterations, fixation_time(probs, num_samples))


def test_times_are_those_of_the_loop(key):
    """The first model with one outcome. Of two none is dropped before, so the draws are those of `run_seeds`."""
    keys, task = cj.seed_keys(key, 40), cj.Categorical(2, (0.3, 0.7))
    times = until_collapse(keys, task, num_samples=5, limit=30)
    curves = np.asarray(
        cj.run_seeds(keys, task, cj.Replace(), num_samples=5, num_generations=30).metrics["num_extinct"]
    )
    collapsed = curves == 1
    expected = np.where(collapsed.any(axis=1), collapsed.argmax(axis=1) + 1, 30)
    np.testing.assert_array_equal(times.iterations, expected)
    np.testing.assert_array_equal(times.censored, ~collapsed.any(axis=1))


@slow
@pytest.mark.parametrize("num_outcomes", [3, 40])
def test_a_time_does_not_depend_on_other_seeds(key, monkeypatch, num_outcomes):
    """Not on which are there, nor on how many are in memory at a time."""
    keys, task = cj.seed_keys(key, 300), cj.Categorical(num_outcomes)
    whole = until_collapse(keys, task, num_samples=8, limit=1000)
    some = until_collapse(keys[250:150:-1], task, num_samples=8, limit=1000)
    np.testing.assert_array_equal(some.iterations, whole.iterations[250:150:-1])
    monkeypatch.setattr(collapse_time, "_CELLS", 1)  # as many seeds at a time as are done in step
    np.testing.assert_array_equal(until_collapse(keys, task, num_samples=8, limit=1000).iterations, whole.iterations)


@slow
def test_a_limit_censors(key):
    keys, task = cj.seed_keys(key, 300), cj.Categorical(3)
    pooled = until_collapse(keys, task, cj.Accumulate(), num_samples=20, limit=7)
    assert pooled.censored.all()
    assert (pooled.iterations == 7).all()
    short, long = (until_collapse(keys, task, num_samples=8, limit=limit) for limit in (10, 1000))
    np.testing.assert_array_equal(short.censored, long.iterations > 10)
    np.testing.assert_array_equal(short.iterations, np.minimum(long.iterations, 10))
    assert 0 < short.censored.sum() < 300


@slow
@pytest.mark.parametrize("workflow", [cj.Window(2), cj.AccumulateSubsample(), cj.FreshData(1)], ids=lambda w: w.name)
def test_other_workflows_are_those_of_the_loop(key, workflow):
    keys, task = cj.seed_keys(key, 50), cj.Categorical(2, (0.1, 0.9))
    times = until_collapse(keys, task, workflow, num_samples=6, limit=40)
    run = cj.run_seeds(keys, task, workflow, num_samples=6, num_generations=40)
    collapsed = np.asarray(run.metrics["num_extinct"]) == 1
    np.testing.assert_array_equal(times.censored, ~collapsed.any(axis=1))
    expected = np.where(collapsed.any(axis=1), collapsed.argmax(axis=1) + 1, 40)
    np.testing.assert_array_equal(times.iterations, expected)


@slow
def test_many_outcomes_that_are_lost_on_the_way(key):
    """From 1000 outcomes to one, and a window's mean time, which must be longer than that of its latest batch."""
    keys, task = cj.seed_keys(key, 6000), cj.Categorical(1000, "zipf")
    times = until_collapse(keys, task, num_samples=10, limit=5000).iterations
    assert_mean_is(times, fixation_time(np.asarray(task.init(key, 2)[0].probs, np.float64), 10))
    window = until_collapse(keys[:200], task, cj.Window(2), num_samples=10, limit=5000).iterations
    assert window.mean() > times.mean()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(task=cj.Gaussian(2)), "task Gaussian: only a Categorical has outcomes that can be lost"),
        (dict(limit=0), "limit=0: must be at least 1"),
        (dict(limit=2.5), "limit=2.5: must be a whole number"),
        (dict(num_samples=[4, 9]), "num_samples: a schedule is for run_seeds; give one number"),
        (dict(num_samples=0), "num_samples=0: must be at least 1"),
        (dict(workflow=cj.Selected()), "workflow 'selected': it needs rows; choose one that works on counts"),
        (dict(workflow=cj.Weighted(2.0)), "real_weight=2.0: must lie between 0 and 1"),
        (dict(task=cj.Categorical(3, (0.5, 0.5, 0.5))), "probs: from 0.5, with sum 1.5"),
        (dict(keys=jax.random.key(0)), "want typed keys of shape"),
    ],
)
def test_mistakes_are_refused_before_compiling(key, change, message, compilations):
    given = dict(keys=cj.seed_keys(key, 2), task=cj.Categorical(3), workflow=None, num_samples=4, limit=5) | change
    with compilations(at_most=0), pytest.raises(ValueError, match=message.replace("(", r"\(")):
        until_collapse(given.pop("keys"), given.pop("task"), given.pop("workflow"), **given)
