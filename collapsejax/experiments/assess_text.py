"""The assessment of a folder of text, by small language models."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from ..core.base import Array
from ..results.metrics import metric_of
from ..results.samples import TextSamples
from ..sources import text
from ..store.provenance import provenance
from ..sweeps.plan import make_plan
from ..sweeps.progress import Progress, Report
from ..sweeps.run import carry_out, rehearse
from ..tasks import Transformer
from ..workflows import Accumulate, AccumulateSubsample, Replace
from .assessment import Assessment
from .findings import Course, Family, fresh_label
from .fresh_share import FreshShare

_MOST_SAMPLES = 256  # windows a generation
_NUM_SHOWN = 2  # texts of a model


def is_text(path: Path) -> bool:
    """Whether a place holds text to assess, not a table: a folder, or a file of text other than .txt."""
    return path.is_dir() or path.suffix in (".md", ".jsonl")


def assess_text(
    path: Path,
    *,
    shares: Sequence[float],
    tolerance: float,
    num_samples: int | None,
    num_generations: int,
    num_seeds: int,
    key: Array,
    progress: Report,
) -> Assessment:
    """What would become of text if language models learned from what they wrote.

    As `assess`, with small transformers in place of a Gaussian and a KDE, and nats a token in place of nats a row. How
    long it takes is told before it starts. No least share is searched, and no share of 1 is run: that would take hours.
    """
    began = time.perf_counter()
    source = text(path)
    n = min(_MOST_SAMPLES, len(source.train) // 2) if num_samples is None else num_samples
    partly = [share for share in shares if 0 < share < 1]
    workflows = [Replace(), Accumulate(), AccumulateSubsample(), *map(FreshShare, partly)]
    names = [*(workflow.name for workflow in workflows[:3]), *(fresh_label(share, n) for share in partly)]
    task = Transformer(source)
    sizes = dict(num_samples=n, num_generations=num_generations)
    plan = make_plan(task, workflows, **sizes, num_seeds=num_seeds, key=key)
    progress(Progress("timing one generation", 0, len(names), 0, 0))
    timings = rehearse(plan)
    seconds = sum(one.compile_seconds + one.seconds_a_seed * one.num_cells * num_seeds for one in timings)
    progress(Progress(f"about {max(1, round(seconds / 60))} min for {len(names)} workflows", 0, len(names), 0, 0))
    data = carry_out(plan, progress)
    loss = metric_of("test_loss", task.name)
    fresh = [0.0, None, None, *partly]
    courses = tuple(
        Course.of(name, share, data.test_loss.isel(workflow=place).values, tolerance)
        for place, (name, share) in enumerate(zip(names, fresh, strict=True))
    )
    about = f"a small transformer, {source.tokenizer.name}, windows of {source.window} tokens"
    family = Family(
        *("language model", about, loss.name, loss.units, courses, None, (), ("", {}), {}),
        written=_written(data, num_generations - 1),
    )
    settings = dict(
        **dict(path=str(path), sha256=source.sha256, num_rows=len(source.train), num_held_out=source.num_held_out),
        **dict(num_test=min(task.num_test, source.num_held_out), **sizes, num_seeds=num_seeds, tolerance=tolerance),
        **dict(fresh=(0.0, *partly), seconds=round(time.perf_counter() - began, 1), versions=provenance()),
    )
    return Assessment((str(source),), settings, (family,))


def _written(data: xr.Dataset, last: int) -> dict[str, tuple[str, ...]]:
    """What the first and the last model write under replace."""
    samples = TextSamples(data)
    number = int(np.minimum(_NUM_SHOWN, data.sizes["sample"]))
    texts = lambda generation: tuple(samples.texts({}, "replace", 0, generation, number))
    return {"generation 0": texts(0), f"generation {last}": texts(last)}
