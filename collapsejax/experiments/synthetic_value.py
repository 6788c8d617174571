"""The value of synthetic data: models fitted to real rows and to generated ones together, over a grid of how many."""

from __future__ import annotations

import dataclasses
import datetime
import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from ..core.base import Array, Task
from ..core.checks import check_task
from ..core.describe import describe
from ..loop import seed_keys
from ..results.dataset import in_order
from ..results.metrics import LOSSES, metric_labels
from ..results.statistics import mean_and_standard_error
from ..store.provenance import provenance
from ..sweeps.progress import Progress, Report, shown
from .fits import CELL, GENERATOR, Fitted, Programs, Rooms
from .value_checks import check_candidates, check_names, check_sizes


def synthetic_value(
    task: Task,
    *,
    num_real: Sequence[int],
    num_synthetic: Sequence[int],
    num_seeds: int,
    key: Array,
    generator: str = "self",
    teacher_rows: int = 4096,
    tune: Mapping[str, Sequence[float]] | None = None,
    progress: Report | bool | None = None,
) -> xr.Dataset:
    """Fit the task's model to `num_real` real rows and `num_synthetic` rows that a generator wrote, for each pair.

    The real rows of a seed are nested: the first 64 of 256 are those of `num_real=64`. So are the synthetic rows that
    one generator writes, and all fits of a seed have the same random numbers, so cells are compared in pairs.

    Args:
        task: what is fitted, also as the generator.
        num_real: numbers of real rows. A dimension, ascending.
        num_synthetic: numbers of synthetic rows. A dimension, ascending; 0, real rows alone, is added.
        num_seeds: independent repetitions (S).
        key: the root of all randomness; seed s has the key `fold_in(key, s)`.
        generator: "self", a model fitted to the very same real rows; or "teacher", one fitted to others, the same for
            all `num_real`.
        teacher_rows: real rows that a teacher is fitted to, none of them among the others.
        tune: candidates for one field of the task that is a number, as in `{"num_steps": [100, 200, 400]}`. In each
            cell, real rows alone included, all are tried, each as a fit of its own from the start; the one with the
            lowest loss on validation rows, in the mean over the seeds, is taken. Metrics are of that fit, and of the
            test rows. A generator has what is best for the real rows that it is fitted to. The task needs
            the method `Task.validation_loss`.
        progress: True for a bar, False for none, or what is called with a `Progress` after each fit. Default: a bar in
            a terminal or notebook.

    Returns:
        A dataset of metrics (num_real, num_synthetic, seed), whose attributes are as those of `sweep`. With `tune`
        there are the chosen values, as a variable of that field's name (num_real, num_synthetic), and
        "validation_loss" (num_real, num_synthetic, candidate), means over the seeds, +inf where there is none: a best
        candidate at one of the ends calls for more of them. What a teacher got is in the attributes, as
        "teacher_num_steps". `value_table` says what is best. `collapsejax.save` stores it, and `xarray.open_zarr` reads
        it again.

    On a CPU seeds of a long-running task run in turn, else in step, and their rows are all in memory. Two programs
    serve all cells: one fits, the other draws. Candidates share them unless their field is static.

    Raises:
        ValueError: for sizes that make no sense or are more than the source has, an unknown generator, and candidates
            that are none, before anything is compiled.
    """
    check_task(task)
    teacher_rows = check_sizes(task, num_real, num_synthetic, generator, teacher_rows)
    num_real, num_synthetic = sorted(map(int, num_real)), sorted({0, *map(int, num_synthetic)})
    field, candidates = check_candidates(task, tune, min(num_real))
    rooms = Rooms(num_real[-1], teacher_rows, num_synthetic[-1])
    tasks = [task] if field is None else [dataclasses.replace(task, **{field: value}) for value in candidates]
    keys = seed_keys(key, num_seeds)
    study = _Study(tasks, rooms, keys, field, candidates)
    metrics = check_names(in_order(study.programs.metric_names()), field)
    attributes = _attributes(task, num_seeds, key)
    attributes |= {"generator": generator, "tune": json.dumps({field: candidates} if field else {})}
    with shown(progress) as report:
        study.watch(report, len(num_real), len(num_synthetic))
        teacher = None
        if generator == "teacher":
            best = study.best("teacher", first=rooms.real, num_real=teacher_rows, use=GENERATOR)
            teacher = study.written(best.place, best.fitted)
            chosen = {f"teacher_{field}": candidates[best.place]} if field else {}
            attributes |= {"teacher_rows": teacher_rows} | chosen
        cells = [[study.best(f"num_real={real}, num_synthetic=0", num_real=real)] for real in num_real]
        for real, row in zip(num_real, cells, strict=True):
            synthetic = study.of_itself(row[0].place, real) if teacher is None else teacher
            for number in num_synthetic[1:]:
                label = f"num_real={real}, num_synthetic={number}"
                row.append(study.best(label, num_real=real, num_synthetic=number, synthetic=synthetic))
    dims = ("num_real", "num_synthetic", "seed")
    variables = {
        name: (dims, np.array([[cell.metrics[name] for cell in row] for row in cells]), metric_labels(name, task.name))
        for name in metrics
    }
    coords = {
        "num_real": ("num_real", num_real, {"long_name": "Real rows"}),
        "num_synthetic": ("num_synthetic", num_synthetic, {"long_name": "Synthetic rows"}),
        "seed": ("seed", np.arange(num_seeds), {"long_name": "Seed"}),
    }
    if field:
        coords["candidate"] = ("candidate", candidates, {"long_name": f"Candidates for {field}"})
        chosen = [[candidates[cell.place] for cell in row] for row in cells]
        variables[field] = (dims[:2], chosen, {"long_name": f"{field}, by validation"})
        losses = np.array([[cell.losses for cell in row] for row in cells])
        variables["validation_loss"] = ((*dims[:2], "candidate"), losses, {"long_name": "Mean loss on validation rows"})
    dataset = xr.Dataset(variables, coords, attributes | study.programs.account())
    for name in metrics:
        if dataset[name].isnull().any():
            warnings.warn(f"{name} is NaN in {int(dataset[name].isnull().sum())} fits", stacklevel=2)
    return dataset


