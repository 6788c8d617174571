import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import GATE, PLANTED, assert_mean_is, assert_same_law, z_scores

import collapsejax as cj
from collapsejax import workflows
from collapsejax.theory import curve, mixing

slow = pytest.mark.slow


def simulate(seed, task, workflow, num_seeds=20_000, **size):
    metrics = cj.run_seeds(cj.seed_keys(jax.random.key(seed), num_seeds), task, workflow, **size).metrics
    return {name: np.asarray(values, np.float64) for name, values in metrics.items()}


def assert_same_laws(one, other):
    """Of the metrics of two runs; of a squared error's root, whose tails are lighter."""
    for name, values in one.items():
        root = np.sqrt if name == "mean_sq_error" else np.asarray
        assert_same_law(root(values), root(other[name]))


# Each with its number of rows, or a schedule, and generations.
EXACT = {
    "fresh data": (cj.Gaussian(2), cj.FreshData(4), 5, 6),
    "fresh data, n <= d, tempered": (cj.Gaussian(4, sampling_temperature=0.8), cj.FreshData(3), 3, 6),
    "augment, tempered": (cj.Gaussian(2, sampling_temperature=0.8), cj.Augment(), 5, 6),
    "weighted": (cj.Gaussian(2), cj.Weighted(0.3), 5, 6),
    "window": (cj.Gaussian(2), cj.Window(3), 5, 8),
    "replace, schedule": (cj.Gaussian(2), cj.Replace(), [4, 9, 6], 3),
    "accumulate, schedule": (cj.Gaussian(2), cj.Accumulate(), [4, 9, 6], 3),
}
EXACT_SLOW = {
    "weighted, unbiased": (cj.Gaussian(2, ddof=1), cj.Weighted(0.3), 5, 6),
    "fresh data, schedule": (cj.Gaussian(2), cj.FreshData(2), [4, 9, 6], 3),
    "augment, schedule": (cj.Gaussian(2), cj.Augment(), [4, 9, 6], 3),
    "weighted, schedule": (cj.Gaussian(2), cj.Weighted(0.6), [4, 9, 6], 3),
    "window, schedule": (cj.Gaussian(2), cj.Window(2), [4, 9, 6, 2], 4),
    "weighted, n <= d": (cj.Gaussian(4), cj.Weighted(0.6), 3, 6),
    "replace, tempered, unbiased": (cj.Gaussian(2, ddof=1, sampling_temperature=0.8), cj.Replace(), 6, 6),
    "accumulate, tempered, unbiased": (cj.Gaussian(2, ddof=1, sampling_temperature=0.8), cj.Accumulate(), 6, 6),
    "subsample, tempered, unbiased": (cj.Gaussian(2, ddof=1, sampling_temperature=0.8), cj.AccumulateSubsample(), 6, 6),
    "window of other data": (cj.Gaussian(source=cj.sources.moons()), cj.Window(3), 5, 8),
    "weighted rows of a density estimate": (cj.KDE(cj.sources.moons(), 0.4, num_test=1), cj.Weighted(0.6), 6, 6),
    "fresh rows of a density estimate": (cj.KDE(cj.sources.moons(), 0.4, num_test=1), cj.FreshData(3), 6, 6),
    "window on counts": (cj.Categorical(4, "zipf"), cj.Window(3), 6, 8),
    "augment of counts": (cj.Categorical(4, "zipf"), cj.Augment(), 6, 8),
    "weighted coins": (cj.ExponentialFamily("bernoulli", 0.3), cj.Weighted(0.3), 8, 6),
}
CASES = [pytest.param(case, id=name) for name, case in EXACT.items()]
CASES += [pytest.param(case, id=name, marks=slow) for name, case in EXACT_SLOW.items()]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_means_are_exact(case):
    task, workflow, *size = case
    size = dict(zip(("num_samples", "num_generations"), size, strict=True))
    exact = curve(task, workflow, **size)
    metrics = simulate(1, task, workflow, **size)
    assert exact
    for name, values in exact.items():
        assert_mean_is(metrics[name], values)


CLOSED_FORMS = {
    "fresh data": mixing.fresh_data(4, 5, 6),
    "augment, tempered": mixing.augment(5, 5, 6, temperature=0.8),
    "weighted": mixing.weighted(0.3, 5, 5, 6),
}


@pytest.mark.parametrize(
    "name", [name if "tempered" in name else pytest.param(name, marks=slow) for name in CLOSED_FORMS]
)
def test_means_are_those_of_closed_forms(name):
    """`curve` follows what the workflow does, so it says nothing of whether that is right; these do."""
    task, workflow, n, generations = EXACT[name]
    metrics = simulate(1, task, workflow, num_samples=n, num_generations=generations)
    assert_mean_is(metrics["trace_ratio"], CLOSED_FORMS[name].spread)
    assert_mean_is(metrics["mean_sq_error"] / task.dim, CLOSED_FORMS[name].error)


