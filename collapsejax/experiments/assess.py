"""The assessment of one's own data: what models that learn from models would make of them."""

from __future__ import annotations

import dataclasses
import functools
import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr

from ..core.arguments import check_count, check_list, check_positive, check_share
from ..core.base import Array, Task, Workflow
from ..loop import Result, run_seeds, seed_keys
from ..results.dataset import to_dataset
from ..results.diagnosis import diagnose
from ..results.metrics import metric_of
from ..sources import Table
from ..store.provenance import provenance
from ..sweeps.progress import Progress, Report, shown
from ..tasks import KDE, Gaussian
from ..theory import curve
from ..workflows import Accumulate, AccumulateSubsample, Replace
from .assess_text import assess_text, is_text
from .assessed_table import categories_in, few_values, read_table, usable
from .assessment import Assessment
from .columns import Columns, columns_of, first_and_last
from .findings import Course, Family, fresh_label
from .fresh_needed import FreshNeeded, found_share, search
from .fresh_share import FreshShare
from .validated_bandwidth import validated_bandwidth
from .weighting import Weighting

_MOST_SAMPLES = 200  # rows a generation, and
_MOST_HELD_OUT = 300  # held-out rows: so many that two slow cores take some two minutes in all
_WORK = 25 * 10**7  # kernels, times columns, of all seeds in one simulation
_SEARCHED = 15  # shares, about, that a search tries
_SPREADS = {"gaussian": "trace_ratio", "kde": "cov_trace_ratio"}
_NAMES = {"gaussian": "Gaussian", "kde": "KDE"}


def assess(
    source: str | Path | Table,
    *,
    fresh: Sequence[float] = (0, 0.01, 0.1, 0.3, 1),
    tolerance: float = 0.1,
    columns: Sequence[str] | None = None,
    num_samples: int | None = None,
    num_generations: int | None = None,
    num_seeds: int | None = None,
    key: Array | None = None,
    progress: Report | bool | None = None,
) -> Assessment:
    """What would become of a table if models learned from what models wrote: an `Assessment`, to print.

    A Gaussian and a kernel density estimate (KDE) are fitted to rows of the table, generation after generation, under
    replace, accumulate, accumulate-subsample, and with shares of new real rows. Their loss is the mean negative
    log-likelihood of held-out rows (nats a row). Columns of text are assessed as categories, each by itself, exactly.

    Args:
        source: a file as for `collapsejax.sources.table`, whose columns are then standardized, and whose rows with
            missing cells are dropped; a `Table`; or text, a folder or a .md or .jsonl file as for
            `collapsejax.sources.text`, to which small language models are fitted.
        fresh: shares of new real rows in every training set after the first. 0 is replace.
        tolerance: what the loss may grow by, in nats a row, or of text a token.
        columns: names of columns of numbers. Default: all. Only for a file with a table.
        num_samples: rows that each model is fitted to (n). Default: half of the rows that there are, at most 200, so
            that others are left to be the fresh ones.
        num_generations: models fitted (G), at least 8. Default: 20; of text 8.
        num_seeds: seeds (S), at least 10. Default: 100 to 500, the more the smaller the table is. Of text at least 2,
            and by default 3.
        key: the root of all randomness. Default: `jax.random.key(0)`.
        progress: called before and between simulations; or whether there is a bar, as in `sweep`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: for files, as `table` does; for fewer than 30 rows; for columns of a `Table` that are fixed by
            others; and for sizes and shares out of range.
    """
    check_positive("tolerance", tolerance)
    check_list("fresh", fresh)
    for share in fresh:
        check_share("fresh", share)
    shares, key = tuple(sorted({0.0, *map(float, fresh)})), jax.random.key(0) if key is None else key
    texts = not isinstance(source, Table) and is_text(Path(source))
    if columns is not None and (texts or isinstance(source, Table)):
        kind = "text has none" if texts else "a Table has its own, chosen where it is read"
        raise ValueError(f"columns={list(columns)}: {kind}; leave them out")
    if num_generations is None:
        num_generations = 8 if texts else 20
    check_count("num_generations", num_generations, least=8)
    sizes = dict(num_samples=num_samples, num_generations=num_generations)
    if num_seeds is not None:
        check_count("num_seeds", num_seeds, least=2 if texts else 10)
    if num_samples is not None:
        check_count("num_samples", num_samples)
    with shown(progress) as report:
        if texts:
            options = dict(shares=shares, tolerance=tolerance, num_seeds=num_seeds or 3, key=key, progress=report)
            return assess_text(Path(source), **sizes, **options)
        return _assess_table(source, columns, shares, tolerance, **sizes, num_seeds=num_seeds, key=key, progress=report)


