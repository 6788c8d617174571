import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import assert_mean_is, z_scores

import collapsejax as cj
from collapsejax.data.rows import Rows


@pytest.fixture(scope="module")
def shares():
    """Metrics of Gaussians that are fitted to so many rows that they are as good as the truth, (S,)."""
    task = cj.Probed(cj.Gaussian(1))
    keys = cj.seed_keys(jax.random.key(3), 3000)
    metrics = cj.run_seeds(keys, task, cj.Replace(), num_samples=2 * 10**6, num_generations=1).metrics
    return {name: np.asarray(values[:, 0]) for name, values in metrics.items()}


def test_models_as_good_as_the_truth_have_the_ranks_of_real_rows(shares):
    assert_mean_is(shares["tail_share"], 50 / 1001)
    assert abs(z_scores(shares["improbable_share"], 1 / 1001)) < 5
    assert abs(z_scores(shares["improbable_share"], 2 / 1001)) > 5
    assert "entangled_share" not in shares


@pytest.mark.parametrize(
    "task", [cj.Gaussian(1), pytest.param(cj.KDE(cj.sources.moons(), 0.3, num_test=7), marks=pytest.mark.slow)]
)
def test_all_else_is_as_without_probes(key, task):
    keys, size = cj.seed_keys(key, 3), dict(num_samples=6, num_generations=5)
    plain = cj.run_seeds(keys, task, cj.Accumulate(), **size).metrics
    probed = cj.run_seeds(keys, cj.Probed(task, 3), cj.Accumulate(), **size).metrics
    assert len(probed) > len(plain)
    for name, values in plain.items():
        np.testing.assert_allclose(probed[name], values, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def judge():
    """Metrics of a model whose probes are the 3000 rows that are given; and the centres of the blobs."""
    task, key = cj.Probed(cj.Gaussian(source=cj.sources.blobs())), jax.random.key(4)

    @jax.jit
    def fitted():
        truth, _ = task.init(key, 10)
        train = task.summarize(truth, Rows.of(task.sample_real(key, truth, 10)))
        return truth, task.fit(key, truth, train, None)

    truth, params = fitted()
    evaluate = jax.jit(lambda rows: task.evaluate(truth, params._replace(probes=rows)))

    def judge(rows):
        metrics = evaluate(jnp.asarray(np.resize(rows, (3000, 2)), dtype=float))
        return {name: float(share) for name, share in metrics.items()}

    return judge, np.asarray(truth.truth.real[0])


def test_rows_between_modes_are_entangled(judge):
    judge, centres = judge
    rows = np.random.default_rng(0).uniform(-12, 12, (3000, 2))
    distances = np.sort(np.linalg.norm(rows[:, None] - centres, axis=2), axis=1)
    share = (distances[:, 1] < 2 * distances[:, 0]).mean()
    assert 0.2 < share < 0.9
    assert judge(rows)["entangled_share"] == pytest.approx(share, abs=0.01)
    assert judge(centres + 0.1)["entangled_share"] == 0


@pytest.mark.parametrize(("place", "shares"), [(40.0, (1, 0, 1)), (np.nan, (1, 0, 1)), (None, (0, 0, 0))])
def test_rows_where_nothing_real_is_are_improbable_and_no_tail(judge, place, shares):
    judge, centres = judge
    metrics = judge(centres if place is None else np.full(2, place))
    assert (metrics["improbable_share"], metrics["tail_share"], metrics["entangled_share"]) == shares


def test_mistakes_are_named(key):
    with pytest.raises(ValueError, match="num_probes=0: must be at least 1"):
        cj.Probed(cj.Gaussian(), 0)
    markov = cj.Transformer(cj.sources.markov(1, 3, 0.5, 6), width=8, depth=1)
    for task in (cj.KDE(cj.sources.swiss_roll(), 0.1), cj.KDE(cj.sources.moons(noise=0.001), 0.1), markov):
        with pytest.raises(ValueError, match=f"task '{task.name}': cannot be probed"):
            cj.run(key, cj.Probed(task), cj.Replace(), num_samples=6, num_generations=5)
    with pytest.raises(ValueError, match="num_samples=1: a covariance needs at least 2"):
        cj.run(key, cj.Probed(cj.Gaussian()), cj.Replace(), num_samples=1, num_generations=5)


@pytest.mark.slow
def test_verifiers_and_sweeps_take_probed_tasks(key):
    sizes = dict(num_samples=6, num_generations=5, num_seeds=3, key=key)
    data = cj.sweep(cj.Probed(cj.Gaussian(), 5), ["selected"], over={"dim": [1, 2]}, **sizes)
    assert data.sizes["dim"] == 2
    assert data.tail_share.attrs["long_name"] == "Rows in the true law's tail of 5 %"
    assert np.isfinite(data.improbable_share).all()