def test_window_is_that_of_a_plain_loop():
    rng, batches, curves = np.random.default_rng(0), [], []
    latest = rng.normal(size=(20_000, 5, 2))
    for _ in range(8):
        batches.append(latest)
        rows = np.concatenate(batches[-3:], axis=1)
        mean = rows.mean(axis=1, keepdims=True)
        centred = (rows - mean) / np.sqrt(rows.shape[1])
        curves.append(np.stack([np.sqrt((mean**2).sum(axis=(1, 2))), (centred**2).sum(axis=(1, 2)) / 2], axis=1))
        # A combination of the centred rows has their covariance.
        latest = mean + rng.normal(size=(20_000, 5, rows.shape[1])) @ centred
    task, workflow, n, generations = EXACT["window"]
    metrics = simulate(1, task, workflow, num_samples=n, num_generations=generations)
    ours = np.stack([np.sqrt(metrics["mean_sq_error"]), metrics["trace_ratio"]], axis=2).reshape(20_000, 16)
    assert_same_law(np.concatenate(curves, axis=1), ours)


@slow
def test_a_schedule_that_does_not_change_is_a_number(key):
    keys = cj.seed_keys(key, 3)
    number = cj.run_seeds(keys, cj.Gaussian(2), cj.Accumulate(), num_samples=6, num_generations=3).metrics
    for sizes in ([6, 6, 6], np.array([6, 6, 6])):
        schedule = cj.run_seeds(keys, cj.Gaussian(2), cj.Accumulate(), num_samples=sizes, num_generations=3).metrics
        chex.assert_trees_all_close(schedule, number, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "workflow",
    [cj.Weighted(0.3), *(pytest.param(w, marks=slow) for w in (cj.FreshData(3), cj.Augment(), cj.Window(3)))],
    ids=lambda workflow: workflow.name,
)
def test_exact_law_is_the_law_of_rows(workflow):
    size = dict(num_samples=6, num_generations=5)
    rows = simulate(2, cj.Gaussian(2), workflow, rows=True, **size)
    assert_same_laws(rows, simulate(3, cj.Gaussian(2), workflow, **size))


SMALL = dict(num_samples=6, num_generations=4)


class Fading(cj.Workflow):
    """A user's own: everything is kept, and weighs `memory` times as much in every further generation."""

    memory: float = 0.5
    name = "fading"

    def capacity(self, num_samples, num_generations):
        return num_samples * num_generations

    def init(self, pool, real):
        return pool.append(real)

    def update(self, key, state, synthetic, draw_real):
        return state.scale(self.memory).append(synthetic)

    def select(self, key, state):
        return state


EQUAL_TASKS = {
    "gaussian": cj.Gaussian(2),
    "gaussian, one feature": cj.Gaussian(1),
    "kde": cj.KDE(cj.sources.moons(), "scott-scaled", num_test=7),
    "regression": cj.LinearRegression(2),
    "categorical": cj.Categorical(5),
}
# A workflow at the end of its range, another that it then is, and tasks.
EQUAL = [
    (cj.Weighted(0.0), cj.Replace(), (), ("gaussian", "kde", "regression", "categorical")),
    (Fading(0.0), cj.Replace(), ("gaussian, one feature",), ("gaussian", "regression", "categorical")),
    (Fading(1.0), cj.Accumulate(), (), ("gaussian, one feature", "regression", "categorical")),
    (cj.FreshData(0), cj.Replace(), ("gaussian, one feature",), ("gaussian", "kde", "regression", "categorical")),
    (cj.Window(1), cj.Replace(), ("gaussian, one feature",), ("gaussian", "kde", "regression", "categorical")),
    # Merged in another order, a factor of more features can have columns of the other sign, and so other data.
    (cj.Window(4), cj.Accumulate(), ("gaussian, one feature",), ("regression", "categorical")),
    (cj.Window(9), cj.Accumulate(), (), ("gaussian, one feature", "regression", "categorical")),
]


