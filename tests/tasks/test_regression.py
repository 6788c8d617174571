import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import GATE, assert_mean_is, assert_same_law, z_scores
from scipy.special import digamma
from scipy.stats import norm

import collapsejax as cj
from collapsejax.core.checks import uses_rows
from collapsejax.data.rows import Rows
from collapsejax.tasks.regression import RegressionTruth
from collapsejax.theory import curve

slow = pytest.mark.slow


def simulate(seed, task, workflow, num_seeds=40_000, **size):
    metrics = cj.run_seeds(cj.seed_keys(jax.random.key(seed), num_seeds), task, workflow, **size).metrics
    return {name: np.asarray(values, np.float64) for name, values in metrics.items()}


def batches(number, n, dim, fresh):
    """Rows (x, y) of `number` batches, in float32; of one design, or of new ones."""
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(n, dim)).astype(np.float32) for _ in range(number)]
    return [(x[i if fresh else 0], rng.normal(size=n).astype(np.float32)) for i in range(number)]


@pytest.fixture(scope="module")
def fitted():
    """Weights (d,), variance of the noise, and rank of the fit to batches that are merged one by one."""

    def fit(lots, weights=None, ridge=0.0):
        dim = lots[0][0].shape[1]
        task = cj.LinearRegression(dim, refit_noise=True, ridge=ridge)

        @jax.jit
        def run(lots, weights):
            sums = [task.summarize(None, Rows(xy, w, jnp.int32(len(w)))) for xy, w in zip(lots, weights, strict=True)]
            merged = sums[0].empty(0)
            for one in sums:
                merged = merged.append(one)
            return task.fit(None, None, merged, None), jnp.sum(jnp.diagonal(merged.factor.unit)[:dim] != 0)

        params, rank = run(lots, weights or [np.ones(len(y), np.float32) for _, y in lots])
        return np.asarray(params.weights, np.float64), float(params.sigma) ** 2, int(rank)

    return fit


def exact_fit(lots, weights=None, ridge=0.0):
    """By NumPy in float64: weights (d,), weighted mean of squared residuals, rank."""
    x, y = (np.concatenate(part).astype(np.float64) for part in zip(*lots, strict=True))
    w = np.ones(len(y)) if weights is None else np.concatenate(weights).astype(np.float64)
    a, b = np.sqrt(w)[:, None] * x, np.sqrt(w) * y
    solution = np.linalg.lstsq(a, b)[0]
    if ridge:
        solution = np.linalg.solve(a.T @ a + ridge * np.eye(x.shape[1]), a.T @ b)
    return solution, np.sum((b - a @ solution) ** 2) / w.sum(), np.linalg.matrix_rank(a)


UNEVEN = [np.array([0.3, 2.0, 0.0, 1.0, 1.5], np.float32), np.array([1.0, 0.5, 1.0, 4.0, 1.0], np.float32)]
FITS = {  # batches, rows of a batch, features, new designs; then options
    "n > d": ((1, 12, 3, True), {}),
    "n < d": ((1, 3, 8, True), {}),
    "n < d, one design thrice": ((3, 3, 8, False), {}),
    "n < d, new designs, still below d": ((2, 3, 8, True), {}),
    "n < d, new designs, above d": ((4, 3, 8, True), {}),
    "n = d": ((1, 4, 4, True), {}),
    "weights": ((2, 5, 3, True), dict(weights=UNEVEN)),
    "ridge": ((2, 5, 3, True), dict(ridge=0.7)),
    "ridge, n < d": ((2, 3, 8, False), dict(ridge=0.7)),
    "ridge, weights": ((2, 5, 3, False), dict(weights=UNEVEN, ridge=0.1)),
}


BY_DEFAULT = ("n > d", "weights", "ridge, n < d")


@pytest.mark.parametrize("name", [name if name in BY_DEFAULT else pytest.param(name, marks=slow) for name in FITS])
def test_fit_is_least_squares(fitted, name):
    """Of minimum norm, or with a penalty; and its noise is the weighted mean of squared residuals."""
    lots, options = batches(*FITS[name][0]), FITS[name][1]
    weights, variance, rank = fitted(lots, **options)
    exact, residual, exact_rank = exact_fit(lots, **options)
    assert rank == exact_rank
    np.testing.assert_allclose(weights, exact, rtol=1e-4, atol=1e-5)
    assert variance == pytest.approx(residual, rel=1e-4, abs=1e-10)


