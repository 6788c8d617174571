import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import GATE, PLANTED, assert_mean_is
from sklearn.neighbors import KernelDensity

import collapsejax as cj
from collapsejax.theory import curve
from collapsejax.workflows import PUBLISHED, WORKFLOWS

slow = pytest.mark.slow
MOONS, SPHERE = cj.sources.moons(), cj.sources.gaussian(2)


def published_loop(rng, source_rows, test_rows, workflow, bandwidth, num_samples, num_generations):
    """Mean negative log-likelihoods (G,) of the published protocol, one seed, with scikit-learn's estimator."""
    pool = [source_rows]
    curve = []
    for _ in range(num_generations):
        everything = np.concatenate(pool)
        train = {
            "replace": lambda: pool[-1],
            "accumulate": lambda everything=everything: everything,
            "accumulate-subsample": lambda everything=everything: everything[
                rng.choice(len(everything), num_samples, replace=False)
            ],
        }[workflow]()
        model = KernelDensity(bandwidth=bandwidth).fit(train)
        curve.append(-model.score_samples(test_rows).mean())
        pool.append(model.sample(num_samples, random_state=int(rng.integers(2**31))))
    return curve


@pytest.mark.parametrize(
    ("workflow", "bandwidth"),
    [
        pytest.param(*cell, marks=() if cell == ("accumulate-subsample", 0.3) else pytest.mark.slow)
        for cell in itertools.product(PUBLISHED, (0.3, "scott"))
    ],
)
def test_published_protocol(workflow, bandwidth):
    num_samples, num_generations, num_seeds, num_test = 20, 6, 150, 40
    source = cj.sources.moons()
    draw = jax.jit(lambda key: source.sample(key, (), num_samples + num_test))
    reference = []
    for seed in range(num_seeds):
        rows = np.asarray(draw(jax.random.fold_in(jax.random.key(1), seed)), np.float64)
        rng = np.random.default_rng(seed)
        curve = published_loop(
            rng, rows[:num_samples], rows[num_samples:], workflow, bandwidth, num_samples, num_generations
        )
        reference.append(curve)
    reference = np.array(reference)
    task = cj.KDE(source, bandwidth, num_test=num_test)
    size = dict(num_samples=num_samples, num_generations=num_generations)
    keys = cj.seed_keys(jax.random.key(2), 4000)
    ours = np.asarray(cj.run_seeds(keys, task, WORKFLOWS[workflow], **size).metrics["test_nll"], np.float64)

    def z(a, b):
        return np.abs(
            (a.mean(axis=0) - b.mean(axis=0)) / np.sqrt(a.var(axis=0) / len(a) + b.var(axis=0) / len(b))
        ).max()

    assert z(reference, ours) < GATE
    assert z(reference, PLANTED * ours) > GATE


@pytest.mark.parametrize("kernel", ["gaussian", "tophat"])
@pytest.mark.parametrize(
    "bandwidth", [pytest.param(0.4, marks=pytest.mark.slow), "scott", "silverman", "scott-scaled", "silverman-scaled"]
)
def test_every_fit_is_scikit_learns(key, kernel, bandwidth):
    """Negative log-likelihood of one fit, bandwidth from the formula in float64; scaled features one by one."""
    task = cj.KDE(cj.sources.swiss_roll(), bandwidth, kernel=kernel, num_test=30)
    truth, _ = task.init(key, 60)
    values = task.sample_real(jax.random.key(1), truth, 60)
    rows = cj.data.rows.Rows.of(values).empty(80).append(cj.data.rows.Rows.of(values))
    params = task.fit(key, truth, task.summarize(truth, rows), None)
    n, d = values.shape
    width = {"sc": n ** (-1 / (d + 4)), "si": (n * (d + 2) / 4) ** (-1 / (d + 4))}.get(str(bandwidth)[:2], bandwidth)
    x, t = np.asarray(values, np.float64), np.asarray(truth.test, np.float64)
    h = width * (x.std(axis=0, ddof=1) if "scaled" in str(bandwidth) else np.ones(d))
    np.testing.assert_allclose(params.bandwidth, h, rtol=1e-5)
    with np.errstate(divide="ignore"):
        exact = -(KernelDensity(bandwidth=1.0, kernel=kernel).fit(x / h).score_samples(t / h) - np.log(h).sum()).mean()
    assert float(task.evaluate(truth, params)["test_nll"]) == pytest.approx(exact, rel=1e-5)


