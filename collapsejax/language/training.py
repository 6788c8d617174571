"""Training of a decoder: AdamW on minibatches of weighted rows."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax

from ..core.arguments import WHOLE, check_count, check_not_negative, check_positive, check_share
from ..core.base import Array, PyTree
from ..core.pytree import Module, static
from ..data.rows import Rows
from ..numerics.threefry import fused
from .decoder import Decoder, log_likelihood_of

_MOST_EPOCHS = 1e5  # their steps are counted in int32


class Training(Module):
    """How a decoder is trained. One of `num_steps` and `num_epochs` is None.

    Args:
        num_steps: number of minibatches. May be traced, also as a float.
        num_epochs: number of passes over the rows of positive weight, rounded up to whole minibatches. May be traced.
        batch_size: rows of a minibatch.
        learning_rate: peak learning rate of AdamW.
        weight_decay: of AdamW, on all parameters, multiplied by the learning rate.
        warmup_share: share of the steps in which the learning rate rises linearly from 0 to its peak.
        final_share: learning rate at the last step over its peak, reached by half a cosine.
        clip_norm: gradients of a larger global norm are scaled down to it.

    Raises ValueError for values out of range.
    """

    num_steps: int | None = 300
    num_epochs: float | None = None
    batch_size: int = static(default=16)
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    warmup_share: float = 0.05
    final_share: float = 0.1
    clip_norm: float = 1.0

    def __post_init__(self) -> None:
        check_count("batch_size", self.batch_size)

    def check(self) -> None:
        """Raise ValueError for values out of range, and unless exactly one of `num_steps` and `num_epochs` is given."""
        if (self.num_steps is None) == (self.num_epochs is None):
            given = f"num_steps={self.num_steps}, num_epochs={self.num_epochs}"
            raise ValueError(f"{given}: give one of them, and None for the other")
        if self.num_steps is not None:
            check_count("num_steps", self.num_steps, most=WHOLE)
        if self.num_epochs is not None:
            check_positive("num_epochs", self.num_epochs, most=_MOST_EPOCHS)
        check_positive("learning_rate", self.learning_rate)
        check_not_negative("weight_decay", self.weight_decay)
        check_share("warmup_share", self.warmup_share)
        check_share("final_share", self.final_share)
        check_positive("clip_norm", self.clip_norm)

    def steps(self, rows: Rows) -> Array:
        """The number of minibatches of a fit to `rows`, ()."""
        if self.num_steps is not None:
            return jnp.asarray(self.num_steps, jnp.int32)
        num_present = jnp.sum(rows.weights > 0)
        batches = self.num_epochs * num_present / self.batch_size
        # Reduced by more than rounding adds: 0.3 epochs of 160 rows are 3 minibatches of 16, not 4.
        return jnp.maximum(jnp.ceil(batches * (1 - 1e-6)), 1).astype(jnp.int32)

    def rate(self, step: Array, num_steps: Array | int) -> Array:
        """The learning rate of a step, counted from 0, ()."""
        done = (step + 1) / num_steps
        rise = jnp.minimum(done / jnp.maximum(self.warmup_share, 1e-9), 1.0)
        fall = jnp.clip((done - self.warmup_share) / jnp.maximum(1 - self.warmup_share, 1e-9), 0.0, 1.0)
        cosine = self.final_share + (1 - self.final_share) * (1 + jnp.cos(jnp.pi * fall)) / 2
        return self.learning_rate * rise * cosine

    def optimizer(self, num_steps: Array | int) -> optax.GradientTransformation:
        """Gradient clipping followed by AdamW, for a fit of `num_steps` steps."""
        adamw = optax.adamw(lambda step: self.rate(step, num_steps), weight_decay=self.weight_decay)
        return optax.chain(optax.clip_by_global_norm(self.clip_norm), adamw)


def fit(key: Array, decoder: Decoder, variables: PyTree, rows: Rows, training: Training) -> tuple[PyTree, Array]:
    """(variables, training loss) after training from `variables` on.

    `rows` have tokens (C, L); the rows of a minibatch are drawn from them by weight, with replacement. Padding makes no
    difference. The loss is the mean, over the last tenth of the steps (at least one), of the minibatch loss before the
    step, in nats a token; +inf where one of these is NaN, since training diverged.
    """
    num_steps = training.steps(rows)
    first_counted = num_steps - (num_steps + 9) // 10
    optimizer, lottery, key = training.optimizer(num_steps), rows.lottery(), fused(key)

    def loss_of(variables: PyTree, tokens_BxL: Array) -> Array:
        return -jnp.mean(log_likelihood_of(decoder.apply(variables, tokens_BxL), tokens_BxL))

    def step(number: Array, carry: tuple[PyTree, PyTree, Array]) -> tuple[PyTree, PyTree, Array]:
        variables, state, total = carry
        tokens_BxL = lottery.draw(jax.random.fold_in(key, number), training.batch_size)
        loss, gradients = jax.value_and_grad(loss_of)(variables, tokens_BxL)
        updates, state = optimizer.update(gradients, state, variables)
        total = total + jnp.where(number >= first_counted, loss, 0.0)
        return optax.apply_updates(variables, updates), state, total

    start = (variables, optimizer.init(variables), jnp.float32(0.0))
    variables, _, total = jax.lax.fori_loop(0, num_steps, step, start)
    loss = total / (num_steps - first_counted)
    return variables, jnp.where(jnp.isnan(loss), jnp.inf, loss)