@pytest.mark.parametrize(
    ("one", "other", "name"),
    [
        pytest.param(one, other, name, marks=marks, id=f"{one.name}-{other.name}-{name}")
        for one, other, default, more in EQUAL
        for names, marks in ((default, ()), (more, slow))
        for name in names
    ],
)
def test_workflows_that_are_others(key, one, other, name):
    """Of the same keys, to rounding."""
    keys, task = cj.seed_keys(key, 4), EQUAL_TASKS[name]
    got, expected = (cj.run_seeds(keys, task, workflow, **SMALL).metrics for workflow in (one, other))
    assert all(np.ptp(values) > 0 for values in expected.values())
    chex.assert_trees_all_close(got, expected, rtol=2e-4, atol=1e-5)


@slow
@pytest.mark.parametrize("task", [cj.Gaussian(2), cj.KDE(cj.sources.moons(), 0.3, num_test=7)], ids=["gaussian", "kde"])
def test_a_window_of_everything_has_the_law_of_accumulate(task):
    window, everything = (simulate(seed, task, w, **SMALL) for seed, w in ((9, cj.Window(4)), (10, cj.Accumulate())))
    assert_same_laws(window, everything)


@slow
def test_real_data_alone_keep_the_first_law():
    """A weight of 1: as many fresh rows in every generation; and each generation is independent of the last."""
    metrics = simulate(4, cj.Gaussian(2), cj.Weighted(1.0), **SMALL)
    for name, values in metrics.items():
        assert_same_law(values[:, 1:], values[:, :1])
        rows = np.log(values) if name != "logdet_ratio" else values
        correlation = np.corrcoef(rows[:, 1], rows[:, 2])[0, 1]
        assert abs(correlation) * np.sqrt(len(rows)) < GATE


@pytest.mark.slow
@pytest.mark.parametrize(
    "verifier", [cj.Selected(keep=1.0), pytest.param(cj.Selected(error=1.0), marks=slow)], ids=["all", "random"]
)
@pytest.mark.parametrize("inner", [cj.Replace(), pytest.param(cj.AccumulateSubsample(), marks=slow)])
def test_a_verifier_that_chooses_nothing(verifier, inner):
    """Because it keeps all, or because all its verdicts are random."""
    chosen = cj.Selected(inner, verifier.keep, verifier.error)
    rows = simulate(5, cj.Gaussian(2), inner, rows=True, **SMALL)
    assert_same_laws(rows, simulate(6, cj.Gaussian(2), chosen, **SMALL))


def verified_loop(rng, pooled, seeds, n, generations, keep, error):
    """Squared error and variance (S, 2 G) of N(mean, variance) fitted to rows that a verifier of N(0, 1) has chosen."""
    rows, curves = rng.normal(size=(seeds, n)), []
    for _ in range(generations):
        mean, sd = rows.mean(axis=1, keepdims=True), rows.std(axis=1, keepdims=True)
        curves.append(np.stack([mean[:, 0] ** 2, sd[:, 0] ** 2], axis=1))
        candidates = mean + sd * rng.normal(size=(seeds, int(np.ceil(n / keep))))
        other = rng.integers(candidates.shape[1], size=candidates.shape)
        wrong = rng.random(candidates.shape) < error
        judged = np.where(wrong, np.take_along_axis(candidates, other, axis=1), candidates)
        best = np.take_along_axis(candidates, np.argsort(np.abs(judged), axis=1)[:, :n], axis=1)
        rows = np.concatenate([rows, best], axis=1) if pooled else best
    return np.concatenate(curves, axis=1)


@pytest.mark.parametrize(
    ("inner", "keep", "error"),
    [(cj.Replace(), 0.4, 0.3), pytest.param(cj.Accumulate(), 0.6, 0.0, marks=slow)],
    ids=["replace", "accumulate"],
)
def test_verifier_is_that_of_a_plain_loop(inner, keep, error):
    metrics = simulate(7, cj.Gaussian(1), cj.Selected(inner, keep, error), num_samples=5, num_generations=3)
    ours = np.stack([metrics["mean_sq_error"], metrics["trace_ratio"]], axis=2).reshape(20_000, 6)
    pooled = isinstance(inner, cj.Accumulate)
    assert_same_law(verified_loop(np.random.default_rng(0), pooled, 20_000, 5, 3, keep, error), ours)
    rng = np.random.default_rng(1)
    blind = verified_loop(rng, pooled, 20_000, 5, 3, keep, 1.0)
    assert np.abs(z_scores(blind - ours, 0.0)).max() > GATE


GOLDEN = (np.sqrt(5) - 1) / 2
GRID = np.linspace(0.5, 0.74, 9)


class Miscounted(cj.Weighted):
    """Forgets to take the weight of the real data from that of the synthetic."""

    def select(self, key, state):
        return state.real.scale(state.real_weight).join(state.synthetic)


