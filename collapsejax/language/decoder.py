"""A transformer decoder in Flax Linen.

A Linen module hashes by value: constructed again inside nested transforms it triggers no compilation, whereas an NNX
module, which hashes by identity, would.

Axis letters: B rows, L tokens of a row (M where they are attended to), N = B L tokens, row by row, H heads, E features
of a head, D features, V symbols. The residual has two axes, (N, D): with three, XLA's products and their
gradients are slower on a CPU.
"""

from __future__ import annotations

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from ..core.arguments import check_count, nearest
from ..core.base import Array
from .layers import attend, dense, lookup, merge_heads, rotate, rotation, split_heads

POSITIONS = ("learned", "rotary")
DTYPES = ("float32", "bfloat16")
_MOST_BLOCKS, _LARGEST = 100, 2**14  # attention is to all tokens before: its memory grows with the window's square
_SCALE = 0.02  # of embeddings, and so of logits: an untrained model predicts all symbols with nearly equal probability


class Cache(NamedTuple):
    """Keys and values of a block; positions after the present token are empty."""

    k_BxHxMxE: Array
    v_BxHxMxE: Array


class Block(nn.Module):
    """Attention and an MLP, each applied to a norm of the residual (pre-norm), without biases."""

    heads: int
    hidden: int
    residual_scale: float  # of the initial weights of layers that add to the residual
    rotary: bool
    dtype: str

    @nn.compact
    def __call__(
        self, x_NxD: Array, seen_LxM: Array, rotation_2xLxF: Array, cache: Cache | None, position: Array
    ) -> tuple[Array, Cache]:
        """(x, keys and values) of L tokens of each row; with a cache, of the token at `position` (L = 1)."""
        width = x_NxD.shape[-1]
        qkv_Nx3D = self._dense("qkv", self._norm("attention_norm")(x_NxD), 3 * width)
        q_BxHxLxE, k_BxHxMxE, v_BxHxMxE = (
            split_heads(part_NxD, len(seen_LxM), self.heads) for part_NxD in jnp.split(qkv_Nx3D, 3, axis=-1)
        )
        if self.rotary:
            q_BxHxLxE, k_BxHxMxE = rotate(q_BxHxLxE, rotation_2xLxF), rotate(k_BxHxMxE, rotation_2xLxF)
        if cache is not None:
            k_BxHxMxE = jax.lax.dynamic_update_slice_in_dim(cache.k_BxHxMxE, k_BxHxMxE, position, axis=2)
            v_BxHxMxE = jax.lax.dynamic_update_slice_in_dim(cache.v_BxHxMxE, v_BxHxMxE, position, axis=2)
        mixed_NxD = merge_heads(attend(q_BxHxLxE, k_BxHxMxE, v_BxHxMxE, seen_LxM))
        x_NxD = x_NxD + self._dense("out", mixed_NxD, width, self.residual_scale)
        hidden_NxF = nn.gelu(self._dense("up", self._norm("mlp_norm")(x_NxD), self.hidden))
        x_NxD = x_NxD + self._dense("down", hidden_NxF, width, self.residual_scale)
        return x_NxD, Cache(k_BxHxMxE, v_BxHxMxE)

    def _dense(self, name: str, x_NxI: Array, features: int, scale: float = 1.0) -> Array:
        init = nn.initializers.variance_scaling(scale**2, "fan_in", "normal")
        kernel_IxO = self.param(name, init, (x_NxI.shape[-1], features))
        return dense(x_NxI, kernel_IxO.astype(self.dtype))

    def _norm(self, name: str) -> nn.RMSNorm:
        # RMSNorm reduces a row once, LayerNorm twice: a tenth of a training step at width 32 on a CPU.
        return nn.RMSNorm(dtype=self.dtype, name=name)


