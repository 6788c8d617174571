"""The decoder of collapsejax as an ordinary PyTorch module, trained and sampled by ordinary loops: the reference.

Eager, one seed, on the CPU. PyTorch is in the extra `benchmark`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from collapsejax.language import Decoder, Training


class Block(nn.Module):
    """A transformer block: attention and a two-layer perceptron, each normalized before and added to its input."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.mlp_norm = nn.RMSNorm(width, eps=1e-6), nn.RMSNorm(width, eps=1e-6)
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, hidden, bias=False), nn.Linear(hidden, width, bias=False)

    def forward(self, x: torch.Tensor, cache: list[torch.Tensor] | None = None) -> torch.Tensor:
        batch, length, width = x.shape
        qkv = self.qkv(self.attention_norm(x)).view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        if cache is not None:
            if cache:
                k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
            cache[:] = [k, v]
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=length > 1)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(functional.gelu(self.up(self.mlp_norm(x)), approximate="tanh"))


class TorchDecoder(nn.Module):
    """A decoder with learned positions; with `variables` of the original, the same function."""

    def __init__(self, decoder: Decoder, variables: Any) -> None:
        super().__init__()
        width, self.vocab_size, self.window = decoder.width, decoder.vocab_size, decoder.window
        self.embedding = nn.Embedding(self.vocab_size + 1, width)
        self.places = nn.Parameter(torch.empty(self.window, width))
        hidden = decoder.mlp_ratio * width
        self.blocks = nn.ModuleList(Block(width, decoder.heads, hidden) for _ in range(decoder.depth))
        self.final_norm = nn.RMSNorm(width, eps=1e-6)
        params = variables["params"]
        values = {"embedding.weight": params["embedding"], "places": params["places"]}
        values["final_norm.weight"] = params["final_norm"]["scale"]
        for number in range(decoder.depth):
            for name, layer in params[f"block_{number}"].items():
                values[f"blocks.{number}.{name}.weight"] = layer["scale"] if "norm" in name else layer.T
        self.load_state_dict({name: torch.tensor(np.array(value)) for name, value in values.items()})

    def forward(self, before: torch.Tensor, start: int = 0, caches: list[list] | None = None) -> torch.Tensor:
        """Logits of tokens from the symbols before them, of which the first stands at place `start`."""
        x = self.embedding(before) + self.places[start : start + before.shape[1]]
        for block, cache in zip(self.blocks, caches or [None] * len(self.blocks), strict=True):
            x = block(x, cache)
        return self.final_norm(x) @ self.embedding.weight[: self.vocab_size].T

    def before(self, tokens: torch.Tensor) -> torch.Tensor:
        return functional.pad(tokens[:, :-1], (1, 0), value=self.vocab_size)


def train(model: TorchDecoder, rows: torch.Tensor, training: Training) -> float:
    """Train on minibatches of `rows` (C, L); returns the last loss."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)
    num_warm = training.warmup_share * training.num_steps

    def rate(step: int) -> float:
        fall = max(step + 1 - num_warm, 0) / (training.num_steps - num_warm)
        low = training.final_share
        return min((step + 1) / num_warm, 1) * (low + (1 - low) * (1 + math.cos(math.pi * fall)) / 2)

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    for _ in range(training.num_steps):
        tokens = rows[torch.randint(len(rows), (training.batch_size,))]
        loss = functional.cross_entropy(model(model.before(tokens)).flatten(0, 1), tokens.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), training.clip_norm)
        optimizer.step()
        schedule.step()
    return loss.item()


@torch.no_grad()
def sample(model: TorchDecoder, n: int, *, cached: bool) -> torch.Tensor:
    """Draw n rows of tokens, (n, L), with a cache of keys and values or computing every row so far anew."""
    seen = torch.full((n, 1), model.vocab_size)
    caches = [[] for _ in model.blocks] if cached else None
    for place in range(model.window):
        logits = model(seen[:, -1:], place, caches) if cached else model(seen)
        tokens = torch.multinomial(functional.softmax(logits[:, -1], dim=-1), 1)
        seen = torch.cat([seen, tokens], dim=1)
    return seen[:, 1:]