def best_weight(workflow, num_seeds):
    """Where a cubic through the mean squared errors over GRID is least, and the standard error (jackknife, 50 parts).

    All weights have the same keys, so their differences are sharp.
    """
    size = dict(num_samples=1000, num_generations=30)
    runs = [simulate(8, cj.Gaussian(1), workflow(float(w)), num_seeds, **size) for w in GRID]
    errors = np.stack([run["mean_sq_error"][:, 10:].mean(axis=1) for run in runs], axis=1)  # the steady state

    def least(curve):
        coefficients = np.polynomial.Polynomial.fit(GRID, curve, 3)
        fine = np.linspace(GRID[0], GRID[-1], 20_001)
        return fine[np.argmin(coefficients(fine))]

    parts = errors.reshape(50, -1, len(GRID)).mean(axis=1)
    left_out = [least(np.delete(parts, part, axis=0).mean(axis=0)) for part in range(50)]
    return least(errors.mean(axis=0)), np.sqrt(49 / 50 * np.sum((left_out - np.mean(left_out)) ** 2))


@pytest.mark.slow
def test_best_weight_is_the_golden_ratio(compilations):
    """In one compilation for all weights; 5 % more, or synthetic data with too much weight, would show."""
    simulate(8, cj.Gaussian(1), cj.Weighted(0.1), 4000, num_samples=1000, num_generations=30)
    with compilations(at_most=0):
        found, se = best_weight(cj.Weighted, 4000)
    assert abs(found - GOLDEN) < 0.03
    assert abs(found - mixing.optimal_weight(1000, 1000)) < GATE * se
    assert abs(found - PLANTED * GOLDEN) > max(0.03, GATE * se)
    assert mixing.optimal_weight(1000, 1000) == pytest.approx(GOLDEN, abs=1e-3)
    assert abs(best_weight(Miscounted, 500)[0] - GOLDEN) > 0.03


def test_a_weight_can_be_mapped_over(key):
    run = lambda weight: cj.run(key, cj.Gaussian(1), cj.Weighted(weight), **SMALL).metrics["trace_ratio"]
    curves = jax.jit(jax.vmap(run))(jnp.array([0.0, 0.3, 1.0]))
    assert curves.shape == (3, 4)
    assert np.ptp(curves[:, 0]) == 0  # real data alone, whatever they will weigh
    assert np.ptp(curves[:, 1:], axis=0).min() > 0


@pytest.mark.parametrize(
    ("text", "workflow"),
    [
        *[(name, workflow) for name, workflow in workflows.WORKFLOWS.items()],
        ("replace()", cj.Replace()),
        ("weighted(real_weight=0.6)", cj.Weighted(0.6)),
        ("window(num_batches=5)", cj.Window(5)),
        ("fresh-data(num_fresh=0)", cj.FreshData(0)),
        ("selected(keep=0.1, error=1)", cj.Selected(keep=0.1, error=1)),
        ("selected(inner=accumulate-subsample,keep=0.1)", cj.Selected(cj.AccumulateSubsample(), 0.1)),
        ("selected(inner='accumulate')", cj.Selected(cj.Accumulate())),
        ("selected(inner=fresh-data(num_fresh=3))", cj.Selected(cj.FreshData(3))),
    ],
)
def test_workflows_are_found(text, workflow):
    assert workflows.find(text) == workflow


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("replase", "workflow 'replase': there is none; did you mean 'replace'"),
        ("", "workflow '': there is none"),
        ("weighted(weight=0.6)", "there is no setting 'weight'; did you mean 'real_weight'"),
        ("replace(x=1)", "there is no setting 'x'; it has none"),
        ("weighted(0.6)", "write its settings as weighted(real_weight=...)"),
        ("weighted(real_weight=0.6", "write its settings as weighted(real_weight=...)"),
        ("weighted(real_weight=0.6)+1", "write its settings as weighted(real_weight=...)"),
        ("weighted(real_weight=much)", "real_weight='much' is no number"),
        ("weighted(real_weight=None)", "real_weight=None is no number"),
        ("window(num_batches=0)", "num_batches=0: must be at least 1"),
        ("window(num_batches=1.5)", "num_batches=1.5: must be a whole number"),
        ("selected(inner=accumulat)", "workflow 'accumulat': there is none; did you mean 'accumulate'"),
        ("selected(keep=2)", "keep=2: must lie between 0 and 1, and above 0"),
    ],
)
def test_workflows_that_are_not_found(text, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)")):
        workflows.find(text)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cj.FreshData(-1), "num_fresh=-1: must be at least 0"),
        (lambda: cj.FreshData(1.5), "num_fresh=1.5: must be a whole number"),
        (lambda: cj.Window(0), "num_batches=0: must be at least 1"),
        (lambda: cj.Selected(keep=0.0), "keep=0.0: must lie between 0 and 1, and above 0"),
        (lambda: cj.Selected(keep=1.01), "keep=1.01: must lie"),
        (lambda: cj.Selected(keep=float("nan")), "keep=nan: must lie"),
    ],
)
def test_mistakes_in_construction(make, message):
    with pytest.raises(ValueError, match=message):
        make()