def test_fit_with_a_penalty_where_features_are_almost_collinear(fitted):
    """Where A'A in float32 has lost what tells them apart."""
    ((x, y),) = batches(1, 12, 3, True)
    x[:, 1] += 100 * x[:, 0]
    weights, _, _ = fitted([(x, y)], ridge=1e-3)
    np.testing.assert_allclose(weights, exact_fit([(x, y)], ridge=1e-3)[0], rtol=3e-3)


REPLACE, ACCUMULATE = cj.Replace(), cj.Accumulate()
SHORT, LONG = dict(num_samples=12, num_generations=6), dict(num_samples=20, num_generations=4)
FEW = dict(num_samples=3, num_generations=5)  # rows; the designs below have 8 features
EXACT = [
    (cj.LinearRegression(2, sigma2=4.0, sampling_temperature=0.8), REPLACE, SHORT),
    (cj.LinearRegression(8), ACCUMULATE, FEW),
    (cj.LinearRegression(2, fresh_design=True), ACCUMULATE, SHORT),
    (cj.LinearRegression(2, refit_noise=True), REPLACE, SHORT),
    *[
        pytest.param(task, workflow, size, marks=slow)
        for task, workflow, size in [
            (cj.LinearRegression(5), REPLACE, LONG),
            (cj.LinearRegression(8, sampling_temperature=0.8), REPLACE, FEW),
            (cj.LinearRegression(5, sampling_temperature=0.8), ACCUMULATE, LONG),
            (cj.LinearRegression(2), cj.Weighted(0.3), SHORT),
            (cj.LinearRegression(2), cj.Window(3), SHORT),
            (cj.LinearRegression(2), cj.Augment(), SHORT),
            (cj.LinearRegression(2, fresh_design=True, sampling_temperature=0.8), REPLACE, SHORT),
            (cj.LinearRegression(8, fresh_design=True), REPLACE, FEW),
            (cj.LinearRegression(5, fresh_design=True, sampling_temperature=0.8), ACCUMULATE, LONG),
            (cj.LinearRegression(5, sigma2=0.25, refit_noise=True, fresh_design=True), REPLACE, LONG),
        ]
    ],
]


@pytest.mark.slow
@pytest.mark.parametrize(("task", "workflow", "size"), EXACT)
def test_means_are_exact(task, workflow, size):
    exact = curve(task, workflow, **size)
    metrics = simulate(1, task, workflow, **size)
    assert set(exact) == set(metrics)
    for name, values in exact.items():
        assert_mean_is(metrics[name], values)


LAWS = [
    (cj.LinearRegression(3, refit_noise=True, ridge=0.5, num_test=5), ACCUMULATE, 7),
    *[
        pytest.param(task, workflow, n, marks=slow)
        for task, workflow, n in [
            (cj.LinearRegression(2, num_test=5), REPLACE, 9),
            (cj.LinearRegression(2, fresh_design=True, refit_noise=True), ACCUMULATE, 9),
            (cj.LinearRegression(6, refit_noise=True, ridge=0.2), REPLACE, 3),
            (cj.LinearRegression(6, fresh_design=True), ACCUMULATE, 4),
            (cj.LinearRegression(3, refit_noise=True, fresh_design=True), cj.Weighted(0.3), 9),
            (cj.LinearRegression(3, fresh_design=True), cj.FreshData(4), 9),
            (cj.LinearRegression(3), cj.Window(3), 9),
            (cj.LinearRegression(3, sampling_temperature=0.5), cj.Augment(), 9),
        ]
    ],
]


@pytest.mark.slow
@pytest.mark.parametrize(("task", "workflow", "num_samples"), LAWS)
def test_exact_law_is_the_law_of_rows(task, workflow, num_samples):
    """Of the roots of squared errors, whose tails are lighter."""
    size = dict(num_samples=num_samples, num_generations=4)
    rows, law = simulate(2, task, workflow, rows=True, **size), simulate(3, task, workflow, **size)
    for name, values in law.items():
        assert_same_law(np.sqrt(rows[name]), np.sqrt(values))


