import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import GATE, PLANTED, z_scores
from scipy.stats import multivariate_normal
from sklearn import datasets as sklearn_datasets

import collapsejax as cj

SHAPES = {
    "gaussian": cj.sources.gaussian(3, sigma2=4.0),
    "blobs": cj.sources.blobs(),
    "moons": cj.sources.moons(noise=0.1),
    "circles": cj.sources.circles(noise=0.1, factor=0.5),
    "swiss_roll": cj.sources.swiss_roll(noise=0.3),
}


def features(rows):
    """First to third moments of rows, whose means two samples of one law share."""
    rows = np.asarray(rows, np.float64)
    pairs = np.stack([rows[:, i] * rows[:, j] for i in range(rows.shape[1]) for j in range(i + 1)], axis=1)
    return np.concatenate([rows, pairs, rows**3, np.abs(rows)], axis=1)


def z_between(a, b):
    a, b = features(a), features(b)
    return np.abs((a.mean(axis=0) - b.mean(axis=0)) / np.sqrt(a.var(axis=0) / len(a) + b.var(axis=0) / len(b))).max()


@pytest.mark.parametrize("name", list(SHAPES))
def test_moments_are_those_of_the_rows(key, name):
    source = SHAPES[name]
    real = source.init(key)
    rows = np.asarray(source.sample(jax.random.key(1), real, 400_000), np.float64)
    mean, covariance = (np.asarray(x, np.float64) for x in source.moments(real))
    error = rows.mean(axis=0) - mean
    assert np.abs(error / (rows.std(axis=0) / np.sqrt(len(rows)))).max() < GATE
    centred = rows - mean
    for i in range(source.dim):
        for j in range(i + 1):
            product = centred[:, i] * centred[:, j]
            se = product.std() / np.sqrt(len(rows))
            assert abs(product.mean() - covariance[i, j]) < GATE * se
            if i == j:
                assert abs(product.mean() - PLANTED * covariance[i, j]) > GATE * se


@pytest.mark.parametrize("name", ["moons", "circles", "swiss_roll"])
def test_shapes_are_those_of_scikit_learn(key, name):
    """Many rows of scikit-learn's generator; its evenly spaced angles are shuffled into a sample by choosing some."""
    n = 100_000
    make = {
        "moons": lambda: sklearn_datasets.make_moons(20 * n, noise=0.1, random_state=0),
        "circles": lambda: sklearn_datasets.make_circles(20 * n, noise=0.1, factor=0.5, random_state=0),
        "swiss_roll": lambda: sklearn_datasets.make_swiss_roll(20 * n, noise=0.3, random_state=0),
    }[name]
    theirs = make()[0][np.random.default_rng(0).choice(20 * n, n, replace=False)]
    ours = SHAPES[name].sample(key, (), n)
    assert z_between(ours, theirs) < GATE
    assert z_between(PLANTED * ours, theirs) > GATE


def test_blobs_are_those_of_scikit_learn(key):
    """Around centres given to both; and centres as scikit-learn draws them, uniform on [-10, 10]."""
    n = 100_000
    source = SHAPES["blobs"]
    centres, _ = source.init(key)
    theirs, _ = sklearn_datasets.make_blobs(3 * n, centers=np.asarray(centres), random_state=0)
    theirs = theirs[np.random.default_rng(0).choice(3 * n, n, replace=False)]
    ours = source.sample(jax.random.key(1), source.init(key), n)
    assert z_between(ours, theirs) < GATE
    assert z_between(PLANTED * ours, theirs) > GATE
    many = np.asarray(jax.vmap(lambda key: source.init(key)[0])(jax.random.split(key, 20_000)), np.float64).ravel()
    assert np.abs(many).max() <= 10
    assert abs(many.mean() / (many.std() / np.sqrt(many.size))) < GATE
    assert many.std() == pytest.approx(20 / np.sqrt(12), rel=0.02)


def test_blobs_share_centres_unless_told_otherwise(key):
    shared = SHAPES["blobs"].init(key)
    np.testing.assert_array_equal(shared[0], shared[1])
    published = cj.sources.blobs(shared_centres=False)
    train, test = published.init(key)
    np.testing.assert_array_equal(train, shared[0])
    assert float(jnp.abs(train - test).min()) > 1e-3
    rows = np.asarray(published.sample_test(key, (train, test), 50))
    assert np.linalg.norm(rows[None, :, :] - np.asarray(test)[:, None, :], axis=2).min(axis=0).max() < 6


