"""Training of a decoder: AdamW on minibatches of weighted rows."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax

from ..core.arguments import check_count, check_not_negative, check_positive, check_share
from ..core.base import Array, PyTree
from ..core.pytree import Module, static
from ..data.rows import Rows
from ..numerics.threefry import fused
from .decoder import Decoder, log_likelihood_of


class Training(Module):
    """How a decoder is trained. One of `num_steps` and `num_epochs` is None.

    Args:
        num_steps: minibatches, however many rows there are. May be traced, also as a float.
        num_epochs: or as many minibatches as hold the rows that are there (of weight above 0) this many times, rounded
            up. May be traced, too.
        batch_size: rows of a minibatch.
        learning_rate: the highest of AdamW.
        weight_decay: of AdamW, on all parameters; like all of its steps, times the learning rate.
        warmup_share: share of the steps in which the learning rate rises to its highest, in a line from 0.
        final_share: what the learning rate falls to at the last step, in half a cosine, over its highest.
        clip_norm: gradients whose norm, over all parameters, is larger are shortened to it.

    Raises ValueError for numbers that make no sense.
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
        """Raise ValueError for floats that make no sense, and unless there is one number of steps."""
        if (self.num_steps is None) == (self.num_epochs is None):
            given = f"num_steps={self.num_steps}, num_epochs={self.num_epochs}"
            raise ValueError(f"{given}: give one of them, and None for the other")
        if self.num_steps is not None:
            check_count("num_steps", self.num_steps)
        if self.num_epochs is not None:
            check_positive("num_epochs", self.num_epochs)
        check_positive("learning_rate", self.learning_rate)
        check_not_negative("weight_decay", self.weight_decay)
        check_share("warmup_share", self.warmup_share)
        check_share("final_share", self.final_share)
        check_positive("clip_norm", self.clip_norm)

    def steps(self, rows: Rows) -> Array:
        """Minibatches that a fit to `rows` takes."""
        if self.num_steps is not None:
            return jnp.asarray(self.num_steps, jnp.int32)
        num_present = jnp.sum(rows.weights > 0)
        batches = self.num_epochs * num_present / self.batch_size
        # Less than rounding adds: 0.3 epochs of 160 rows are 3 minibatches of 16, not 4.
        return jnp.maximum(jnp.ceil(batches * (1 - 1e-6)), 1).astype(jnp.int32)

    def rate(self, step: Array, num_steps: Array | int) -> Array:
        """The learning rate of a step, from 0 on."""
        done = (step + 1) / num_steps
        rise = jnp.minimum(done / jnp.maximum(self.warmup_share, 1e-9), 1.0)
        fall = jnp.clip((done - self.warmup_share) / jnp.maximum(1 - self.warmup_share, 1e-9), 0.0, 1.0)
        cosine = self.final_share + (1 - self.final_share) * (1 + jnp.cos(jnp.pi * fall)) / 2
        return self.learning_rate * rise * cosine

    def optimizer(self, num_steps: Array | int) -> optax.GradientTransformation:
        """Gradient clipping, then AdamW, for a fit of so many steps."""
        adamw = optax.adamw(lambda step: self.rate(step, num_steps), weight_decay=self.weight_decay)
        return optax.chain(optax.clip_by_global_norm(self.clip_norm), adamw)


def fit(key: Array, decoder: Decoder, variables: PyTree, rows: Rows, training: Training) -> tuple[PyTree, Array]:
    """(variables, training loss) after training from `variables` on.

    `rows` have tokens (C, L); each row of a minibatch is one of them, drawn by weight with replacement. Room behind the
    rows makes no difference. The loss is the mean over the last tenth of the steps (at least one) of what a minibatch's
    was before the step, in nats a token; +inf where one of these was no number, since training diverged.
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