def value_table(dataset: xr.Dataset, metric: str | None = None) -> xr.Dataset:
    """What synthetic rows were good for, by a metric that is a loss: for each number of real rows the best number.

    Args:
        dataset: as from `synthetic_value`.
        metric: a metric, the lower the better. Default: `test_loss`, `test_nll`, `test_mse`, `mean_sq_error` or
            `sq_error`, the first that is there.

    Returns:
        "difference" (num_real, num_synthetic), the mean over the seeds of a seed's metric less its metric with real
        rows alone, and "difference_standard_error"; and (num_real) "best_num_synthetic", where that mean is lowest,
        with "best_difference" and "best_difference_standard_error". The best of several is chosen by the same seeds, so
        its difference is lower than that of new ones would be, by less than a few standard errors.

    Raises:
        ValueError: for a metric that is not there, one that is infinite or NaN somewhere, and less than two seeds.
    """
    known = [
        name for name in map(str, dataset.data_vars) if dataset[name].dims == ("num_real", "num_synthetic", "seed")
    ]
    defaults = (loss.name for loss in LOSSES if loss.kind.across_sizes)
    metric = metric or next((name for name in defaults if name in known), None)
    if metric not in known:
        raise ValueError(f"metric={metric!r}: there is none; give one of {', '.join(known)}")
    loss = dataset[metric].astype(float)
    if loss.sizes["seed"] < 2:
        raise ValueError("num_seeds=1: a standard error needs at least 2")
    if not np.isfinite(loss).all():
        raise ValueError(f"metric={metric!r}: is not finite for some seeds, so it has no mean; choose another")
    mean, standard_error = mean_and_standard_error(loss - loss.sel(num_synthetic=0, drop=True))
    table = xr.Dataset({"difference": mean, "difference_standard_error": standard_error}, attrs={"metric": metric})
    best = table.difference.idxmin("num_synthetic").astype(int)
    at_best = table.sel(num_synthetic=best).drop_vars("num_synthetic")
    return table.assign({"best_num_synthetic": best} | {f"best_{name}": at_best[name] for name in table.data_vars})


@dataclasses.dataclass(frozen=True)
class _Best:
    """The candidate with the lowest loss: its place, all candidates' mean losses, its metrics (S,), all of its fits."""

    place: int
    losses: list[float]
    metrics: dict[str, np.ndarray]
    fitted: Fitted | None


class _Study:
    """The fits of all seeds, with one of the candidates' tasks."""

    def __init__(
        self, tasks: list[Task], rooms: Rooms, keys: Array, field: str | None, candidates: list[float] | None
    ) -> None:
        self.programs = Programs(tasks[0], rooms, keys, tuned=field is not None)
        self._tasks, self._field, self._candidates = tasks, field, candidates
        self._nothing = self.programs.nothing()
        self._report = None

    def watch(self, report: Report, num_rows: int, num_columns: int) -> None:
        """Tell `report` of each fit from here on, in a grid of so many cells."""
        self._report, self._num_cells, self._done = report, num_rows * num_columns, 0

    def best(
        self,
        label: str,
        *,
        num_real: int,
        first: int = 0,
        num_synthetic: int = 0,
        synthetic: Any = None,
        use: int = CELL,
    ) -> _Best:
        """The best candidate for a cell; its fits are kept for a generator alone, since they may be large."""
        synthetic = self._nothing if synthetic is None else synthetic
        losses, best = [], None
        for place, task in enumerate(self._tasks):
            fitted = self.programs.fit(task, (first, num_real, num_synthetic, use), synthetic)
            losses.append(0.0 if fitted.loss is None else _mean_or_inf(fitted.loss))
            if best is None or losses[-1] < losses[best.place]:
                kept = fitted if use == GENERATOR else None
                best = _Best(place, losses, jax.device_get(fitted.metrics), kept)
            self._done += use == CELL and place == len(self._tasks) - 1
            self._tell(label if self._field is None else f"{label}, {self._field}={self._candidates[place]}")
        return best

    def of_itself(self, place: int, num_real: int) -> Any:
        """Rows from models fitted to the real rows with a candidate: fits of their own, no part of a cell's numbers."""
        return self.written(place, self.programs.fit(self._tasks[place], (0, num_real, 0, GENERATOR), self._nothing))

    def written(self, place: int, fitted: Fitted) -> Any:
        return self.programs.write(self._tasks[place], fitted.params)

    def _tell(self, doing: str) -> None:
        seeds = self.programs.num_seeds
        self._report(Progress(doing, self._done, self._num_cells, self._done * seeds, self._num_cells * seeds))


def _mean_or_inf(losses: Array) -> float:
    """The mean of losses (S,); infinite, so that no candidate is chosen for it, where there is none."""
    mean = float(np.mean(losses, dtype=float))
    return np.inf if np.isnan(mean) else mean


def _attributes(task: Task, num_seeds: int, key: Array) -> dict[str, Any]:
    texts = {"task": describe(task), "key": jax.random.key_data(key).tolist()}
    return {
        **{name: json.dumps(value) for name, value in texts.items()},
        "key_impl": str(jax.random.key_impl(key)),
        "dtype": str(jnp.zeros(()).dtype),
        "num_seeds": num_seeds,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **provenance(),
    }
