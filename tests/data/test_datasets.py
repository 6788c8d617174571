import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import GATE, assert_mean_is, z_scores

from collapsejax.data.counts import Counts, Totals
from collapsejax.data.kernel_sums import KernelSums, Spread
from collapsejax.data.moments import Gram, Moments, Origin
from collapsejax.data.rows import Rows
from collapsejax.numerics.factors import Factor, zero_factor


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


# Programs that tests share: operation by operation takes far longer to compile.
append, join, scale = (
    jax.jit(method) for method in (lambda a, b: a.append(b), lambda a, b: a.join(b), lambda a, w: a.scale(w))
)
to_moments, to_gram = jax.jit(Moments.of), jax.jit(Gram.of)


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


@pytest.fixture(scope="module", params=[rows_of, moments_of, sums_of, gram_of, counts_of, totals_of])
def three(request):
    """Three datasets of a kind, of 5, 4 and 6 rows."""
    make = request.param
    key = jax.random.key(20240615)
    keys = jax.random.split(key, 3)
    return jax.jit(lambda keys: (make(keys[0], 5), make(keys[1], 4, 2.0), make(keys[2], 6, -7.0)))(keys)


class TestAlgebra:
    def test_empty_is_neutral(self, three):
        data = three[0]
        for other in (append(data.empty(9), data), join(data.empty(2), data), join(data, data.empty(2))):
            same(other, data)

    def test_append_is_join(self, three):
        a, b, _ = three
        same(append(append(a.empty(9), a), b), join(a, b))

    def test_join_is_associative(self, three):
        a, b, c = three
        same(join(join(a, b), c), join(a, join(b, c)))

    def test_clear_forgets(self, three):
        a, b, _ = three
        same(append(a.clear(), b), b)

    def test_scale_distributes(self, three):
        a, b, _ = three
        same(scale(join(a, b), 0.25), join(scale(a, 0.25), scale(b, 0.25)))
        same(scale(scale(a, 0.5), 2.0), a)

    def test_growing_is_appending(self, three):
        """Where nothing is known of where the new data come from; and what holds for a generation alone is not data."""
        a, b, _ = three
        room = append(a.empty(9), a)
        grow, add = (jax.make_jaxpr(method)(b) for method in (room.grow, room.append))
        assert str(grow) == str(add)
        same(room.settled(), room)


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
    merged = append(append(*map(to_moments, parts[:2])), to_moments(parts[2]))
    values = np.concatenate([np.asarray(part.values, np.float64) for part in parts])
    centred = values - values.mean(axis=0)
    exact = np.concatenate([[37], values.mean(axis=0), (centred.T @ centred).ravel()])
    np.testing.assert_allclose(content(merged), exact, rtol=1e-5, atol=1e-4)


def test_moments_far_from_the_origin(key):
    """A raw second moment would lose a standard deviation of 1e-3 beside a mean of 3 in float32."""
    rows = Rows.of(3.0 + 1e-3 * jax.random.normal(key, (400, 1)))
    merged = append(to_moments(rows), to_moments(rows))
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
    grams = [to_gram(part) for part in parts]
    merged = append(append(*grams[:2]), grams[2])
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
    rows = append(rows_of(key, 10).empty(50), rows_of(key, 10))
    draw = jax.jit(lambda rows, k: rows.draw(jax.random.key(1), k), static_argnums=1)
    drawn = draw(rows, 6)
    assert len(np.unique(np.asarray(drawn.values), axis=0)) == 6
    assert (np.asarray(drawn.weights) == 1).all()
    same(draw(rows, 10), rows)


def test_rows_with_room_are_those_that_count(key):
    """Whatever lies behind them: it is neither fitted to nor drawn, and the next batch takes its place."""
    values = jnp.append(jax.random.normal(key, (4, 3)), jnp.full((3, 3), jnp.inf), axis=0)
    filled, other = Rows.of(values[:4]), rows_of(jax.random.key(1), 6)
    roomy = Rows.of(values, jnp.int32(4))
    assert roomy.capacity == 7
    assert np.isfinite(roomy.values).all()
    same(roomy, filled)
    pool, wanted = roomy.empty(20).append(roomy), filled.empty(20).append(filled)
    same(append(append(pool, other), roomy), append(append(wanted, other), filled))
    same(join(join(roomy, other), roomy), join(join(filled, other), filled))
    pool = append(pool, other)
    same(to_moments(pool), to_moments(append(wanted, other)))
    draw = jax.jit(lambda k: pool.draw(jax.random.key(2), k, 12))
    draw_as_many = jax.jit(lambda k: pool.draw(jax.random.key(2), k), static_argnums=0)
    for k in (1, 5, 10):
        drawn = draw(k)
        assert drawn.capacity == 12
        assert int(drawn.count) == k
        same(drawn, draw_as_many(k))


