"""The diagnosis: which of the eight definitions of model collapse do results meet?

Schaeffer et al. (2025), arXiv 2503.03150, find these definitions in the literature. The paper gives them in words; the
statistics and limits here are this library's.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import xarray as xr

from .metrics import LOSSES, SPREADS, Loss, metric_of
from .pair import Pair, largest
from .verdict import PROBED, Diagnosis, Verdict, unknown

_TENFOLD = np.log(10)
_SMALL_RISE = 0.1  # of a logarithm, or in nats
_SMALL_POWER = -0.5  # of time, between a + b log t, which diverges, and a - b / t, which does not
_SMALL_SLOPE, _SMALL_SHARE, _TAIL = 0.1, 0.01, 0.05
_FEWEST_GENERATIONS, _FEWEST_SIZES = 8, 3


def diagnose(result: xr.Dataset, baseline: xr.Dataset | None = None, *, loss: str | None = None) -> Diagnosis:
    """A `Diagnosis` of results: for each definition of model collapse yes, no or cannot tell, with the statistic.

    Statistics are of medians over the seeds; `results.verdict` says how they are judged. All but that of the scaling
    law are for the largest `num_samples`. The risk is the expected loss of a model on real data.

    "catastrophic rise": the rise of the risk from the baseline to the last generation, as a difference of logarithms,
    or for a loss in nats (`test_loss`, `train_loss`, `test_nll`) of the values. Yes above log 10; for `test_loss` also
    above the loss of a uniform guess, where that is less.

    "any rise": the same rise. Yes above 0, no below 0.1.

    "diverging risk": the power p of the curve a + b t^p through the risk at a quarter, a half and the whole of the time
    t. Yes above -1/2, which lies between a + b log t and a - b / t, else no. Where the risk does not rise both from the
    first to the second of these times and from the second to the third, the statistic is the rise in the last half of
    the time, as in "any rise": no below 0.1. Yes also where the last risk is infinite. All this describes the simulated
    generations only: growth may level off later. The baseline is not used.

    "scaling law": how much the slope of log risk against log `num_samples` differs from the baseline's, in either
    direction. Yes above 0.1, else no. For a risk in nats, the first other loss is taken that is 0 at best.

    "collapsing variance": as "diverging risk", of minus the logarithm of a metric of spread, such as `trace_ratio`; yes
    also where the last spread is 0.

    "entangled modes", "hallucinated data": the rise of `entangled_share` or `improbable_share` (see `Probed`) from the
    baseline. Yes above 0.01, else no.

    "lost tails": the rise of `num_extinct` from the baseline, yes above 0, no below 1; or the fall of `tail_share` as a
    fraction of the baseline or the true 0.05, whichever is less, yes above 1/2, else no.

    Args:
        result: results of one workflow, as from `sweep` or `open`, with or without a dimension `num_samples`; of all
            seeds, or statistics over them.
        baseline: results of one workflow whose last generation is the baseline, such as one fitted to real data only.
            Seeds are compared in pairs, as many as both have. Default: the first generation of `result`, which was
            fitted to real data.
        loss: the metric that is the risk; lower is better. Default: the first of `test_loss`, `test_nll`, `test_mse`,
            `kl`, `mean_sq_error` and `sq_error` that is there and finite in the first generation.

    Raises:
        ValueError: for several workflows, dimensions other than `num_samples`, an unknown loss, or results without a
            known loss.
    """
    pair = Pair(result, baseline, loss)
    verdicts = tuple(make(pair, name) for name, make in _JUDGES.items())
    return Diagnosis(pair.title, verdicts)


def _in_nats(metric: str) -> bool:
    """Whether a metric is a loss of which differences are meaningful and ratios are not."""
    kind = metric_of(metric).kind
    return isinstance(kind, Loss) and not kind.zero_at_best


_Scale = tuple[Callable[[np.ndarray], np.ndarray], str]  # a function of the medians of a metric, and what it is called


def _identity(metric: str) -> _Scale:
    return (lambda medians: medians), metric


def _scale(metric: str) -> _Scale:
    """The scale on which a rise of the risk is measured."""
    return _identity(metric) if _in_nats(metric) else (_log, f"log {metric}")


def _log(medians: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(medians)


def _less(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return a - b


def _rise(pair: Pair) -> tuple[np.ndarray, str, np.ndarray]:
    """The rise of the risk (1 + R,), what it is called, and the baseline that it rises from (1 + R,)."""
    scale, name = _scale(pair.loss)
    last, base = map(scale, pair.last_and_base(pair.loss))
    return _less(last, base), f"rise of {name}", base


def _catastrophic(pair: Pair, name: str) -> Verdict:
    rise, about, base = _rise(pair)
    limit = _TENFOLD
    if pair.loss == "test_loss" and (vocabulary := _vocabulary(pair.result)):
        limit = min(limit, float(np.log(vocabulary) - base[0]))
    return pair.judge(name, rise, about, limit, limit)


def _vocabulary(result: xr.Dataset) -> int | None:
    """The size of the vocabulary of the sequences that a model was fitted to; None where it is unknown."""
    if any("source" in name or name == "vocab" for name in json.loads(result.attrs.get("over", "{}"))):
        return None
    source = json.loads(result.attrs.get("task", "{}")).get("source") or {}
    alphabet = source.get("tokenizer", {}).get("alphabet")
    vocabulary = source.get("vocab") if alphabet is None else len(alphabet)
    return vocabulary if isinstance(vocabulary, int) else None


def _any(pair: Pair, name: str) -> Verdict:
    rise, about, _ = _rise(pair)
    return pair.judge(name, rise, about, 0.0, _SMALL_RISE)


def _diverging(pair: Pair, name: str) -> Verdict:
    return _growth(pair, name, pair.loss, _identity(pair.loss), _scale(pair.loss))


def _variance(pair: Pair, name: str) -> Verdict:
    metric = pair.first_of(spread.name for spread in SPREADS)
    if metric is None:
        return unknown(name, "needs a metric of spread, such as trace_ratio or entropy")
    fall = (lambda medians: -_log(medians), f"-log {metric}")
    return _growth(pair, name, metric, fall, fall)


def _growth(pair: Pair, name: str, metric: str, curve: _Scale, scale: _Scale) -> Verdict:
    """The verdict on whether a curve made from a metric grows without bound; small rises are measured on `scale`."""
    (height, called), (scaled, scale_name) = curve, scale
    variable = largest(pair.result[metric])
    quarter = variable.sizes["generation"] // 4
    if 4 * quarter < _FEWEST_GENERATIONS:
        return unknown(name, f"needs at least {_FEWEST_GENERATIONS} generations")
    medians = pair.medians.of(variable.isel(generation=[quarter - 1, 2 * quarter - 1, 4 * quarter - 1]))
    heights = height(medians)
    if np.isposinf(heights[:, 2]).all():
        return pair.judge(name, heights[:, 2], f"{called} in the end", _SMALL_RISE, _SMALL_RISE)
    first, second = _less(heights[:, 1:], heights[:, :-1]).T
    if (first > 0).all() and (second > 0).all() and np.isfinite(second).all():
        power = np.log2(second / first)
        return pair.judge(name, power, f"p of a + b t^p through {called}", _SMALL_POWER, _SMALL_POWER)
    rise = _less(scaled(medians)[:, 2], scaled(medians)[:, 1])
    # Growth that is not seen at both times does not tell how it continues, so it is no yes.
    return pair.judge(name, rise, f"rise of {scale_name} in the last half of the time", np.inf, _SMALL_RISE)


def _scaling_law(pair: Pair, name: str) -> Verdict:
    sizes = [np.atleast_1d(dataset.num_samples.values) for dataset in (pair.result, pair.baseline)]
    if min(map(len, sizes)) < _FEWEST_SIZES:
        return unknown(name, f"needs at least {_FEWEST_SIZES} values of num_samples, a list in the sweep")
    metric = pair.loss
    if _in_nats(metric):
        metric = pair.first_of(other.name for other in LOSSES if other.kind.zero_at_best)
    if metric is None or metric not in pair.baseline:
        return unknown(name, "needs a risk that is 0 at best, such as kl or mean_sq_error")
    slopes = []
    for medians, counts in zip(pair.last_and_base(metric, sizes=True), sizes, strict=True):
        centred = np.log(counts) - np.log(counts).mean()
        with np.errstate(invalid="ignore"):
            slopes.append(_log(medians) @ centred / (centred @ centred))
    about = f"change of the slope of log {metric} in log num_samples, {slopes[1][0]:.3g} to {slopes[0][0]:.3g}"
    change = _less(*slopes)
    return pair.judge(name, change * np.sign(change[0]), about, _SMALL_SLOPE, _SMALL_SLOPE)


def _share(metric: str) -> Callable[[Pair, str], Verdict]:
    def verdict(pair: Pair, name: str) -> Verdict:
        if metric not in pair.result or metric not in pair.baseline:
            modes = " and with modes" if metric == "entangled_share" else ""
            return unknown(name, f"{PROBED}{modes}")
        rise = _less(*pair.last_and_base(metric))
        return pair.judge(name, rise, f"rise of {metric}", _SMALL_SHARE, _SMALL_SHARE)

    return verdict


def _tails(pair: Pair, name: str) -> Verdict:
    there = [metric for metric in ("num_extinct", "tail_share") if metric in pair.result and metric in pair.baseline]
    if not there:
        return unknown(name, PROBED)
    last, base = pair.last_and_base(there[0])
    if there[0] == "num_extinct":
        return pair.judge(name, _less(last, base), "rise of num_extinct", 0.0, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = 1 - last / np.minimum(base, _TAIL)
    return pair.judge(name, lost, "fall of tail_share, as a fraction", 0.5, 0.5)


_JUDGES = {
    "catastrophic rise": _catastrophic,
    "any rise": _any,
    "diverging risk": _diverging,
    "scaling law": _scaling_law,
    "collapsing variance": _variance,
    "entangled modes": _share("entangled_share"),
    "lost tails": _tails,
    "hallucinated data": _share("improbable_share"),
}
DEFINITIONS = tuple(_JUDGES)
