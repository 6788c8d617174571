"""Theory against loops that sample every row, in float64 NumPy and without the library's own loop."""

import numpy as np
import pytest
from checks import GATE, PLANTED, assert_mean_is, z_scores

from collapsejax.theory import closed_forms, fresh, mixing, outcomes, regression, wishart
from collapsejax.theory import exponential_families as families
from collapsejax.theory.recursion import follow
from collapsejax.workflows import AccumulateSubsample, Window

PROBS = np.array([0.35, 0.25, 0.2, 0.12, 0.06, 0.02])

pytestmark = pytest.mark.slow


@pytest.fixture
def rng():
    return np.random.default_rng(20240615)


def assert_each_mean_is(sample, exact):
    """As `assert_mean_is` for every column: in each, 5 % more would have failed."""
    assert np.abs(z_scores(sample, exact)).max() < GATE
    assert np.abs(z_scores(sample, PLANTED * np.asarray(exact))).min() > GATE


def gaussian_loop(rng, choose, *, seeds, dim, sizes, temperature=1.0, ddof=0):
    """Means (S, G, d) and covariances (S, G, d, d) of models fitted to choose(batches), (S, N, d)."""
    batches, means, covariances = [rng.normal(size=(seeds, sizes[0], dim))], [], []
    for m in [*sizes[1:], 1]:
        rows = choose(batches)
        mean = rows.mean(axis=1, keepdims=True)
        centred = (rows - mean) / np.sqrt(rows.shape[1] - ddof)
        means.append(mean[:, 0])
        covariances.append(np.einsum("sni,snj->sij", centred, centred))
        # A combination of the centred rows has their covariance, of whatever rank.
        noise = rng.normal(size=(seeds, m, rows.shape[1]))
        batches.append(mean + np.sqrt(temperature) * noise @ centred)
    return np.stack(means, 1), np.stack(covariances, 1)


def latest(batches):
    return batches[-1]


def everything(batches):
    return np.concatenate(batches, axis=1)


def draw(rng, rows, n):
    """For each seed, n of its rows (S, N, ...) without replacement."""
    order = np.argsort(rng.random(rows.shape[:2]), axis=1)[:, :n]
    return np.take_along_axis(rows, order.reshape(*order.shape, *[1] * (rows.ndim - 2)), axis=1)


def moments(run):
    """Squared errors of the mean and traces of the covariance, (S, 2 G)."""
    means, covariances = run
    return np.concatenate([(means**2).sum(-1), np.trace(covariances, axis1=2, axis2=3)], axis=1)


def log_determinants(covariances, rank):
    values = np.linalg.eigvalsh(covariances)
    return np.log(values[..., values.shape[-1] - rank :]).sum(-1)


def traces(covariances):
    """(tr S)^2 and tr S^2, (S, 2 G)."""
    trace = np.trace(covariances, axis1=2, axis2=3)
    return np.concatenate([trace**2, (covariances**2).sum((-2, -1))], axis=1)


def test_window(rng):
    run = gaussian_loop(rng, lambda b: everything(b[-3:]), seeds=40_000, dim=2, sizes=[5] * 8)
    exact = follow(Window(3), [5] * 8)
    assert_each_mean_is(moments(run), 2 * np.concatenate([exact.error, exact.spread]))


def test_augment_at_low_temperature(rng):
    options = dict(seeds=30_000, dim=2, sizes=[5, *[10] * 7], temperature=0.8)
    run = gaussian_loop(rng, lambda b: everything([b[0], b[-1]] if len(b) > 1 else b), **options)
    exact = mixing.augment(5, 10, 8, temperature=0.8)
    assert_each_mean_is(moments(run), 2 * np.concatenate([exact.error, exact.spread]))


def test_subsample_with_ddof(rng):
    options = dict(seeds=180_000, dim=1, sizes=[3] * 8, ddof=1)
    run = gaussian_loop(rng, lambda b: draw(rng, everything(b), 3), **options)
    error, spread = (f(3, 8, 1) for f in (closed_forms.subsample_error, closed_forms.subsample_spread))
    assert_each_mean_is(moments(run), np.concatenate([error, spread]))


def test_fresh_loop_second_moments(rng):
    def choose(batches):
        real = rng.normal(size=(seeds, 8, 3))
        return everything([real, batches[-1]] if len(batches) > 1 else batches)

    seeds = 60_000
    means, covariances = gaussian_loop(rng, choose, seeds=seeds, dim=3, sizes=[12] * 6, temperature=0.85)
    exact = fresh.fresh_moments(8, 12, 3, 6, temperature=0.85)
    error = ((covariances - np.eye(3)) ** 2).sum((-2, -1))
    squared = (means**2).sum(-1)
    trace = np.trace(covariances, axis1=2, axis2=3)
    inside = np.einsum("sgi,sgij,sgj->sg", means, covariances, means)
    values = (trace, squared, trace**2, (covariances**2).sum((-2, -1)), squared * trace, inside, squared**2)
    for sample, mean in zip(values, exact, strict=True):
        assert_each_mean_is(sample, mean)
    assert_each_mean_is(error, exact.covariance_error(3))
    assert_each_mean_is(squared + error / 2, fresh.fisher_error(8, 12, 3, 6, 0.85))


