"""Transformers: each generation trains a small language model on sequences that earlier ones wrote."""

from __future__ import annotations

from types import ModuleType
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from ..core.arguments import check_count, check_positive, nearest
from ..core.base import Array, PyTree, SequenceSource, Task
from ..core.checks import check_source
from ..core.pytree import static
from ..data.rows import Rows
from ..numerics.threefry import fused

_ORDER = 3  # of the n-grams that are counted
_NUM_TEXT_SAMPLES = 5


class TransformerTruth(NamedTuple):
    """Held-out rows (m, L), what the source fixed for this seed, and a model trained on real rows.

    `true_loss` () is the loss of the true law on the held-out rows, None where it is not known.
    """

    test: Array
    real: PyTree
    base: PyTree
    true_loss: Array | None


class TransformerParams(NamedTuple):
    """A trained model, its training loss (), and rows drawn from it, (num_scored, L)."""

    variables: PyTree
    train_loss: Array
    scored: Array


class Transformer(Task):
    """Train a transformer decoder to predict each token of a row from those before it.

    Args:
        source: where the real sequences come from.
        width: numbers that stand for a token within the decoder.
        depth: number of transformer blocks.
        heads: attention heads of a block, which share the width.
        mlp_ratio: features within an MLP over `width`.
        positions: "learned" or "rotary".
        dtype: what blocks compute in, "float32" or "bfloat16".
        train: "fixed_steps", or "epochs", with which steps grow with the training set.
        num_steps: minibatches of a training, with fixed_steps.
        num_epochs: how often minibatches hold as many rows as there are, with epochs. The default takes as many steps
            for 256 rows as fixed_steps.
        batch_size: rows of a minibatch.
        learning_rate: peak learning rate of AdamW.
        weight_decay: weight decay of AdamW, which is multiplied by the learning rate.
        warmup_share: share of the steps in which the learning rate rises.
        clip_norm: gradients of a larger norm are shortened to it.
        start: what each training starts from: "fresh", new random parameters, as in pretraining; "warm", the previous
            model; or "base", one model for all generations, trained on real data, as in fine-tuning.
        temperature: logits are divided by it when sampling.
        top_k: draw only from so many of the likeliest tokens. Default: from all.
        num_test: held-out real rows, drawn once per seed; at most as many as the source holds out.
        num_scored: rows drawn from each model for the metrics of what it writes.

    Metrics: `test_loss`, cross-entropy on the held-out rows, and `train_loss`, on the minibatches of the last tenth of
    the steps (nats a token); of rows that the model writes `entropy`, that of the frequencies of their tokens (nats),
    `distinct_ngrams`, different runs of three tokens over all of them, and `repeated_ngrams`, the share of these that
    occurred in their row before; and `kl`, for sources whose law is known: the mean over the held-out rows of the
    log-ratio of the true probability to the model's (nats a token). This has the divergence from the true law for its
    mean; of a model that is as good as the truth it may come out below 0. Losses and `kl` are +inf where training
    diverged: then all that the model writes is token 0.

    The base model, which is also the verifier of the workflow `selected`, is trained like the others, on as many real
    rows as a batch has, drawn apart from those of the first generation.

    Raises ValueError for fields that make no sense, and for a source of no sequences or of less than 3 tokens a row.
    """

    source: SequenceSource
    width: int = static(default=32)
    depth: int = static(default=2)
    heads: int = static(default=2)
    mlp_ratio: int = static(default=4)
    positions: str = static(default="learned")
    dtype: str = static(default="float32")
    train: str = static(default="fixed_steps")
    num_steps: int = 400
    num_epochs: float = 25.0
    batch_size: int = static(default=16)
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    warmup_share: float = 0.05
    clip_norm: float = 1.0
    start: str = static(default="fresh")
    temperature: float = 1.0
    top_k: int | None = static(default=None)
    num_test: int = static(default=512)
    num_scored: int = static(default=64)

    name: ClassVar[str] = "transformer"
    long_running: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_source(SequenceSource, self.source)
        for name, known in (("train", ("fixed_steps", "epochs")), ("start", ("fresh", "warm", "base"))):
            value = getattr(self, name)
            if value not in known:
                raise ValueError(f"{name}={value!r}: there is no such; {nearest(str(value), known)}")
        for name in ("num_test", "num_scored"):
            check_count(name, getattr(self, name))
        check_count("window", self.source.window, least=_ORDER)
        if self.top_k is not None:
            check_count("top_k", self.top_k)
            if self.top_k > self.source.vocab_size:
                raise ValueError(f"top_k={self.top_k}: there are {self.source.vocab_size} tokens; use at most that")
        _ = self.decoder, self.training  # which check their own

    def check(self, num_samples: int) -> None:
        self.source.check(num_samples)
        self.training.check()
        check_positive("temperature", self.temperature)

    @property
    def decoder(self) -> Any:
        """The model, a Linen module."""
        names = ("width", "depth", "heads", "mlp_ratio", "positions", "dtype")
        fields = {name: getattr(self, name) for name in names}
        return _language().Decoder(self.source.vocab_size, self.source.window, **fields)

    @property
    def training(self) -> Any:
        """How the model is trained, as a `language.Training`."""
        names = ("batch_size", "learning_rate", "weight_decay", "warmup_share", "clip_norm")
        length = dict(num_steps=None, num_epochs=self.num_epochs) if self.train == "epochs" else {}
        fields = dict(num_steps=self.num_steps) | length | {name: getattr(self, name) for name in names}
        return _language().Training(**fields)

    def init(self, key: Array, num_samples: int) -> tuple[TransformerTruth, TransformerParams | None]:
        k_real, k_test, k_rows, k_base, k_first = jax.random.split(key, 5)
        real = self.source.init(k_real)
        test = self.source.sample_test(k_test, real, _at_most(self.num_test, self.source.num_held_out))
        # Where neither a verifier nor the start of training is this model, nothing reads it, and XLA leaves it out.
        k_begin, k_train = jax.random.split(k_base)
        rows = Rows.of(self.source.sample(k_rows, real, num_samples))
        base, _ = _language().fit(k_train, self.decoder, self._begin(k_begin), rows, self.training)
        log_prob = self.source.log_prob
        true_loss = None if log_prob is None else -jnp.mean(log_prob(real, test))
        truth = TransformerTruth(test, real, base, true_loss)
        if self.start != "warm":
            return truth, None
        scored = jnp.zeros((self.num_scored, self.source.window), jnp.uint8)
        return truth, TransformerParams(self._begin(k_first), jnp.float32(jnp.inf), scored)

    def sample_real(self, key: Array, truth: TransformerTruth, n: int) -> Array:
        return self.source.sample(key, truth.real, n)

    def summarize(self, truth: TransformerTruth, rows: Rows) -> Rows:
        del truth
        return rows

    def fit(
        self, key: Array, truth: TransformerTruth, train: Rows, params: TransformerParams | None
    ) -> TransformerParams:
        k_begin, k_train, k_score = jax.random.split(key, 3)
        if self.start == "fresh":
            begin = self._begin(k_begin)
        else:
            begin = truth.base if self.start == "base" else params.variables
        variables, loss = _language().fit(k_train, self.decoder, begin, train, self.training)
        return TransformerParams(variables, loss, self._write(k_score, variables, self.num_scored))

    def sample(self, key: Array, truth: TransformerTruth, params: TransformerParams, n: int) -> Array:
        del truth
        return self._write(key, params.variables, n)

    def evaluate(self, truth: TransformerTruth, params: TransformerParams) -> dict[str, Array]:
        language, vocab_size = _language(), self.source.vocab_size
        test_loss = -jnp.mean(language.log_likelihood(self.decoder, params.variables, truth.test))
        metrics = {
            "test_loss": test_loss,
            "train_loss": params.train_loss,
            "entropy": language.unigram_entropy(params.scored, vocab_size),
            "distinct_ngrams": language.distinct_ngrams(params.scored, vocab_size, _ORDER),
            "repeated_ngrams": language.repeated_ngrams(params.scored, vocab_size, _ORDER),
        }
        return metrics if truth.true_loss is None else metrics | {"kl": test_loss - truth.true_loss}

    def validation_loss(self, key: Array, truth: TransformerTruth, params: TransformerParams) -> Array:
        """Cross-entropy (nats a token) on as many rows for validation as for tests, or all that there are."""
        num_rows = _at_most(self.num_test, self.source.num_validation)
        rows = self.source.sample_validation(key, truth.real, num_rows)
        return -jnp.mean(_language().log_likelihood(self.decoder, params.variables, rows))

    def text_samples(self, truth: TransformerTruth, params: TransformerParams) -> Array:
        """A few rows that the model wrote, (k, L)."""
        del truth
        return params.scored[:_NUM_TEXT_SAMPLES]

    def log_density(self, truth: TransformerTruth, values: Array) -> Array:
        """Log-probability (nats) of rows (n, L) under the model trained on real data, which stands for the truth."""
        return jnp.sum(_language().log_likelihood(self.decoder, truth.base, values), axis=1)

    def _begin(self, key: Array) -> PyTree:
        """Random parameters."""
        return self.decoder.init(fused(key), jnp.zeros((1, self.source.window), jnp.uint8))

    def _write(self, key: Array, variables: PyTree, n: int) -> Array:
        return _language().sample(key, self.decoder, variables, n, self.temperature, self.top_k)


def _at_most(number: int, available: int | None) -> int:
    return number if available is None else min(number, available)


def _language() -> ModuleType:
    """The models themselves; Flax and Optax, which they need, take long to import, and other tasks do without."""
    from .. import language

    return language