def test_rows_are_new_for_every_key():
    source = SHAPES["moons"]
    a, b = source.sample(jax.random.key(0), (), 5), source.sample(jax.random.key(1), (), 5)
    assert float(jnp.abs(a - b).min()) > 0


PLANE = {  # with the half width of a square outside which there is nothing
    "gaussian": (cj.sources.gaussian(2, sigma2=4.0), 14.0),
    "blobs": (cj.sources.blobs(), 16.0),
    "moons": (cj.sources.moons(noise=0.1), 3.0),
    "circles": (cj.sources.circles(noise=0.1, factor=0.5), 2.0),
}


def density_features(rows):
    """Of rows (n, 2), what tells densities apart beside moments: waves of different lengths."""
    x, y = np.asarray(rows, np.float64).T
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y, np.cos(2 * x), np.cos(3 * y), np.sin(5 * x + y)], 1)


@pytest.mark.parametrize("name", list(PLANE))
def test_log_density_is_that_of_the_rows(key, name):
    """On a grid it sums to 1 and to the exact moments; and to the means of other features of rows."""
    source, half = PLANE[name]
    real = source.init(key)
    places = np.linspace(-half, half, 401)
    grid = np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2).astype(np.float32)
    log_density = np.concatenate([jax.jit(source.log_density)(real, part) for part in np.split(grid[:-1], 10)])
    weights = np.exp(np.append(log_density, -np.inf).astype(np.float64)) * (places[1] - places[0]) ** 2
    exact = weights @ density_features(grid)
    mean, covariance = (np.asarray(x, np.float64) for x in source.moments(real))
    second = covariance + np.outer(mean, mean)
    moments = [1, *mean, second[0, 0], second[0, 1], second[1, 1]]
    np.testing.assert_allclose(exact[:6], moments, rtol=1e-4, atol=1e-4)
    found = density_features(source.sample(jax.random.key(1), real, 200_000))[:, 1:]
    assert np.abs(z_scores(found, exact[1:])).max() < GATE
    assert np.abs(z_scores(found, PLANTED * exact[1:])).max() > GATE


def test_density_of_a_curve_needs_noise():
    """Too little of it leaves a density that is nearly nowhere; a swiss roll and a table have none that is known."""
    for make in (cj.sources.moons, cj.sources.circles):
        assert make(noise=0.0).log_density is None
        assert make(noise=0.009).log_density is None
        assert make(noise=0.01).log_density is not None
    assert cj.sources.swiss_roll().log_density is None


def test_density_at_the_least_noise_is_smooth():
    """The quadrature's nodes are closer than the noise: along a moon the density is that of a straight line."""
    source = cj.sources.moons(noise=0.01)
    angle = np.linspace(1.0, 1.1, 50)
    values = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    # Half of the rows on an arc of length pi, with normal noise across it.
    line = -np.log(2 * np.pi) - np.log(0.01 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(source.log_density((), values), line, atol=1e-3)


def test_log_density_of_a_normal_source_is_scipys():
    rows = np.array([[0.5, -1.0, 3.0], [0.0, 0.0, 0.1]], np.float32)
    exact = multivariate_normal(np.zeros(3), 4 * np.eye(3)).logpdf(rows)
    np.testing.assert_allclose(cj.sources.gaussian(3, sigma2=4.0).log_density((), rows), exact, rtol=1e-5)
    task = cj.Gaussian(3, sigma2=4.0)
    truth, _ = task.init(jax.random.key(0), 5)
    np.testing.assert_allclose(task.log_density(truth, jnp.asarray(rows)), exact, rtol=1e-5)


def test_tasks_have_the_density_of_their_source(key):
    source, rows = cj.sources.circles(noise=0.1), jnp.array([[0.5, -1.0], [1.0, 0.1]])
    for task in (cj.Gaussian(source=source), cj.KDE(source, 0.3, num_test=1)):
        truth, _ = task.init(key, 5)
        np.testing.assert_allclose(task.log_density(truth, rows), source.log_density((), rows))
    for task in (cj.Gaussian(source=cj.sources.swiss_roll()), cj.KDE(cj.sources.swiss_roll(), 0.3)):
        assert task.log_density is None