def test_replace_determinants_and_divergences(rng):
    n, dim, generations = 15, 2, 4
    means, covariances = gaussian_loop(rng, latest, seeds=120_000, dim=dim, sizes=[n] * generations)
    log_det = log_determinants(covariances, dim)
    assert_each_mean_is(log_det, wishart.replace_log_determinant(n, dim, generations))
    variance = wishart.replace_log_determinant_variance(n, dim, generations)
    assert_each_mean_is((log_det - log_det.mean(0)) ** 2, variance)
    trace, squared = np.trace(covariances, axis1=2, axis2=3), (means**2).sum(-1)
    assert_each_mean_is((trace + squared - dim - log_det) / 2, wishart.replace_kl(n, dim, generations))
    inverse = np.linalg.inv(covariances)
    distance = np.einsum("sgi,sgij,sgj->sg", means, inverse, means)
    reverse = (np.trace(inverse, axis1=2, axis2=3) + distance - dim + log_det) / 2
    assert_each_mean_is(reverse, wishart.replace_reverse_kl(n, dim, generations))
    assert_each_mean_is(traces(covariances), np.concatenate(wishart.replace_trace_moments(n, dim, generations)))


def test_replace_of_low_rank(rng):
    _, covariances = gaussian_loop(rng, latest, seeds=70_000, dim=7, sizes=[4] * 2)
    assert_each_mean_is(log_determinants(covariances, 3), wishart.replace_log_pseudo_determinant(4, 7, 2))
    assert_each_mean_is(traces(covariances), np.concatenate(wishart.replace_trace_moments(4, 7, 2)))


def test_replace_in_one_dimension(rng):
    n, generations = 10, 4
    means, covariances = gaussian_loop(rng, latest, seeds=120_000, dim=1, sizes=[n] * generations)
    means, deviations = means[..., 0], np.sqrt(covariances[..., 0, 0])
    for power in (0.5, 1.5):
        assert_each_mean_is(deviations ** (2 * power), wishart.replace_power_mean(n, power, generations))
    assert_each_mean_is(means**2 + (deviations - 1) ** 2, wishart.replace_wasserstein(n, generations))


def test_accumulate_traces(rng):
    _, covariances = gaussian_loop(rng, everything, seeds=60_000, dim=3, sizes=[5] * 6)
    assert_each_mean_is(traces(covariances), np.concatenate(wishart.accumulate_trace_moments(5, 3, 6)))


def test_rates_of_collapse(rng):
    """Every factor being isotropic, the rates are the mean growth of orthogonal directions in each single step."""
    n, dim, steps, seeds = 12, 3, 20, 6000
    frame, logs = np.broadcast_to(np.eye(dim), (seeds, dim, dim)), []
    for _ in range(steps):
        rows = rng.normal(size=(seeds, n, dim))
        centred = (rows - rows.mean(1, keepdims=True)) / np.sqrt(n)
        root = np.linalg.cholesky(np.swapaxes(centred, 1, 2) @ centred)
        frame, triangle = np.linalg.qr(np.swapaxes(root, 1, 2) @ frame)
        logs.append(2 * np.log(np.abs(np.diagonal(triangle, axis1=1, axis2=2))))
    assert_each_mean_is(np.mean(logs, axis=0), wishart.lyapunov_rates(n, dim))


def family_loop(rng, family_rows, *, seeds, n, generations):
    """Means of models fitted to n rows of the pool, (S, G)."""
    pool, means = family_rows(np.full((seeds, 1), 2.0), n), []
    for _ in range(generations):
        means.append(draw(rng, pool, n).mean(axis=1))
        pool = np.concatenate([pool, family_rows(means[-1][:, None], n)], axis=1)
    return np.stack(means, 1)


def test_families_under_subsampling(rng):
    for family, rows in (
        (families.poisson(2.0), lambda mean, n: rng.poisson(mean, (len(mean), n))),
        (families.gamma(3.0, 2.0), lambda mean, n: rng.gamma(3.0, mean / 3, (len(mean), n))),
    ):
        means = family_loop(rng, rows, seeds=80_000, n=10, generations=5)
        assert_each_mean_is((means - 2) ** 2, families.subsample_error(family, 10, 5))


