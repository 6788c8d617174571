"""Validation: a table of experiments, each simulated and compared with its exact curves."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import NamedTuple

import jax
import numpy as np

from .. import theory
from ..core.arguments import MOST, check_count, check_not_negative, check_seed, nearest
from ..core.base import Array
from ..core.checks import key_of, size_is_traced
from ..results.statistics import STATISTICS, statistics
from ..sweeps.calls import Calls
from ..sweeps.cells import Settings
from ..sweeps.grid import Cell
from ..sweeps.program import CallShape, Program
from ..tasks import Gaussian
from ..workflows import Accumulate, Replace
from .cases import Case, Observed, cases

MOST_Z = 5.0
RMS_Z = 0.2  # how far the z-scores' root mean square may be from 1
_CELLS_FOR_RMS = 60  # of independent seeds; fewer leave it more room
_BATCH, _CHUNK = 128, 2**14


class Comparison(NamedTuple):
    """The mean over the seeds of one metric at one model-fitting iteration, and its exact value."""

    task: str
    cell: str
    num_samples: int
    metric: str
    iteration: int
    mean: float
    standard_error: float
    exact: float

    @property
    def relative(self) -> float:
        """(mean - exact) / |exact|."""
        return (self.mean - self.exact) / abs(self.exact)

    @property
    def is_rounding(self) -> bool:
        """Whether all seeds have the exact value, up to float32's rounding."""
        return self.standard_error <= 1e-6 * abs(self.exact) and abs(self.relative) <= 1e-5

    @property
    def z(self) -> float:
        """(mean - exact) / standard error; infinite where there is no mean or no positive standard error."""
        if not self.standard_error > 0 or not np.isfinite(self.mean):
            return np.inf
        return (self.mean - self.exact) / self.standard_error


class Report(NamedTuple):
    """All comparisons of a validation; `planted` is the one whose exact curve was scaled, if any; seconds in all."""

    comparisons: list[Comparison]
    num_cells: int
    num_seeds: int
    seed: int
    planted: Comparison | None
    seconds: float

    @property
    def most(self) -> float:
        return float(max(abs(comparison.z) for comparison in self.comparisons))

    @property
    def rms(self) -> float:
        return float(np.sqrt(np.mean([comparison.z**2 for comparison in self.comparisons])))

    @property
    def rms_bounds(self) -> tuple[float, float]:
        """[0.8, 1.2], and wider where few cells make it vary more."""
        room = RMS_Z * max(1.0, np.sqrt(_CELLS_FOR_RMS / self.num_cells))
        return 1 - room, 1 + room

    @property
    def about_planted(self) -> str:
        """Where an error was planted, and how large one must be for so many seeds to be sure to find it."""
        one = self.planted
        found = 2 * MOST_Z * one.standard_error / abs(one.exact)
        return f"{one.metric} of {one.cell}, n = {one.num_samples}; so many seeds are sure to find {100 * found:.2g} %"

    @property
    def passed(self) -> bool:
        low, high = self.rms_bounds
        return bool(self.most <= MOST_Z and low <= self.rms <= high)


