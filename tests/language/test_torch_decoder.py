"""The PyTorch model that the language model is timed against is the same model. Without PyTorch nothing is tested."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import GATE

from collapsejax.language import Decoder, Training

torch = pytest.importorskip("torch")
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def reference(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import torch_decoder

    return torch_decoder


@pytest.fixture
def models(key, reference):
    decoder = Decoder(vocab_size=4, window=5, width=8)
    variables = jax.jit(decoder.init)(key, jnp.zeros((1, 5), jnp.uint8))
    noisy = jax.tree.map(lambda leaf: leaf + 0.5 * jax.random.normal(key, leaf.shape), variables)
    return decoder, noisy, reference.TorchDecoder(decoder, noisy)


def test_logits_are_ours(key, models):
    decoder, variables, model = models
    tokens = jax.random.randint(key, (3, 5), 0, 4).astype(jnp.uint8)
    expected = np.asarray(decoder.apply(variables, tokens)).reshape(3, 5, 4)
    before = model.before(torch.tensor(np.array(tokens), dtype=torch.long))
    with torch.no_grad():
        np.testing.assert_allclose(model(before), expected, atol=1e-4)
        caches = [[] for _ in model.blocks]
        steps = [model(before[:, place : place + 1], place, caches) for place in range(5)]
    np.testing.assert_allclose(torch.cat(steps, dim=1), expected, atol=1e-4)
    assert np.std(expected) > 0.5


def test_samples_with_and_without_cache_have_one_law(reference, models):
    torch.manual_seed(0)
    _, _, model = models
    cached, anew = (reference.sample(model, 4000, cached=cached).numpy() for cached in (True, False))
    assert cached.shape == anew.shape == (4000, 5)
    shares, others = ((rows[..., None] == np.arange(4)).mean(axis=0) for rows in (cached, anew))
    error = np.sqrt((shares * (1 - shares) + others * (1 - others)) / 4000 + 1e-9)
    assert np.abs((shares - others) / error).max() < GATE
    assert np.abs((shares[::-1] - others) / error).max() > GATE


def test_reference_learns(reference, models):
    torch.manual_seed(0)
    _, _, model = models
    rows = torch.tensor([[0, 1, 2, 3, 0]])
    assert reference.train(model, rows, Training(num_steps=200, batch_size=4, learning_rate=0.02)) < 0.1


@pytest.mark.slow
def test_benchmark_runs(tmp_path):
    out = tmp_path / "out.jsonl"
    command = [sys.executable, BENCHMARKS / "transformer.py", "--width", "32", "--repeats", "1", "--out", out]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    (record,) = map(json.loads, out.read_text().splitlines())
    assert set(record["ratios"]) == set(record["targets"])
    assert "uncached" in result.stdout