def _assess_table(
    source: str | Path | Table,
    columns: Sequence[str] | None,
    shares: tuple[float, ...],
    tolerance: float,
    *,
    num_samples: int | None,
    num_generations: int,
    num_seeds: int | None,
    key: Array,
    progress: Report,
) -> Assessment:
    began = time.perf_counter()
    tell = _Steps(progress, 2 * (2 + len(shares) + _SEARCHED))
    rows, left_out = (usable(source), {}) if isinstance(source, Table) else read_table(Path(source), columns)
    n = min(_MOST_SAMPLES, len(rows.train) // 2) if num_samples is None else num_samples
    rows.check(n)
    if n < rows.dim + 2:
        raise ValueError(f"num_samples={n}: is too few for {rows.dim} columns; choose fewer columns, or more rows")
    sizes = dict(num_samples=n, num_generations=num_generations)
    texts, also_left_out = categories_in(rows, sizes)
    held_out = dataclasses.replace(rows, test=rows.test[:_MOST_HELD_OUT])
    if num_seeds is None:
        work = num_generations * n * held_out.num_held_out * rows.dim
        num_seeds = max(100, min(500, _WORK // work))
    bandwidth, about = validated_bandwidth(rows, n)
    tasks = (Gaussian(source=held_out), KDE(held_out, bandwidth, num_test=held_out.num_held_out))
    keys = seed_keys(key, num_seeds)
    runs = [
        _Run(task, told, sizes, shares, tolerance, keys, tell)
        for task, told in zip(tasks, ("one mean and one covariance", about), strict=True)
    ]
    families = _side_by_side([run.family for run in runs], tell.stop)
    settings = dict(
        **dict(path=rows.path, sha256=rows.sha256, columns=rows.columns, standardize=rows.standardize),
        **dict(num_rows=len(rows.train), num_held_out=rows.num_held_out, num_test=held_out.num_held_out),
        **sizes,
        **dict(num_seeds=num_seeds, tolerance=tolerance, fresh=shares, bandwidth=bandwidth),
        **dict(seconds=round(time.perf_counter() - began, 1), versions=provenance()),
    )
    lines = [*str(dataclasses.replace(rows, left_out=())).splitlines(), *few_values(rows)]
    left_out = {name: reason for name, reason in left_out.items() if name not in [one.name for one in texts]}
    return Assessment(tuple(lines), settings, families, texts, left_out | also_left_out)


class _Steps:
    """Tells what is being done, and how many steps are done of all; ends the thread that tells it after a `stop`."""

    def __init__(self, report: Report, expected: int) -> None:
        self._report, self._done, self._expected = report, 0, expected
        self._stop, self._lock = threading.Event(), threading.Lock()

    def __call__(self, doing: str) -> None:
        if self._stop.is_set():
            raise KeyboardInterrupt
        with self._lock:
            self._report(Progress(doing, self._done, max(self._done + 1, self._expected), 0, 0))
            self._done += 1

    def stop(self) -> None:
        self._stop.set()


@dataclasses.dataclass(frozen=True)
class _Run:
    """The simulations of one kind of model."""

    task: Task
    about: str
    sizes: dict[str, int]
    shares: tuple[float, ...]
    tolerance: float
    keys: Array
    tell: _Steps

    def family(self) -> Family:
        n = self.sizes["num_samples"]
        replaced = self._run(FreshShare(0.0), "replace")
        results, courses = {"replace": replaced.metrics}, [self._course("replace", 0.0, replaced)]
        for workflow in (Accumulate(), AccumulateSubsample()):
            result = self._run(workflow, workflow.name, record=None)
            results[workflow.name] = result.metrics
            courses.append(self._course(workflow.name, None, result))
        for share in self.shares[1:]:
            name = fresh_label(share, n)
            courses.append(self._course(name, share, self._run(FreshShare.of_rows(share, n), name)))
        needed = self._needed()
        loss, written = metric_of("test_nll"), replaced.recorded
        weighted = [*self.shares, needed.share] if needed else self.shares
        return Family(
            *(_NAMES[self.task.name], self.about, loss.name, loss.units, tuple(courses), needed),
            *(
                _weightings(weighted, n) if self.task.name == "gaussian" else (),  # a KDE's mean has another law
                self._spread(),
                self._diagnoses(results),
            ),
            *(columns_of(self.task.source.columns, written), first_and_last(written.outlying)),
        )

    def _needed(self) -> FreshNeeded | None:
        """The least share of fresh rows; None where some model of real rows has an infinite loss, which cannot grow."""
        n = self.sizes["num_samples"]
        steps = min(n, 100)

        @functools.cache
        def losses_at(step: int) -> np.ndarray:
            return self._run(FreshShare.of_rows(step / steps, n), "least fresh share").metrics["test_nll"]

        if not np.isfinite(losses_at(steps)).all():
            return None
        found = search(losses_at, steps, self.tolerance)
        return found_share(found, steps, self.tolerance, self.task, "test_nll", self.sizes, len(self.keys))

    def _course(self, workflow: str, fresh: float | None, result: Result) -> Course:
        return Course.of(workflow, fresh, result.metrics["test_nll"], self.tolerance)

    def _run(self, workflow: Workflow, doing: str, **options: Any) -> Result:
        # All shares have one program, so all of them record what becomes of the columns.
        self.tell(f"{_NAMES[self.task.name]}, {doing}")
        options = {"record": Columns.of(self.task.source)} | options
        return jax.device_get(run_seeds(self.keys, self.task, workflow, **self.sizes, **options))

    def _spread(self) -> tuple[str, dict[str, np.ndarray]]:
        metric, found = _SPREADS[self.task.name], {}
        for workflow in (Replace(), Accumulate(), AccumulateSubsample()):
            known = curve(self.task, workflow, **self.sizes)
            if metric in known:
                found[workflow.name] = known[metric]
        return metric, found

    def _diagnoses(self, results: dict[str, dict[str, np.ndarray]]) -> dict[str, Any]:
        dataset = _dataset(self.task, results, self.sizes["num_samples"])
        return {name: diagnose(dataset.sel(workflow=name), loss="test_nll") for name in results}


def _side_by_side(functions: Sequence[Callable[[], Family]], stop: Callable[[], None]) -> tuple[Family, ...]:
    """What they return; where one fails, or at an interrupt, `stop` is called and the others are not waited for.

    Most of their time is compilation, of which each has one core.
    """
    threads = ThreadPoolExecutor(len(functions))
    futures = [threads.submit(function) for function in functions]
    try:
        return tuple(future.result() for future in futures)
    except BaseException:
        stop()
        raise
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _weightings(shares: Sequence[float], num_samples: int) -> tuple[Weighting, ...]:
    """Of each share that leaves rows of both kinds, ascending."""
    numbers = sorted({round(share * num_samples) for share in shares} - {0, num_samples})
    return tuple(Weighting.of(number, num_samples - number) for number in numbers)


def _dataset(task: Task, results: dict[str, dict[str, np.ndarray]], num_samples: int) -> xr.Dataset:
    """Results by workflow and metric as `sweep` gives them."""
    metrics = {
        metric: np.stack([of[metric].astype(float) for of in results.values()])
        for metric in next(iter(results.values()))
    }
    attributes = {"task": json.dumps({"name": task.name})}
    return to_dataset(metrics, {"workflow": list(results)}, num_samples, attributes)
