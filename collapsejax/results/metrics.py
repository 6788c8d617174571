"""The registry of metrics: for each metric of the library's tasks its name, label, units and what it measures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..core.arguments import nearest


class Loss(NamedTuple):
    """The kind of a metric whose lower values are better.

    Attributes:
        preference: its rank, lowest first, among the losses that serve as the risk by default. None for a loss that
            serves only on request: it is measured on training data, or in units of the parameters.
        zero_at_best: True where a perfect model has the loss 0, so ratios are meaningful and a rise is a difference of
            logarithms. False for cross-entropies and negative log-likelihoods, in nats: their lowest value is the
            entropy of the data, which may be of either sign, so only differences are meaningful.
        across_sizes: whether it compares models fitted to different numbers of rows, as `value_table` does. Not so for
            `kl`: a Gaussian fitted to no more rows than features has an infinite divergence, whatever the data.
    """

    preference: int | None
    zero_at_best: bool = True
    across_sizes: bool = True


class Spread(NamedTuple):
    """The kind of a metric of how varied a model's output is: 0 where it always produces the same row.

    Attributes:
        preference: its rank, lowest first, among the spreads that "collapsing variance" is judged by.
    """

    preference: int


class Metric(NamedTuple):
    """What is known of a metric.

    Attributes:
        name: its key in results.
        label: its long name, for tables.
        short: what it is called along an axis, in matplotlib's mathtext; "" for its name.
        units: its units; "1" for a pure number, "" where they are unknown.
        kind: a `Loss`, a `Spread`, or None for neither.
        finite: False where some fits have an infinite value by definition, such as the log-determinant of a singular
            covariance. Any metric may become infinite where parameters overflow, as after diverged training.
    """

    name: str
    label: str
    units: str
    kind: Loss | Spread | None = None
    finite: bool = True
    short: str = ""


_NATS = dict(zero_at_best=False)
_REGISTRY = (
    Metric(
        "test_loss",
        "Cross-entropy on held-out rows",
        "nats a token",
        Loss(0, **_NATS),
        short="held-out cross-entropy (nats a token)",
    ),
    Metric(
        "train_loss",
        "Cross-entropy in training",
        "nats a token",
        Loss(None, **_NATS),
        short="training cross-entropy (nats a token)",
    ),
    Metric("trace_ratio", "tr(fitted cov.) / tr(true cov.)", "1", Spread(0), short=r"variance, tr $S$ / tr $\Sigma$"),
    Metric(
        "mean_sq_error",
        "Squared error of the fitted mean",
        "data units squared",
        Loss(4),
        short=r"error of the mean, $|m - \mu|^2$",
    ),
    Metric(
        "logdet_ratio",
        "log(det fitted / det true cov.)",
        "nats",
        finite=False,
        short=r"log(det $S$ / det $\Sigma$) (nats)",
    ),
    Metric(
        "kl", "KL(fitted || true)", "nats", Loss(3, across_sizes=False), finite=False, short="KL(fitted || true) (nats)"
    ),
    # Infinite where a tophat kernel, a bandwidth of 0 or a singular covariance gives a held-out row no density.
    Metric(
        "test_nll",
        "Negative log-likelihood of held-out rows",
        "nats a row",
        Loss(1, **_NATS),
        finite=False,
        short="held-out loss (nats a row)",
    ),
    Metric(
        "cov_trace_ratio",
        "tr(estimate's cov.) / tr(true cov.)",
        "1",
        Spread(1),
        short=r"variance, tr $S$ / tr $\Sigma$",
    ),
    Metric(
        "test_mse",
        "Mean squared error on test rows",
        "y units squared",
        Loss(2),
        short=r"test error, $|y - x \hat{w}|^2$",
    ),
    Metric(
        "param_sq_error",
        "Squared error of the weights",
        "weight units squared",
        Loss(None),
        short=r"error of the weights, $|\hat{w} - w|^2$",
    ),
    Metric("sigma2_ratio", "Fitted / true noise variance", "1", Spread(2), short="noise variance, fitted / true"),
    Metric("entropy", "Entropy of the fitted probabilities", "nats", Spread(4), short="entropy (nats)"),
    Metric(
        "heterozygosity", "Heterozygosity, 1 - sum of squares", "1", Spread(3), short=r"heterozygosity, $1 - \sum p^2$"
    ),
    Metric("num_extinct", "Outcomes lost", "1", short="outcomes lost"),
    Metric(
        "sq_error", "Squared error of the fit", "units of the fit squared", Loss(5), short="squared error of the fit"
    ),
    Metric("distinct_ngrams", "Different trigrams / trigrams", "1", short="different trigrams / trigrams"),
    Metric("repeated_ngrams", "Trigrams that repeat in their row", "1", short="repeated trigrams"),
    Metric("tail_share", "Rows in the true law's tail of 5 %", "1", short="rows in the true tail of 5 %"),
    Metric("improbable_share", "Rows less probable than any of 1000 real ones", "1", short="improbable rows"),
    Metric("entangled_share", "Rows not clearly of one mode", "1", short="rows of no clear mode"),
)
METRICS = {metric.name: metric for metric in _REGISTRY}
"""The metrics of the library's tasks by name, in the order in which they are shown."""

# By task, metrics that differ from other tasks' metrics of the same name. A language model gives every token a
# probability, so its divergence is finite.
_OF_TASK = {
    "transformer": {
        "kl": METRICS["kl"]._replace(
            label="KL(true || fitted)", units="nats a token", finite=True, short="KL(true || fitted) (nats a token)"
        ),
        "entropy": METRICS["entropy"]._replace(
            label="Entropy of the tokens that models write", short="entropy of tokens (nats)"
        ),
    },
}


def _preferred(kind: type) -> tuple[Metric, ...]:
    ranked = [metric for metric in _REGISTRY if isinstance(metric.kind, kind) and metric.kind.preference is not None]
    return tuple(sorted(ranked, key=lambda metric: metric.kind.preference))


LOSSES = _preferred(Loss)
"""The losses that may serve as the risk by default, the preferred first."""
SPREADS = _preferred(Spread)
"""The metrics of spread, the preferred first."""


def metric_of(name: str, task: str | None = None) -> Metric:
    """The entry for a metric of a task (its `name`); for a metric of a user's own, one that knows its name alone."""
    return _OF_TASK.get(task, {}).get(name) or METRICS.get(name, Metric(name, name, ""))


def metric_labels(name: str, task: str | None = None) -> dict[str, str]:
    """The attributes "long_name" and "units" of a metric's variable; a user's own metric is labelled by its name."""
    metric = metric_of(name, task)
    return {"long_name": metric.label, "units": metric.units}


def check_metrics(wanted: Sequence[str], known: Iterable[str]) -> None:
    """Check that `wanted` names at least one metric, and only metrics that are `known`.

    Raises ValueError that names the unknown metric and the nearest known one.
    """
    known = list(known)
    if not wanted:
        raise ValueError(f"metric: give at least one name of {', '.join(known)}")
    for name in wanted:
        if name not in known:
            raise ValueError(f"metric {name!r}: no such metric; {nearest(name, known)}")
