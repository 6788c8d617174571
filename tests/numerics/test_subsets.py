"""Subsets are the first images of a permutation: the laws of its turns, computed, and statistics of what is drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import GATE, z_scores
from scipy.special import binom, comb

from collapsejax.numerics import subsets
from collapsejax.numerics.subsets import subset

FEWEST = 1e-6  # of total variation, which 10^10 subsets would not show


def grid(count):
    """The integers of each row, and of each column, of the grid that they stand in."""
    width = int(np.ceil(np.sqrt(count)))
    places = np.arange(count)
    rows, columns = places // width, places % width
    return [[places[of == i] for i in range(of.max() + 1)] for of in (rows, columns)]


def rotated(law, lines):
    """The law (N, N) of two places, each line having been rotated by a uniform amount of its own."""
    turned = np.empty_like(law)
    for a in lines:
        for b in lines:
            block = law[np.ix_(a, b)]
            if a is b:
                around = np.stack([np.roll(np.roll(block, s, 0), s, 1) for s in range(len(a))]).mean(axis=0)
            turned[np.ix_(a, b)] = around if a is b else block.mean()
    return turned


def distance_of_pairs(count, num_turns):
    """Total variation between the law of the images of two integers, the first or on a line, and that of two draws."""
    lines = grid(count)
    uniform = (1 - np.eye(count)) / (count * (count - 1))
    distances = []
    for second in {1, min(len(lines[1]), count - 1), count - 1}:
        law = np.zeros((count, count))
        law[0, second] = 1
        for _ in range(num_turns):
            law = rotated(rotated(law, lines[0]), lines[1])
        distances.append(np.abs(law - uniform).sum() / 2)
    return max(distances)


def distance_of_sets(count, num_turns):
    """Of the law of the set of the first k images, for the worst k; sets are bits of a number."""
    sets = np.arange(2**count)
    law = np.isin(sets, 2 ** np.arange(1, count) - 1).astype(float)
    for line in num_turns * [line for lines in grid(count) for line in lines]:
        bits = (sets[:, None] >> line) & 1
        outside = sets - (bits << line).sum(axis=1)
        law = np.mean([law[outside + (np.roll(bits, s, 1) << line).sum(axis=1)] for s in range(len(line))], axis=0)
    sizes = sum((sets >> place) & 1 for place in range(count))
    deviation = np.where(sizes % count > 0, np.abs(law - 1 / binom(count, sizes)), 0.0)
    return np.bincount(sizes, deviation).max() / 2


@pytest.mark.parametrize("count", [2, 3, 6, 7, 10, 17, 50, 127, 128, 130])
def test_turns_make_pairs_uniform(count):
    num_turns = subsets._TURNS if count >= subsets._FEW else subsets._TURNS_OF_FEW
    assert distance_of_pairs(count, num_turns) < FEWEST
    assert count == 2 or distance_of_pairs(count, 2) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("count", [3, 7, 10, 11])
def test_turns_make_sets_uniform(count):
    assert distance_of_sets(count, subsets._TURNS_OF_FEW) < FEWEST
    assert distance_of_sets(count, 2) > 1e-2


def deviations(drawn, count):
    """z of how often each integer, and each pair, was drawn (M, k): sums of squares, of known mean and variance."""
    num_sets, k = drawn.shape
    taken = np.zeros((num_sets, count), np.float32)
    np.put_along_axis(taken, drawn, 1, axis=1)
    pairs = np.matmul(taken.T, taken).astype(np.float64)
    # Of two pairs that share no integer, one, or both, the probability that all of these are drawn.
    p1, p2, p3, p4 = (comb(k, j) / comb(count, j) for j in (1, 2, 3, 4))
    num_pairs, neighbours = comb(count, 2), 2 * (count - 2)
    single = count * ((p1 - p1**2) ** 2 + (count - 1) * (p2 - p1**2) ** 2)
    double = (p2 - p2**2) ** 2 + neighbours * (p3 - p2**2) ** 2 + comb(count - 2, 2) * (p4 - p2**2) ** 2
    of_one = ((np.diagonal(pairs) - num_sets * p1) ** 2).sum() / num_sets - count * (p1 - p1**2)
    upper = pairs[np.triu_indices(count, 1)]
    of_two = ((upper - num_sets * p2) ** 2).sum() / num_sets - num_pairs * (p2 - p2**2)
    return of_one / np.sqrt(2 * single), of_two / np.sqrt(2 * num_pairs * double)


def drawn_by_keys(key, count, k, num_sets):
    return np.asarray(jax.jit(jax.vmap(lambda key: subset(key, jnp.int32(count), k)))(jax.random.split(key, num_sets)))


SIZES = [(7, 3, 200_000), (200, 100, 50_000), (1000, 10, 100_000)]


@pytest.mark.parametrize(("count", "k", "num_sets"), [*SIZES[:2], pytest.param(*SIZES[2], marks=pytest.mark.slow)])
def test_integers_and_pairs_are_drawn_equally_often(key, count, k, num_sets):
    drawn = drawn_by_keys(key, count, k, num_sets)
    assert (np.diff(np.sort(drawn, axis=1), axis=1) > 0).all()
    assert np.abs(deviations(drawn, count)).max() < GATE


@pytest.mark.slow
@pytest.mark.parametrize(("count", "k", "num_sets"), SIZES)
def test_too_few_turns_would_be_caught(key, monkeypatch, count, k, num_sets):
    monkeypatch.setattr(subsets, "_TURNS", 1)
    monkeypatch.setattr(subsets, "_TURNS_OF_FEW", 1)
    drawn = drawn_by_keys(key, count, k, num_sets)
    assert np.abs(deviations(drawn, count)).max() > GATE


def test_draws_with_replacement_would_be_caught(key):
    drawn = np.asarray(jax.random.randint(key, (50_000, 100), 0, 200))
    assert not (np.diff(np.sort(drawn, axis=1), axis=1) > 0).all()
    assert np.abs(deviations(drawn, 200)).max() > GATE


def overlap(a, b):
    """How many integers two subsets (M, k) share."""
    return (a[:, :, None] == b[:, None, :]).sum(axis=(1, 2))


@pytest.mark.slow
def test_subsets_of_consecutive_keys_are_independent(key):
    """Of seeds, and of generations: what they share has the mean and the variance of a hypergeometric variable."""
    count, k = 50, 10
    of_generation = lambda seed, g: subset(jax.random.fold_in(jax.random.fold_in(key, seed), g), count, k)
    of_seed = lambda seed: jax.vmap(lambda g: of_generation(seed, g))(jnp.arange(2))
    drawn = np.asarray(jax.jit(jax.vmap(of_seed))(jnp.arange(20_000)))
    mean = k * k / count
    variance = mean * (1 - k / count) * (count - k) / (count - 1)
    for shared in (overlap(drawn[:, 0], drawn[:, 1]), overlap(drawn[:-1, 0], drawn[1:, 0])):
        assert abs(z_scores(shared, mean)) < GATE
        assert abs(z_scores((shared - mean) ** 2, variance)) < GATE
    repeated = np.where(np.arange(len(drawn))[:, None] % 20 == 0, drawn[:, 0], drawn[:, 1])  # one key in twenty, twice
    assert abs(z_scores(overlap(drawn[:, 0], repeated), mean)) > GATE


@pytest.mark.parametrize("count", [2, 5, 16, 17, 127, 128, 300])
def test_every_integer_is_an_image_once(key, count):
    """Of all but one each comes once, and not the same one is left out by every key."""
    drawn = drawn_by_keys(key, count, count - 1, 30)
    left_out = [set(range(count)) - set(row) for row in drawn.tolist()]
    assert {len(missing) for missing in left_out} == {1}
    assert len(set(map(frozenset, left_out))) > 1


def test_large_counts(key):
    count = 2**31 - 1
    drawn = np.asarray(subset(key, count, 10_000), np.float64)
    assert len(np.unique(drawn)) == 10_000
    assert drawn.min() >= 0
    assert abs(z_scores(drawn, (count - 1) / 2)) < GATE


@pytest.mark.parametrize(("count", "k"), [(100, 1), (100, 17), (20, 19), (17, 17)])
def test_room_changes_nothing(key, count, k):
    """And what is behind the k repeats the last of them."""
    drawn = subset(key, count, k)
    for room in (k, 19, 40):
        roomy = jax.jit(lambda key, count, k, room=room: subset(key, count, k, room))(key, count, k)
        np.testing.assert_array_equal(roomy[:k], drawn)
        assert roomy.shape == (room,)
        assert (roomy[k:] == drawn[-1]).all()


def test_subset_of_everything_keeps_the_order(key):
    np.testing.assert_array_equal(subset(key, jnp.int32(9), 9), np.arange(9))