def regress(rng, *, seeds, n, dim, generations, new_design, accumulate=False, sigma2=0.7, refit=False):
    """Squared errors of the weights, and fitted variances of the noise, each (S, G)."""
    truth = rng.normal(size=(seeds, dim))
    weights, variance, first, errors, variances = truth, np.full(seeds, sigma2), None, [], []
    designs, responses = [], []
    for _ in range(generations):
        first = rng.normal(size=(seeds, n, dim)) if new_design or first is None else first
        noise = np.sqrt(variance)[:, None] * rng.normal(size=(seeds, n))
        designs.append(first)
        responses.append(np.einsum("snd,sd->sn", first, weights) + noise)
        if not accumulate:
            designs, responses = designs[-1:], responses[-1:]
        x, y = np.concatenate(designs, 1), np.concatenate(responses, 1)
        weights = np.einsum("sdn,sn->sd", np.linalg.pinv(x), y)
        if refit:
            variance = np.mean((y - np.einsum("snd,sd->sn", x, weights)) ** 2, axis=1)
        errors.append(((weights - truth) ** 2).sum(-1))
        variances.append(variance)
    return np.stack(errors, 1), np.stack(variances, 1)


@pytest.mark.parametrize("new_design", [False, True])
@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize(("n", "dim"), [(14, 2), (4, 10)])
def test_regression(rng, n, dim, new_design, accumulate):
    name = f"{'accumulate' if accumulate else 'replace'}_{'fresh' if new_design else 'fixed'}_design"
    if (n < dim) and accumulate and new_design:
        return  # not known
    seeds = 60_000 if n > dim else 15_000
    run = regress(rng, seeds=seeds, n=n, dim=dim, generations=3, new_design=new_design, accumulate=accumulate)
    assert_each_mean_is(run[0], getattr(regression, name)(n, dim, 3, 0.7))


@pytest.mark.parametrize("new_design", [False, True])
def test_regression_that_refits_the_noise(rng, new_design):
    run = regress(rng, seeds=60_000, n=14, dim=2, generations=3, new_design=new_design, refit=True)
    exact = regression.replace_refitted(14, 2, 3, 0.7)
    assert_each_mean_is(run[0], exact.error)
    assert_each_mean_is(run[1], exact.sigma2)


def categorical_loop(rng, choose, *, seeds, n, generations, probs=PROBS):
    """Fitted probabilities (S, G, K)."""
    pool, fits = rng.choice(len(probs), size=(seeds, n), p=probs), []
    for _ in range(generations):
        rows = choose(pool)
        fits.append(np.mean(rows[..., None] == np.arange(len(probs)), axis=1))
        sampled = np.take_along_axis(rows, rng.integers(rows.shape[1], size=(seeds, n)), axis=1)
        pool = np.concatenate([pool, sampled], axis=1)
    return np.stack(fits, 1)


def entropies(fits):
    return -(fits * np.log(np.where(fits > 0, fits, 1))).sum(-1)


@pytest.mark.parametrize("name", ["replace", "accumulate", "subsample"])
def test_outcomes(rng, name):
    n, seeds = 8, 30_000
    choose = {"replace": lambda pool: pool[:, -n:], "accumulate": lambda pool: pool}.get(
        name, lambda p: draw(rng, p, n)
    )
    fits = categorical_loop(rng, choose, seeds=seeds, n=n, generations=7)
    exact = getattr(outcomes, f"{name}_outcomes")(PROBS, n, 7)
    assert_each_mean_is((fits > 0).sum(-1), exact.survivors)
    assert_each_mean_is(entropies(fits), exact.entropy)
    if name == "replace":
        assert_each_mean_is((fits > 0).sum(-1), outcomes.replace_survivors(PROBS, n, 7))
        survival = outcomes.replace_survival(PROBS, n, 7)
        assert_mean_is((fits > 0).reshape(seeds, -1), survival.ravel())
    if name == "subsample":
        heterozygosity = follow(AccumulateSubsample(), [n] * 7).spread * (1 - np.sum(PROBS**2))
        assert_each_mean_is(1 - (fits**2).sum(-1), heterozygosity)


@pytest.mark.parametrize(("probs", "n"), [((0.3, 0.7), 20), (PROBS, 12)])
def test_fixation_time(rng, probs, n):
    counts, times = rng.multinomial(n, probs, size=30_000), np.ones(30_000)
    moving = counts.max(1) < n
    while moving.any():
        times[moving] += 1
        counts[moving] = rng.multinomial(n, counts[moving] / n)
        moving = counts.max(1) < n
    assert_mean_is(times, outcomes.fixation_time(probs, n))
