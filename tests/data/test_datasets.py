import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import GATE, assert_mean_is, z_scores

import collapsejax as cj
from collapsejax.data.counts import Counts, Totals
from collapsejax.data.kernel_sums import KernelSums, Spread
from collapsejax.data.moments import Gram, Moments
from collapsejax.data.rows import Rows


def rows_of(key, n, offset=0.0):
    return Rows.of(offset + jax.random.normal(key, (n, 3)))


def moments_of(key, n, offset=0.0):
    return Moments.of(rows_of(key, n, offset))


def sums_of(key, n, offset=0.0):
    rows = rows_of(key, n, offset)
    return KernelSums(rows, jnp.log(jnp.sum(rows.values[:, :1] ** 2, axis=0)), Spread.of(rows))


def gram_of(key, n, offset=0.0):
    k_x, k_y = jax.random.split(key)
    return Gram.of(Rows.of((offset + jax.random.normal(k_x, (n, 3)), jax.random.normal(k_y, (n,)))))


def counts_of(key, n, offset=0.0):
    del offset
    return Counts.of(Rows.of(jax.random.randint(key, (n,), 0, 6)), 7)


def totals_of(key, n, offset=0.0):
    return Totals.of(Rows.of(offset + jax.random.normal(key, (n,))))


def content(dataset):
    """What a dataset says, whatever its room: filled rows with weights, or moments, or sums."""
    if isinstance(dataset, Counts | Totals):
        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(dataset)])
    if isinstance(dataset, Rows):
        filled = np.asarray(dataset.weights) > 0
        return np.column_stack([np.asarray(dataset.values)[filled], np.asarray(dataset.weights)[filled]])
    if isinstance(dataset, KernelSums):
        return np.concatenate([content(dataset.rows).ravel(), np.asarray(dataset.log_sums)])
    dense = np.asarray(dataset.factor.dense(), np.float64)
    mean = dataset.mean if isinstance(dataset, Moments) else []
    return np.concatenate([[dataset.weight], mean, (dense @ dense.T).ravel()])


def same(a, b):
    np.testing.assert_allclose(content(a), content(b), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("make", [rows_of, moments_of, sums_of, gram_of, counts_of, totals_of])
class TestAlgebra:
    """Each law as one program: operation by operation takes far longer to compile."""

    def test_empty_is_neutral(self, make, key):
        @jax.jit
        def sides(key):
            data = make(key, 5)
            return data, data.empty(9).append(data), data.empty(2).join(data), data.join(data.empty(2))

        data, *others = sides(key)
        for other in others:
            same(other, data)

    def test_append_is_join(self, make, key):
        @jax.jit
        def sides(key):
            a, b = make(key, 5), make(jax.random.key(1), 4, 2.0)
            return a.empty(9).append(a).append(b), a.join(b)

        same(*sides(key))

    def test_join_is_associative(self, make, key):
        @jax.jit
        def sides(key):
            a, b, c = make(key, 5), make(jax.random.key(1), 4, 2.0), make(jax.random.key(2), 6, -7.0)
            return a.join(b).join(c), a.join(b.join(c))

        same(*sides(key))

    def test_clear_forgets(self, make, key):
        @jax.jit
        def sides(key):
            a, b = make(key, 5), make(jax.random.key(1), 4)
            return a.clear().append(b), b

        same(*sides(key))

    def test_scale_distributes(self, make, key):
        @jax.jit
        def sides(key):
            a, b = make(key, 5), make(jax.random.key(1), 4)
            distributed = a.join(b).scale(0.25), a.scale(0.25).join(b.scale(0.25))
            return distributed, (a.scale(0.5).scale(2.0), a)

        for pair in sides(key):
            same(*pair)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="other backends store what has several uses")
def test_rows_with_room_for_more_are_drawn_once(key):
    """Where a draw is computed, its clipping is."""

    def uses(key, n):
        values = Rows.of(jnp.minimum(jax.random.normal(key, (1000, 2)), 7.125), n).values
        return jnp.sum(values, axis=0), jnp.max(values), jnp.sum(jnp.exp(values)), values[::2] @ values[1::2].T

    program = jax.jit(jax.vmap(uses, (0, None))).lower(jax.random.split(key, 3), 5).compile().as_text()
    assert program.count("constant(7.125)") == 1


