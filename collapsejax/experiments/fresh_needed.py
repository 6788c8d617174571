"""How much fresh data a loop needs: the least share of new real rows that keeps a loss from growing."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from ..core.arguments import check_count, check_positive, check_share
from ..core.base import Array, Task
from ..core.checks import check_run, check_task
from ..loop import run_seeds, seed_keys
from ..results.metrics import LOSSES, check_metrics, metric_of
from ..sweeps.memory import metric_names
from ..sweeps.run import Progress, Report
from ..theory import curve
from ..workflows import FreshData
from .fresh_share import FreshShare
from .loss_growth import SIGMAS, LossGrowth


@dataclasses.dataclass(frozen=True, repr=False)
class FreshNeeded:
    """The least share of fresh rows that keeps the growth of a loss within a tolerance. Its `repr` is a sentence.

    Attributes:
        share: that share; 0 where no fresh rows are needed, 1 where no synthetic row is allowed.
        lower, upper: ends of its 95 % interval, the shares at which the growth, less and plus 1.96 standard errors, is
            within the tolerance. Equal to `share` where that is exact.
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
    progress: Report | None = None,
) -> FreshNeeded:
    """The least share of fresh rows that keeps a loss within a tolerance of its value for models of real data alone.

    Each model after the first is fitted to `num_samples` rows: a share of new real rows, and for the rest rows that the
    last model wrote (`FreshShare`). The growth of the loss is the largest, over the generations, of its means over the
    seeds, less that of generation 0. It falls as the share rises, so the share is found by bisection, between 0 and 1,
    at which there is no growth. All shares have the same seeds, which differ by the rows that are exchanged alone.

    Where the mean of the loss is known exactly (`theory.curve`), so is the share, and nothing is simulated.

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
        progress: called before each share that is simulated.

    Raises:
        ValueError: for sizes, parameters or names out of range, before anything is compiled.
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
        keys = seed_keys(key, num_seeds)
        growth_at = functools.cache(_Simulated(task, metric, sizes, keys, steps, progress))
    else:
        growth_at = lambda step: LossGrowth(exact(step), np.zeros(num_generations))

    within = lambda sigmas: lambda step: growth_at(step).most(sigmas) <= tolerance
    step = least(within(0.0), 0, steps)
    lower = least(within(-SIGMAS), 0, step) if exact is None else step
    upper = least(within(SIGMAS), step, steps) if exact is None else step
    found = growth_at(step)
    place = int(np.argmax(found.mean))
    return FreshNeeded(
        *(step / steps, lower / steps, upper / steps, 1 / steps, exact is not None),
        *(float(found.mean[place]), float(found.standard_error[place]), float(tolerance)),
        *(metric, metric_of(metric, task.name).units, num_samples, num_generations),
        0 if exact else num_seeds,
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
    """The growth of a loss by the step of the share, from seeds that are the same for all of them."""

    def __init__(
        self, task: Task, metric: str, sizes: dict[str, int], keys: Array, steps: int, progress: Report | None
    ) -> None:
        self._task, self._metric, self._sizes, self._keys, self._steps = task, metric, sizes, keys, steps
        self._progress, self._done = progress, 0

    def __call__(self, step: int) -> LossGrowth:
        share = step / self._steps
        self._tell(f"fresh share {share:.3g}")
        result = run_seeds(self._keys, self._task, FreshShare(share), **self._sizes)
        self._done += 1
        return LossGrowth.of(np.asarray(result.metrics[self._metric]))

    def _tell(self, doing: str) -> None:
        if self._progress:
            total = max(self._done + 1, 3 * self._steps.bit_length())
            seeds = len(self._keys)
            self._progress(Progress(doing, self._done, total, self._done * seeds, total * seeds))


def _loss_of(task: Task, metric: str | None, sizes: dict[str, int]) -> str:
    known = metric_names(task, FreshShare(), rows=True, **sizes)
    if metric is not None:
        check_metrics([metric], known)
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
        known = curve(task, FreshData(num_fresh), num_samples=sizes, num_generations=num_generations)
        return known[metric] - known[metric][0] if metric in known else None

    try:
        return growth if growth(1 if num_samples > 1 else 0) is not None else None
    except ValueError:  # of tasks that cannot do with sizes that change
        return None
