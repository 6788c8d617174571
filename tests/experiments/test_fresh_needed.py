import dataclasses
import math
from unittest import mock

import jax
import numpy as np
import pytest
from checks import GATE, z_scores

import collapsejax as cj
from collapsejax.experiments.fresh_needed import least, search
from collapsejax.experiments.fresh_share import FreshShare
from collapsejax.experiments.loss_growth import LossGrowth
from collapsejax.experiments.weighting import Weighting
from collapsejax.theory import mixing

SIZE = dict(num_samples=10, num_generations=6)


@pytest.fixture(scope="module")
def simulated():
    """The error of the mean (S, G) by the number of fresh rows of ten."""
    keys, task = cj.seed_keys(jax.random.key(0), 4000), cj.Gaussian()
    cache = {}

    def losses(num_fresh):
        if num_fresh not in cache:
            metrics = cj.run_seeds(keys, task, FreshShare(num_fresh / 10), **SIZE).metrics
            cache[num_fresh] = np.asarray(metrics["mean_sq_error"], np.float64)
        return cache[num_fresh]

    return losses


def exact_error(num_fresh):
    """The same in the mean, by the closed form of the fresh data loop."""
    return mixing.fresh_data(num_fresh, 10 - num_fresh, 6, num_first=10).error


@pytest.mark.parametrize("num_fresh", [1, 4])
def test_a_share_of_the_rows_is_fresh(simulated, num_fresh):
    assert np.abs(z_scores(simulated(num_fresh), exact_error(num_fresh))).max() < GATE
    planted = exact_error(num_fresh + 1)
    assert np.abs(z_scores(simulated(num_fresh), planted)).max() > GATE


def test_shares_at_the_ends(simulated):
    """Replace, and real rows alone."""
    keys = cj.seed_keys(jax.random.key(0), 4000)
    replace = cj.run_seeds(keys, cj.Gaussian(), cj.Replace(), **SIZE, rows=True).metrics["mean_sq_error"]
    np.testing.assert_allclose(simulated(0), replace, rtol=1e-3, atol=1e-6)
    assert np.abs(z_scores(simulated(10), np.full(6, 0.1))).max() < GATE


def test_the_search_finds_the_exact_share(simulated):
    for tolerance in (0.05, 0.15):
        of_means = [step for step in range(1, 10) if np.ptp(exact_error(step)) <= tolerance]
        found = search(simulated, 10, tolerance)
        assert found.lower <= min([*of_means, 10]) <= found.upper
        assert found.lower <= found.step <= found.upper
    # A tolerance that is wrong by a half is told apart.
    found = search(simulated, 10, 0.15)
    assert not found.lower <= min(step for step in range(1, 10) if np.ptp(exact_error(step)) <= 0.075) <= found.upper


def test_exact_shares_need_no_simulation(monkeypatch):
    monkeypatch.setattr("collapsejax.experiments.fresh_needed.run_seeds", None)
    options = dict(num_samples=100, num_generations=20, key=jax.random.key(0))
    found = cj.fresh_needed(cj.Gaussian(2), metric="mean_sq_error", tolerance=0.02, **options)
    growth = lambda rows: 2 * np.ptp(mixing.fresh_data(rows, 100 - rows, 20, num_first=100).error)
    assert found.exact
    assert found.share == found.lower == found.upper == min(r for r in range(1, 100) if growth(r) <= 0.02) / 100
    assert found.growth == pytest.approx(growth(found.num_fresh))
    assert "Exact" in repr(found)
    of_categories = cj.fresh_needed(cj.Categorical(4), tolerance=0.9, **options)
    assert (of_categories.share, of_categories.metric) == (0, "sq_error")
    assert repr(of_categories).startswith("No fresh rows are needed")


