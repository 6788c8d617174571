from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import GATE, PLANTED, assert_mean_is, z_scores
from jax.extend.random import threefry_2x32
from scipy import special, stats

from collapsejax.numerics import counts
from collapsejax.numerics.counts import (
    _LARGEST_SUM,
    _deviance,
    _hat_width,
    _stirling,
    binomial,
    hypergeometric,
    multinomial,
    multivariate_hypergeometric,
    poisson,
)
from collapsejax.numerics.random import Stream

REPETITIONS = 80_000

BINOMIAL = [  # n, p, whether it is common enough for planted errors of 5 %
    (1, 0.3, True),
    (9, 0.75, True),
    (20, 0.39, True),  # means on both sides of where the sampler changes
    (20, 0.41, True),
    (300, 0.04, True),
    (10**6, 7e-6, True),
    (10**7, 3e-6, True),
    (10**6, 0.5, True),
    (10**7, 0.37, True),
    (10**7, 1 - 1e-6, True),
    (50, 1e-3, False),
    (10**7, 1e-10, False),
]
SURE = [(0, 0.3, 0), (0, 1, 0), (17, 0, 0), (17, 1, 17), (10**7, 0, 0), (10**7, 1, 10**7), (10**7, 1e-38, 0)]

HYPERGEOMETRIC = [  # good, bad, draws
    (2, 3, 1),
    (3, 4, 5),
    (20, 20, 20),
    (12, 60, 40),
    (60, 12, 40),
    (30, 50, 40),  # a mean of 15: the rejection loop
    (300, 200, 480),
    (1000, 100, 500),
    (10**6, 10**6, 5),
    (10**5, 10**6, 100),
    (100, 10**7, 5 * 10**6),
    (10**7, 5 * 10**6, 3 * 10**6),
]
TAKEN = [(0, 9, 4, 0), (9, 0, 4, 4), (5, 6, 0, 0), (5, 6, 11, 5), (0, 0, 0, 0), (10**7, 10**6, 11 * 10**6, 10**7)]


def drawn(sampler, key, table):
    """Every row's repetitions, (rows, repetitions), by one program."""
    columns = [np.repeat(np.float32(column), REPETITIONS) for column in zip(*table, strict=True)]
    return np.asarray(jax.jit(sampler)(key, *columns), np.float64).reshape(len(table), REPETITIONS)


@pytest.fixture(scope="module")
def binomials():
    return drawn(binomial, jax.random.key(5), [row[:2] for row in BINOMIAL + SURE])


@pytest.fixture(scope="module")
def hypergeometrics():
    return drawn(hypergeometric, jax.random.key(6), [row[:3] for row in HYPERGEOMETRIC + TAKEN])


def cell_z(sample, law):
    """z of the frequency of each cell; where there are many counts, of some quantiles' cells, with both tails."""
    edges = np.unique(law.ppf([2e-4, 2e-3, *np.linspace(0.01, 0.99, 50), 0.998, 0.9998]))
    chances = np.diff(law.cdf(np.array([-np.inf, *edges, np.inf])))
    counts = np.diff(np.searchsorted(np.sort(sample), [-np.inf, *edges, np.inf], side="right"))
    spread = np.sqrt(len(sample) * chances * (1 - chances))
    common = spread > 3  # a cell of fewer is not normal
    return ((counts - len(sample) * chances)[common]) / spread[common]


@pytest.mark.parametrize("row", range(len(BINOMIAL)))
def test_binomial_has_its_pmf_and_moments(binomials, row):
    n, p, common = BINOMIAL[row]
    assert (binomials[row] % 1 == 0).all()
    law = stats.binom(n, np.float64(np.float32(p)))
    assert np.abs(cell_z(binomials[row], law)).max(initial=0) < GATE
    if common:
        assert_mean_is(binomials[row] if p < 0.5 else n - binomials[row], min(law.mean(), n - law.mean()))
        assert_mean_is((binomials[row] - law.mean()) ** 2, law.var())
        planted = stats.binom(n, 1 - (1 - p) * PLANTED if p > 0.5 else p * PLANTED)
        assert np.abs(cell_z(binomials[row], planted)).max() > GATE