def test_moments_are_those_of_the_rows(key):
    parts = [rows_of(jax.random.key(seed), n, offset) for seed, n, offset in ((0, 5, 0.0), (1, 2, 9.0), (2, 30, -4.0))]
    merge = lambda a, b, c: Moments.of(a).append(Moments.of(b)).append(Moments.of(c))
    merged = jax.jit(merge)(*parts)
    values = np.concatenate([np.asarray(part.values, np.float64) for part in parts])
    centred = values - values.mean(axis=0)
    exact = np.concatenate([[37], values.mean(axis=0), (centred.T @ centred).ravel()])
    np.testing.assert_allclose(content(merged), exact, rtol=1e-5, atol=1e-4)
    same(merged, jax.jit(lambda a, b, c: Moments.of(a.join(b).join(c)))(*parts))


def test_moments_far_from_the_origin(key):
    """A raw second moment would lose a standard deviation of 1e-3 beside a mean of 3 in float32."""
    rows = Rows.of(3.0 + 1e-3 * jax.random.normal(key, (400, 1)))
    merged = jax.jit(lambda rows: Moments.of(rows).append(Moments.of(rows)))(rows)
    exact = np.asarray(rows.values, np.float64).var()
    assert float(jnp.exp(2 * merged.factor.log_scale[0])) / 800 == pytest.approx(exact, rel=1e-3)


def test_gram_is_that_of_the_weighted_rows(key):
    """Of batches of 2, 1 and 30 rows of 4 columns: the rank grows from below the dimension to all of it."""
    x, y = jax.random.normal(key, (33, 3)), jax.random.normal(jax.random.key(1), (33,))
    weights = np.where(np.arange(33) == 1, 0.0, np.linspace(0.5, 2, 33)).astype(np.float32)
    parts = [
        Rows((x[part], y[part]), jnp.asarray(weights[part]), jnp.int32(len(weights[part])))
        for part in (slice(0, 2), slice(2, 3), slice(3, None))
    ]
    grams = jax.jit(lambda parts: [Gram.of(part) for part in parts])(parts)
    merged = jax.jit(lambda a, b, c: a.append(b).append(c))(*grams)
    both = np.column_stack([x, y]).astype(np.float64)
    for gram, upto in ((grams[0], 2), (merged, 33)):
        w = weights[:upto].astype(np.float64)
        exact = np.concatenate([[w.sum()], (both[:upto].T @ (w[:, None] * both[:upto])).ravel()])
        np.testing.assert_allclose(content(gram), exact, rtol=1e-5, atol=1e-5)


def test_counts_and_totals_go_by_weight():
    values, weights = jnp.array([3, 1, 3, 0]), jnp.array([2.0, 0.5, 1.0, 0.0])
    np.testing.assert_array_equal(Counts.of(Rows(values, weights, jnp.int32(4)), 5).counts, [0, 0.5, 0, 3, 0])
    totals = Totals.of(Rows(values.astype(float), weights, jnp.int32(4)))
    assert float(totals.weight) == 3.5
    assert float(totals.total) == 9.5


def test_counts_draw_without_replacement(key):
    """Mean k c / N and variance k c (N - c) (N - k) / (N^2 (N - 1)); with replacement the last factors were missing."""
    counts, k = np.array([0.0, 1.0, 5.0, 14.0]), 15
    total = counts.sum()
    drawn = jax.vmap(lambda key: Counts(jnp.asarray(counts, dtype=float)).draw(key, k).counts)
    sample = np.asarray(drawn(jax.random.split(key, 20_000)), np.float64)
    np.testing.assert_array_equal(sample.sum(axis=1), k)
    assert (sample <= counts).all()
    mean = k * counts / total
    variance = mean * (total - counts) / total
    squares = ((sample - mean) ** 2)[:, 1:]
    assert_mean_is(sample[:, 1:], mean[1:])
    assert_mean_is(squares, (variance * (total - k) / (total - 1))[1:])
    assert np.abs(z_scores(squares, variance[1:])).min() > GATE
    everything = Counts(jnp.asarray(counts, dtype=float))
    np.testing.assert_array_equal(everything.draw(key, everything.capacity).counts, counts)


