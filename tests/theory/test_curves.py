"""Exact curves of tasks under workflows: what is there, what is absent, where it goes, and how far it can be tested."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import assert_mean_is

import collapsejax as cj
from collapsejax import theory
from collapsejax.guide import exactness
from collapsejax.loop.memory import metric_names
from collapsejax.tasks import TASKS
from collapsejax.theory import precision
from collapsejax.workflows import WORKFLOWS

SIZE = dict(num_samples=10, num_generations=6)
PAGE = Path(exactness.__file__).with_name("exactness.md").read_text()


def metrics_on_the_page(label, column):
    """Metrics that the guide's table calls exact for a case under a workflow, and those that it says are not known."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")]
    exact, unknown = set(), set()
    for row in rows:
        if row[0] == label:
            cell = row[rows[0].index(column)]
            assert cell in ("exact", "-")
            (exact if cell == "exact" else unknown).update(re.findall(r"`(\w+)`", row[1]))
    return exact, unknown


@pytest.mark.parametrize("case", exactness.CASES, ids=lambda case: case.label)
def test_page_says_of_every_metric_whether_its_curve_is_known(case):
    size = dict(num_samples=exactness.NUM_SAMPLES, num_generations=6)
    metrics = set(metric_names(case.task, cj.Replace(), **size))
    for column, workflow in exactness.COLUMNS.items():
        exact, unknown = metrics_on_the_page(case.label, column)
        curves = theory.curve(case.task, workflow, **size)
        assert set(curves) == exact
        assert exact | unknown == metrics
        for name, curve in curves.items():
            assert curve.shape == (6,)
            assert curve.dtype == np.float64
            assert np.isfinite(curve).all() or name in ("kl", "logdet_ratio")


def test_page_has_every_task_and_workflow():
    tasks = {type(case.task) for case in exactness.CASES}
    assert tasks == {*TASKS.values(), cj.Probed}
    assert {type(workflow) for workflow in exactness.COLUMNS.values()} == {*map(type, WORKFLOWS.values())}


def test_workflows_that_are_others_by_their_settings_are_known_as_these():
    task = cj.Gaussian(2)
    for other in (cj.FreshData(0), cj.Weighted(0.0), cj.Window(1)):
        assert set(theory.curve(task, other, **SIZE)) == set(theory.curve(task, cj.Replace(), **SIZE))
        assert theory.limit(task, other, num_samples=10) == theory.limit(task, cj.Replace(), num_samples=10)
        long = dict(num_samples=5, num_generations=100, num_seeds=10**4)
        assert theory.informative(task, other, **long) == theory.informative(task, cj.Replace(), **long)
    assert "trace_ratio" in theory.variance(task, cj.Window(6), **SIZE)  # of as many batches as there are: accumulate


