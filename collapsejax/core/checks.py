"""What is asked of a task and a workflow before they meet in the loop."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .arguments import check_count
from .base import Array, Task, Workflow
from .pytree import listed_fields, pytree, static


@pytree
class Within:
    """A number of samples that a program is told when it runs, and the rows it has room for, at least as many."""

    size: Array
    room: int = static()


def size_of(num_samples: Any) -> Any:
    """How many rows are meant, maybe traced."""
    return num_samples.size if isinstance(num_samples, Within) else num_samples


def room_of(num_samples: Any) -> Any:
    """How many rows are drawn."""
    return num_samples.room if isinstance(num_samples, Within) else num_samples


def knows(task: Task, law: str) -> bool:
    """Whether a task has this optional method; None in its place says that it has not."""
    return getattr(task, law, None) is not None


def is_literal(task: Task, workflow: Workflow, rows: bool) -> bool:
    """Whether rows are pooled, and summarised only after selection: as asked, or because the workflow needs them."""
    drawn_from_summaries = getattr(workflow, "only_draws", False) and getattr(task, "drawable", False)
    return rows or (workflow.needs_rows and not drawn_from_summaries)


def size_is_traced(task: Task, workflow: Workflow, rows: bool) -> bool:
    """Whether one program serves every number of samples: all data that is drawn has a summary of known law."""
    return knows(task, "sample_summary") and knows(task, "sample_real_summary") and not is_literal(task, workflow, rows)


def is_paddable(task: Task, workflow: Workflow) -> bool:
    """Whether a program with room for more rows than are wanted gives what one for just these gives.

    A task has to say so, and a workflow that needs rows: that it goes by their weights and their count, and that a row
    that is drawn does not depend on how many are. Other workflows cannot tell the difference. A source of real data has
    to say so too: rows of a table are drawn without replacement.
    """
    parts = [task, *([task.source] if getattr(task, "source", None) is not None else [])]
    parts += [workflow] if workflow.needs_rows else []
    return all(getattr(part, "paddable", False) for part in parts)


def is_costly(task: Task) -> bool:
    """Whether a task says that its programs take long to compile and its generations long to run."""
    return getattr(task, "costly", False)


def runs_in_turn(task: Task, platform: str, asked: bool | None) -> bool:
    """Whether a device does one seed after the other: as asked, or because vectors of a CPU gain a costly task nothing.

    On accelerators seeds in step are what keeps the processors busy.
    """
    return is_costly(task) and platform == "cpu" if asked is None else bool(asked)


def check_key(key: Any) -> None:
    """Raise ValueError unless this is one typed key."""
    if not _are_keys(key) or key.ndim:
        raise ValueError(f"key={key!r}: want one typed key, as from jax.random.key(0)")


def check_keys(keys: Any) -> None:
    """Raise ValueError unless these are typed keys (S,)."""
    if not _are_keys(keys) or keys.ndim != 1:
        raise ValueError("keys: want typed keys of shape (S,), as from collapsejax.seed_keys(jax.random.key(0), S)")


def _are_keys(keys: Any) -> bool:
    return isinstance(keys, jax.Array) and jnp.issubdtype(keys.dtype, jax.dtypes.prng_key)


def check_no_names(task: Task, workflow: Workflow) -> None:
    """Raise ValueError for a text, which only `collapsejax.sweep` and the command line take for a workflow."""
    for name, part, like in (("task", task, "Gaussian(2)"), ("workflow", workflow, "Replace()")):
        if isinstance(part, str):
            raise ValueError(f"{name}={part!r}: is a name; give the {name} itself, as collapsejax.{like}")


def check_run(task: Task, workflow: Workflow, num_samples: Any, num_generations: int, rows: bool) -> None:
    """Raise ValueError if a run of these makes no sense, unless they are being traced and so were asked before."""
    check_count("num_generations", num_generations)
    check_no_names(task, workflow)
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((task, workflow, num_samples))):
        return
    sizes = num_samples if np.ndim(num_samples) else [num_samples]
    sizes = [size.item() if hasattr(size, "item") else size for size in sizes]
    for size in sizes:
        check_count("num_samples", size)
        if size >= 2**31:
            raise ValueError(f"num_samples={size}: must be below 2**31")
    if np.ndim(num_samples):
        if len(sizes) != num_generations:
            raise ValueError(
                f"num_samples: {len(sizes)} sizes for num_generations={num_generations}; give one for each"
            )
        if not size_is_traced(task, workflow, rows):
            raise ValueError(
                f"num_samples={list(map(int, sizes))}: sizes that change need the exact law, which task {task.name!r} "
                f"under workflow {workflow.name!r} does not have (with rows=True none has); give one number"
            )
    for part in (task, workflow):
        for path in listed_fields(part):
            raise ValueError(f"{'.'.join(path)}: a list of values is for collapsejax.sweep; a run has one")
        for size in sorted({min(sizes), max(sizes)}):
            if hasattr(part, "check"):
                part.check(size)
    if hasattr(workflow, "screen") and not knows(task, "log_density"):
        raise ValueError(
            f"workflow {workflow.name!r}: a verifier needs the true log-density, which is not known for this task and "
            "its source; choose another source, or give the task a method log_density(truth, values)"
        )