def test_scott_and_silverman_are_equal_in_two_dimensions(key):
    """As published; the rules differ elsewhere."""
    keys, size = cj.seed_keys(key, 3), dict(num_samples=6, num_generations=5)
    curves = [
        cj.run_seeds(keys, cj.KDE(cj.sources.moons(), rule, num_test=7), cj.Replace(), **size).metrics["test_nll"]
        for rule in ("scott", "silverman")
    ]
    np.testing.assert_allclose(*curves, rtol=1e-5)


@pytest.mark.slow
def test_kernel_sums_are_carried_on(key):
    """Summaries of two batches, appended, are the summary of all rows; and far rows do not underflow to +inf."""
    task = cj.KDE(cj.sources.moons(), 0.01, num_test=30)
    truth, _ = task.init(key, 20)
    a, b = (cj.data.rows.Rows.of(task.sample_real(jax.random.key(seed), truth, 20)) for seed in (1, 2))
    summarize = jax.jit(task.summarize)
    once, of_a, of_b = (summarize(truth, rows) for rows in (a.join(b), a, b))
    merged = of_a.empty(40).append(of_a).append(of_b)
    np.testing.assert_allclose(merged.log_sums, once.log_sums, rtol=1e-5)
    assert np.isfinite(np.asarray(once.log_sums)).all()
    assert float(once.log_sums.min()) < -103  # where float32's exponential is 0


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["gaussian", "tophat"])
def test_samples_follow_the_estimate(key, kernel):
    """Mean of the training rows; covariance theirs plus the kernel's: h^2 I, or h^2 / (d + 2) I for a ball."""
    task = cj.KDE(cj.sources.moons(), 0.7, kernel=kernel, num_test=3)
    truth, _ = task.init(key, 5)
    train = task.sample_real(jax.random.key(1), truth, 5)
    params = task.fit(key, truth, task.summarize(truth, cj.data.rows.Rows.of(train)), None)
    sample = np.asarray(task.sample(jax.random.key(2), truth, params, 200_000), np.float64)
    train = np.asarray(train, np.float64)
    distance = np.linalg.norm(sample[:, None] - train[None], axis=2).min(axis=1)
    assert kernel == "gaussian" or distance.max() <= 0.7 * (1 + 1e-6)
    kernel_variance = 0.49 if kernel == "gaussian" else 0.49 / 4
    squares = (sample - train.mean(axis=0)) ** 2
    exact = train.var(axis=0) + kernel_variance
    se = squares.std(axis=0) / np.sqrt(len(squares))
    assert np.abs((squares.mean(axis=0) - exact) / se).max() < GATE
    assert np.abs((squares.mean(axis=0) - PLANTED * exact) / se).max() > GATE


def test_tophat_without_a_neighbour_is_infinite(key):
    task = cj.KDE(cj.sources.moons(), 0.01, kernel="tophat", num_test=50)
    result = cj.run_seeds(cj.seed_keys(key, 2), task, cj.Replace(), num_samples=5, num_generations=3)
    assert np.isposinf(result.metrics["test_nll"]).all()


def test_degenerate_data_is_infinite_not_nan(key):
    """A scaled bandwidth of 0, and rows beyond float32: no density at the test rows, and no NaN."""
    task = cj.KDE(cj.sources.gaussian(2), "scott-scaled", num_test=4)
    truth, _ = task.init(key, 5)
    for value in (1.0, jnp.inf, jnp.nan):
        rows = cj.data.rows.Rows.of(jnp.full((5, 2), value))
        params = task.fit(key, truth, task.summarize(truth, rows), None)
        assert np.isposinf(task.evaluate(truth, params)["test_nll"])


def test_held_out_rows_are_never_more_than_there_are(key):
    table = cj.sources.Table(
        jnp.ones((9, 1)), jnp.arange(3.0)[:, None], jnp.ones(1), jnp.ones((1, 1)), "", "", ("a",), (), False, 0.2, 0
    )
    truth, _ = cj.KDE(table, 0.5).init(key, 5)
    np.testing.assert_array_equal(np.sort(np.asarray(truth.test)[:, 0]), [0.0, 1.0, 2.0])