def test_append_refuses_more_rows_than_there_is_room(key):
    with pytest.raises(ValueError, match="7 rows do not fit into a buffer of 5"):
        rows_of(key, 5).append(rows_of(key, 7))


def test_draw_takes_filled_rows_only_and_once(key):
    rows = rows_of(key, 10).empty(50).append(rows_of(key, 10))
    drawn = rows.draw(jax.random.key(1), 6)
    assert len(np.unique(np.asarray(drawn.values), axis=0)) == 6
    assert (np.asarray(drawn.weights) == 1).all()
    same(rows.draw(jax.random.key(1), 10), rows)


def test_rows_with_room_are_those_that_count(key):
    """Whatever lies behind them: it is neither fitted to nor drawn, and the next batch takes its place."""
    values = jnp.append(jax.random.normal(key, (4, 3)), jnp.full((3, 3), jnp.inf), axis=0)
    filled, other = Rows.of(values[:4]), rows_of(jax.random.key(1), 6)
    roomy = Rows.of(values, jnp.int32(4))
    assert roomy.capacity == 7
    assert np.isfinite(roomy.values).all()
    same(roomy, filled)
    pool, wanted = roomy.empty(20).append(roomy), filled.empty(20).append(filled)
    same(pool.append(other).append(roomy), wanted.append(other).append(filled))
    same(roomy.join(other).join(roomy), filled.join(other).join(filled))
    moments = jax.jit(Moments.of)
    same(moments(pool.append(other)), moments(wanted.append(other)))
    pool = pool.append(other)
    draw = jax.jit(lambda k: pool.draw(jax.random.key(2), k, 12))
    for k in (1, 5, 10):
        drawn = draw(k)
        assert drawn.capacity == 12
        assert int(drawn.count) == k
        same(drawn, pool.draw(jax.random.key(2), k))


def test_resample_follows_the_weights(key):
    weights = jnp.array([0.0, 1.0, 0.0, 3.0, 6.0, 0.0])
    rows = Rows(jnp.arange(6.0)[:, None], weights, jnp.int32(6))
    sample = np.asarray(rows.resample(key, 100_000))[:, 0]
    counts = np.bincount(sample.astype(int), minlength=6)
    share = np.asarray(weights) / 10
    assert (counts[share == 0] == 0).all()
    z = (counts - 1e5 * share)[share > 0] / np.sqrt(1e5 * share * (1 - share))[share > 0]
    assert np.abs(z).max() < GATE
    uniform = 1e5 / 6  # a sampler that ignored the weights
    assert np.abs(counts[share > 0] - uniform).max() / np.sqrt(uniform) > GATE


@pytest.mark.slow
def test_merging_makes_use_of_where_moments_come_from(key):
    """With what it was drawn from a batch makes the sum that it makes with an equal pool, of which nothing is known."""
    task = cj.Gaussian(dim=4)
    truth, _ = task.init(key, 20)
    pool = task.sample_real_summary(jax.random.key(1), truth, 20)
    batch = task.sample_summary(jax.random.key(2), truth, task.fit(key, truth, pool, None), 20)
    same = jax.tree.map(lambda leaf: leaf + 0, pool)
    merged, general = pool.append(batch), same.append(batch)
    for a, b in zip(jax.tree.leaves(merged), jax.tree.leaves(general), strict=True):
        np.testing.assert_allclose(np.abs(a), np.abs(b), rtol=1e-4, atol=1e-4)
    reflects = [" scan[" in str(jax.make_jaxpr(part.append)(batch)) for part in (pool, same)]
    assert reflects == [True, True]  # a batch that was taken apart as a pytree has lost its note
    assert " scan[" not in str(jax.make_jaxpr(lambda: pool.append(batch))())
    assert pool.empty(0).append(batch) is batch