class Decoder(nn.Module):
    """A pre-norm transformer decoder that predicts each token of a row from those before it.

    A begin-of-sequence token with an embedding of its own precedes the first token, so a row of L tokens has L
    predictions.

    Args:
        vocab_size: symbols (V), 2 to 256: tokens are bytes.
        window: tokens of a row (L).
        width: features of a token (D).
        depth: number of blocks.
        heads: attention heads; `width` is a multiple of it.
        mlp_ratio: hidden features of an MLP over `width`.
        positions: "learned", a vector for each position, added to the embedding; or "rotary", queries and keys rotated
            by an angle proportional to the position.
        dtype: of the blocks' computations: "float32", or "bfloat16" for accelerators (on CPUs it is slower).
            Parameters, norms, softmaxes and logits are float32.

    Float32 matrix products have the device's default precision, TF32 or bfloat16 on GPUs and TPUs;
    `jax.default_matmul_precision("highest")` changes that.

    Raises ValueError for fields that are out of range or do not fit together.
    """

    vocab_size: int
    window: int
    width: int = 32
    depth: int = 2
    heads: int = 2
    mlp_ratio: int = 4
    positions: str = "learned"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        check_count("vocab_size", self.vocab_size, least=2)
        if self.vocab_size > 256:
            raise ValueError(f"vocab_size={self.vocab_size}: tokens are bytes; use at most 256")
        check_count("depth", self.depth, most=_MOST_BLOCKS, why="each block being compiled on its own")
        for name in ("window", "width", "heads", "mlp_ratio"):
            check_count(name, getattr(self, name), most=_LARGEST)
        for name, known in (("positions", POSITIONS), ("dtype", DTYPES)):
            if getattr(self, name) not in known:
                value = getattr(self, name)
                raise ValueError(f"{name}={value!r}: there is no such; {nearest(str(value), known)}")
        if self.width % self.heads:
            raise ValueError(f"width={self.width}: must be a multiple of heads={self.heads}")
        if self.positions == "rotary" and self.width // self.heads % 2:
            raise ValueError(f"width={self.width}: rotary positions need an even number of features per head")
        super().__post_init__()

    def setup(self) -> None:
        init = nn.initializers.normal(_SCALE)
        self.embedding = self.param("embedding", init, (self.vocab_size + 1, self.width))  # the last begins a sequence
        if self.positions == "learned":
            self.places = self.param("places", init, (self.window, self.width))
        fields = dict(heads=self.heads, hidden=self.mlp_ratio * self.width, dtype=self.dtype)
        fields |= dict(residual_scale=(2 * self.depth) ** -0.5, rotary=self.positions == "rotary")
        self.blocks = [Block(**fields, name=f"block_{number}") for number in range(self.depth)]
        self.final_norm = nn.RMSNorm(dtype=self.dtype)

    def __call__(self, tokens_BxL: Array) -> Array:
        """Logits (N, V) of every token of whole rows, each from the tokens before it."""
        return self.logits(self.embed(self.before(tokens_BxL).ravel()))

    def before(self, tokens_BxL: Array) -> Array:
        """The token before each token, (B, L) int32; the begin-of-sequence token comes first."""
        return jnp.pad(tokens_BxL[:, :-1].astype(jnp.int32), ((0, 0), (1, 0)), constant_values=self.vocab_size)

    def embed(self, before_N: Array) -> Array:
        """Embeddings (N, D) of the tokens (N,)."""
        return lookup(self.embedding, before_N).astype(self.dtype)

    def logits(self, x_NxD: Array) -> Array:
        """Logits (N, V) of every token of whole rows, from the embeddings (N, D) of the tokens before each."""
        return self._forward(x_NxD, jnp.arange(self.window), [None] * self.depth)[0]

    def step(self, before_B: Array, position: Array, caches: list[Cache]) -> tuple[Array, list[Cache]]:
        """Logits (B, V) of the token at `position`, from the symbol before it (`vocab_size` at 0) and the caches."""
        return self._forward(self.embed(before_B), position[None], caches)

    def start(self, batch: int) -> list[Cache]:
        """The caches before the first token of `batch` rows."""
        empty_BxHxMxE = jnp.zeros((batch, self.heads, self.window, self.width // self.heads), self.dtype)
        return [Cache(empty_BxHxMxE, empty_BxHxMxE)] * self.depth

    def _forward(self, x_NxD: Array, positions_L: Array, caches: list[Cache | None]) -> tuple[Array, list[Cache]]:
        seen_LxM = jnp.tril(jnp.ones((self.window, self.window), bool))[positions_L]
        rotation_2xLxF = jnp.asarray(rotation(self.window, self.width // self.heads))[:, positions_L]
        if self.positions == "learned":
            places_LxD = lookup(self.places, positions_L).astype(self.dtype)
            x_NxD = x_NxD + jnp.tile(places_LxD, (len(x_NxD) // len(places_LxD), 1))
        filled = []
        for block, cache in zip(self.blocks, caches, strict=True):
            x_NxD, cache = block(x_NxD, seen_LxM, rotation_2xLxF, cache, positions_L[0])
            filled.append(cache)
        table_VxD = self.embedding[: self.vocab_size].astype(self.dtype)
        normed_NxD = self.final_norm(x_NxD)
        return jnp.matmul(normed_NxD, table_VxD.T, preferred_element_type=jnp.float32), filled


def log_likelihood_of(logits_NxV: Array, tokens_BxL: Array) -> Array:
    """Log-likelihood (nats) of each token, (B, L)."""
    chosen_NxV = jax.nn.one_hot(tokens_BxL.ravel(), logits_NxV.shape[-1])
    return jnp.sum(jax.nn.log_softmax(logits_NxV) * chosen_NxV, axis=-1).reshape(tokens_BxL.shape)
