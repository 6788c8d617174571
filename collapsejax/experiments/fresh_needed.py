"""How much fresh data a loop needs: the least share of new real rows that keeps a loss from growing."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..core.arguments import check_count, check_positive, check_share
from ..core.base import Array, Task
from ..core.checks import check_run, check_task
from ..loop import run_seeds, seed_keys
from ..loop.memory import metric_names
from ..results.metrics import LOSSES, METRICS, Loss, check_metrics, metric_of
from ..sweeps.progress import Progress, Report, shown
from ..theory import curve
from ..workflows import FreshData
from .fresh_share import FreshShare
from .loss_growth import LossGrowth


@dataclasses.dataclass(frozen=True, repr=False)
class FreshNeeded:
    """The least share of fresh rows that keeps the growth of a loss within a tolerance. Its `repr` is a sentence.

    Attributes:
        share: that share; 0 where no fresh rows are needed, 1 where no synthetic row is allowed.
        lower, upper: ends of its 95 % interval, the least shares at which the lower and the upper end of the growth's
            own interval are within the tolerance. Equal to `share` where that is exact.
        precision: the shares that were told apart differ by this.
        exact: whether `share` is of exact means; else it is of means over seeds.
        growth: what the loss grows by with that share, at most, over all generations.
        standard_error: of `growth`; 0 where that is exact.
        tolerance: what it may grow by, in the same units.
        metric: the loss.
        units: its units.
        num_samples: rows that each model is fitted to.
        num_generations: models fitted.
        num_seeds: seeds; 0 where nothing was simulated.
    """

    share: float
    lower: float
    upper: float
    precision: float
    exact: bool
    growth: float
    standard_error: float
    tolerance: float
    metric: str
    units: str
    num_samples: int
    num_generations: int
    num_seeds: int

    @property
    def num_fresh(self) -> int:
        """Fresh rows in each generation."""
        return round(self.share * self.num_samples)

    def __repr__(self) -> str:
        digits = max(1, round(-np.log10(self.precision)) - 2)
        percent = lambda share: f"{100 * share:.{digits if self.precision < 0.005 else 0}f} %"
        units = f" {self.units}" if self.units not in ("", "1") else ""
        bound = f"{self.metric} within {self.tolerance:g}{units} of its value for real data"
        of = f"through {self.num_generations} generations of {self.num_samples} rows"
        if self.share == 0:
            told = f"No fresh rows are needed to keep {bound} {of}"
        else:
            told = f"{percent(self.share)} of the rows must be fresh to keep {bound} {of}"
            told += f": {self.num_fresh} in each generation"
        if self.exact:
            return f"{told}. Exact."
        return (
            f"{told}. 95 % interval {percent(self.lower)} to {percent(self.upper)}, from {self.num_seeds} seeds, in "
            f"steps of {percent(self.precision)}."
        )


def fresh_needed(
    task: Task,
    *,
    num_samples: int,
    num_generations: int,
    key: Array,
    tolerance: float = 0.1,
    metric: str | None = None,
    num_seeds: int = 100,
    precision: float = 0.01,
    progress: Report | bool | None = None,
) -> FreshNeeded:
    """The least share of fresh rows that keeps a loss within a tolerance of its value for models of real data alone.

    Each model after the first is fitted to `num_samples` rows: a share of new real rows, and for the rest rows that the
    last model wrote (`FreshShare`). The growth of the loss is the largest, over the generations, of its means over the
    seeds, less that of models fitted to real rows alone. It falls as the share rises, so the share is found by
    bisection, between 0 and 1, at which there is no growth. All shares have the same seeds, which differ by the rows
    that are exchanged alone. As the largest of several means it is a little too large rather than too small.

    Where the mean of the loss is known exactly (`theory.curve`), so is the share, and nothing is simulated. A share
    that leaves fewer synthetic rows than the task can be fitted to then counts as too small.

    Args:
        task: what is fitted.
        num_samples: rows that each model is fitted to (n).
        num_generations: models fitted (G).
        key: the root of all randomness.
        tolerance: what the loss may grow by, in its own units: nats a row for `test_nll`.
        metric: the loss. Default: `test_loss`, `test_nll`, `test_mse`, `kl`, `mean_sq_error` or `sq_error`, the first
            that the task has.
        num_seeds: seeds (S), at least 2.
        precision: shares are told apart to this, or to one row in n where that is more.
        progress: called before each share that is simulated; or whether there is a bar, as in `sweep`.

    Raises:
        ValueError: for sizes, parameters or names out of range, and for a metric that is no loss, before anything is
            compiled; for a loss that is infinite for models of real data alone.
    """
    check_task(task)
    check_count("num_generations", num_generations, least=2)
    check_count("num_seeds", num_seeds, least=2)
    check_positive("tolerance", tolerance)
    check_share("precision", precision, zero=False)
    sizes = dict(num_samples=num_samples, num_generations=num_generations)
    check_run(task, FreshShare(), num_samples, num_generations, True)
    metric = _loss_of(task, metric, sizes)
    exact = _exact_growth(task, metric, num_samples, num_generations)
    steps = num_samples if exact else min(num_samples, max(1, round(1 / precision)))
    if exact is None:
        with shown(progress) as report:
            simulated = _Simulated(task, metric, sizes, seed_keys(key, num_seeds), steps, report)
            found = search(simulated, steps, tolerance)
    else:
        growth_at = lambda step: LossGrowth(exact(step), np.zeros(num_generations), 0.0)
        found = search_exact(growth_at, steps, tolerance)
    return found_share(found, steps, tolerance, task, metric, sizes, 0 if exact else num_seeds)


class Found(NamedTuple):
    """Steps of the share, each of 1 / steps: the least one, the ends of its interval; and the growth at the least."""

    step: int
    lower: int
    upper: int
    growth: LossGrowth


def search(losses_at: Callable[[int], np.ndarray], steps: int, tolerance: float) -> Found:
    """The least step of the share at which losses (S, G) grow by no more than a tolerance.

    They are compared, seed by seed, with those at a share of 1 in the same generation. These have the mean loss of
    generation 0, and were fitted to the same real rows, so that chance differs by what is synthetic alone.
    """
    losses_at = functools.cache(losses_at)
    if not np.isfinite(losses_at(steps)).all():
        raise ValueError(
            "the loss of models fitted to real data alone is infinite in some seed, and cannot grow; use more samples, "
            "a larger bandwidth, or another metric"
        )
    growth_at = lambda step: LossGrowth.of(losses_at(step), losses_at(steps))
    within = lambda side: lambda step: growth_at(step).most(side) <= tolerance
    step = least(within(0), 0, steps)
    return Found(step, least(within(-1), 0, step), least(within(1), step, steps), growth_at(step))


def search_exact(growth_at: Callable[[int], LossGrowth], steps: int, tolerance: float) -> Found:
    """The least step of the share at which the growth is within a tolerance."""
    step = least(lambda step: growth_at(step).most() <= tolerance, 0, steps)
    return Found(step, step, step, growth_at(step))


def found_share(
    found: Found, steps: int, tolerance: float, task: Task, metric: str, sizes: dict[str, int], num_seeds: int
) -> FreshNeeded:
    """What was found, in words and numbers; `num_seeds` is 0 where it is exact."""
    step, lower, upper, growth = found
    place = int(np.argmax(growth.mean))
    return FreshNeeded(
        *(step / steps, lower / steps, upper / steps, 1 / steps, num_seeds == 0),
        *(float(growth.mean[place]), float(growth.standard_error[place]), float(tolerance)),
        *(metric, metric_of(metric, task.name).units, *sizes.values(), num_seeds),
    )


def least(holds: Callable[[int], bool], first: int, last: int) -> int:
    """The least whole number from `first` to `last` for which something holds, as it then does for all larger ones.

    By bisection; that it holds for `last` is taken for granted.
    """
    low, high = first - 1, last
    while high - low > 1:
        # The lower end first: it holds there whenever nothing is needed.
        middle = first if low < first else (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


class _Simulated:
    """The losses (S, G) by the step of the share, of seeds that are the same for all of them."""

    def __init__(
        self, task: Task, metric: str, sizes: dict[str, int], keys: Array, steps: int, progress: Report
    ) -> None:
        self._task, self._metric, self._sizes, self._keys, self._steps = task, metric, sizes, keys, steps
        self._progress, self._done = progress, 0

    def __call__(self, step: int) -> np.ndarray:
        share = step / self._steps
        self._tell(f"fresh share {share:.3g}")
        workflow = FreshShare.of_rows(share, self._sizes["num_samples"])
        result = run_seeds(self._keys, self._task, workflow, **self._sizes)
        self._done += 1
        return np.asarray(result.metrics[self._metric])

    def _tell(self, doing: str) -> None:
        total = max(self._done + 1, 3 * self._steps.bit_length())
        seeds = len(self._keys)
        self._progress(Progress(doing, self._done, total, self._done * seeds, total * seeds))


def _loss_of(task: Task, metric: str | None, sizes: dict[str, int]) -> str:
    known = metric_names(task, FreshShare(), rows=True, **sizes)
    if metric is not None:
        check_metrics([metric], known)
        if metric in METRICS and not isinstance(METRICS[metric].kind, Loss):
            losses = [one.name for one in LOSSES if one.name in known]
            raise ValueError(f"metric={metric!r}: is no loss; give {' or '.join(losses) or 'a metric of your own'}")
        return metric
    loss = next((one.name for one in LOSSES if one.name in known), None)
    if loss is None:
        raise ValueError(f"metric: none of {', '.join(known)} is a known loss; say which of them is one")
    return loss


def _exact_growth(
    task: Task, metric: str, num_samples: int, num_generations: int
) -> Callable[[int], np.ndarray] | None:
    """Of the number of fresh rows the exact growth (G,) of a metric, or None where it is not known.

    The fresh data loop whose first batch has all rows, and the others as many as are synthetic, is the same in law.
    """

    def growth(num_fresh: int) -> np.ndarray | None:
        if num_fresh == num_samples:
            return np.zeros(num_generations)
        sizes = [num_samples] + [num_samples - num_fresh] * (num_generations - 1)
        try:
            known = curve(task, FreshData(num_fresh), num_samples=sizes, num_generations=num_generations)
        except ValueError:  # of tasks that cannot do with sizes that change, or with so small a batch
            return None
        if metric not in known:
            return None
        if not np.isfinite(known[metric][0]):
            raise ValueError(
                f"metric={metric!r}: is infinite for models of {num_samples} real rows, and cannot grow; use more "
                "samples, or another metric"
            )
        return known[metric] - known[metric][0]

    if growth(1 if num_samples > 1 else 0) is None:
        return None
    unknown = np.full(num_generations, np.inf)
    return lambda num_fresh: unknown if (known := growth(num_fresh)) is None else known