def one_design(choose, sizes, fresh=0, *, dim=2, seeds=40_000):
    """Roots of the squared errors of the weights (S, G), by NumPy: each batch has the first rows of one design.

    `choose(real, batches)` are the batches that a model is fitted to, `fresh` new real rows being added.
    """
    rng = np.random.default_rng(5)
    truth, design = rng.normal(size=(seeds, dim)), rng.normal(size=(seeds, max(sizes), dim))

    def batch(weights, m):
        x = design[:, :m]
        return x, np.einsum("snd,sd->sn", x, weights) + rng.normal(size=(seeds, m))

    batches, errors = [batch(truth, sizes[0])], []
    for m in [*sizes[1:], 1]:
        new = [batch(truth, fresh)] if fresh and errors else []
        x, y = (np.concatenate(part, axis=1) for part in zip(*choose(batches), *new, strict=True))
        weights = np.linalg.solve(np.einsum("sni,snj->sij", x, x), np.einsum("sni,sn->si", x, y)[..., None])[..., 0]
        errors.append(np.sqrt(((weights - truth) ** 2).sum(-1)))
        batches.append(batch(weights, m))
    return np.stack(errors, axis=1)


MIXED = [
    (cj.FreshData(3), [9] * 4, lambda batches: batches[-1:], 3),
    pytest.param(REPLACE, [9, 14, 7, 9], lambda batches: batches[-1:], 0, marks=slow),
    pytest.param(cj.Window(2), [9, 14, 7, 9], lambda batches: batches[-2:], 0, marks=slow),
    pytest.param(cj.Augment(), [9, 14, 7, 9], lambda batches: [batches[0], *batches[1:][-1:]], 0, marks=slow),
]


@pytest.mark.slow
@pytest.mark.parametrize(("workflow", "sizes", "choose", "fresh"), MIXED)
def test_batches_of_several_sizes_share_one_design(workflow, sizes, choose, fresh):
    num_samples = sizes[0] if fresh else sizes
    found = simulate(4, cj.LinearRegression(2), workflow, num_samples=num_samples, num_generations=4)
    assert_same_law(np.sqrt(found["param_sq_error"]), one_design(choose, sizes, fresh))


def test_one_design_is_summarised_by_its_law_where_all_batches_have_one_size():
    one, several = cj.LinearRegression(2), cj.LinearRegression(2, fresh_design=True)
    assert not uses_rows(one, cj.Window(3), False)
    assert uses_rows(one, cj.Window(3), False, scheduled=True)
    assert uses_rows(one, cj.FreshData(3), False)
    assert not uses_rows(one, cj.FreshData(0), False)
    assert not uses_rows(several, cj.FreshData(3), False, scheduled=True)


class Ungiven(cj.Workflow):
    """A user's own, with three new real rows, which it does not declare."""

    name = "ungiven"

    def capacity(self, num_samples, num_generations):
        return num_samples + 3

    def init(self, pool, real):
        return pool.append(real)

    def update(self, key, state, synthetic, draw_real):
        return state.clear().append(synthetic).append(draw_real(key, 3))

    def select(self, key, state):
        return state


def test_sizes_of_its_own_that_a_workflow_does_not_declare_are_refused(key):
    with pytest.raises(ValueError, match=r"'ungiven': asks draw_real for 3 rows, .* own_sizes = True"):
        cj.run(key, cj.LinearRegression(2), Ungiven(), num_samples=9, num_generations=2)


def test_a_schedule_of_rows_is_not_traced(key):
    run = lambda sizes: cj.run(key, cj.LinearRegression(2), REPLACE, num_samples=sizes, num_generations=2).metrics
    with pytest.raises(ValueError, match="num_samples: is traced"):
        jax.eval_shape(run, jnp.array([9, 7]))


def test_test_error_is_that_of_test_rows(key):
    """`test_mse` of m rows x ~ N(0, I): its mean is |w - true w|^2, its variance 2 |w - true w|^4 / m."""
    task, m = cj.LinearRegression(3, num_test=5), 5
    error = jnp.array([1.0, -2.0, 0.5])

    def evaluate(key):
        truth, _ = task.init(key, 10)
        return task.evaluate(truth, (moved := truth._replace(weights=truth.weights + error)))["test_mse"], moved.weights

    found, weights = jax.jit(jax.vmap(evaluate))(jax.random.split(key, 50_000))
    found, square = np.asarray(found, np.float64), float(error @ error)
    assert_mean_is(found, square)
    assert_mean_is((found - square) ** 2, 2 * square**2 / m)
    assert_mean_is(np.asarray(weights - error[None, :], np.float64) ** 2, np.ones(3))


