"""Argument checks of tasks, workflows, sources and keys, and what the loop may do with them."""

from __future__ import annotations

import dataclasses
import numbers
import types
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .arguments import MOST, WHOLE, check_count, check_is
from .base import Array, Needs, SequenceSource, Source, Task, Workflow
from .describe import fields_of
from .pytree import Module, static

_THREEFRY = "threefry2x32"


class Within(Module):
    """A number of samples that a program is told when it runs, and the rows it has room for, at least as many."""

    size: Array
    room: int = static()


def size_of(num_samples: Any) -> Any:
    """How many rows are meant, maybe traced."""
    return num_samples.size if isinstance(num_samples, Within) else num_samples


def room_of(num_samples: Any) -> Any:
    """How many rows are drawn."""
    return num_samples.room if isinstance(num_samples, Within) else num_samples


def is_schedule(num_samples: Any) -> bool:
    """Whether these are numbers of samples for each generation, (G,)."""
    return np.ndim(size_of(num_samples)) > 0


def uses_rows(task: Task, workflow: Workflow, rows: bool, scheduled: bool = False) -> bool:
    """Whether rows are pooled, and summarized only after selection.

    As asked, because the workflow needs them, or because the law of summaries is that of batches of one size and there
    are several: the workflow's own, or those of a schedule.
    """
    law = task.exact_law
    mixed = law is not None and law.one_size and (workflow.own_sizes or scheduled)
    return rows or mixed or workflow.needs > task.offers


def size_is_traced(task: Task, workflow: Workflow, rows: bool, scheduled: bool = False) -> bool:
    """Whether one program serves every number of samples: all data that is drawn has a summary of known law."""
    law = task.exact_law
    return law is not None and law.real is not None and not uses_rows(task, workflow, rows, scheduled)


def is_paddable(task: Task, workflow: Workflow) -> bool:
    """Whether a program with room for more rows than are wanted gives what one for just these gives.

    A workflow that is content with summaries cannot tell the difference.
    """
    return task.paddable and (workflow.paddable or workflow.needs == Needs.SUMMARY)


def runs_in_turn(task: Task, platform: str, asked: bool | None) -> bool:
    """Whether a device does one seed after the other: as asked; else on a CPU, for a long-running task.

    A CPU's vectors gain such a task nothing; on accelerators seeds in step are what keeps the processors busy.
    """
    return task.long_running and platform == "cpu" if asked is None else bool(asked)


def key_of(seed: int) -> Array:
    """The key of a seed, whatever implementation JAX makes keys of by default."""
    return jax.random.key(seed, impl=_THREEFRY)


def check_key(key: Any) -> None:
    """Raise ValueError unless this is one typed key, of threefry."""
    if not _are_keys(key) or key.ndim:
        raise ValueError(f"key={key!r}: want one typed key, as from jax.random.key(0)")
    _check_threefry("key", key)


def check_keys(keys: Any) -> None:
    """Raise ValueError unless these are typed keys (S,), of threefry."""
    if not _are_keys(keys) or keys.ndim != 1:
        raise ValueError("keys: want typed keys of shape (S,), as from collapsejax.seed_keys(jax.random.key(0), S)")
    _check_threefry("keys", keys)


def _are_keys(keys: Any) -> bool:
    return isinstance(keys, jax.Array) and jnp.issubdtype(keys.dtype, jax.dtypes.prng_key)


def _check_threefry(name: str, keys: Array) -> None:
    """Others give a seed among others other bits than alone."""
    kind = str(jax.random.key_impl(keys))
    if not kind.startswith(_THREEFRY):  # `fused` gives the same bits
        raise ValueError(
            f"{name}: of {kind}, whose numbers depend on what is drawn beside them; make it by "
            f'jax.random.key(seed, impl="{_THREEFRY}")'
        )


def check_task(task: Any) -> None:
    """Raise ValueError unless this is a task."""
    if isinstance(task, Workflow):
        raise ValueError(f"task={task!r}: is a workflow; the task comes first, then the workflow")
    check_is(Task, "task", task)


def check_workflow(workflow: Any) -> None:
    """Raise ValueError unless this is a workflow."""
    if isinstance(workflow, Task):
        raise ValueError(f"workflow={workflow!r}: is a task; the task comes first, then the workflow")
    check_is(Workflow, "workflow", workflow)


def _check_fields(kind: str, config: Task | Workflow) -> None:
    """Raise ValueError for a traced field that is no number and for a static one that cannot be compared."""
    for field in dataclasses.fields(config):
        value, where = getattr(config, field.name), f"{kind} {config.name!r}: field {field.name!r}"
        if field.metadata.get("static"):
            try:
                hash(value)
            except TypeError:
                raise ValueError(
                    f"{where} is a {type(value).__name__}, which a static field cannot be; give a tuple"
                ) from None
        elif isinstance(value, str | bytes | types.FunctionType):
            raise ValueError(f"{where} is {value!r}, and JAX traces numbers only; declare it by cj.static()")


