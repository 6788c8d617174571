"""Ticks: iterations that there are, and numbers as one writes them."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedFormatter, FixedLocator, LogLocator, NullFormatter, NullLocator, ScalarFormatter

_PLAIN = (1e-3, 1e5)  # numbers that are written out
_STEPS = [lead * 10**power for power in range(10) for lead in (1, 2, 2.5, 5)]
_STEPS = [int(step) for step in _STEPS if step == int(step)]
_APART = 0.55  # of the distance of two ticks, which the last one keeps from the one before it


def iteration_ticks(iterations: np.ndarray, most: int, log: bool) -> list[int]:
    """Some of the iterations that there are: the first, the last, and round ones between them, at most so many."""
    there = np.unique(iterations)
    first, last = int(there[0]), int(there[-1])
    if len(there) <= max(2, most):
        return there.tolist()
    if log:
        round_ones = [lead * 10**power for power in range(len(str(last))) for lead in (1, 2, 5)]
        tens = [one for one in round_ones if str(one).strip("0") == "1"]
        chosen = round_ones if sum(first < one < last for one in round_ones) <= most - 2 else tens
        far = lambda a, b: b / a > 1.9
    else:
        step = next(one for one in _STEPS if (last - first) / one <= max(1, most - 1))
        chosen = list(range(step, last, step))
        far = lambda a, b: b - a > _APART * step
    nearest = [int(there[np.argmin(np.abs(there - one))]) for one in chosen]
    between = [one for one in dict.fromkeys(nearest) if first < one < last and far(first, one) and far(one, last)]
    return [first, *between, last]


def tick_iterations(axis: Axes, iterations: np.ndarray, most: int) -> None:
    """Put ticks at iterations, and leave a margin on either side that has none."""
    log, first, last = axis.get_xscale() == "log", iterations.min(), iterations.max()
    ticks = iteration_ticks(iterations, most, log)
    axis.xaxis.set_major_locator(FixedLocator(ticks))
    axis.xaxis.set_major_formatter(FixedFormatter([str(tick) for tick in ticks]))
    axis.xaxis.set_minor_locator(NullLocator())
    if log:
        margin = max(1.05, (last / first) ** 0.04)
        axis.set_xlim(first / margin, last * margin)
    else:
        margin = max(0.3, 0.035 * (last - first))
        axis.set_xlim(first - margin, last + margin)


def tick_values(axis: Axis) -> None:
    """Write out the numbers along an axis; powers of ten where it spans two decades or leaves the usual range."""
    low, high = sorted(axis.get_view_interval())
    if axis.get_scale() != "log":
        formatter = ScalarFormatter(useOffset=False)
        formatter.set_powerlimits((-4, 5))
        axis.set_major_formatter(formatter)
        return
    if low < _PLAIN[0] or high > _PLAIN[1]:
        if high / low >= 100:
            return
    elif high / low >= 100:
        axis.set_major_formatter(_plain)
        axis.set_minor_formatter(NullFormatter())
        return
    subs = (1, 2, 5) if high / low > 5 else tuple(range(1, 10))
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(_plain)
    axis.set_minor_formatter(NullFormatter())


def _plain(value: float, place: int | None = None) -> str:
    del place
    return np.format_float_positional(float(f"{value:.3g}"), trim="-")