def test_resample_follows_the_weights(key):
    weights = jnp.array([0.0, 1.0, 0.0, 3.0, 6.0, 0.0])
    rows = Rows(jnp.arange(6.0)[:, None], weights, jnp.int32(6))
    sample = np.asarray(jax.jit(lambda rows: rows.resample(key, 100_000))(rows))[:, 0]
    counts = np.bincount(sample.astype(int), minlength=6)
    share = np.asarray(weights) / 10
    assert (counts[share == 0] == 0).all()
    z = (counts - 1e5 * share)[share > 0] / np.sqrt(1e5 * share * (1 - share))[share > 0]
    assert np.abs(z).max() < GATE
    uniform = 1e5 / 6  # a sampler that ignored the weights
    assert np.abs(counts[share > 0] - uniform).max() / np.sqrt(uniform) > GATE


@jax.jit
def grown_and_appended(first, second, step, log_scale):
    """Moments of a pool that has outgrown itself by a batch of its model, in either way.

    The pool's factor is exp(log_scale) first; the batch's mean and factor are the pool's, times step and times second.
    """
    dim, size = len(step), jnp.float32(9)
    # Beside another mean than 0, what is added to it would be rounded away in `append`.
    pool = Moments(size, jnp.zeros(dim), Factor(jnp.eye(dim), jnp.full(dim, log_scale)).times(first))
    model = pool.factor.shift(-jnp.log(size) / 2)
    batch = Moments.drawn(size, Origin(pool.mean, model, second, step))
    return pool.grow(batch), pool.append(batch)


@pytest.mark.parametrize(("dim", "rank", "log_scale"), [(1, 1, 0.0), (3, 3, 0.0), (3, 1, 0.0), (3, 3, -80.0)])
def test_a_pool_grows_by_its_models_batch_as_by_any_other(dim, rank, log_scale):
    """To rounding, and to the signs of the factor's columns, though no matrix that has collapsed is factored."""
    rng = np.random.default_rng(0)
    first, second = np.tril(rng.normal(size=(2, dim, dim))) * (np.arange(dim) < rank)
    grown, appended = grown_and_appended(first, second, rng.normal(size=dim) / 3, log_scale)
    for a, b in zip(jax.tree.leaves(grown), jax.tree.leaves(appended), strict=True):
        np.testing.assert_allclose(np.abs(a), np.abs(b), rtol=1e-4, atol=1e-4)
    assert np.isfinite(grown.factor.log_pivots()).sum() == rank
    assert (grown.factor.log_scale[:rank] > log_scale - 5).all()


def test_growing_needs_no_reflections():
    """They are the loop in appending, and take most of its time."""
    origin = Origin(jnp.zeros(4), zero_factor(jnp.zeros(4)), jnp.eye(4), jnp.zeros(4))
    batch = Moments.drawn(jnp.float32(9), origin)
    pool, other = batch.settled(), batch.settled()
    loops = lambda method, *data: str(jax.make_jaxpr(method)(*data)).count(" scan[")
    assert loops(Moments.append, pool, batch) == loops(Moments.grow, pool, other) == 1
    assert loops(Moments.grow, pool, batch) == 0


def test_what_is_known_to_be_empty_becomes_what_is_added(key):
    """Without an operation; and only where it is known when the program is made."""
    data = to_moments(rows_of(key, 5))
    for empty in (data.empty(9), data.clear()):
        assert empty.known_empty
        assert empty.append(data) is empty.grow(data) is empty.join(data) is data
        assert not empty.settled().known_empty
        same(append(empty.settled(), data), data)
    lots = to_gram(Rows.of((jnp.ones((5, 3)), jnp.ones(5))))
    assert lots.empty(9).append(lots) is lots.clear().join(lots) is lots
    assert jax.tree.structure(data.empty(9)) != jax.tree.structure(data.empty(9).settled())
    assert jax.tree.structure(data.settled()) == jax.tree.structure(data.empty(9).settled())