def test_large_binomials_have_the_standardized_moments_of_normals(binomials):
    """Exactly: a skewness below 2e-4 and an excess kurtosis below 3e-6 in size."""
    rows = [row for row, (n, p, _) in enumerate(BINOMIAL) if n * min(p, 1 - p) > 10**5]
    laws = [stats.binom(n, np.float64(np.float32(p))) for n, p, _ in (BINOMIAL[row] for row in rows)]
    standard = np.concatenate([(binomials[row] - law.mean()) / law.std() for row, law in zip(rows, laws, strict=True)])
    assert np.abs(z_scores(np.stack([standard, standard**3], axis=1), 0)).max() < GATE
    assert_mean_is(standard**2, 1)
    assert_mean_is(standard**4, 3)


def test_sure_counts(binomials, hypergeometrics):
    for sample, (*_, exact) in zip(binomials[len(BINOMIAL) :], SURE, strict=True):
        assert (sample == exact).all()
    for sample, (*_, exact) in zip(hypergeometrics[len(HYPERGEOMETRIC) :], TAKEN, strict=True):
        assert (sample == exact).all()


@pytest.mark.parametrize("row", range(len(HYPERGEOMETRIC)))
def test_hypergeometric_has_its_pmf_and_moments(hypergeometrics, row):
    good, bad, draws = HYPERGEOMETRIC[row]
    law = stats.hypergeom(good + bad, good, draws)
    assert np.abs(cell_z(hypergeometrics[row], law)).max() < GATE
    assert_mean_is(hypergeometrics[row], law.mean())
    assert_mean_is((hypergeometrics[row] - law.mean()) ** 2, law.var())
    support = law.support()
    assert hypergeometrics[row].min() >= support[0]
    assert hypergeometrics[row].max() <= support[1]
    assert (hypergeometrics[row] % 1 == 0).all()


class Levels(NamedTuple):
    """Stands for a stream of random words: uniforms that are given."""

    levels: jax.Array

    def uniforms(self, tries, shape):
        return self.levels, self.levels


def assert_inverted(draw, laws):
    """Counts are the number of x with uniform < P(X > x), up to 3e-6 in a probability, down to the far tail.

    `draw(levels, places)` are the counts that these uniforms give under the laws at these places, all of mean below 8.
    """
    levels = np.geomspace(4e-6, 0.999, 2000).astype(np.float32)
    found = np.asarray(draw(np.tile(levels, len(laws)), np.repeat(np.arange(len(laws)), len(levels))))
    for drawn, law in zip(found.reshape(len(laws), -1), laws, strict=True):
        larger = law.sf(np.arange(60))[None, :]
        least, most = ((levels[:, None] + error < larger).sum(axis=1) for error in (3e-6, -3e-6))
        assert (least <= drawn).all()
        assert (drawn <= most).all()


def test_binomials_of_small_means_are_inverted():
    laws = [(5, 0.3), (9, 0.25), (20, 0.39), (300, 0.02), (10**6, 7e-6), (10**7, 1e-8)]
    n, p = np.array(laws, np.float32).T
    assert_inverted(
        lambda levels, places: jax.jit(counts._binomial)(Levels(levels), n[places], p[places]),
        [stats.binom(n, np.float64(np.float32(p))) for n, p in laws],
    )


def test_hypergeometrics_of_small_means_are_inverted():
    tables = [(5, 9, 6), (20, 20, 12), (30, 500, 60), (10**4, 10**6, 300), (9, 10**6, 1000)]
    good, bad, draws = np.array(tables, np.float32).T
    assert_inverted(
        lambda levels, places: jax.jit(counts._hypergeometric)(
            Levels(levels), draws[places], good[places], bad[places]
        ),
        [stats.hypergeom(good + bad, good, draws) for good, bad, draws in tables],
    )