def check_source(kind: type[Source] | type[SequenceSource], source: Any) -> None:
    """Raise ValueError unless this is a source of that kind: `Source` or `SequenceSource`."""
    if kind is Source and isinstance(source, SequenceSource):
        raise ValueError(f"source {source.name!r}: gives sequences; choose one of rows, such as moons or table")
    if kind is SequenceSource and isinstance(source, Source):
        raise ValueError(f"source {source.name!r}: gives no sequences; choose text or markov")
    if isinstance(source, str):
        raise ValueError(f"source={source!r}: is a name; give the source itself, as collapsejax.sources.{source}()")
    check_is(kind, "source", source)


def check_run(task: Any, workflow: Any, num_samples: Any, num_generations: int, rows: bool) -> None:
    """Raise ValueError if these cannot be run together, unless they are being traced and were checked before."""
    check_count("num_generations", num_generations)
    check_task(task)
    check_workflow(workflow)
    scheduled = is_schedule(num_samples)
    by_law = size_is_traced(task, workflow, rows, scheduled)
    traced = lambda value: any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(value))
    if scheduled and traced(num_samples) and not by_law:
        raise ValueError("num_samples: is traced, and rows that are drawn need room; give plain numbers")
    if traced((task, workflow, num_samples)):
        return
    sizes = num_samples if np.ndim(num_samples) else [num_samples]
    sizes = [size.item() if isinstance(size, np.generic | np.ndarray | jax.Array) else size for size in sizes]
    for size in sizes:
        check_count("num_samples", size)
    if scheduled:
        if len(sizes) != num_generations:
            raise ValueError(
                f"num_samples: {len(sizes)} sizes for num_generations={num_generations}; give one for each"
            )
        if not (by_law or is_paddable(task, workflow)):
            raise ValueError(
                f"num_samples={list(map(int, sizes))}: sizes that change need an exact law, or rows that do not depend "
                f"on how many are drawn, and task {task.name!r} under workflow {workflow.name!r} has neither; give one "
                "number"
            )
    for part in (task, workflow):
        for size in sorted({min(sizes), max(sizes)}):
            part.check(size)
    _check_fields("task", task)
    _check_fields("workflow", workflow)
    _check_pool(
        task, workflow, -(-sum(sizes) // len(sizes)), num_generations, uses_rows(task, workflow, rows, scheduled)
    )
    if workflow.screen is not None and task.log_density is None:
        raise ValueError(
            f"workflow {workflow.name!r}: a verifier needs the true log-density, which is not known for this task and "
            "its source; choose another source, or give the task a method log_density(truth, values)"
        )


def _check_pool(task: Task, workflow: Workflow, num_samples: int, num_generations: int, by_rows: bool) -> None:
    """Raise ValueError for more rows in a pool than can be indexed or, where summaries are drawn from, counted."""
    if task.exact_law is None or by_rows:
        most, why = MOST, "can be indexed"
    elif workflow.needs == Needs.DRAWS:
        most, why = WHOLE, "float32 counts one by one"
    else:
        return
    room = lambda size, length: max(jax.tree.leaves(workflow.capacity(size, length + 1)))
    if (rows := room(num_samples, num_generations)) <= most:
        return
    size, length = num_samples * most // rows, num_generations * most // rows - 1  # most pools grow with their product
    fixes = [f"num_samples={size}"] if size and room(size, num_generations) <= most else []
    fixes += [f"num_generations={length}"] if length > 0 and room(num_samples, length) <= most else []
    settings = [name for name, value in fields_of(workflow) if isinstance(value, int)]
    fix = (
        f"use at most {' or '.join(fixes)}"
        if fixes
        else f"lower {', '.join([*settings, 'num_samples', 'num_generations'])}"
    )
    raise ValueError(
        f"num_samples={num_samples}, num_generations={num_generations}: workflow {workflow.name!r} pools {rows} rows, "
        f"and at most {most} {why}; {fix}"
    )


def check_metrics_of(task: Task, metrics: Any) -> None:
    """Raise ValueError unless `evaluate` of a task returned scalars by name, of which stores can make folders."""
    where = f"task {task.name!r}: evaluate"
    if not isinstance(metrics, Mapping):
        raise ValueError(f"{where} returns a {type(metrics).__name__}; return a dict of scalars by name")
    if not metrics:
        raise ValueError(f"{where} returns an empty dict; return at least one metric")
    for name, value in metrics.items():
        if not isinstance(name, str) or not name or "/" in name or name.startswith("."):
            raise ValueError(f"{where} returns a metric named {name!r}; use a text without a slash or a leading dot")
        if not isinstance(value, (numbers.Number, np.generic, np.ndarray, jax.Array)):
            raise ValueError(f"{where} returns {name!r}, a {type(value).__name__}; metrics are scalars ()")
        if jnp.shape(value) != ():
            raise ValueError(f"{where} returns {name!r} of shape {jnp.shape(value)}; metrics are scalars ()")
