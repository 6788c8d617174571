import numpy as np
import pytest

import collapsejax as cj
from collapsejax.cli.diagnose import Diagnose
from collapsejax.results.metrics import LOSSES, METRICS, SPREADS, Loss, check_metrics, metric_labels, metric_of

RISKS = ["test_loss", "test_nll", "test_mse", "kl", "mean_sq_error", "sq_error"]


def names(metrics):
    return [metric.name for metric in metrics]


def test_defaults_have_an_order():
    assert names(LOSSES) == RISKS
    assert names(SPREADS) == ["trace_ratio", "cov_trace_ratio", "sigma2_ratio", "heterozygosity", "entropy"]
    assert names(loss for loss in LOSSES if loss.kind.across_sizes) == [name for name in RISKS if name != "kl"]


@pytest.mark.parametrize("documented", [cj.diagnose, cj.value_table, Diagnose])
def test_defaults_are_documented(documented):
    text = " ".join(documented.__doc__.replace("`", "").split()).replace(" and ", ", ").replace(" or ", ", ")
    losses = [loss for loss in LOSSES if documented is not cj.value_table or loss.kind.across_sizes]
    assert ", ".join(names(losses)) in text


def test_losses_in_nats_are_not_zero_at_best():
    in_nats = [m.name for m in METRICS.values() if isinstance(m.kind, Loss) and not m.kind.zero_at_best]
    assert in_nats == ["test_loss", "train_loss", "test_nll"]


def test_a_task_has_labels_of_its_own():
    assert metric_labels("kl", "gaussian") == {"long_name": "KL(fitted || true)", "units": "nats"}
    assert metric_labels("kl", "transformer") == {"long_name": "KL(true || fitted)", "units": "nats a token"}
    assert metric_of("kl", "transformer").kind == METRICS["kl"].kind
    assert metric_labels("mine", "transformer") == {"long_name": "mine", "units": ""}
    assert metric_of("mine").kind is None


def test_metrics_of_a_singular_fit_are_finite_where_the_registry_says_so(key):
    """Of a Gaussian with more features than rows, and of a tophat kernel that reaches none of the held-out rows."""
    for task in (cj.Gaussian(4), cj.KDE(cj.sources.moons(), 1e-3, kernel="tophat", num_test=9)):
        metrics = cj.run_seeds(cj.seed_keys(key, 2), task, cj.Replace(), num_samples=3, num_generations=2).metrics
        for name, values in metrics.items():
            assert np.isfinite(values).all() == METRICS[name].finite, name


@pytest.mark.parametrize(
    ("wanted", "message"),
    [([], "metric: give at least one name of kl, entropy"), (["k1"], "metric 'k1': no such metric; did you mean 'kl'")],
)
def test_unknown_metrics_are_named(wanted, message):
    check_metrics(["kl"], ["kl", "entropy"])
    with pytest.raises(ValueError, match=message):
        check_metrics(wanted, ["kl", "entropy"])
