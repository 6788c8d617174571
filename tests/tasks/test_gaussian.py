import jax
import numpy as np
import pytest
from checks import GATE, assert_mean_is, assert_same_law, z_scores

import collapsejax as cj
from collapsejax.theory import closed_forms
from collapsejax.workflows import PUBLISHED, WORKFLOWS


def simulate(seed, workflow, num_seeds, dim, num_samples, num_generations, rows=False, **fields):
    keys = cj.seed_keys(jax.random.key(seed), num_seeds)
    task = cj.Gaussian(dim, **fields)
    size = dict(num_samples=num_samples, num_generations=num_generations)
    metrics = cj.run_seeds(keys, task, WORKFLOWS[workflow], rows=rows, **size).metrics
    return {name: np.asarray(values, np.float64) for name, values in metrics.items()}


SPREAD = {
    "replace": closed_forms.replace_spread,
    "accumulate": closed_forms.accumulate_spread,
    "accumulate-subsample": closed_forms.subsample_spread,
}
# dim, num_samples, num_generations; the second has n <= d
SIZES = [(3, 8, 10), *(pytest.param(size, marks=pytest.mark.slow) for size in [(6, 4, 5), (1, 5, 6)])]


def _num_seeds(size):
    """Enough to catch a planted error; one dimension has the heavier tails."""
    return 20_000 if size[0] > 1 else 200_000


@pytest.mark.parametrize("workflow", PUBLISHED)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_mean_trace_and_mean_error_are_exact(workflow, size):
    """And E tr(fitted covariance) + E |mean error|^2 = tr(true covariance), for every workflow with ddof=0."""
    metrics = simulate(1, workflow, _num_seeds(size), *size, sigma2=4.0)
    exact = SPREAD[workflow](*size[1:])
    assert_mean_is(metrics["trace_ratio"], exact)
    assert_mean_is(metrics["mean_sq_error"], 4 * size[0] * (1 - exact))
    assert_mean_is(4 * size[0] * metrics["trace_ratio"] + metrics["mean_sq_error"], 4 * size[0])


def test_trace_and_mean_error_add_up_for_other_data():
    """The identity needs no Gaussian data, only the source's own mean and covariance."""
    keys = cj.seed_keys(jax.random.key(3), 10_000)
    source = cj.sources.swiss_roll()
    trace = float(np.trace(source.moments(())[1]))
    size = dict(num_samples=5, num_generations=3)
    metrics = cj.run_seeds(keys, cj.Gaussian(source=source), cj.AccumulateSubsample(), **size).metrics
    total = trace * np.asarray(metrics["trace_ratio"], np.float64) + metrics["mean_sq_error"]
    assert_mean_is(total, trace)


