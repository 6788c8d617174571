import collections
import math
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import GATE, assert_mean_is

from collapsejax.data.rows import Rows
from collapsejax.language import (
    Decoder,
    Training,
    distinct_ngrams,
    fit,
    log_likelihood,
    repeated_ngrams,
    sample,
    unigram_entropy,
)
from collapsejax.language.decoding import draw

SYMBOLS, LENGTH = 5, 6
DECODERS = {positions: Decoder(SYMBOLS, LENGTH, 8, 2, 2, positions=positions) for positions in ("learned", "rotary")}
LEARNED = DECODERS["learned"]
fitted = jax.jit(fit, static_argnames="decoder")  # several tests share a program
sampled = jax.jit(sample, static_argnames=("decoder", "n", "top_k"))


@pytest.fixture(params=DECODERS)
def decoder(request):
    return DECODERS[request.param]


def tokens_of(key, n, decoder=LEARNED):
    return jax.random.randint(key, (n, decoder.window), 0, decoder.vocab_size).astype(jnp.uint8)


def variables_of(key, decoder):
    """A model with opinions: all parameters random, of a size at which every layer matters."""
    variables = jax.jit(decoder.init)(key, tokens_of(key, 1, decoder))
    leaves, structure = jax.tree.flatten(variables)
    keys = jax.random.split(key, len(leaves))
    noisy = [leaf + 0.5 * jax.random.normal(k, leaf.shape) for k, leaf in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(structure, noisy)


def textbook_logits(params, tokens, decoder, xp=jnp):
    """Logits (L, V) of one row, token by token and head by head; with NumPy for `xp` in the precision of `params`."""

    def norm(x, scale):
        return x / xp.sqrt(xp.mean(x**2) + 1e-6) * scale

    def turned(x, place):
        if decoder.positions == "learned":
            return x
        half = len(x) // 2
        angle = place * 10_000.0 ** (-np.arange(half) / half)
        pairs = (x[:half] + 1j * x[half:]) * np.exp(1j * angle)
        return xp.concatenate([pairs.real, pairs.imag])

    def softmax(scores):
        shares = xp.exp(scores - scores.max())
        return shares / shares.sum()

    table = params["embedding"]
    rows = [table[decoder.vocab_size], *(table[token] for token in tokens[:-1])]
    if decoder.positions == "learned":
        rows = [row + place for row, place in zip(rows, params["places"], strict=True)]
    size = decoder.width // decoder.heads
    for number in range(decoder.depth):
        block = params[f"block_{number}"]
        heads = []
        for row in rows:
            qkv = norm(row, block["attention_norm"]["scale"]) @ block["qkv"]
            heads.append(qkv.reshape(3, decoder.heads, size))
        for i, row in enumerate(rows):
            mixed = []
            for h in range(decoder.heads):
                query = turned(heads[i][0, h], i)
                scores = xp.stack([query @ turned(heads[j][1, h], j) / math.sqrt(size) for j in range(i + 1)])
                mixed.append(softmax(scores) @ xp.stack([heads[j][2, h] for j in range(i + 1)]))
            row = row + xp.concatenate(mixed) @ block["out"]
            x = norm(row, block["mlp_norm"]["scale"]) @ block["up"]
            x = x * (1 + xp.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2
            rows[i] = row + x @ block["down"]
    return xp.stack([norm(row, params["final_norm"]["scale"]) @ table[: decoder.vocab_size].T for row in rows])


def test_logits_are_the_textbooks(key, decoder):
    variables, tokens = variables_of(key, decoder), tokens_of(key, 2)
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables["params"])
    expected = np.concatenate([textbook_logits(params, row, decoder, np) for row in np.asarray(tokens)])
    found = jax.jit(decoder.apply)(variables, tokens)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.std(expected) > 0.5
    half = jax.jit(decoder.clone(dtype="bfloat16").apply)(variables, tokens)
    assert half.dtype == jnp.float32
    assert 1e-4 < np.abs(half - expected).max() < 0.2


def test_no_gradient_from_the_future(key, decoder):
    variables = variables_of(key, decoder)
    x = jax.random.normal(key, (LENGTH, decoder.width))
    jacobian = jax.jit(jax.jacobian(partial(decoder.apply, variables, method="logits")))(x)
    influence = np.abs(jacobian).max(axis=(1, 3))  # of place j on the logits at place i
    assert np.all(influence[np.triu_indices(LENGTH, 1)] == 0)
    assert np.all(influence[np.tril_indices(LENGTH)] > 1e-3)
    assert decoder.apply(variables, jnp.array([[3, 1, 4]]), method="before").tolist() == [[SYMBOLS, 3, 1]]


def test_cache_gives_the_logits_of_recomputation(key, decoder):
    variables, tokens = variables_of(key, decoder), tokens_of(key, 3)

    @jax.jit
    def stepwise(tokens):
        def step(carry, before):
            position, caches = carry
            logits, caches = decoder.apply(variables, before, position, caches, method="step")
            return (position + 1, caches), logits

        before = decoder.before(tokens)
        return jax.lax.scan(step, (jnp.int32(0), decoder.start(len(tokens))), before.T)[1]

    whole = jax.jit(decoder.apply)(variables, tokens).reshape(*tokens.shape, -1)
    np.testing.assert_allclose(stepwise(tokens).swapaxes(0, 1), whole, atol=1e-4)
    assert np.abs(np.diff(whole, axis=1)).max() > 0.1


@pytest.mark.slow
def test_training_steps_are_the_textbooks(key):
    """Of the only row that has weight, so the minibatches are known. Clipping, schedule and AdamW are written out."""
    variables, tokens = variables_of(key, LEARNED), tokens_of(key, 3)
    rows = Rows(tokens, jnp.array([0.0, 0.5, 0.0]), jnp.int32(3))
    training = Training(
        num_steps=3, batch_size=2, learning_rate=0.02, weight_decay=0.1, warmup_share=0.5, clip_norm=0.5
    )
    found, found_loss = jax.jit(partial(fit, decoder=LEARNED))(key, variables=variables, rows=rows, training=training)

    def loss_of(params):
        log_probs = jax.nn.log_softmax(textbook_logits(params, tokens[1], LEARNED))
        return -jnp.mean(log_probs[jnp.arange(LENGTH), tokens[1]])

    step = jax.jit(jax.value_and_grad(loss_of))
    params, structure = jax.tree.flatten(variables["params"])
    first, second = [np.zeros(p.shape) for p in params], [np.zeros(p.shape) for p in params]
    rates = [0.02 * 2 / 3, 0.02 * (0.1 + 0.9 * (1 + math.cos(math.pi / 3)) / 2), 0.02 * 0.1]
    for t, rate in enumerate(rates, start=1):
        loss, gradients = step(jax.tree.unflatten(structure, params))
        gradients = [np.asarray(gradient, np.float64) for gradient in jax.tree.leaves(gradients)]
        length = math.sqrt(sum(np.sum(gradient**2) for gradient in gradients))
        assert length > 0.5
        for i, gradient in enumerate(gradients):
            gradient = gradient * 0.5 / length
            first[i] = 0.9 * first[i] + 0.1 * gradient
            second[i] = 0.999 * second[i] + 0.001 * gradient**2
            adam = first[i] / (1 - 0.9**t) / (np.sqrt(second[i] / (1 - 0.999**t)) + 1e-8)
            params[i] = params[i] - rate * (adam + 0.1 * params[i])
    np.testing.assert_allclose(found_loss, loss, rtol=1e-4)
    chex.assert_trees_all_close(jax.tree.leaves(found["params"]), params, rtol=1e-7, atol=2e-4)


@pytest.mark.slow
def test_training_learns_and_samples_show_it(key):
    period = jnp.array([[0, 3, 1, 4, 2, 0], [1, 4, 2, 0, 3, 1]], jnp.uint8)
    variables = jax.jit(LEARNED.init)(key, period)
    training = Training(num_steps=150, batch_size=8, learning_rate=0.02)
    variables, loss = fitted(key, LEARNED, variables, Rows.of(period), training)
    assert abs(loss - math.log(2) / LENGTH) < 0.05
    rows = np.asarray(sampled(key, LEARNED, variables, 300, 1.0))
    counts = collections.Counter(map(bytes, rows))
    assert all(counts[bytes(np.asarray(row))] > 100 for row in period)


@pytest.fixture(scope="module")
def weighted():
    """24 rows of unequal weights, a third of them 0."""
    key = jax.random.key(5)
    weights = jnp.array([0.0, 0.7, 1.3] * 8).at[5].set(3.1)
    return Rows(tokens_of(key, 24), weights, jnp.int32(24))


def test_draws_honour_weights(key, weighted):
    numbered = Rows(jnp.arange(24), weighted.weights, weighted.count)
    drawn = np.asarray(numbered.lottery().draw(key, 200_000))
    counts = np.bincount(drawn, minlength=24)
    present = np.asarray(weighted.weights) > 0
    assert np.all(counts[~present] == 0)
    assert_mean_is((drawn[:, None] == np.flatnonzero(present)), weighted.weights[present] / np.sum(weighted.weights))


def test_rows_without_weight_are_not_drawn_where_sums_rise(key):
    """Rounding can have the sum of weights rise at a row that has none."""
    rows = Rows(jnp.arange(3), jnp.array([1.0, 0.0, 1.0]), jnp.int32(3))
    lottery = rows.lottery()._replace(sums=jnp.array([1.0, 1.5, 2.0]))
    drawn = lottery.draw(key, 1000)
    assert set(np.asarray(drawn).tolist()) == {0, 2}


@pytest.mark.slow
def test_room_makes_no_difference(key, weighted):
    variables, training = variables_of(key, LEARNED), Training(num_steps=5, batch_size=4)
    filled = weighted.empty(57).append(weighted)
    dirty = Rows(filled.values.at[24:].set(1), filled.weights, filled.count)
    expected = fitted(key, LEARNED, variables, weighted, training)
    chex.assert_trees_all_equal(fitted(key, LEARNED, variables, dirty, training), expected)
    assert expected[1] != fitted(key, LEARNED, variables, weighted.scale(jnp.arange(24.0)), training)[1]


@pytest.mark.slow
def test_epochs_are_steps(key, weighted, compilations):
    variables = variables_of(key, LEARNED)
    assert [int(Training(None, epochs, 4).steps(weighted)) for epochs in (1e-3, 0.25, 1.2, 2.0)] == [1, 1, 5, 8]
    assert int(Training(None, 0.3, 16).steps(Rows.of(jnp.zeros(160)))) == 3
    found, loss = fitted(key, LEARNED, variables, weighted, Training(None, 1.2, 4))
    expected, expected_loss = fitted(key, LEARNED, variables, weighted, Training(num_steps=5, batch_size=4))
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
    chex.assert_trees_all_close(found, expected, rtol=1e-7, atol=1e-5)
    with compilations(at_most=0):
        longer = fitted(key, LEARNED, variables, weighted, Training(None, 2.0, 4))
    assert longer[1] != loss


@pytest.mark.slow
def test_seeds_together_are_seeds_alone(key, weighted):
    variables, training, keys = (
        variables_of(key, LEARNED),
        Training(num_steps=5, batch_size=4),
        jax.random.split(key, 2),
    )

    def one(key):
        fit_of_one, loss = fit(key, LEARNED, variables, weighted, training)
        return fit_of_one, loss, sample(key, LEARNED, fit_of_one, 3, 1.0)

    together = jax.jit(jax.vmap(one))(keys)
    for seed, k in enumerate(keys):
        fit_of_one, loss = fitted(k, LEARNED, variables, weighted, training)
        alone = fit_of_one, loss, sampled(k, LEARNED, fit_of_one, 3, 1.0)
        of_seed = jax.tree.map(lambda leaf, s=seed: leaf[s], together)
        chex.assert_trees_all_close(of_seed, alone, rtol=1e-7, atol=1e-4)


def test_samples_have_the_models_law(key):
    """Pairs of a first and a second token; the planted error is another temperature."""
    decoder, n = Decoder(4, 2, 8, 1, 2), 50_000
    variables = variables_of(key, decoder)
    rows = sampled(key, decoder, variables, n, 3.0)
    assert rows.shape == (n, 2)
    assert rows.dtype == jnp.uint8
    counts = np.bincount(np.asarray(rows[:, 0]) * 4 + np.asarray(rows[:, 1]), minlength=16)
    pairs = jnp.array([[a, b] for a in range(4) for b in range(4)], jnp.uint8)
    logits = decoder.apply(variables, pairs).reshape(16, 2, 4)

    def z(temperature):
        log_probs = np.asarray(jax.nn.log_softmax(logits / temperature), np.float64)
        probs = np.exp(log_probs[np.arange(16)[:, None], np.arange(2)[None], pairs].sum(axis=1))
        assert abs(probs.sum() - 1) < 1e-5
        assert np.min(n * probs) > 5
        return (np.sum((counts - n * probs) ** 2 / (n * probs)) - 15) / math.sqrt(2 * 15)

    assert abs(z(3.0)) < GATE
    assert z(3.6) > GATE


def test_draws_follow_the_softmax(key):
    logits = jnp.array([1.0, -jnp.inf, 0.3, 2.0, -1.0])
    uniforms = 1 - jax.random.uniform(key, (100_000,))
    drawn = np.asarray(draw(jnp.tile(logits, (len(uniforms), 1)), uniforms))
    assert_mean_is(drawn[:, None] == np.array([0, 2, 3]), jax.nn.softmax(logits)[jnp.array([0, 2, 3])])
    assert not np.any(drawn == 1)
    best = np.asarray(draw(jnp.tile(logits, (len(uniforms), 1)), uniforms, top_k=2))
    assert_mean_is(best == 3, jax.nn.sigmoid(2.0 - 1.0))
    assert set(best.tolist()) == {0, 3}
    assert draw(jnp.tile(logits, (2, 1)), jnp.array([1e-12, 1.0])).tolist() == [0, 4]


def test_one_best_symbol_is_greedy(key):
    variables = variables_of(key, LEARNED)
    (row,) = sampled(key, LEARNED, variables, 1, 1.0, top_k=1)
    assert row.tolist() == jnp.argmax(LEARNED.apply(variables, row[None]), axis=-1).tolist()
    with pytest.raises(ValueError, match="top_k=6: there are 5 symbols"):
        sample(key, LEARNED, variables, 1, 1.0, top_k=6)


@pytest.mark.slow
def test_blocks_make_no_difference(key):
    variables = variables_of(key, LEARNED)
    many, few = (sampled(key, LEARNED, variables, n, 1.0) for n in (300, 3))
    np.testing.assert_array_equal(many[:3], few)
    assert len(np.unique(many, axis=0)) > 200
    found = jax.jit(partial(log_likelihood, LEARNED))(variables, many)
    log_probs = jax.nn.log_softmax(LEARNED.apply(variables, many)).reshape(300, LENGTH, SYMBOLS)
    expected = jnp.take_along_axis(log_probs, many[..., None].astype(int), axis=-1)[..., 0]
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.slow
def test_divergence_is_infinite_loss(key, weighted):
    variables = variables_of(key, LEARNED)
    training = Training(num_steps=5, batch_size=4, learning_rate=1e30)
    diverged, loss = fitted(key, LEARNED, variables, weighted, training)
    assert loss == jnp.inf
    assert np.all(log_likelihood(LEARNED, diverged, weighted.values)[0] == -jnp.inf)
    assert np.all(sampled(key, LEARNED, diverged, 3, 1.0) == 0)


@pytest.mark.parametrize("vocab_size", [3, 256])
def test_ngrams_are_those_of_a_plain_count(key, vocab_size):
    rows = jax.random.randint(key, (7, 12), 0, 3).astype(jnp.uint8) + jnp.uint8(vocab_size - 3)
    ngrams = [[tuple(row[i : i + 3]) for i in range(10)] for row in np.asarray(rows).tolist()]
    every = [ngram for row in ngrams for ngram in row]
    assert distinct_ngrams(rows, vocab_size) == pytest.approx(len(set(every)) / len(every), rel=1e-5)
    repeated = [sum(ngram in row[:i] for i, ngram in enumerate(row)) / 10 for row in ngrams]
    assert 0 < np.mean(repeated) < 1
    assert repeated_ngrams(rows, vocab_size) == pytest.approx(np.mean(repeated), rel=1e-4)
    shares = np.unique(rows, return_counts=True)[1] / rows.size
    assert unigram_entropy(rows, vocab_size) == pytest.approx(-np.sum(shares * np.log(shares)), rel=1e-5)
    assert unigram_entropy(jnp.full((2, 5), vocab_size - 1, jnp.uint8), vocab_size) == 0


def test_ngrams_beyond_a_row_are_refused():
    with pytest.raises(ValueError, match="order=4: must lie between 1 and 3"):
        distinct_ngrams(jnp.zeros((2, 3), jnp.uint8), 5, order=4)
    with pytest.raises(ValueError, match="256\\*\\*order must be at most"):
        repeated_ngrams(jnp.zeros((2, 9), jnp.uint8), 256, order=5)


def test_equal_decoders_share_programs(key):
    @partial(jax.jit, static_argnums=0)
    @chex.assert_max_traces(n=1)
    def apply(decoder, tokens):
        return decoder.apply(variables, tokens)

    variables = variables_of(key, LEARNED)
    for _ in range(2):
        apply(Decoder(SYMBOLS, LENGTH, 8, 2, 2), tokens_of(key, 1))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (dict(vocab_size=300), "vocab_size=300: tokens are bytes"),
        (dict(width=9), "width=9: must be a multiple of heads=2"),
        (dict(width=6, positions="rotary"), "width=6: rotary positions need an even number"),
        (dict(positions="rotari"), "positions='rotari': there is no such; did you mean 'rotary'"),
        (dict(dtype="float16"), "dtype='float16': there is no such"),
        (dict(depth=0), "depth=0: must be at least 1"),
    ],
)
def test_decoders_that_make_no_sense_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Decoder(**{**dict(vocab_size=5, window=6, width=8), **fields})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (dict(num_epochs=2.0), "num_steps=300, num_epochs=2.0: give one of them"),
        (dict(num_steps=None), "num_steps=None, num_epochs=None: give one of them"),
        (dict(num_steps=None, num_epochs=0.0), "num_epochs=0.0: must be a finite number above 0"),
        (dict(learning_rate=-1.0), "learning_rate=-1.0"),
        (dict(warmup_share=1.5), "warmup_share=1.5: must lie between 0 and 1"),
        (dict(clip_norm=0.0), "clip_norm=0.0"),
        (dict(batch_size=0), "batch_size=0: must be at least 1"),
    ],
)
def test_training_that_makes_no_sense_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Training(**fields).check()


def test_default_training_is_accepted():
    Training().check()
    Training(num_steps=None, num_epochs=2.0).check()
