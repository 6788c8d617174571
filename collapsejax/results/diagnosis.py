"""Profiles: which of the definitions of model collapse results meet.

The eight definitions are those that Schaeffer et al. (2025), arXiv 2503.03150, find in the literature. They are words
there; the statistics and limits here are this library's.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import xarray as xr

from .dataset import line_dimensions, metrics_in
from .metrics import check_metrics
from .verdict import Medians, Profile, Verdict, judge, unknown

# The first of these that is there and finite is the risk; the former are in nats, where differences count and not
# ratios, and the latter 0 at best.
_IN_NATS = ("test_loss", "test_nll")
_LOSSES = (*_IN_NATS, "test_mse", "kl", "mean_sq_error", "sq_error")
_SPREADS = ("trace_ratio", "cov_trace_ratio", "sigma2_ratio", "heterozygosity", "entropy")
_TENFOLD = np.log(10)
_SMALL_RISE = 0.1  # of a logarithm, or nats
_SMALL_POWER = -0.5  # of time, between a + b log t, which diverges, and a - b / t, which does not
_SMALL_SLOPE, _SMALL_SHARE, _TAIL = 0.1, 0.01, 0.05
_FEWEST_GENERATIONS, _FEWEST_SIZES = 8, 3
_PROBED = "needs a sweep of cj.Probed(task), for real data whose density is known"


def profile(result: xr.Dataset, baseline: xr.Dataset | None = None, *, loss: str | None = None) -> Profile:
    """Judge results by each definition of model collapse: yes, no or cannot tell, with the statistic and its s.e.

    Args:
        result: of one workflow, as from `sweep` or `open`, with `num_samples` as a dimension or without; all seeds, or
            summaries.
        baseline: what the last generation is compared with: the last generation of other such results, as of real data
            alone. Default: the first generation of `result`, which was fitted to real data. Seeds are compared in
            pairs, as many as both have.
        loss: the metric that is the risk, the lower the better. Default: the first of `test_loss`, `test_nll`,
            `test_mse`, `kl`, `mean_sq_error` and `sq_error` that is there and finite in the first generation.

    Returns:
        A `Profile`, to be printed. All statistics are of medians over the seeds (see `verdicts`, also for their
        standard errors and when they decide), and but for the scaling law of the largest `num_samples`. They are:
        "catastrophic rise": the logarithm of the last risk over the baseline's, or their difference for a risk in nats
        (`test_loss`, `test_nll`): yes above log 10, or for a `test_loss` from where it is that of a uniform guess, if
        that is less.
        "any rise": the same; yes above 0, no below 0.1.
        "diverging risk": the power p of a + b t^p through the risk at a quarter, a half and the whole of the time;
        yes above -1/2, which lies between a + b log t and a - b / t. Where no growth is seen, its rise in the last half
        of the time: no below 0.1, as in "any rise". It is of the times that were simulated: what grows up to there may
        level off later. No baseline.
        "scaling law": the slope of log risk against log `num_samples` less the baseline's, either way: yes above 0.1,
        no below. Needs a risk that is not in nats; one is taken in its place if there is one.
        "collapsing variance": as "diverging risk", of minus the logarithm of a metric of spread; yes if that is 0.
        "entangled modes" and "hallucinated data": `entangled_share` or `improbable_share`, see `Probed`, less the
        baseline's: yes above 0.01.
        "lost tails": `num_extinct` less the baseline's, yes above 0, no below 1; or by how much `tail_share` is below
        the true 0.05 or the baseline, if that is less: as a fraction of it, yes above 1/2.

    Raises:
        ValueError: for several workflows or other dimensions, a loss that is not there, and results without risk.
    """
    pair = _Pair(result, baseline, loss)
    verdicts = tuple(make(pair, name) for name, make in _JUDGES.items())
    return Profile(pair.title, verdicts)


class _Pair:
    """What is compared: results of one workflow, and a baseline."""

    def __init__(self, result: xr.Dataset, baseline: xr.Dataset | None, loss: str | None) -> None:
        self.result = _one_workflow("result", result)
        self.baseline = self.result if baseline is None else _one_workflow("baseline", baseline)
        self.first = 0 if baseline is None else -1  # generation of the baseline
        if loss is not None:
            check_metrics([loss], metrics_in(self.result))
        self.medians = Medians([self.result, self.baseline])
        self.loss = loss or self.first_of(_LOSSES)
        if self.loss is None:
            known = ", ".join(metrics_in(self.result))
            raise ValueError(f"result: none of its metrics is known for a risk; give loss, one of {known}")
        if self.loss not in self.baseline:
            raise ValueError(f"baseline: has no {self.loss}; compare results of one task, or give loss")

    @property
    def title(self) -> str:
        other = "its first generation" if self.first == 0 else f"{self.baseline.workflow.item()}, last generation"
        sizes = f"{self.medians.num_seeds} seeds, {self.result.sizes['generation']} generations"
        largest = np.max(self.result.num_samples.values)
        return f"{self.result.workflow.item()} (num_samples={largest}, {sizes}) against {other}; risk: {self.loss}"

    def first_of(self, names: tuple[str, ...]) -> str | None:
        """The first of these metrics that is there, and finite in the first generation."""
        there = [name for name in names if name in self.result]
        finite = lambda name: np.isfinite(self.medians.of(_largest(self.result[name]).isel(generation=[0]))).all()
        return next(filter(finite, there), None)

    def last_and_base(self, metric: str, *, sizes: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Medians (1 + R,) of the last generation and of the baseline; (1 + R, sizes) for all `num_samples`."""
        choose = (lambda variable: variable) if sizes else _largest
        last = choose(self.result[metric]).isel(generation=-1)
        return self.medians.of(last), self.medians.of(choose(self.baseline[metric]).isel(generation=self.first))

    def judge(self, name: str, statistic: np.ndarray, about: str, yes_above: float, no_below: float) -> Verdict:
        limits = dict(yes_above=yes_above, no_below=no_below)
        return judge(name, statistic, about, num_seeds=self.medians.num_seeds, **limits)