def hat_excess(law, top):
    """The largest ratio of what the hat must cover to its half-width."""
    mean, variance = law.mean(), law.var()
    x = np.unique(np.clip(np.floor(mean + np.linspace(-9, 9, 2001) * np.sqrt(variance + 1)), 0, top))
    log_pmf = law.logpmf(x)
    root = np.exp((log_pmf - log_pmf.max()) / 2)
    far = np.maximum(np.abs(x - mean - 0.5), np.abs(x - mean + 0.5))
    return (far * root).max() / (float(_hat_width(variance)) / 2)


def test_hat_covers_the_pmf():
    rng = np.random.default_rng(3)
    excess = []
    for _ in range(100):
        p = 10 ** rng.uniform(-5, np.log10(0.5))
        n = int(_LARGEST_SUM / p * 10 ** rng.uniform(0, 2)) + 1
        excess.append(hat_excess(stats.binom(n, p), n))
        total = int(10 ** rng.uniform(1.7, 7))
        good, draws = rng.uniform(np.sqrt(_LARGEST_SUM / total), 0.5, 2) * total
        excess.append(hat_excess(stats.hypergeom(total, int(good), int(draws)), min(int(good), int(draws))))
    assert max(excess) < 1
    assert max(excess) * PLANTED > 1


def test_terms_of_the_log_pmf_keep_their_digits():
    y = np.array([0.5, 1.5, 2.5, 3.5, 10.5, 1000.5])
    exact = special.gammaln(y + 0.5) - (y * np.log(y) - y) - np.log(2 * np.pi) / 2
    assert np.abs(np.asarray(_stirling(jnp.float32(y))) - exact).max() < 1e-7
    centre = np.array([0.7, 9.25, 300.0, 5e4, 5e6])[:, None]
    away = np.float32(np.linspace(-6, 6, 40) * np.sqrt(centre))
    centre, away = np.broadcast_arrays(centre, np.maximum(away, np.float32(0.5 - centre)))
    exact = (centre + away) * np.log1p(away / centre) - away.astype(np.float64)
    found = _deviance(jnp.float32(centre + away), jnp.float32(centre), jnp.float32(away))
    assert np.abs(found - exact).max() < 1e-4


def test_the_generator_is_threefry(key):
    stream = Stream.of(key)
    first, second = jax.jit(lambda stream: stream._replace(start=jnp.uint32(7)).uniforms(jnp.int32(3), (5,)))(stream)
    words = threefry_2x32(jnp.stack([stream.low, stream.high]), jnp.uint32([7, 8, 9, 10, 11, 3, 3, 3, 3, 3]))
    np.testing.assert_array_equal(np.concatenate([first, second]), (words.astype(jnp.float32) + 0.5) * 2.0**-32)


SEEDS = 100_000
seeds_multinomial = jax.jit(jax.vmap(multinomial, in_axes=(0, None, None)))
seeds_hypergeometric = jax.jit(jax.vmap(multivariate_hypergeometric, in_axes=(0, None, None)))


def assert_covariance_is(sample, mean, covariance):
    assert_mean_is(sample, mean)
    away = sample - mean
    assert_mean_is(away[:, :, None] * away[:, None, :], covariance)


@pytest.mark.parametrize("n", [5, pytest.param(1000, marks=pytest.mark.slow)])
def test_multinomial_has_its_moments(key, n):
    weights = np.array([2, 3, 5], np.float32)
    sample = np.asarray(seeds_multinomial(jax.random.split(key, SEEDS), jnp.float32(n), weights), np.float64)
    assert (sample.sum(axis=1) == n).all()
    p = np.array([0.2, 0.3, 0.5])
    assert_covariance_is(sample, n * p, n * (np.diag(p) - np.outer(p, p)))


@pytest.mark.slow
@pytest.mark.parametrize("n", [6, 70])
def test_multivariate_hypergeometric_has_its_moments(key, n):
    counts = np.array([20, 30, 50], np.float32)
    sample = np.asarray(seeds_hypergeometric(jax.random.split(key, SEEDS), counts, jnp.float32(n)), np.float64)
    assert (sample.sum(axis=1) == n).all()
    assert (sample <= counts).all()
    p = np.array([0.2, 0.3, 0.5])
    assert_covariance_is(sample, n * p, n * (100 - n) / 99 * (np.diag(p) - np.outer(p, p)))


