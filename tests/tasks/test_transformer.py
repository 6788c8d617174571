import os
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import GATE, PLANTED, z_scores

import collapsejax as cj
from collapsejax import language
from collapsejax.cli.main import main
from collapsejax.data.rows import Rows
from collapsejax.results.metrics import metric_labels
from collapsejax.tasks.transformer import TransformerParams
from collapsejax.workflows import PUBLISHED, find

SOURCE = cj.sources.markov(order=1, vocab=4, concentration=0.3, window=6)
TINY = dict(width=8, depth=1, num_steps=20, batch_size=4, num_test=20, num_scored=5)
TASK = cj.Transformer(SOURCE, **TINY)
SIZE = dict(num_samples=6, num_generations=3)
init = jax.jit(cj.Transformer.init, static_argnames="num_samples")  # several tests share a program
fit = jax.jit(cj.Transformer.fit)
sample = jax.jit(cj.Transformer.sample, static_argnames="n")
evaluate, log_density = jax.jit(cj.Transformer.evaluate), jax.jit(cj.Transformer.log_density)
run = jax.jit(cj.run, static_argnames=("num_samples", "num_generations"))


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


@pytest.mark.slow
def test_generation_0_is_the_same_under_every_workflow(key):
    """Bit for bit, though pools have other room, and later generations differ."""
    found = [run(key, TASK, find(name), **SIZE).metrics for name in ("replace", "accumulate")]
    assert set(found[0]) == {"test_loss", "train_loss", "entropy", "distinct_ngrams", "repeated_ngrams", "kl"}
    for name, values in found[0].items():
        assert values.shape == (3,)
        assert np.isfinite(values).all()
        assert values[0] == found[1][name][0]
    assert found[0]["test_loss"][1] != found[1]["test_loss"][1]
    # In the same program, training that diverges: infinite, and never NaN.
    metrics = run(key, cj.Transformer(SOURCE, **TINY, learning_rate=1e30), cj.Replace(), **SIZE).metrics
    assert not any(np.isnan(values).any() for values in metrics.values())
    for name in ("test_loss", "train_loss", "kl"):
        assert np.all(metrics[name] == np.inf)


@pytest.fixture
def no_training(monkeypatch):
    """Training leaves a model as it was: a model is what it started from."""
    monkeypatch.setattr(language, "fit", lambda key, decoder, variables, rows, training: (variables, jnp.float32(0)))


@pytest.mark.slow
@pytest.mark.usefixtures("no_training")
def test_where_training_starts(key):
    truth, _ = jax.jit(lambda key: TASK.init(key, 6))(key)  # a program of its own: the shared one trains
    other = jax.tree.map(lambda leaf: leaf + 1, truth.base)
    params, rows = TransformerParams(other, jnp.float32(0), truth.test[:5]), Rows.of(truth.test[:6])
    for start, begun in (("fresh", None), ("warm", other), ("base", truth.base)):
        task = cj.Transformer(SOURCE, start=start, **TINY)
        fit = jax.jit(task.fit)
        first, second = (fit(jax.random.key(seed), truth, rows, params) for seed in (0, 1))
        assert same(first.variables, second.variables) == (start != "fresh")
        assert begun is None or same(first.variables, begun)
        carried = jax.eval_shape(lambda task=task: task.init(key, 6)[1])
        assert (carried is None) == (start != "warm")
        assert carried is None or carried == jax.eval_shape(lambda params=first: params)


@pytest.mark.slow
def test_a_base_model_is_trained_on_real_data(key):
    """By as many steps as any other, from rows of its own."""
    truth, _ = init(TASK, key, num_samples=6)
    untrained = truth._replace(base=jax.jit(TASK.decoder.init)(key, truth.test))
    trained, chance = (log_density(TASK, t, truth.test) for t in (truth, untrained))
    assert trained.shape == (20,)
    np.testing.assert_allclose(chance, -6 * np.log(4), rtol=0.06)
    assert np.mean(trained) > np.mean(chance) + 6 * 0.05
    as_params = TransformerParams(truth.base, jnp.float32(0), truth.test)
    loss = evaluate(TASK, truth, as_params)["test_loss"]
    np.testing.assert_allclose(np.mean(trained), -6 * loss, rtol=1e-5)