def validate(
    *,
    num_seeds: int,
    seed: int = 0,
    only: str | None = None,
    plant: float = 0.0,
    devices: Sequence[jax.Device] | None = None,
    say: Callable[[str, int, int], None] = lambda doing, done, total: None,
) -> Report:
    """A `Report` of the preset table: each cell is simulated and compared with its exact curves.

    A curve is compared as far as its mean is informative, see `theory.informative`.

    Args:
        num_seeds: seeds of each cell (S); no two cells share any.
        seed: root of all randomness.
        only: name of a task, to validate its cells alone. Default: all tasks.
        plant: scales by 1 + plant one exact curve, the one with the smallest relative standard error: an error that
            the validation has to find.
        devices: devices to share the cells. Default: all of this process.
        say: called with the last finished case, the number of cells done, and of all cells.

    Raises:
        ValueError: for a task that is not in the table, and for fewer than 100 or more than 2^31 seeds in all.
    """
    check_seed(seed)
    table = cases()
    names = sorted({case.task.name for case in table})
    if only is not None and only not in names:
        raise ValueError(f"only={only!r}: no such task; {nearest(only, names)}")
    check_count("num_seeds", num_seeds, least=100, most=MOST // max(len(case.num_samples) for case in table))
    check_not_negative("|plant|", abs(plant))
    start, comparisons, done = time.perf_counter(), {}, 0
    chosen = {number: case for number, case in enumerate(table) if only in (None, case.task.name)}
    total = sum(len(case.num_samples) for case in chosen.values())
    devices = jax.local_devices() if devices is None else devices

    def one_case(number: int) -> int:
        # The same device in every run: the compilation cache finds a program for its own device only.
        device = devices[number % len(devices)]
        key = jax.random.fold_in(key_of(seed), number)
        comparisons[number] = _compare(chosen[number], key, num_seeds, device)
        return number

    # One case per device at a time: with few seeds most of the time is compilation, which then goes on in parallel.
    with ThreadPoolExecutor(len(devices)) as threads:
        try:
            for future in as_completed([threads.submit(one_case, number) for number in chosen]):
                done += len(chosen[future.result()].num_samples)
                say(chosen[future.result()].label, done, total)
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
    comparisons = [comparison for number in chosen for comparison in comparisons[number]]
    planted = None
    if plant:
        planted = min(comparisons, key=lambda comparison: comparison.standard_error / abs(comparison.exact))
        of = lambda comparison: comparison[:4]
        comparisons = [c._replace(exact=c.exact * (1 + plant)) if of(c) == of(planted) else c for c in comparisons]
    return Report(comparisons, total, num_seeds, seed, planted, time.perf_counter() - start)


def _compare(case: Case, key: Array, num_seeds: int, device: jax.Device) -> list[Comparison]:
    num_generations, comparisons = max(case.iterations), []
    observed = isinstance(case.task, Gaussian) and case.task.source is None
    task = Observed(case.task) if observed else case.task
    cells = [Cell((place,), task, case.workflow, n) for place, n in enumerate(case.num_samples)]
    settings = Settings(num_generations, case.rows, True, (device,))
    shared = size_is_traced(task, case.workflow, case.rows)
    for group in [cells] if shared else [[cell] for cell in cells]:
        shape = CallShape(1, min(_CHUNK, num_seeds), _BATCH)
        program = Calls(Program(group, settings), key, shape, [device])
        for place, cell in enumerate(group):
            first = cell.index[0] * num_seeds  # seeds of its own
            (sketches,) = program([(place, first, first + num_seeds)])
            sizes = dict(num_samples=cell.num_samples, num_generations=num_generations)
            exact = theory.curve(case.task, case.workflow, **sizes)
            last = theory.informative(case.task, case.workflow, **sizes, num_seeds=num_seeds)
            exact, last = _with_second_moments(case, sizes, exact, last) if observed else (exact, last)
            for name, curve in exact.items():
                table = dict(zip(STATISTICS, statistics(sketches[name]), strict=True))
                where = (case.task.name, case.label, cell.num_samples, name)
                for g in (iteration - 1 for iteration in case.iterations):
                    if g > last[name]:
                        continue
                    # The mean leaves out values that are not finite, but here they are errors.
                    lost = table["num_nan"][g] + table["num_infinite"][g]
                    mean = np.nan if lost else table["mean"][g]
                    comparison = Comparison(*where, g + 1, *map(float, (mean, table["standard_error"][g], curve[g])))
                    if not comparison.is_rounding:
                        comparisons.append(comparison)
    return comparisons


def _with_second_moments(
    case: Case, sizes: dict[str, int], exact: dict[str, np.ndarray], last: dict[str, int]
) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """The exact curves and last informative generations, with second moments where they are known.

    Second moments have heavier tails than means, so their curves are informative for fewer generations.
    """
    exact, last = dict(exact), dict(last)
    spread = theory.variance(case.task, case.workflow, **sizes)
    for name, values in spread.items():
        exact[f"{name}^2"] = values + exact[name] ** 2
    heavy = not isinstance(case.workflow, Accumulate)
    last |= {f"{name}^2": last[name] // 4 if heavy else last[name] for name in ("trace_ratio", "mean_sq_error")}
    last |= {"logdet_ratio^2": sizes["num_generations"] - 1}
    if case.task.dim == 1 and isinstance(case.workflow, Replace) and case.task.sampling_temperature == 1:
        exact["wasserstein_sq"] = theory.wishart.replace_wasserstein(*sizes.values(), case.task.ddof)
        last["wasserstein_sq"] = last["trace_ratio"]
    return exact, last