@pytest.mark.parametrize("workflow", ["replace", "accumulate"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_exact_law_is_the_law_of_rows(workflow, size):
    rows = simulate(4, workflow, _num_seeds(size), *size, rows=True)
    law = simulate(5, workflow, _num_seeds(size), *size)
    for name, values in law.items():
        if np.isfinite(values).all():
            assert_same_law(rows[name], values)
        else:  # n <= d: singular in every seed on both paths
            np.testing.assert_array_equal(values, rows[name])
            assert name in ("kl", "logdet_ratio")
            assert size[1] <= size[0]


def test_workflows_share_generation_zero():
    """To rounding: their buffers differ in length."""
    curves = [simulate(6, workflow, 5, 1, 6, 3, rows=True) for workflow in PUBLISHED]
    for other in curves[1:]:
        for name, values in other.items():
            np.testing.assert_allclose(values[:, 0], curves[0][name][:, 0], rtol=2e-6)


def test_unbiased_covariance_keeps_the_trace_under_replace():
    """With ddof=1 the mean trace stays 1 and the mean's error grows by 1/n a generation."""
    metrics = simulate(7, "replace", 20_000, 3, 8, 10, ddof=1)
    assert_mean_is(metrics["trace_ratio"], np.ones(10))
    assert_mean_is(metrics["mean_sq_error"] / 3, np.arange(1, 11) / 8)


def test_log_determinant_under_replace_is_exact():
    """E log det = t [sum_i psi((n - i) / 2) + d log(2 / n)], i = 1 ... d; and KL = -1/2 of it by the identity above."""
    psi = jax.scipy.special.digamma
    dim, n, generations = 3, 12, 10  # in a program that other tests have compiled
    per_generation = sum(float(psi((n - i) / 2)) for i in range(1, dim + 1)) + dim * np.log(2 / n)
    exact = per_generation * np.arange(1, generations + 1)
    metrics = simulate(8, "replace", 20_000, dim, n, generations)
    assert_mean_is(metrics["logdet_ratio"], exact)
    assert_mean_is(metrics["kl"], -exact / 2)


@pytest.mark.slow
@pytest.mark.parametrize(("dim", "num_samples"), [(1, 10), (3, 10), (10, 10)])
def test_two_thousand_generations(dim, num_samples):
    """Variances go down to 1e-190: no NaN, and the log-determinant goes on falling at its exact rate."""
    psi = jax.scipy.special.digamma
    for workflow in PUBLISHED:
        metrics = simulate(9, workflow, 80 if dim == 1 else 8, dim, num_samples, 2000)
        assert not any(np.isnan(values).any() for values in metrics.values())
        assert ((metrics["trace_ratio"] >= 0) & np.isfinite(metrics["trace_ratio"])).all()
        if num_samples <= dim:
            assert np.isneginf(metrics["logdet_ratio"]).all()
            assert np.isposinf(metrics["kl"]).all()
        elif workflow == "replace":
            rate = sum(float(psi((num_samples - i) / 2)) for i in range(1, dim + 1)) + dim * np.log(2 / num_samples)
            assert_mean_is(metrics["logdet_ratio"][:, -1], 2000 * rate)
            late = metrics["logdet_ratio"][:, 1999] - metrics["logdet_ratio"][:, 999]
            assert np.abs(z_scores(late, 1000 * rate)) < GATE
            assert metrics["logdet_ratio"][:, -1].mean() < -430
        else:
            assert (metrics["logdet_ratio"].mean(axis=0) > -20).all()


def test_collapsed_rows_are_flagged_not_invented():
    """Rows in float32 resolve no spread below some 1e-6 of their values; from there the fit counts as singular."""
    metrics = simulate(10, "replace", 20, 1, 10, 400, rows=True)
    assert not any(np.isnan(values).any() for values in metrics.values())
    logdet = metrics["logdet_ratio"]
    assert np.isneginf(logdet[:, -1]).all()
    assert logdet[np.isfinite(logdet)].min() > 2 * np.log(1e-8)
    np.testing.assert_array_equal(np.isneginf(logdet), np.isposinf(metrics["kl"]))


def test_evaluate_against_plain_formulas(key):
    """Metrics of one fit, against float64 NumPy, for a correlated truth in raw units."""
    rng = np.random.default_rng(0)
    mix = np.array([[3.0, 0, 0], [20.0, 5.0, 0], [0.01, 0.02, 0.05]])
    rows = rng.normal(size=(500, 3)) @ mix.T + [10.0, -3.0, 0.2]
    mean, covariance = rows.mean(axis=0), np.cov(rows, rowvar=False, ddof=0)
    scale = np.sqrt(np.diagonal(covariance))
    truth = cj.tasks.gaussian.GaussianTruth(
        *(
            jax.numpy.asarray(x, dtype=float)
            for x in (mean, scale, np.linalg.cholesky(covariance / np.outer(scale, scale)))
        ),
        (),
    )
    task = cj.Gaussian(3)
    sample = rng.multivariate_normal(mean, covariance, 40).astype(np.float32)

    @jax.jit
    def metrics(rows):
        return task.evaluate(truth, task.fit(key, truth, task.summarize(truth, rows), None))

    got = metrics(cj.data.rows.Rows.of(jax.numpy.asarray(sample)))
    fitted_mean, fitted = sample.astype(float).mean(axis=0), np.cov(sample.astype(float), rowvar=False, ddof=0)
    ratio = np.linalg.solve(covariance, fitted)
    error = fitted_mean - mean
    logdet = np.linalg.slogdet(ratio)[1]
    assert float(got["mean_sq_error"]) == pytest.approx(error @ error, rel=1e-3)
    assert float(got["trace_ratio"]) == pytest.approx(np.trace(fitted) / np.trace(covariance), rel=1e-4)
    assert float(got["logdet_ratio"]) == pytest.approx(logdet, abs=1e-3)
    kl = (np.trace(ratio) + error @ np.linalg.solve(covariance, error) - 3 - logdet) / 2
    assert float(got["kl"]) == pytest.approx(kl, abs=1e-3)


@pytest.fixture(scope="module")
def correlated_table(tmp_path_factory):
    """A table of three columns in units that differ, far from 0 beside their spread."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 3)) * [1, 10, 1000] + [5, 3, 1e5]
    path = tmp_path_factory.mktemp("table") / "rows.csv"
    np.savetxt(path, rows, delimiter=",", header="a,b,c", comments="")
    return cj.sources.table(path)


def _held_out(source, num_samples, num_generations, workflow=None):
    keys = cj.seed_keys(jax.random.key(0), 3)
    size = dict(num_samples=num_samples, num_generations=num_generations)
    record = lambda truth, params, synthetic: (params.mean, params.factor.dense())
    result = cj.run_seeds(keys, cj.Gaussian(source=source), workflow or cj.Replace(), **size, record=record)
    return np.asarray(result.metrics["test_nll"], np.float64), result.recorded


def test_held_out_loss_is_that_of_every_held_out_row(correlated_table):
    """Against the log-density in float64, row by row."""
    loss, (means, factors) = _held_out(correlated_table, 30, 12)
    rows = np.asarray(correlated_table.test, np.float64)
    for seed, generation in ((0, 0), (1, 5), (2, 11)):
        factor = np.asarray(factors[seed, generation], np.float64)
        scaled = np.linalg.solve(factor, (rows - np.asarray(means[seed, generation])).T)
        log_density = -np.sum(scaled**2, axis=0) / 2 - np.linalg.slogdet(factor)[1] - 1.5 * np.log(2 * np.pi)
        assert loss[seed, generation] == pytest.approx(-log_density.mean(), rel=1e-5)


def test_held_out_loss_of_singular_and_of_collapsed_fits(correlated_table):
    """Infinite, never NaN, also where a variance is beyond float32's range."""
    assert np.isposinf(_held_out(correlated_table, 3, 3)[0]).all()
    collapsed, _ = _held_out(correlated_table, 5, 300)
    assert np.isfinite(collapsed[:, 0]).all()
    assert np.isposinf(collapsed[:, -1]).all()
    assert not np.isnan(collapsed).any()


def test_held_out_loss_needs_held_out_rows(key):
    task = cj.Gaussian(source=cj.sources.moons())
    metrics = cj.run(key, task, cj.Replace(), num_samples=5, num_generations=1).metrics
    assert "test_nll" not in metrics