@pytest.mark.slow
def test_a_base_model_that_nobody_reads_is_not_trained(key, monkeypatch):
    """The compiled program costs what it would if there were none."""

    def cost(workflow):
        program = jax.jit(lambda key: cj.run(key, TASK, workflow, num_samples=6, num_generations=2))
        return program.lower(key).compile().cost_analysis()["flops"]

    unread, read = cost(cj.Replace()), cost(cj.Selected())
    trainings, train = [], language.fit

    def train_but_once(key, decoder, variables, *options):
        trainings.append(len(trainings))
        return train(key, decoder, variables, *options) if trainings[-1] else (variables, jnp.float32(0))

    monkeypatch.setattr(language, "fit", train_but_once)
    without = cost(cj.Replace())
    assert len(trainings) > 1
    assert unread == without
    assert read > 1.3 * without


@pytest.mark.slow
def test_metrics_are_those_of_the_model(key):
    truth, none = init(TASK, key, num_samples=6)
    assert none is None
    params = fit(TASK, key, truth, Rows.of(truth.test[:6]), None)
    metrics = evaluate(TASK, truth, params)
    logits = TASK.decoder.apply(params.variables, truth.test).reshape(20, 6, 4)
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), truth.test[:, :, None].astype(int), axis=2)
    np.testing.assert_allclose(metrics["test_loss"], -jnp.mean(chosen), rtol=1e-5)
    true = jnp.mean(SOURCE.log_prob(truth.real, truth.test))
    np.testing.assert_allclose(metrics["kl"], true - jnp.mean(chosen), rtol=1e-4)
    assert metrics["train_loss"] == params.train_loss
    scored = np.asarray(params.scored)
    shares = np.bincount(scored.ravel(), minlength=4) / scored.size
    np.testing.assert_allclose(metrics["entropy"], -sum(p * np.log(p) for p in shares if p), rtol=1e-5)
    trigrams = [[tuple(row[i : i + 3]) for i in range(4)] for row in scored.tolist()]
    assert metrics["distinct_ngrams"] == pytest.approx(len({t for row in trigrams for t in row}) / 20)
    assert metrics["repeated_ngrams"] == pytest.approx(1 - np.mean([len(set(row)) / 4 for row in trigrams]))


@pytest.mark.slow
def test_temperature_and_top_k_narrow_what_is_written(key):
    truth, _ = init(TASK, key, num_samples=6)
    params = fit(TASK, key, truth, Rows.of(truth.test[:6]), None)
    likeliest = sample(cj.Transformer(SOURCE, top_k=1, **TINY), key, truth, params, n=10)
    cold = sample(cj.Transformer(SOURCE, temperature=1e-4, **TINY), key, truth, params, n=10)
    assert likeliest.dtype == truth.test.dtype
    np.testing.assert_array_equal(likeliest, cold)
    assert len(np.unique(likeliest, axis=0)) == 1
    assert len(np.unique(sample(TASK, key, truth, params, n=10), axis=0)) > 5