def test_simulated_shares_say_so():
    task, options = cj.Gaussian(), dict(num_samples=8, num_generations=3, num_seeds=20, key=jax.random.key(0))
    found = cj.fresh_needed(task, tolerance=0.2, **options)
    assert (found.metric, found.units, found.exact) == ("kl", "nats", False)
    assert found.lower <= found.share <= found.upper
    assert "95 % interval" in repr(found)
    assert found == dataclasses.replace(cj.fresh_needed(task, tolerance=0.2, **options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(tolerance=0), "tolerance=0"),
        (dict(num_seeds=1), "num_seeds=1"),
        (dict(num_generations=1), "num_generations=1"),
        (dict(precision=0), "precision=0"),
        (dict(metric="test_nl"), "test_nl"),
    ],
)
def test_invalid_arguments(options, message):
    given = dict(num_samples=8, num_generations=3, key=jax.random.key(0)) | options
    with pytest.raises(ValueError, match=message):
        cj.fresh_needed(cj.Gaussian(), **given)


def test_least_of_every_threshold():
    for last in range(12):
        for threshold in range(last + 1):
            asked = mock.Mock(side_effect=threshold.__le__)
            assert least(asked, 0, last) == threshold
            assert asked.call_count <= 2 + math.log2(last + 1)


def test_growth_over_seeds():
    losses = np.array([[1.0, 1.5, 3.0], [2.0, 2.7, 3.0], [0.0, 0.6, np.inf]])
    growth = LossGrowth.of(losses)
    assert growth.mean == pytest.approx([0, 0.6, np.inf])
    assert growth.standard_error[1] == pytest.approx(0.1 / 3**0.5)
    assert growth.sigmas == pytest.approx(4.303, abs=1e-3)  # of Student's t with two degrees of freedom
    assert growth.half_length[1] == pytest.approx(4.303 * 0.1 / 3**0.5, abs=1e-3)
    assert growth.generations(0.55) == 1
    assert growth.generations(0.65) == 2
    assert growth.generations(0.65, 1) == 1
    assert LossGrowth.of(losses[:2, :2]).generations(5.0) is None
    assert LossGrowth.of(losses, losses).mean[:2] == pytest.approx([0, 0])


def test_weights_are_best_at_the_published_optimum():
    found = Weighting.of(100, 300)
    by_hand = [mixing.weighted_steady(w, 100, 300).error * 400 for w in np.linspace(0.01, 0.99, 981)]
    assert found.best == pytest.approx(min(by_hand), rel=1e-5)
    assert found.equal == pytest.approx(mixing.fresh_data_steady(100, 300).error * 400)
    assert found.best < found.equal


def test_a_share_that_leaves_too_few_rows_to_fit_to_is_too_small():
    options = dict(num_samples=20, num_generations=5, key=jax.random.key(0))
    found = cj.fresh_needed(cj.Gaussian(), metric="mean_sq_error", tolerance=1e-6, **options)
    assert (found.share, found.exact) == (1, True)


def test_a_loss_that_is_infinite_from_the_first_cannot_grow():
    options = dict(num_samples=10, num_generations=4, key=jax.random.key(0))
    with pytest.raises(ValueError, match=r"metric='kl': is infinite for models of 10 real rows"):
        cj.fresh_needed(cj.Gaussian(30), metric="kl", **options)
    with pytest.raises(ValueError, match="is infinite in some seed"):
        search(lambda step: np.full((3, 4), np.inf), 10, 0.1)


def test_a_metric_that_is_no_loss_is_refused():
    options = dict(num_samples=20, num_generations=5, key=jax.random.key(0))
    with pytest.raises(ValueError, match="metric='trace_ratio': is no loss; give kl or mean_sq_error"):
        cj.fresh_needed(cj.Gaussian(), metric="trace_ratio", **options)


def test_whole_rows_are_exchanged_as_they_are_told():
    """In float32 0.07 of 150 rows are less than 10.5; round(10.5) is 10, and 31.5 and others differ alike."""
    for num_samples in range(2, 201):
        steps = min(num_samples, 100)
        for step in range(steps + 1):
            share = np.float32(FreshShare.of_rows(step / steps, num_samples).share)
            assert np.round(share * np.float32(num_samples)) == round(step / steps * num_samples)