TABLE = cj.sources.Table(
    jnp.ones((9, 1)), jnp.ones((3, 1)), jnp.ones(1), jnp.ones((1, 1)), "", "", ("a",), (), False, 0.2, 0
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(workflow=cj.Weighted(-0.1)), "real_weight=-0.1: must lie between 0 and 1"),
        (dict(workflow=cj.Weighted(1.1)), "real_weight=1.1: must lie between 0 and 1"),
        (dict(workflow=cj.Weighted(float("nan"))), "real_weight=nan: must lie between 0 and 1"),
        (dict(workflow=cj.Selected(error=1.5)), "error=1.5: must lie between 0 and 1"),
        (dict(workflow=cj.Selected(error=-1.0)), "error=-1.0: must lie between 0 and 1"),
        (dict(workflow=cj.Selected(cj.Weighted(2.0))), "real_weight=2.0: must lie between 0 and 1"),
        (dict(workflow=cj.Weighted([0.1, 0.2])), "real_weight=[0.1, 0.2]: must be a number"),
        (dict(task=cj.Gaussian(2, sampling_temperature=0.0)), "sampling_temperature=0.0: must be a finite number"),
        (dict(num_samples=[6, 6]), "num_samples: 2 sizes for num_generations=3; give one for each"),
        (dict(num_samples=[6, 1, 6]), "num_samples=1: a covariance needs at least 2"),
        (dict(num_samples=[6, 0, 6]), "num_samples=0: must be at least 1"),
        (dict(num_samples=[6, 2.5, 6]), "num_samples=2.5: must be a whole number"),
        (
            dict(num_samples=[6, 7, 6], task=cj.KDE(TABLE, 0.1)),
            "num_samples=[6, 7, 6]: sizes that change need",
        ),
        (dict(num_samples=[6, 7, 6], workflow=cj.Selected()), "task 'gaussian' under workflow 'selected' has neither"),
        (dict(workflow=cj.Selected(), task=cj.KDE(TABLE, 0.1)), "'selected': a verifier needs the true log-density"),
        (
            dict(workflow=cj.Selected(), task=cj.Gaussian(source=cj.sources.moons(noise=0.0))),
            "choose another source",
        ),
        (dict(workflow=cj.Selected(), task=cj.KDE(cj.sources.swiss_roll(), 0.1)), "choose another source"),
    ],
)
def test_mistakes_are_refused_before_compiling(key, change, message, compilations):
    arguments = dict(task=cj.Gaussian(2), workflow=cj.Replace(), num_samples=6, num_generations=3) | change
    keys = cj.seed_keys(key, 2)
    for call in (lambda **a: cj.run_seeds(keys, **a), lambda **a: cj.run(key, **a)):
        refused = pytest.raises(ValueError, match=message.replace("[", r"\[").replace("(", r"\("))
        with compilations(at_most=0), refused:
            call(**arguments)


@pytest.mark.parametrize(
    "text",
    [
        "window(num_batches=" + "(" * 5000 + "1" + ")" * 5000 + ")",
        "window(num_batches=" + "-" * 20_000 + "1)",
        "window(num_batches=" + "-" * 470 + "1)",
        "window(num_batches=" + "(" * 230 + "1" + ")" * 230 + ")",
        "window(num_batches=0x" + "f" * 470 + ")",
        "window(num_batches=1\0)",
        "window(num_batches='\ud800')",
        "window(num_batches=1if 1else 2)",
        "replace" * 10**6,
    ],
    ids=lambda text: f"{text[19:25]!a}{len(text)}",
)
def test_a_text_that_is_no_workflow_is_refused_in_one_short_line(text):
    with pytest.raises(ValueError, match=r"^[^\n]{1,600}$"):
        workflows.find(text)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cj.Window(10**12), "num_batches=1000000000000: must be at most 200"),
        (lambda: cj.FreshData(10**20), "num_fresh=100000000000000000000: must be at most 2147483647"),
        (lambda: cj.Selected(keep=1e-30).check(100), "candidates for num_samples=100, .* keep at least 4.7e-08"),
        (lambda: cj.Selected(keep=5e-324).check(100), "keep at least 4.7e-08"),
    ],
)
def test_settings_that_are_too_large_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