def test_epochs_grow_with_the_training_set():
    rows = Rows.of(jnp.zeros((256, 6), jnp.uint8))
    epochs = cj.Transformer(SOURCE, train="epochs", num_steps=1)
    assert epochs.training.steps(rows) == cj.Transformer(SOURCE).training.steps(rows) == 400
    assert epochs.training.steps(rows.empty(600).append(rows).append(rows)) == 800


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(source=cj.sources.moons()), "source 'moons': gives no sequences; choose text or markov"),
        (dict(source=cj.sources.markov(1, window=2)), "window=2: must be at least 3"),
        (dict(train="epoch"), "train='epoch': there is no such; did you mean 'epochs'"),
        (dict(start="worm"), "start='worm': there is no such; did you mean 'warm'"),
        (dict(width=9), "width=9: must be a multiple of heads=2"),
        (dict(positions="rotate"), "positions='rotate': there is no such; did you mean 'rotary'"),
        (dict(num_scored=0), "num_scored=0: must be at least 1"),
        (dict(batch_size=0), "batch_size=0: must be at least 1"),
        (dict(top_k=5), "top_k=5: there are 4 tokens"),
        (dict(learning_rate=-1.0), "learning_rate=-1.0: must be a finite number above 0"),
        (dict(train="epochs", num_epochs=0.0), "num_epochs=0.0: must be a finite number above 0"),
        (dict(temperature=0.0), "temperature=0.0: must be a finite number above 0"),
    ],
)
def test_mistakes(key, settings, message):
    with pytest.raises(ValueError, match=message):
        cj.run(key, cj.Transformer(**({"source": SOURCE} | settings)), cj.Replace(), **SIZE)


def test_labels_are_those_of_the_task():
    assert metric_labels("kl", "transformer") == {"long_name": "KL(true || fitted)", "units": "nats a token"}
    assert metric_labels("kl", "gaussian") == metric_labels("kl") != metric_labels("kl", "transformer")


def folder_of_texts(path):
    path.mkdir()
    for number in range(12):
        words = [f"{'abcdefghijkl'[number]}{place % 7} fox" for place in range(40)]
        (path / f"{number}.txt").write_text(" ".join(words) + " \u00bf")
    return path


SMALL = ["--width", "8", "--depth", "1", "--num-steps", "5", "--num-scored", "4", "--num-generations", "2"]
SMALL += ["--num-samples", "6", "--num-seeds", "2", "--workflow", "replace"]