def test_rare_and_absent_outcomes(key):
    keys = jax.random.split(key, SEEDS)
    weights = np.array([1, 1e7, 0], np.float32)
    sample = np.asarray(seeds_multinomial(keys, jnp.float32(10**7), weights), np.float64)
    assert_mean_is(sample[:, 0], 10**7 / (10**7 + 1))
    assert (sample[:, 2] == 0).all()
    counts = np.array([20, 0, 50], np.float32)
    assert (np.asarray(seeds_hypergeometric(keys, counts, jnp.float32(70))) == counts).all()
    assert (np.asarray(seeds_hypergeometric(keys, counts, jnp.float32(0))) == 0).all()


def test_a_seed_does_not_depend_on_the_others(key):
    keys = jax.random.split(key, SEEDS)
    weights = np.array([2, 3, 5], np.float32)
    together = seeds_multinomial(keys, jnp.float32(1000), weights)
    np.testing.assert_array_equal(together[1], jax.jit(multinomial)(keys[1], 1000, weights))


def test_one_outcome_takes_all(key):
    assert multinomial(key, 7, np.ones(1, np.float32)) == 7
    assert multivariate_hypergeometric(key, np.full(1, 9, np.float32), 7) == 7


@pytest.mark.slow
def test_a_thousand_outcomes(key):
    n = 10**6
    weights = np.random.default_rng(0).integers(0, 20, 1000).astype(np.float32)
    sample = np.asarray(jax.jit(multinomial)(key, n, weights), np.float64)
    p = weights[weights > 0] / weights.sum(dtype=np.float64)
    z = (sample[weights > 0] - n * p) / np.sqrt(n * p * (1 - p))
    assert sample.sum() == n
    assert (sample[weights == 0] == 0).all()
    assert np.abs(z).max() < GATE
    assert abs((z**2).mean() - 1) < GATE * np.sqrt(2 / len(z))
    taken = np.asarray(jax.jit(multivariate_hypergeometric)(key, sample.astype(np.float32), 300_000), np.float64)
    z = (taken - 0.3 * sample)[sample > 0] / np.sqrt(0.3 * 0.7 * sample[sample > 0] * (1 - sample[sample > 0] / n))
    assert taken.sum() == 300_000
    assert (taken <= sample).all()
    assert np.abs(z).max() < GATE
    assert abs((z**2).mean() - 1) < GATE * np.sqrt(2 / len(z))


@pytest.mark.parametrize("mean", [2.5, 6e4, 7e4, 1e6, 2e7, 1e9])
def test_poisson_moments(key, mean):
    """Mean, variance and third moment are the mean; floats of 1e9 are 64 apart, which is 0.2 % of a deviation."""
    drawn = np.asarray(jax.jit(lambda key: poisson(key, mean, (1_000_000,)))(key), np.float64)
    assert (drawn >= 0).all()
    assert (drawn == np.round(drawn)).all()
    standard = (drawn - mean) / np.sqrt(mean)
    assert_mean_is(standard**2, 1.0)
    assert np.abs(z_scores(standard, 0.0)).max() < GATE
    assert np.abs(z_scores(standard**3, 1 / np.sqrt(mean))).max() < GATE


def test_poisson_has_its_law(key):
    """At a mean just above that of JAX's sampler, by the probabilities of each of a hundred classes."""
    drawn = np.asarray(jax.jit(lambda key: poisson(key, 70_000.0, (1_000_000,)))(key), np.float64)
    cuts = np.unique(stats.poisson.ppf(np.linspace(0.01, 0.99, 99), 70_000))
    found = np.bincount(np.searchsorted(cuts, drawn), minlength=100)
    wanted = np.diff([0, *stats.poisson.cdf(cuts, 70_000), 1]) * len(drawn)
    assert stats.chi2.sf(np.sum((found - wanted) ** 2 / wanted), 99) > 1e-5
