"""Time the language model against the same model in PyTorch: tokens a second, trained and sampled, in one process.

On a CPU both run on one core, and a second is one of that core's. On a GPU or TPU PyTorch stays on the host.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import measure

if __name__ == "__main__":
    measure.prepare()

import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
import torch
import torch_decoder
import tyro
from rich.box import SIMPLE

from collapsejax import language
from collapsejax.data.rows import Rows
from collapsejax.loop import COMPILER_OPTIONS

VOCAB_SIZE, WINDOW, DEPTH = 32, 32, 2
HEADS = {32: 2, 64: 2, 128: 4}
NUM_ROWS, NUM_SAMPLED, NUM_TEST = 1024, 256, 512
TRAINING = language.Training(num_steps=100)
# The least ratios that are aimed at, rates over those of the reference.
TARGETS = {width: {"train": 1.3 if width < 128 else 1.0, "sample": 1.3, "sample_uncached": 10.0} for width in HEADS}
COMPILE_TARGET = {32: 20.0}  # seconds
PACKAGES = (*measure.PACKAGES, "flax", "optax", "torch")


def seconds(call: Callable[[], Any]) -> float:
    """Seconds of a call: of this process on a CPU, and where JAX has another device those that pass."""
    clock = time.process_time if jax.default_backend() == "cpu" else time.perf_counter
    started = clock()
    jax.block_until_ready(call())
    return clock() - started


def whole_run(key: jax.Array, decoder: language.Decoder, rows: Rows, test: jax.Array) -> dict[str, jax.Array]:
    """One generation: first parameters, training, sampling and evaluation."""
    k_init, k_fit, k_sample = jax.random.split(key, 3)
    variables = decoder.init(k_init, test[:1])
    variables, train_loss = language.fit(k_fit, decoder, variables, rows, TRAINING)
    sampled = language.sample(k_sample, decoder, variables, NUM_SAMPLED, 1.0)
    return {
        "train_loss": train_loss,
        "test_loss": -jnp.mean(language.log_likelihood(decoder, variables, test)),
        "entropy": language.unigram_entropy(sampled, VOCAB_SIZE),
        "distinct_ngrams": language.distinct_ngrams(sampled, VOCAB_SIZE),
        "repeated_ngrams": language.repeated_ngrams(sampled, VOCAB_SIZE),
    }


def timed(width: int, repeats: int) -> dict[str, Any]:
    """The record of one width: reference and collapsejax timed in turn; seconds are those of a token."""
    decoder = language.Decoder(VOCAB_SIZE, WINDOW, width, DEPTH, HEADS[width])
    values = jax.random.randint(jax.random.key(1), (NUM_ROWS, WINDOW), 0, VOCAB_SIZE).astype(jnp.uint8)
    rows, test = Rows.of(values), values[:NUM_TEST]
    key = jax.random.key(0)
    compiling = jax.jit(whole_run, static_argnums=1, compiler_options=COMPILER_OPTIONS)
    compile_s = seconds(lambda: compiling.lower(key, decoder, rows, test).compile())

    variables = jax.jit(decoder.init)(key, test[:1])
    model = torch_decoder.TorchDecoder(decoder, variables)
    table = torch.tensor(np.array(values), dtype=torch.long)
    check_same(decoder, variables, model, table[:4])
    fit = jax.jit(lambda key: language.fit(key, decoder, variables, rows, TRAINING), compiler_options=COMPILER_OPTIONS)
    sample = jax.jit(
        lambda key: language.sample(key, decoder, variables, NUM_SAMPLED, 1.0), compiler_options=COMPILER_OPTIONS
    )
    num_trained, num_sampled = TRAINING.num_steps * TRAINING.batch_size * WINDOW, NUM_SAMPLED * WINDOW
    calls = {
        "train_s": (num_trained, lambda key: fit(key)),
        "sample_s": (num_sampled, lambda key: sample(key)),
        "reference_train_s": (num_trained, lambda key: torch_decoder.train(model, table, TRAINING)),
        "reference_sample_s": (num_sampled, lambda key: torch_decoder.sample(model, NUM_SAMPLED, cached=True)),
        "reference_sample_uncached_s": (
            num_sampled,
            lambda key: torch_decoder.sample(model, NUM_SAMPLED, cached=False),
        ),
    }
    for _, call in calls.values():
        seconds(lambda call=call: call(key))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(1, repeats + 1):
        for name, (_, call) in calls.items():
            times[name].append(seconds(lambda call=call, number=number: call(jax.random.key(number))))
    costs = {name: statistics.median(times[name]) / num for name, (num, _) in calls.items()}
    ratios = {
        "train": costs["reference_train_s"] / costs["train_s"],
        "sample": costs["reference_sample_s"] / costs["sample_s"],
        "sample_uncached": costs["reference_sample_uncached_s"] / costs["sample_s"],
    }
    record = {"name": f"decoder-w{width}", "width": width, "heads": HEADS[width], "depth": DEPTH, "window": WINDOW}
    record |= dict(vocab_size=VOCAB_SIZE, batch_size=TRAINING.batch_size, rows=NUM_SAMPLED, repeats=repeats)
    for name, (num, _) in calls.items():
        record |= measure.spread(name, times[name], num)
    targets = dict(TARGETS[width])
    return {
        **record,
        **dict(compile_s=compile_s, compile_target_s=COMPILE_TARGET.get(width), ratios=ratios, targets=targets),
        **measure.provenance(PACKAGES),
    }


def check_same(decoder: language.Decoder, variables: Any, model: torch_decoder.TorchDecoder, tokens: Any) -> None:
    """Raise RuntimeError unless both models give the same logits."""
    with torch.no_grad():
        theirs = model(model.before(tokens)).flatten(0, 1).numpy()
    ours = np.asarray(decoder.apply(variables, jnp.asarray(tokens.numpy())))
    if not np.allclose(ours, theirs, atol=1e-4 if jax.default_backend() == "cpu" else 1e-2):
        raise RuntimeError(f"the models differ: logits are up to {np.abs(ours - theirs).max():.2g} apart")


def print_table(records: list[dict[str, Any]]) -> None:
    """Thousands of tokens a second, ratios beside their targets, and seconds of compilation."""
    table = rich.table.Table(box=SIMPLE)
    headings = (
        "width, heads",
        "what",
        "PyTorch\n(k tokens/s)",
        "collapsejax\n(k tokens/s)",
        "ratio",
        "target",
        "verdict",
    )
    for heading in headings:
        table.add_column(heading, justify="left" if heading in headings[:2] else "right", no_wrap=True)
    for record in records:
        size = f"{record['width']}, {record['heads']}"
        for name, label in (("train", "train"), ("sample", "sample"), ("sample_uncached", "sample, theirs uncached")):
            theirs = 1e-3 / record[f"reference_{name}_s"]
            ours = 1e-3 / record["train_s" if name == "train" else "sample_s"]
            ratio, target = record["ratios"][name], record["targets"][name]
            numbers = (f"{theirs:.4g}", f"{ours:.4g}", f"{ratio:.2f}", f"{target:.1f}")
            table.add_row(size, label, *numbers, "met" if ratio >= target else "missed")
        target = record["compile_target_s"]
        verdict = "" if target is None else "met" if record["compile_s"] <= target else "missed"
        table.add_row(size, "compile (s)", "", f"{record['compile_s']:.1f}", "", f"{target or ''}", verdict)
    console = rich.console.Console()
    if not console.is_terminal:
        console.width = 120
    console.print(table)


def main(width: tuple[int, ...] = tuple(HEADS), repeats: int = 7, out: Path | None = None) -> None:
    """Time the language model against the same model in PyTorch.

    Args:
        width: widths of the decoder: 32, 64, 128.
        repeats: timed calls of both; medians are compared.
        out: file to add a line of JSON to for each width. Default: that of the platform in benchmarks/results.
    """
    for wanted in width:
        if wanted not in HEADS:
            raise ValueError(f"--width {wanted}: there are {', '.join(map(str, HEADS))}")
    if repeats < 1:
        raise ValueError(f"--repeats {repeats}: must be at least 1")
    torch.set_num_threads(1)
    path = measure.results_file(out, "transformer-")
    records = []
    for wanted in width:
        records.append(timed(wanted, repeats))
        measure.append(path, records[-1])
    print_table(records)


if __name__ == "__main__":
    try:
        tyro.cli(main)
    except ValueError as error:
        sys.exit(f"transformer.py: {error}")