@pytest.mark.slow
def test_run_on_ones_own_text(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder_of_texts(tmp_path / "texts")
    command = ["run", "transformer", "--corpus", "texts", "--window", "8", *SMALL, "--out", "t"]
    main(command)
    out = capsys.readouterr().out
    assert "texts: 12 documents, " in out
    assert "32 characters" in out
    assert "12 unknown" in out
    dataset = cj.open("t")
    assert "kl" not in dataset
    assert out.index("test_loss: Cross-entropy") < out.index("entropy: Entropy of the tokens")
    assert dataset.test_loss.attrs["units"] == "nats a token"
    assert dataset.entropy.attrs["long_name"] == "Entropy of the tokens that models write"
    assert np.isfinite(dataset.test_loss).all()
    # What is complete is shown again; another run is not written over it.
    main(command)
    again = capsys.readouterr().out
    assert "compiled or loaded in 0.0 s" in again
    tables = re.split(r"\n\d+ programs? ", out[out.index("test_loss:") :])[0]
    assert re.split(r"\n\d+ programs? ", again)[0].endswith(tables)
    with pytest.raises(SystemExit, match="2"):
        main([*command, "--temperature", "2"])
    assert "temperature" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--corpus nowhere", "nowhere: there is no such file or folder"),
        ("--corpus texts --field text", "field='text': is for .jsonl files"),
        ("--corpus texts --window 10000", "window=10000: longer than any text"),
        ("--corpus texts --num-samples 100000", "num_samples=100000: texts has"),
        ("--source moons", "source 'moons': gives no sequences"),
        ("--source markov --corpus texts", "source 'markov' has no such setting"),
        ("--source markov --order 0", "order=0: must be at least 1"),
        ("--source markov --concentration 0", "concentration=0.0: must be a finite number above 0"),
        ("--source markov --start bse", "did you mean 'base'"),
    ],
)
def test_mistakes_on_the_command_line(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder_of_texts(tmp_path / "texts")
    with pytest.raises(SystemExit) as leaving:
        main(["run", "transformer", *arguments.split()])
    assert leaving.value.code == 2
    assert message in capsys.readouterr().err


def test_other_tasks_do_without_flax():
    code = (
        "import sys, collapsejax.cli.main\n"
        "try: collapsejax.cli.main.main(['run', 'gaussian', '--num-samples', '1'])\n"
        "except SystemExit: print([m for m in ('flax', 'optax', 'orbax') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


class Oracle(cj.Task):
    """A table of the probabilities that the source has: written out here, from the start of a row to its end."""

    source: object

    name = "oracle"

    def init(self, key, num_samples):
        k_real, k_test = jax.random.split(key)
        chain = self.source.init(k_real)
        table, law = jnp.exp(chain.log_table), jnp.exp(chain.log_stationary)
        # Of a row, the entropy of its first token and of those that follow.
        follow = -jnp.sum(law[:, None] * table * jnp.log(table))
        exact = (-jnp.sum(law * jnp.log(law)) + (self.source.window - 1) * follow) / self.source.window
        return (chain, self.source.sample_test(k_test, chain, 64), exact), None

    def sample_real(self, key, truth, n):
        return self.source.sample(key, truth[0], n)

    def fit(self, key, truth, train, params):
        return truth[0]

    def sample(self, key, truth, params, n):
        return self.source.sample(key, params, n)

    def evaluate(self, truth, params):
        _, test, exact = truth
        true_loss = -jnp.mean(self.source.log_prob(params, test))
        return {"kl": true_loss - exact, "true_loss": true_loss, "test_loss": self._loss(params, test)}

    def _loss(self, chain, test):
        first = chain.log_stationary[test[:, 0].astype(int)]
        later = chain.log_table[test[:, :-1].astype(int), test[:, 1:].astype(int)]
        return -(jnp.sum(first) + jnp.sum(later)) / test.size


def test_an_oracle_has_no_divergence(key):
    """What is taken from a model's loss to give `kl` is the loss of the truth: of the entropy of rows, in the mean."""
    source = cj.sources.markov(order=1, vocab=4, concentration=1.0, window=6)
    size = dict(num_samples=2, num_generations=1)
    found = cj.run_seeds(cj.seed_keys(key, 2000), Oracle(source), cj.Replace(), **size).metrics
    np.testing.assert_allclose(found["test_loss"], found["true_loss"], rtol=1e-4)
    assert abs(z_scores(found["kl"][:, 0], 0.0)) < GATE
    planted = found["kl"] + (PLANTED - 1) * found["true_loss"]
    assert abs(z_scores(planted[:, 0], 0.0)) > GATE


@pytest.mark.slow
def test_divergence_rises_under_replace(key):
    source = cj.sources.markov(2, 8, 0.3, 32)
    metrics = cj.run_seeds(
        cj.seed_keys(key, 3), cj.Transformer(source), cj.Replace(), num_samples=256, num_generations=6
    ).metrics
    assert metrics["kl"].min() > 0.1
    assert np.all(metrics["kl"][:, -1] > metrics["kl"][:, 0] + 0.1)


@pytest.mark.slow
def test_replace_loses_what_accumulating_keeps(tmp_path):
    """The finding, with the command line's defaults and another seed than the one they were chosen with."""
    # Without the flag of the tests, which would have it run unoptimized.
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    command = [sys.executable, "-m", "collapsejax", "run", "transformer", "--seed", "1", "--out", str(tmp_path / "t")]
    subprocess.run(command, env=environment, check=True)
    data = cj.open(tmp_path / "t")
    assert set(data.workflow.values) == set(PUBLISHED)
    assert data.sizes["seed"] == 3
    for metric in data.data_vars.values():
        first = metric.isel(generation=0).transpose("workflow", ...).values
        np.testing.assert_array_equal(first[:1], first[1:2])
        np.testing.assert_array_equal(first[:1], first[2:3])
    mean = data.test_loss.mean("seed")
    rise = (mean.isel(generation=-1) - mean.isel(generation=0)).to_series()
    assert rise["replace"] >= 0.3
    assert rise["accumulate"] <= 0.05
    assert rise["accumulate"] < rise["accumulate-subsample"] < rise["replace"]
