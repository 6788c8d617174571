import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import GATE, PLANTED, assert_mean_is, assert_same_law, z_scores
from scipy.stats import multinomial

import collapsejax as cj
from collapsejax.theory import curve

slow = pytest.mark.slow
PROBS = (0.35, 0.25, 0.2, 0.12, 0.06, 0.02)


def simulate(seed, task, workflow, num_seeds=20_000, **size):
    metrics = cj.run_seeds(cj.seed_keys(jax.random.key(seed), num_seeds), task, workflow, **size).metrics
    return {name: np.asarray(values, np.float64) for name, values in metrics.items()}


def test_probabilities_of_every_kind(key):
    """A tuple, a list, an array and a name give the same; None is "uniform"."""
    shares = 1 / np.arange(1, 6)
    shares /= shares.sum()
    for probs in ("zipf", tuple(shares.tolist()), shares.tolist(), shares, jnp.asarray(shares, dtype=float)):
        task = cj.Categorical(5, probs)
        task.check(6)
        np.testing.assert_allclose(task.init(key, 6)[0].probs, shares, rtol=1e-6)
    assert cj.Categorical(5) == cj.Categorical(5, "uniform")
    np.testing.assert_allclose(cj.Categorical(5).init(key, 6)[0].probs, np.full(5, 0.2), rtol=1e-6)


EXACT = [
    (cj.Replace(), 12, 15),
    *[
        pytest.param(workflow, n, generations, marks=slow)
        for workflow, n, generations in [
            (cj.AccumulateSubsample(), 6, 8),
            (cj.FreshData(3), 6, 8),
            (cj.Accumulate(), 12, 8),
            (cj.Augment(), 6, 8),
            (cj.Weighted(0.3), 6, 8),
            (cj.Window(3), 6, 8),
            (cj.Replace(), [4, 9, 6], 3),
            (cj.Accumulate(), [4, 9, 6], 3),
        ]
    ],
]


@pytest.mark.parametrize(("workflow", "num_samples", "num_generations"), EXACT)
def test_means_are_exact(workflow, num_samples, num_generations):
    task, size = cj.Categorical(6, PROBS), dict(num_samples=num_samples, num_generations=num_generations)
    exact = curve(task, workflow, **size)
    assert {"heterozygosity", "sq_error"} <= set(exact)
    if isinstance(workflow, cj.Replace | cj.Accumulate | cj.AccumulateSubsample) and isinstance(num_samples, int):
        assert len(exact) == 4
    metrics = simulate(1, task, workflow, **size)
    for name, values in exact.items():
        assert_mean_is(metrics[name], values)


TEMPERED = cj.Categorical(6, PROBS, sampling_temperature=0.8)
LAWS = [
    (TEMPERED, cj.AccumulateSubsample()),
    *[
        pytest.param(task, workflow, marks=slow)
        for task, workflow in [
            (TEMPERED, cj.Replace()),
            (cj.Categorical(6, PROBS, sampling_temperature=1.5), cj.Accumulate()),
            (cj.Categorical(6, PROBS), cj.FreshData(3)),
            (cj.Categorical(6, PROBS), cj.Weighted(0.3)),
            (cj.Categorical(6, PROBS), cj.Window(3)),
            (cj.Categorical(2, (0.6, 0.4)), cj.AccumulateSubsample()),
        ]
    ],
]


@pytest.mark.slow
@pytest.mark.parametrize(("task", "workflow"), LAWS)
def test_exact_law_is_the_law_of_rows(task, workflow):
    size = dict(num_samples=6, num_generations=6)
    rows, law = simulate(2, task, workflow, rows=True, **size), simulate(3, task, workflow, **size)
    for name, values in law.items():
        if values.std(axis=0).min() > 0:
            assert_same_law(rows[name], values)


@pytest.mark.parametrize("temperature", [0.5, pytest.param(2.0, marks=slow)])
def test_temperature_is_a_power_of_the_probabilities(temperature):
    """Mean heterozygosity of the second model by all samples that the first can have been fitted to."""
    n, probs = 5, np.array([0.5, 0.3, 0.2])
    exact = 0.0
    for counts in itertools.product(range(n + 1), repeat=3):
        if sum(counts) == n:
            powers = (np.array(counts) / n) ** (1 / temperature)
            exact += multinomial.pmf(counts, n, probs) * (1 - 1 / n) * (1 - np.sum((powers / powers.sum()) ** 2))
    task = cj.Categorical(3, tuple(probs), sampling_temperature=temperature)
    found = simulate(4, task, cj.Replace(), num_samples=n, num_generations=2)["heterozygosity"]
    assert_mean_is(found[:, 1], exact)
    untempered = (1 - 1 / n) ** 2 * (1 - np.sum(probs**2))
    assert np.abs(z_scores(found[:, 1], untempered)) > GATE