def test_fitted_noise_collapses_and_stays_a_number():
    """E log of its variance falls by log(n / 2) - psi((n - d) / 2) a generation, to 1e-30 and on to 0."""
    task, (n, dim, generations) = cj.LinearRegression(2, refit_noise=True), (4, 2, 300)
    metrics = simulate(4, task, REPLACE, 500, num_samples=n, num_generations=generations)
    assert all(np.isfinite(values).all() for values in metrics.values())
    ratio = metrics["sigma2_ratio"]
    step = digamma((n - dim) / 2) + np.log(2 / n)
    assert_mean_is(np.log(ratio[:, 39]), 40 * step)
    assert np.abs(z_scores(np.log(ratio[:, 39]) - np.log(ratio[:, 19]), 20 * step)) < GATE
    assert np.median(ratio[:, 60]) < 1e-30
    assert (ratio[:, -1] == 0).all()
    np.testing.assert_allclose(metrics["param_sq_error"][:, -1], metrics["param_sq_error"][:, 150], rtol=1e-3)


@pytest.mark.parametrize(
    "shape",
    [(12, 3), pytest.param((4, 4), marks=slow), pytest.param((3, 8), marks=slow)],
    ids=["n > d", "n = d", "n < d"],
)
def test_responses_beyond_the_range_of_floats_have_no_fit(shape):
    """Up to 1e25 they have the right one; where float32 cannot hold x beside them the weights are NaN, not 0."""
    task, ((x, y),) = cj.LinearRegression(shape[1]), batches(1, *shape, True)
    truth = RegressionTruth(*[None] * 5)._replace(sigma=1.0)
    fit = jax.jit(lambda rows: task.fit(None, truth, task.summarize(truth, rows), None).weights)
    for first in (1e15, 1e25, 1e32, 3e38, np.inf, -np.inf, np.nan):
        y[0] = first
        weights = fit(Rows.of((x, y)))
        if abs(first) <= 1e25:
            exact, *_ = np.linalg.lstsq(x.astype(float), y.astype(float))
            np.testing.assert_allclose(weights, exact, rtol=1e-4, atol=1e-4 * np.abs(exact).max())
        else:
            assert np.isnan(weights).all(), first


@pytest.mark.slow
def test_what_leaves_the_range_of_floats_does_not_come_back(key):
    """Noise of nine times the fitted variance, which passes 1e38 in forty generations."""
    task = cj.LinearRegression(3, fresh_design=True, refit_noise=True, sampling_temperature=9.0)
    size = dict(num_samples=10, num_generations=150)
    metrics = cj.run_seeds(cj.seed_keys(key, 8), task, cj.Replace(), **size).metrics
    for name, values in metrics.items():
        assert np.isfinite(values[:, :20]).all(), name
        assert np.isposinf(values[:, 100:]).all(), name


def test_log_density_is_that_of_the_noise():
    x, y = np.array([[1.0, 2.0], [0.5, -1.0]], np.float32), np.array([0.3, -4.0], np.float32)
    truth = RegressionTruth(jnp.array([0.5, -1.5]), jnp.float32(1.7), None, None, None)
    exact = norm.logpdf(y, x @ [0.5, -1.5], 1.7)
    np.testing.assert_allclose(cj.LinearRegression(2).log_density(truth, (x, y)), exact, rtol=1e-5)


@pytest.mark.parametrize(
    ("task", "num_samples", "message"),
    [
        (cj.LinearRegression(2), 1, "num_samples=1: a regression needs at least 2"),
        (cj.LinearRegression(2, sigma2=0.0), 6, "sigma2=0.0: must be a finite number above 0"),
        (cj.LinearRegression(2, ridge=-0.5), 6, "ridge=-0.5: must be a finite number of at least 0"),
        (cj.LinearRegression(2, ridge=float("inf")), 6, "ridge=inf: must be a finite number of at least 0"),
        (cj.LinearRegression(2, ridge=float("nan")), 6, "ridge=nan: must be a finite number of at least 0"),
        (cj.LinearRegression(2, sampling_temperature=-1.0), 6, "sampling_temperature=-1.0: must be a finite number"),
    ],
)
def test_mistakes_are_refused_before_compiling(key, task, num_samples, message, compilations):
    keys = cj.seed_keys(key, 2)
    with compilations(at_most=0), pytest.raises(ValueError, match=message):
        cj.run_seeds(keys, task, REPLACE, num_samples=num_samples, num_generations=3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(dim=0), "dim=0: must be at least 1"),
        (dict(dim=1.5), "dim=1.5: must be a whole number"),
        (dict(num_test=0), "num_test=0: must be at least 1"),
    ],
)
def test_mistakes_in_construction(settings, message):
    with pytest.raises(ValueError, match=message):
        cj.LinearRegression(**settings)
