"""The metrics that the library's tasks give: names, labels and units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..core.arguments import nearest

# Metric: (long name, units).
METRICS = {
    "test_loss": ("Cross-entropy on held-out rows", "nats a token"),
    "train_loss": ("Cross-entropy in training", "nats a token"),
    "trace_ratio": ("tr(fitted cov.) / tr(true cov.)", "1"),
    "mean_sq_error": ("Squared error of the fitted mean", "data units squared"),
    "logdet_ratio": ("log(det fitted / det true cov.)", "nats"),
    "kl": ("KL(fitted || true)", "nats"),
    "test_nll": ("Negative log-likelihood of held-out rows", "nats per row"),
    "cov_trace_ratio": ("tr(estimate's cov.) / tr(true cov.)", "1"),
    "test_mse": ("Mean squared error on test rows", "y units squared"),
    "param_sq_error": ("Squared error of the weights", "weight units squared"),
    "sigma2_ratio": ("Fitted / true noise variance", "1"),
    "entropy": ("Entropy of the fitted probabilities", "nats"),
    "heterozygosity": ("Heterozygosity, 1 - sum of squares", "1"),
    "num_extinct": ("Outcomes lost", "1"),
    "sq_error": ("Squared error of the fit", "units of the fit squared"),
    "distinct_ngrams": ("Different trigrams / trigrams", "1"),
    "repeated_ngrams": ("Trigrams that repeat in their row", "1"),
    "tail_share": ("Rows in the true law's tail of 5 %", "1"),
    "improbable_share": ("Rows less probable than any of 1000 real ones", "1"),
    "entangled_share": ("Rows not clearly of one mode", "1"),
}
# By task, metrics that are not what the others' of their name are.
_OF_TASK = {
    "transformer": {
        "kl": ("KL(true || fitted)", "nats a token"),
        "entropy": ("Entropy of the tokens that models write", "nats"),
    },
}


def check_metrics(wanted: Sequence[str], known: Iterable[str]) -> None:
    """Raise ValueError, naming the nearest, unless all metrics `wanted` are `known` and there is one."""
    known = list(known)
    if not wanted:
        raise ValueError(f"metric: give at least one name of {', '.join(known)}")
    for name in wanted:
        if name not in known:
            raise ValueError(f"metric {name!r}: there is none; {nearest(name, known)}")


def metric_labels(name: str, task: str | None = None) -> dict[str, str]:
    """Attributes of a metric's variable: "long_name" and "units"; a metric of the user's own has its name."""
    long_name, units = _OF_TASK.get(task, {}).get(name) or METRICS.get(name, (name, ""))
    return {"long_name": long_name, "units": units}