EXACT = [
    (cj.KDE(SPHERE, 0.7, num_test=1, bandwidth_exponent=0.75), cj.Replace()),
    (cj.KDE(MOONS, "silverman-scaled", kernel="tophat", num_test=1, sampling_temperature=0.8), cj.Accumulate()),
    *[
        pytest.param(task, workflow, marks=slow)
        for task, workflow in [
            (cj.KDE(SPHERE, 0.7, num_test=1), cj.Replace()),
            (cj.KDE(SPHERE, 0.7, num_test=1, bandwidth_exponent=0.75), cj.Accumulate()),
            (cj.KDE(SPHERE, 0.7, num_test=1, bandwidth_exponent=0.75), cj.AccumulateSubsample()),
            (cj.KDE(MOONS, 0.5, kernel="tophat", num_test=1, sampling_temperature=1.5), cj.Replace()),
            (cj.KDE(MOONS, "scott", num_test=1), cj.Accumulate()),
            (cj.KDE(MOONS, "scott-scaled", num_test=1), cj.Replace()),
            (cj.KDE(MOONS, "scott-scaled", num_test=1), cj.AccumulateSubsample()),
            (cj.KDE(cj.sources.swiss_roll(), "silverman-scaled", num_test=1), cj.Window(3)),
            (cj.KDE(MOONS, "scott-scaled", num_test=1), cj.Weighted(0.3)),
        ]
    ],
]


@pytest.mark.slow
@pytest.mark.parametrize(("task", "workflow"), EXACT)
def test_mean_covariance_and_mean_error_are_exact(task, workflow):
    size = dict(num_samples=6, num_generations=8)
    exact = curve(task, workflow, **size)
    assert set(exact) == {"cov_trace_ratio", "mean_sq_error"}
    metrics = cj.run_seeds(cj.seed_keys(jax.random.key(3), 20_000), task, workflow, **size).metrics
    for name, values in exact.items():
        assert_mean_is(metrics[name], values)


@slow
def test_a_schedule_of_exponent_0_is_none():
    """To rounding: the kernel sums are made anew."""
    size = dict(num_samples=6, num_generations=5)
    keys = cj.seed_keys(jax.random.key(4), 5)
    carried, anew = (
        cj.run_seeds(keys, cj.KDE(MOONS, 0.3, num_test=7, bandwidth_exponent=exponent), cj.Accumulate(), **size).metrics
        for exponent in (None, 0.0)
    )
    chex.assert_trees_all_close(anew, carried, rtol=1e-4)


def test_metrics_are_those_of_the_estimate(key):
    """Trace of the covariance of weighted rows plus the kernel's, and error of their mean, in float64."""
    task = cj.KDE(MOONS, 0.7, kernel="tophat", num_test=3)
    truth, _ = task.init(key, 5)
    values, weights = task.sample_real(jax.random.key(1), truth, 5), np.array([1.0, 0.5, 0.0, 2.0, 1.0], np.float32)
    rows = cj.data.rows.Rows(values, jnp.asarray(weights), jnp.int32(5))
    got = task.evaluate(truth, task.fit(key, truth, task.summarize(truth, rows), None))
    mean, covariance = (np.asarray(moment, np.float64) for moment in MOONS.moments(()))
    x, w = np.asarray(values, np.float64), weights / weights.sum()
    trace = np.sum(w[:, None] * (x - w @ x) ** 2) + 2 * 0.49 / 4
    assert float(got["cov_trace_ratio"]) == pytest.approx(trace / np.trace(covariance), rel=1e-5)
    assert float(got["mean_sq_error"]) == pytest.approx(np.sum((w @ x - mean) ** 2), rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(bandwidth="scott", bandwidth_exponent=0.5), "bandwidth_exponent=0.5: is for a number as bandwidth"),
        (dict(bandwidth_exponent=-0.1), "bandwidth_exponent=-0.1: must be a finite number of at least 0"),
        (dict(bandwidth_exponent=float("nan")), "bandwidth_exponent=nan: must be a finite number"),
        (dict(sampling_temperature=0.0), "sampling_temperature=0.0: must be a finite number above 0"),
        (dict(sampling_temperature=-2.0), "sampling_temperature=-2.0: must be a finite number above 0"),
    ],
)
def test_mistakes_are_refused_before_compiling(key, settings, message, compilations):
    task = cj.KDE(**dict(source=MOONS, bandwidth=0.1) | settings)
    keys = cj.seed_keys(key, 2)
    with compilations(at_most=0), pytest.raises(ValueError, match=message):
        cj.run_seeds(keys, task, cj.Replace(), num_samples=6, num_generations=3)
