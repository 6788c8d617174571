import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import GATE, PLANTED
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
