"""Many seeds of one task under several workflows, in chunks of seeds, as one labelled dataset."""

from __future__ import annotations

import dataclasses
import datetime
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from .base import Array, Task, Workflow
from .loop import Result, compile_seeds, seed_keys, state_bytes
from .results import to_dataset
from .store import provenance
from .workflows import find

# A chunk's share of the memory; a program may hold a few copies of the state.
_CHUNK_BYTES = 2**28
_MOST_SEEDS = 8192
_FEWEST_CHUNKS = 10  # so that there is progress to report


def sweep(
    task: Task,
    workflows: Sequence[Workflow | str],
    *,
    num_samples: int,
    num_generations: int,
    num_seeds: int,
    key: Array,
    rows: bool = False,
    progress: Callable[[str, int], None] | None = None,
) -> xr.Dataset:
    """Simulate seeds 0 ... S-1 of `task` under each workflow.

    Args:
        task: what is fitted.
        workflows: the data it is fitted to; workflows or their names.
        num_samples: rows of the first real batch and of every synthetic batch (n).
        num_generations: models fitted (G).
        rows: draw and pool literal rows even where the law of their summary is known.
        num_seeds: seeds (S). Workflows share a seed's random numbers where they share the representation of the data:
            with `rows=True` all of them start from the same real rows.
        key: the root of all randomness; seed s has the key `fold_in(key, s)`.
        progress: called with a workflow's name and the seeds done, also with 0 before it is compiled.

    Returns:
        A dataset with dimensions (workflow, seed, generation), one variable a metric, and the configuration, versions
        and seconds in its attributes.

    Raises:
        ValueError: for sizes, parameters or names that make no sense, before anything is compiled.
    """
    if isinstance(workflows, str):
        workflows = [workflows]
    workflows = [find(workflow) if isinstance(workflow, str) else workflow for workflow in workflows]
    names = [workflow.name for workflow in workflows]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"workflows={names}: give at least one, each of them once")
    keys = seed_keys(key, num_seeds)
    size = dict(num_samples=num_samples, num_generations=num_generations, rows=rows)
    # Every workflow is checked before the first is compiled.
    chunks = [_chunk_size(num_seeds, state_bytes(task, workflow, **size)) for workflow in workflows]
    attributes = {
        "task": json.dumps(_describe(task), default=str),
        "workflows": json.dumps([_describe(workflow) for workflow in workflows], default=str),
        "num_samples": num_samples,
        "num_generations": num_generations,
        "num_seeds": num_seeds,
        "rows": int(rows),
        "key": json.dumps(jax.random.key_data(key).tolist()),
        "key_impl": str(jax.random.key_impl(key)),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **provenance(),
    }
    metrics, compile_seconds, run_seconds = {}, [], []
    for workflow, chunk in zip(workflows, chunks, strict=True):
        report = (lambda done, name=workflow.name: progress(name, done)) if progress else lambda done: None
        report(0)
        start = time.perf_counter()
        simulate = compile_seeds(keys[:chunk], task, workflow, **size)
        compiled = time.perf_counter()
        metrics[workflow.name] = _in_chunks(simulate, keys, chunk, report)
        compile_seconds.append(compiled - start)
        run_seconds.append(time.perf_counter() - compiled)
    attributes |= {"compile_seconds": compile_seconds, "run_seconds": run_seconds}
    return to_dataset(metrics, num_samples, attributes)


def _chunk_size(num_seeds: int, seed_bytes: int) -> int:
    return min(-(-num_seeds // _FEWEST_CHUNKS), _MOST_SEEDS, max(1, _CHUNK_BYTES // seed_bytes))


def _in_chunks(
    simulate: Callable[[Array], Result], keys: Array, chunk: int, report: Callable[[int], None]
) -> dict[str, np.ndarray]:
    """Metrics (S, G) from a program for `chunk` seeds. The last chunk is filled up: one program does for all."""
    num_seeds = len(keys)
    parts = []
    for first in range(0, num_seeds, chunk):
        indices = jnp.arange(first, first + chunk) % num_seeds
        parts.append(jax.device_get(simulate(keys[indices]).metrics))
        report(min(first + chunk, num_seeds))
    return {name: np.concatenate([part[name] for part in parts])[:num_seeds] for name in parts[0]}


def _describe(config: Any) -> Any:
    """A configuration as JSON values: a class by its `name` and fields, without arrays."""
    if dataclasses.is_dataclass(config):
        fields = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
        named = {"name": config.name} if hasattr(config, "name") else {}
        return named | {key: _describe(value) for key, value in fields.items() if not _is_hidden(value)}
    if isinstance(config, tuple):
        return [_describe(value) for value in config]
    return config.item() if hasattr(config, "item") else config


def _is_hidden(value: Any) -> bool:
    return callable(value) or getattr(value, "ndim", 0) > 0