@pytest.mark.slow
def test_what_is_extinct_stays_extinct(key):
    """Under replace; a pool that accumulates loses nothing, so it is what real data lacked that is missing."""
    keys, task, size = cj.seed_keys(key, 50), cj.Categorical(50, "zipf"), dict(num_samples=20, num_generations=40)
    record = lambda truth, params, synthetic: params.probs
    replaced = cj.run_seeds(keys, task, cj.Replace(), record=record, **size)
    gone = np.asarray(replaced.recorded) == 0
    assert (gone[:, 1:] | ~gone[:, :-1]).all()
    np.testing.assert_array_equal(gone.sum(axis=2), replaced.metrics["num_extinct"])
    assert gone[:, -1].sum() > gone[:, 0].sum()
    pooled = np.asarray(cj.run_seeds(keys, task, cj.Accumulate(), **size).metrics["num_extinct"])
    assert (pooled == pooled[:, :1]).all()


@slow
@pytest.mark.parametrize("workflow", [cj.AccumulateSubsample(), cj.Replace()])
def test_a_hundred_thousand_outcomes(key, workflow):
    """From generation to generation: counts are whole and sum to n, and as many are missing as there should be.

    Whether outcomes are missing is negatively associated, so the variance of their number is at most the sum of theirs.
    """
    number, n = 10**5, 10**5
    keys, size = cj.seed_keys(key, 2), dict(num_samples=n, num_generations=4)
    record = lambda truth, params, synthetic: (params.probs, synthetic.counts)
    result = cj.run_seeds(keys, cj.Categorical(number), workflow, record=record, **size)
    probs, counts = (np.asarray(part, np.float64) for part in result.recorded)
    assert (counts.sum(axis=2) == n).all()
    np.testing.assert_allclose(n * probs, np.round(n * probs), atol=0.01)
    assert (np.round(n * probs).sum(axis=2) == n).all()
    assert (counts[probs == 0] == 0).all()
    np.testing.assert_array_equal((probs == 0).sum(axis=2), result.metrics["num_extinct"])
    before = np.concatenate([np.full((2, 1, number), 1 / number), probs], axis=1)
    missing = (1 - before) ** n
    found = np.stack([(probs[:, 0] == 0).sum(axis=1), *(counts == 0).sum(axis=2).T], axis=1)
    se = np.sqrt((missing * (1 - missing)).sum(axis=2))
    assert np.abs((found - missing.sum(axis=2)) / se).max() < GATE
    assert np.abs((PLANTED * found - missing.sum(axis=2)) / se).min() > GATE
    np.testing.assert_allclose(result.metrics["heterozygosity"], 1 - (probs**2).sum(axis=2), rtol=1e-5)


def test_log_density_is_that_of_an_outcome(key):
    task = cj.Categorical(6, PROBS)
    truth, _ = task.init(key, 6)
    np.testing.assert_allclose(task.log_density(truth, jnp.array([5, 0, 0])), np.log([0.02, 0.35, 0.35]), rtol=1e-5)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (cj.Categorical(3, (0.5, 0.3, 0.3)), "probs: from 0.3, with sum 1.1; must be at least 0 and sum to 1"),
        (cj.Categorical(3, (0.7, 0.5, -0.2)), "probs: from -0.2, with sum 1; must be at least 0"),
        (cj.Categorical(2, (0.5, float("nan"))), "probs: from nan, with sum nan"),
        (cj.Categorical(3, (0.5, 0.5)), "probs: shape (2,) for num_outcomes=3"),
        (cj.Categorical(2, np.full((1, 2), 0.5)), "probs: shape (1, 2) for num_outcomes=2"),
        (cj.Categorical(2, sampling_temperature=0.0), "sampling_temperature=0.0: must be a finite number above 0"),
    ],
)
def test_mistakes_are_refused_before_compiling(key, task, message, compilations):
    keys, refused = cj.seed_keys(key, 2), message.replace("(", r"\(").replace(")", r"\)")
    with compilations(at_most=0), pytest.raises(ValueError, match=refused):
        cj.run_seeds(keys, task, cj.Replace(), num_samples=6, num_generations=3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(num_outcomes=1), "num_outcomes=1: must be at least 2"),
        (dict(num_outcomes=2.0), "num_outcomes=2.0: must be a whole number"),
        (dict(num_outcomes=5, probs="zip"), "probs='zip': no such probabilities; did you mean 'zipf'"),
    ],
)
def test_mistakes_in_construction(settings, message):
    with pytest.raises(ValueError, match=message):
        cj.Categorical(**settings)