CATEGORICAL, SMALL = cj.Categorical(4, "zipf"), dict(num_samples=6, num_generations=5)
TEMPERED = dict(refit_noise=True, sampling_temperature=0.7)
CHANGING = dict(num_samples=[9, 14, 11, 8], num_generations=4)
KNOWN = {
    "outcomes, fresh data": (CATEGORICAL, cj.FreshData(3), SMALL),
    "outcomes, weighted": (CATEGORICAL, cj.Weighted(0.3), SMALL),
    "outcomes, augment": (CATEGORICAL, cj.Augment(), SMALL),
    "all kept": (cj.Gaussian(2), cj.Selected(cj.Augment(), keep=1.0), SMALL),
    "all verdicts random": (CATEGORICAL, cj.Selected(keep=0.5, error=1.0), SMALL),
    "refitted noise, tempered": (cj.LinearRegression(2, **TEMPERED), cj.Replace(), dict(SMALL, num_samples=10)),
    "refitted noise, changing sizes": (cj.LinearRegression(2, fresh_design=True, **TEMPERED), cj.Replace(), CHANGING),
    "one design, changing sizes": (cj.LinearRegression(2, sampling_temperature=0.7), cj.Replace(), CHANGING),
    "fresh designs, changing sizes": (cj.LinearRegression(2, fresh_design=True), cj.Replace(), CHANGING),
    "fresh designs, accumulate, changing sizes": (
        cj.LinearRegression(2, fresh_design=True, sampling_temperature=1.5),
        cj.Accumulate(),
        CHANGING,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", KNOWN)
def test_simulations_have_the_exact_means(name, key):
    task, workflow, size = KNOWN[name]
    exact = theory.curve(task, workflow, **size)
    assert theory.why_unknown(task, workflow, **size).keys() <= {"kl", "logdet_ratio"}
    metrics = cj.run_seeds(cj.seed_keys(key, 30_000), task, workflow, **size).metrics
    for metric, curve in exact.items():
        assert_mean_is(metrics[metric], curve)


@pytest.mark.parametrize("workflow", [cj.Weighted(0.3), cj.FreshData(3)], ids=lambda workflow: workflow.name)
def test_chains_of_outcomes_have_the_means_of_counts(workflow, key):
    """As the slow test above; once more with 5 % too many, which fails."""
    exact = theory.curve(CATEGORICAL, workflow, **SMALL)
    metrics = cj.run_seeds(cj.seed_keys(key, 20_000), CATEGORICAL, workflow, **SMALL).metrics
    for metric in ("entropy", "num_extinct"):
        assert_mean_is(metrics[metric], exact[metric])


SINGULAR = (cj.Replace(), cj.Accumulate(), cj.AccumulateSubsample(), cj.Augment(), cj.Window(2), cj.Selected())


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("workflow", SINGULAR, ids=lambda workflow: workflow.name)
def test_singular_fits_have_infinite_divergences(workflow, ddof):
    """Rows drawn from a model stay in the flat that its training set spans, however many are pooled later."""
    for task in (cj.Gaussian(4, ddof=ddof), cj.Gaussian(source=cj.sources.gaussian(4), ddof=ddof)):
        exact = theory.curve(task, workflow, num_samples=4, num_generations=3)
        np.testing.assert_array_equal(exact["logdet_ratio"], -np.inf)
        np.testing.assert_array_equal(exact["kl"], np.inf)
        informative = theory.informative(task, workflow, num_samples=4, num_generations=3, num_seeds=10**6)
        assert informative["kl"] == informative["logdet_ratio"] == -1
        assert "kl" not in theory.curve(task, workflow, num_samples=5, num_generations=3) or workflow == cj.Replace()
        theory.variance(task, workflow, num_samples=4, num_generations=3)


def test_later_real_rows_make_fits_regular():
    size = dict(num_samples=3, num_generations=3)
    for workflow in (cj.FreshData(2), cj.Weighted()):
        assert "kl" not in theory.curve(cj.Gaussian(4), workflow, **size)
        assert "singular" in theory.why_unknown(cj.Gaussian(4), workflow, **size)["kl"]
    # Three rows in a plane, and again as few as two new ones.
    np.testing.assert_array_equal(theory.ranks.most_points(cj.FreshData(2), np.array([3, 3, 3])), [3, 5, 5])
    np.testing.assert_array_equal(theory.ranks.most_points(cj.Replace(), np.array([9, 4, 6])), [9, 4, 4])
    changing = theory.curve(cj.Gaussian(4), cj.Replace(), num_samples=[9, 4, 6], num_generations=3)
    np.testing.assert_array_equal(np.isfinite(changing["logdet_ratio"]), [True, False, False])


@pytest.mark.slow
@pytest.mark.parametrize("workflow", SINGULAR, ids=lambda workflow: workflow.name)
def test_singular_fits_have_no_determinant(workflow, key):
    """Under some by their law, under others by rows."""
    metrics = cj.run_seeds(cj.seed_keys(key, 100), cj.Gaussian(4), workflow, num_samples=3, num_generations=3).metrics
    assert np.isneginf(metrics["logdet_ratio"]).all()
    assert np.isposinf(metrics["kl"]).all()


def test_every_metric_has_a_curve_or_a_reason():
    size = dict(num_samples=exactness.NUM_SAMPLES, num_generations=2)
    for case in exactness.CASES:
        metrics = set(metric_names(case.task, cj.Replace(), **size))
        told = not isinstance(case.task, cj.Probed | cj.Transformer)  # of the others each call traces a program
        for workflow in exactness.COLUMNS.values() if told else [cj.Replace()]:
            known, reasons = (of(case.task, workflow, **size) for of in (theory.curve, theory.why_unknown))
            assert not known.keys() & reasons.keys()
            assert known.keys() | reasons.keys() == metrics
            for reason in reasons.values():
                assert re.fullmatch(r"[A-Z].*\.", reason)


def test_reasons_say_what_stands_in_the_way():
    why = lambda task, workflow: theory.why_unknown(task, workflow, **SIZE)
    assert why(Constant(), cj.Replace()).keys() == {"value"}
    assert "has no mean in closed form" in why(cj.KDE(cj.sources.moons(), 0.3), cj.Replace())["test_nll"]
    assert "several designs" in why(cj.LinearRegression(2), cj.AccumulateSubsample())["test_mse"]
    assert "the beginning of one design" in why(cj.LinearRegression(2), cj.FreshData(3))["test_mse"]
    assert "ridge" in why(cj.LinearRegression(2, ridge=1.0), cj.Replace())["test_mse"]
    assert "by their values" in why(cj.Categorical(3), cj.Selected())["entropy"]
    assert (
        "seconds"
        in theory.why_unknown(cj.Categorical(3), cj.Accumulate(), num_samples=10**5, num_generations=3)["entropy"]
    )
    assert why(cj.Gaussian(2), cj.Replace()) == {}


def test_a_verifier_that_decides_nothing_is_none():
    inner, task = cj.Accumulate(), cj.LinearRegression(2)
    known = theory.curve(task, inner, **SIZE)
    for selected in (cj.Selected(inner, keep=1.0), cj.Selected(inner, keep=1.0, error=0.5)):
        np.testing.assert_array_equal(theory.curve(task, selected, **SIZE)["test_mse"], known["test_mse"])
    # Of the rows of one design it leaves some out.
    assert theory.curve(task, cj.Selected(inner, keep=0.5, error=1.0), **SIZE) == {}
    fresh = cj.LinearRegression(2, fresh_design=True)
    assert "test_mse" in theory.curve(fresh, cj.Selected(inner, keep=0.5, error=1.0), **SIZE)
    assert theory.limit(cj.Gaussian(2), cj.Selected(inner, keep=1.0), num_samples=9) == theory.limit(
        cj.Gaussian(2), inner, num_samples=9
    )


@pytest.mark.slow
def test_finite_populations(key):
    """Real rows drawn without replacement from a table; more than it has are refused, by both sides."""
    rows = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    table = cj.sources.Table(
        train=rows[:24], test=rows[24:], mean=rows[:24].mean(axis=0), covariance=np.cov(rows[:24].T, ddof=0),
        path="made up", sha256="", columns=("a", "b"), dependent_columns=(), standardize=False, test_fraction=0.2,
        split_seed=0,
    )  # fmt: skip
    task = cj.Gaussian(source=table)
    exact = theory.curve(task, cj.FreshData(5), num_samples=20, num_generations=3)
    metrics = cj.run_seeds(cj.seed_keys(key, 40_000), task, cj.FreshData(5), num_samples=20, num_generations=3).metrics
    for name, curve in exact.items():
        assert_mean_is(metrics[name], curve)
    for refused in (theory.curve, lambda *a, **k: cj.run_seeds(cj.seed_keys(key, 2), *a, **k)):
        with pytest.raises(ValueError, match="25"):
            refused(task, cj.FreshData(25), num_samples=20, num_generations=3)
    assert theory.asymptote(task, cj.Replace(), **SIZE) == theory.limit(task, cj.Replace(), num_samples=10) == {}


def test_no_leading_order_for_other_temperatures():
    for task in (cj.Gaussian(2, sampling_temperature=0.5), cj.KDE(cj.sources.moons(), 0.3, sampling_temperature=0.5)):
        assert theory.asymptote(task, cj.Replace(), **SIZE) == {}


class Half(cj.Workflow):
    """A user's own workflow: half the weight on the first real data."""

    name = "half"

    def capacity(self, num_samples, num_generations):
        return num_samples

    def init(self, pool, real):
        return real, real

    def update(self, key, state, synthetic, draw_real):
        return state[0], synthetic

    def select(self, key, state):
        return state[0].join(state[1])


def test_curves_of_ones_own_workflow(key):
    task = cj.Gaussian(2, sampling_temperature=0.8)
    exact = theory.curve(task, Half(), **SIZE)
    metrics = cj.run_seeds(cj.seed_keys(key, 40_000), task, Half(), **SIZE).metrics
    for name, curve in exact.items():
        assert_mean_is(metrics[name], curve)


class Constant(cj.Task):
    """A user's own task: the number 0, fitted to itself."""

    def init(self, key, num_samples):
        return (), None

    def sample_real(self, key, truth, n):
        return jnp.zeros(n)

    def fit(self, key, truth, train, params):
        return train.values[0]

    def sample(self, key, truth, params, n):
        return jnp.full(n, params)

    def evaluate(self, truth, params):
        return {"value": params}


def test_nothing_is_known_of_ones_own_task():
    assert theory.curve(Constant(), cj.Replace(), **SIZE) == {}
    assert theory.limit(Constant(), cj.Replace(), num_samples=10) == {}
    assert theory.asymptote(Constant(), cj.Replace(), **SIZE) == {}


@pytest.mark.parametrize(
    "task",
    [
        cj.Gaussian(2),
        cj.Gaussian(2, ddof=1),
        cj.Gaussian(2, sampling_temperature=0.8),
        cj.Categorical(4, "zipf"),
        cj.ExponentialFamily("bernoulli", 0.3),
        cj.ExponentialFamily("gamma", 2.0, 3.0),
        cj.LinearRegression(2),
        cj.LinearRegression(2, fresh_design=True),
        cj.LinearRegression(20),
        cj.KDE(cj.sources.moons(), 0.3),
    ],
    ids=str,
)
def test_curves_tend_to_their_limits(task):
    for workflow in WORKFLOWS.values():
        curves = theory.curve(task, workflow, num_samples=8, num_generations=600)
        for name, limit in theory.limit(task, workflow, num_samples=8).items():
            curve = curves.get(name)
            if curve is None:
                continue
            if np.isinf(limit):
                assert abs(curve[-1]) > abs(curve[299])
            else:
                # What is left of the way falls at least as 1 / t.
                assert abs(curve[-1] - limit) <= 0.55 * abs(curve[299] - limit) + 1e-9


@pytest.mark.parametrize(
    "task",
    [
        cj.Gaussian(2, sigma2=3.0, ddof=1),
        cj.Gaussian(2, ddof=1, sampling_temperature=1.1),
        cj.Gaussian(2, sampling_temperature=0.8),
        cj.ExponentialFamily("bernoulli", 0.3),
        cj.ExponentialFamily("gamma", 2.0, 3.0),
        cj.ExponentialFamily("poisson", 2.0),
        cj.LinearRegression(2, sigma2=3.0, sampling_temperature=0.7),
        cj.LinearRegression(12),
    ],
    ids=str,
)
@pytest.mark.parametrize("workflow", [cj.FreshData(8), cj.FreshData(5), cj.Augment(), cj.Weighted(0.3)], ids=str)
def test_loops_with_real_data_settle_where_their_curves_do(task, workflow):
    curves = theory.curve(task, workflow, num_samples=8, num_generations=400)
    limits = theory.limit(task, workflow, num_samples=8)
    assert curves.keys() == limits.keys()
    for name, limit in limits.items():
        np.testing.assert_allclose(curves[name][-1], limit, rtol=1e-9)


def test_limits_of_windows_and_of_refitted_noise():
    window = lambda task: theory.limit(task, cj.Window(2), num_samples=8)
    assert window(cj.Gaussian(2)) == {"trace_ratio": 0.0, "mean_sq_error": 2.0}
    assert window(cj.Gaussian(2, ddof=1)) == {}
    assert window(cj.Categorical(4))["num_extinct"] == 3
    assert window(cj.ExponentialFamily("bernoulli", 0.3))["sq_error"] == pytest.approx(0.21)
    assert window(cj.LinearRegression(2))["test_mse"] == np.inf
    for temperature in (0.7, 1.0, 1.2):
        task = cj.LinearRegression(2, refit_noise=True, sampling_temperature=temperature)
        curves = theory.curve(task, cj.Replace(), num_samples=8, num_generations=400)
        for name, limit in theory.limit(task, cj.Replace(), num_samples=8).items():
            np.testing.assert_allclose(curves[name][-1], limit, rtol=1e-9, atol=1e-12)


def test_leading_orders_are_what_many_samples_tend_to():
    for task in (cj.Gaussian(2), cj.Categorical(4), cj.ExponentialFamily("gamma", 2.0, 3.0), cj.LinearRegression(2)):
        for workflow in (cj.Replace(), cj.Accumulate(), cj.AccumulateSubsample()):
            sizes = dict(num_samples=10_000, num_generations=20)
            curves = theory.curve(task, workflow, **sizes)
            for name, leading in theory.asymptote(task, workflow, **sizes).items():
                if name in curves:
                    np.testing.assert_allclose(curves[name], leading, rtol=5e-3)


def test_kde_asymptotes_have_the_slope_of_the_curves():
    task = cj.KDE(cj.sources.moons(), 0.3)
    for workflow, name in ((cj.Replace(), "mean_sq_error"), (cj.AccumulateSubsample(), "cov_trace_ratio")):
        sizes = dict(num_samples=6, num_generations=800)
        curve, leading = (of(task, workflow, **sizes)[name] for of in (theory.curve, theory.asymptote))
        assert (curve[-1] - curve[399]) / (leading[-1] - leading[399]) == pytest.approx(1, rel=0.01)


def test_schedules_have_curves():
    sizes = np.array([4, 9, 6])
    curve = theory.curve(cj.Gaussian(2), cj.Replace(), num_samples=sizes, num_generations=3)
    np.testing.assert_allclose(curve["trace_ratio"], np.cumprod(1 - 1 / sizes))
    with pytest.raises(ValueError, match="2 sizes for num_generations=3"):
        theory.curve(cj.Gaussian(2), cj.Replace(), num_samples=[4, 9], num_generations=3)


@pytest.mark.slow
def test_variances_over_seeds(key):
    """E x^2 as the mean of a metric's squares, so that the gate is that of a mean."""
    task = cj.Gaussian(2)
    keys = cj.seed_keys(key, 200_000)
    sizes = dict(num_samples=12, num_generations=4)
    cooled = cj.Gaussian(2, sigma2=3.0, sampling_temperature=0.8)
    cases = [(task, cj.Replace()), (task, cj.Accumulate()), (cooled, cj.Replace()), (cooled, cj.FreshData(5))]
    for task, workflow in cases:
        curves, spread = theory.curve(task, workflow, **sizes), theory.variance(task, workflow, **sizes)
        metrics = cj.run_seeds(keys, task, workflow, **sizes).metrics
        for name, variance in spread.items():
            assert_mean_is(np.asarray(metrics[name], np.float64) ** 2, variance + curves[name] ** 2)
    assert set(theory.variance(task, cj.Replace(), **sizes)) == {"trace_ratio", "logdet_ratio", "mean_sq_error"}
    assert theory.variance(task, cj.Accumulate(), **sizes) == {}  # at that temperature
    assert theory.variance(task, cj.Window(), **sizes) == {}


def test_informative_knows_the_temperature(key):
    """A hotter batch lets rare seeds carry the mean sooner; and real rows must outweigh it to hold variances up."""
    ends = lambda temperature, workflow: theory.informative(
        cj.Gaussian(1, sampling_temperature=temperature),
        workflow,
        num_samples=20,
        num_generations=40,
        num_seeds=10**4,
    )["mean_sq_error"]
    assert [ends(temperature, cj.Replace()) for temperature in (0.8, 1.0, 1.5)] == [39, 27, 10]
    assert [ends(1.5, workflow) for workflow in (cj.FreshData(10), cj.FreshData(12), cj.Weighted(0.4))] == [10, 39, 39]
    # The relative variance that this rests on, of squared errors of the mean.
    task, size = cj.Gaussian(2, sampling_temperature=1.5), dict(num_samples=8, num_generations=4)
    curves = theory.curve(task, cj.Replace(), **size)
    bound = precision._bounds(task, 8, curves)["mean_sq_error"]
    found = cj.run_seeds(cj.seed_keys(key, 400_000), task, cj.Replace(), **size).metrics["mean_sq_error"]
    assert_mean_is(np.asarray(found, np.float64) ** 2, (1 + bound) * curves["mean_sq_error"] ** 2)


def test_informative_ends_earlier_for_fewer_seeds_and_never_for_log_determinants():
    task, sizes = cj.Gaussian(1), dict(num_samples=10, num_generations=200)
    ends = [theory.informative(task, cj.Replace(), **sizes, num_seeds=10**k) for k in (2, 3, 5, 7)]
    assert [end["trace_ratio"] for end in ends] == sorted({end["trace_ratio"] for end in ends})
    assert ends[2]["trace_ratio"] < 20
    assert {end["logdet_ratio"] for end in ends} == {199}
    assert theory.informative(task, cj.Accumulate(), **sizes, num_seeds=100)["trace_ratio"] == 199
    # No variance, no informative mean.
    few = theory.informative(cj.LinearRegression(7), cj.Replace(), **sizes, num_seeds=10**6)
    assert few == {"param_sq_error": -1, "test_mse": -1}


def test_a_mean_beyond_its_end_misses_the_curve_and_the_log_determinant_does_not():
    """Why there is an end: a thousand seeds miss nearly all of a mean that one seed in a million carries."""
    task, sizes = cj.Gaussian(1), dict(num_samples=10, num_generations=100)
    metrics = cj.run_seeds(cj.seed_keys(jax.random.key(3), 1000), task, cj.Replace(), **sizes).metrics
    exact = theory.curve(task, cj.Replace(), **sizes)
    assert float(np.mean(metrics["trace_ratio"][:, -1])) < 0.2 * exact["trace_ratio"][-1]
    assert_mean_is(metrics["logdet_ratio"][:, -1], exact["logdet_ratio"][-1])


@pytest.mark.slow
@pytest.mark.parametrize("family", [("exponential", 2.0), ("gamma", 2.0, 3.0), ("poisson", 2.0)])
def test_relative_variances_of_families_are_exact(family, key):
    task = cj.ExponentialFamily(*family)
    error = cj.run_seeds(cj.seed_keys(key, 200_000), task, cj.Replace(), num_samples=20, num_generations=3).metrics
    error = np.asarray(error["sq_error"], np.float64)
    exact = theory.curve(task, cj.Replace(), num_samples=20, num_generations=3)["sq_error"]
    relative = theory.precision._family_bound(task, 20, 3)
    assert_mean_is(error**2, (1 + relative) * exact**2)


@pytest.mark.slow
def test_relative_variances_of_gaussian_errors_are_exact(key):
    task, sizes = cj.Gaussian(2), dict(num_samples=12, num_generations=5)
    error = cj.run_seeds(cj.seed_keys(key, 100_000), task, cj.Replace(), **sizes).metrics["mean_sq_error"]
    curves = theory.curve(task, cj.Replace(), **sizes)
    relative = theory.precision._gaussian_bounds(task, 12, 5, curves)["mean_sq_error"]
    assert_mean_is(np.asarray(error, np.float64) ** 2, (1 + relative) * curves["mean_sq_error"] ** 2)