def _one_workflow(name: str, dataset: xr.Dataset) -> xr.Dataset:
    if "workflow" in dataset.dims:
        if dataset.sizes["workflow"] > 1:
            names = ", ".join(map(str, dataset.workflow.values))
            raise ValueError(f"{name}: has workflows {names}; choose one with .sel(workflow=...)")
        dataset = dataset.isel(workflow=0)
    if others := [dimension for dimension in line_dimensions(dataset) if dimension != "num_samples"]:
        raise ValueError(f"{name}: has dimensions {', '.join(others)}; choose a value of each with .sel")
    return dataset[metrics_in(dataset)]


def _largest(variable: xr.DataArray) -> xr.DataArray:
    """What there is for the largest number of samples."""
    if "num_samples" not in variable.dims:
        return variable
    return variable.isel(num_samples=int(np.argmax(variable.num_samples.values)))


def _scale(metric: str) -> tuple[Callable[[np.ndarray], np.ndarray], str]:
    """What a risk rises in, and what that is called."""
    if metric in _IN_NATS:
        return (lambda medians: medians), metric
    return _log, f"log {metric}"


def _log(medians: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(medians)


def _less(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return a - b


def _rise(pair: _Pair) -> tuple[np.ndarray, str, np.ndarray]:
    """The rise of the risk, what it is, and where it rises from; (1 + R,) each."""
    scale, name = _scale(pair.loss)
    last, base = map(scale, pair.last_and_base(pair.loss))
    return _less(last, base), f"rise of {name}", base


def _catastrophic(pair: _Pair, name: str) -> Verdict:
    rise, about, base = _rise(pair)
    limit = _TENFOLD
    if pair.loss == "test_loss" and (vocabulary := _vocabulary(pair.result)):
        limit = min(limit, float(np.log(vocabulary) - base[0]))
    return pair.judge(name, rise, about, limit, limit)


def _vocabulary(result: xr.Dataset) -> int | None:
    """Number of tokens of the sequences that a model was fitted to; None where that is not known."""
    source = json.loads(result.attrs.get("task", "{}")).get("source") or {}
    if not isinstance(source, dict):
        return None
    alphabet = source.get("tokenizer", {}).get("alphabet")
    vocabulary = source.get("vocab") if alphabet is None else len(alphabet)
    return vocabulary if isinstance(vocabulary, int) else None


def _any(pair: _Pair, name: str) -> Verdict:
    rise, about, _ = _rise(pair)
    return pair.judge(name, rise, about, 0.0, _SMALL_RISE)


def _diverging(pair: _Pair, name: str) -> Verdict:
    scale, scaled = _scale(pair.loss)
    return _growth(pair, name, pair.loss, lambda medians: medians, pair.loss, scale, scaled)


def _variance(pair: _Pair, name: str) -> Verdict:
    metric = pair.first_of(_SPREADS)
    if metric is None:
        return unknown(name, "needs a metric of spread, such as trace_ratio or entropy")
    fallen = lambda medians: -_log(medians)
    return _growth(pair, name, metric, fallen, f"-log {metric}", fallen, f"-log {metric}")


def _growth(pair: _Pair, name: str, metric: str, curve: Callable, called: str, scale: Callable, scaled: str) -> Verdict:
    """Whether a curve grows without bound; `scale` is what a small rise is small in."""
    variable = _largest(pair.result[metric])
    quarter = variable.sizes["generation"] // 4
    if 4 * quarter < _FEWEST_GENERATIONS:
        return unknown(name, f"needs at least {_FEWEST_GENERATIONS} generations")
    medians = pair.medians.of(variable.isel(generation=[quarter - 1, 2 * quarter - 1, 4 * quarter - 1]))
    heights = curve(medians)
    if np.isposinf(heights[:, 2]).all():
        return pair.judge(name, heights[:, 2], f"{called} in the end", _SMALL_RISE, _SMALL_RISE)
    first, second = _less(heights[:, 1:], heights[:, :-1]).T
    if (first > 0).all() and (second > 0).all() and np.isfinite(second).all():
        power = np.log2(second / first)
        return pair.judge(name, power, f"p of a + b t^p through {called}", _SMALL_POWER, _SMALL_POWER)
    rise = _less(scale(medians)[:, 2], scale(medians)[:, 1])
    # Growth that is not seen at both times says nothing of how it goes on.
    return pair.judge(name, rise, f"rise of {scaled} in the last half of the time", np.inf, _SMALL_RISE)


def _scaling_law(pair: _Pair, name: str) -> Verdict:
    sizes = [np.atleast_1d(dataset.num_samples.values) for dataset in (pair.result, pair.baseline)]
    if min(map(len, sizes)) < _FEWEST_SIZES:
        return unknown(name, f"needs at least {_FEWEST_SIZES} values of num_samples, a list in the sweep")
    metric = pair.loss
    if metric in _IN_NATS:
        metric = pair.first_of(tuple(other for other in _LOSSES if other not in _IN_NATS))
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


def _share(metric: str) -> Callable[[_Pair, str], Verdict]:
    def verdict(pair: _Pair, name: str) -> Verdict:
        if metric not in pair.result or metric not in pair.baseline:
            modes = " and its source has modes" if metric == "entangled_share" else ""
            return unknown(name, f"{_PROBED}{modes}")
        rise = _less(*pair.last_and_base(metric))
        return pair.judge(name, rise, f"rise of {metric}", _SMALL_SHARE, _SMALL_SHARE)

    return verdict


def _tails(pair: _Pair, name: str) -> Verdict:
    there = [metric for metric in ("num_extinct", "tail_share") if metric in pair.result and metric in pair.baseline]
    if not there:
        return unknown(name, _PROBED)
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
