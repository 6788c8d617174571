"""Findings from results that were made up to agree with the paper, to contradict it, or to decide nothing."""

import numpy as np
import pytest
import xarray as xr
from made_up import empty, result, tiny

import collapsejax as cj
from collapsejax.results.metrics import metric_labels
from collapsejax.studies.discrete import DiscreteStudy
from collapsejax.studies.gaussian import GaussianStudy
from collapsejax.studies.kde import BandwidthStudy, EstimatedBandwidthStudy, KDEStudy
from collapsejax.studies.real_share import RealShareStudy
from collapsejax.studies.regression import RegressionStudy
from collapsejax.studies.study import CollapseTime, Sweep, ValueGrid
from collapsejax.studies.transformer import TransformerStudy
from collapsejax.studies.value import ValueStudy

T = np.arange(1, 21.0)
MOONS, SWISS_ROLL = cj.sources.moons(noise=0.05), cj.sources.swiss_roll(noise=0.05)


def in_cells(curves, cells=2):
    """Curves (workflow, G) in several cells that are alike: (workflow, cells, G)."""
    return np.repeat(np.asarray(curves)[:, None], cells, axis=1)


def found(study, results):
    return tiny(study, {name: one.part for name, one in results.items()})().finding(results)


BOUNDED = [T, 1 + np.log(T), 1.6 - 0.6 / T]
ERRORS = {
    "verified": BOUNDED,
    "falsified": BOUNDED[::-1],  # the other order
    "falsified as it grows on": [T**3, T**2, T],
    "open": [T, 1.6 - 0.6 / T, 1.6 - 0.6 / T],
}


@pytest.mark.parametrize("case", ERRORS)
def test_gaussian(case):
    part = Sweep(cj.Gaussian(2), {"num_samples": (10, 100)}, 20)
    # Only beside n is an error level: the plateau is n times this.
    curves = in_cells(ERRORS[case]) * 2 / np.array([10, 100])[:, None]
    finding = found(GaussianStudy, {"any name": result(part, {"mean_sq_error": curves})})
    assert finding.verdict == case.split()[0]
    assert finding.sentence.startswith("Replace lost more than accumulate in ")
    level = finding.numbers[0]
    assert level.label.startswith("accumulate, iteration 20: n (error of the mean)^2 / (d sigma2)")
    assert level.exact == pytest.approx(ERRORS[case][2][-1])
    assert abs(level.z) < 5
    assert abs(level._replace(exact=1.05 * level.exact).z) > 5


@pytest.mark.parametrize("case", ERRORS)
def test_regression(case):
    part = Sweep(cj.LinearRegression(3, 0.1), {"sigma2": (0.1, 10.0), "num_samples": (32, 100)}, 20)
    scales = 3 * np.array([0.1, 10.0])[:, None, None] / np.array([32, 100])[:, None]
    curves = np.asarray(ERRORS[case])[:, None, None] * scales
    results = {"any name": result(part, {"test_mse": curves})}
    finding = found(RegressionStudy, results)
    assert finding.verdict == case.split()[0]
    known = {one.label.split(",")[0]: one for one in finding.numbers if one.exact is not None}
    for workflow, place in (("replace", 0), ("accumulate", 2)):
        assert known[workflow].exact == pytest.approx(ERRORS[case][place][-1])
        assert abs(known[workflow].z) < 5


def test_as_many_samples_as_features_get_a_figure_of_their_own():
    part = Sweep(cj.LinearRegression(3, 1.0), {"sigma2": (1.0,), "num_samples": (3, 32)}, 20)
    results = {"three": result(part, {"test_mse": in_cells(BOUNDED)[:, None]})}
    assert list(RegressionStudy().figures(results)) == [
        "three-sigma2=1",
        "three-sigma2=1-excess",
        "three-num_samples=dim-sigma2=1",
    ]


def kde_result(source, rises, bandwidths=(0.1, 0.5)):
    """Losses that rise by so much per unit of log t, (workflow, bandwidth), and variances that rise as accumulate's."""
    part = Sweep(cj.KDE(source, bandwidths[0]), {"bandwidth": bandwidths, "num_samples": (10,)}, 20)
    rises = np.asarray(rises, float)[:, :, None, None]
    variance = 1 + 0.1 * np.broadcast_to(np.log(T), (*rises.shape[:3], 20))
    return result(part, {"test_nll": 2 + rises * np.log(T), "cov_trace_ratio": variance})


@pytest.mark.parametrize(
    ("rises", "verdict"),
    [
        ([[3, 3], [2, 2], [1, 1]], "verified"),
        ([[1, 1], [2, 2], [3, 3]], "falsified"),
        ([[3, 3], [2, 2], [-0.1, -0.1]], "falsified"),
        ([[3, 3], [2, 2], [1, -0.1]], "open"),
    ],
)
def test_kde(rises, verdict):
    finding = found(KDEStudy, {"moons": kde_result(MOONS, rises)})
    assert finding.verdict == verdict
    falling = sum(rise < 0 for rise in rises[2])
    assert f"rose against log t in 2 of 2 cells, and its loss in {2 - falling}" in finding.sentence
    slope = finding.numbers[0]
    assert slope.label.endswith("over theory's slope")
    assert abs(slope.z) < 5
    assert abs(slope._replace(exact=1.05).z) > 5


@pytest.mark.parametrize(("shift", "verdict"), [(1, "verified"), (0, "falsified"), (-1, "falsified")])
def test_the_best_bandwidth_moves(shift, verdict):
    """The loss is least at a bandwidth that moves by `shift` decades."""
    widths = np.array([0.01, 0.1, 1.0, 10.0])
    apart = np.log10(widths)[:, None] - (-1 + shift * np.log(T) / np.log(20))
    rises = np.array([3.0, 2.0, 1.0])[:, None, None] * (np.log(T) + apart**2 / 4)
    part = Sweep(cj.KDE(MOONS, 0.1), {"bandwidth": widths, "num_samples": (32,)}, 20)
    losses = (2 + rises)[:, :, None]
    results = {"moons": result(part, {"test_nll": losses, "cov_trace_ratio": losses}, noise=1e-3)}
    finding = found(BandwidthStudy, results)
    assert finding.verdict == verdict
    assert f"best bandwidth is another than the first's in {abs(shift)} of 1 pairs" in finding.sentence
    assert list(BandwidthStudy().figures(results)) == ["moons-num_samples=32"]


@pytest.mark.parametrize(
    ("accumulate", "plane", "space", "verdict"),
    [(-0.3, 0, 1, "verified"), (0.3, 0, 1, "falsified"), (-0.3, 1, 1, "falsified"), (-0.3, 0, 0, "verified")],
)
def test_rules(accumulate, plane, space, verdict):
    """Losses of two rules that differ by 1 % in two dimensions, in three, in both, or in none."""
    results = {}
    for name, source, differ in (("moons", MOONS, plane), ("swiss_roll", SWISS_ROLL, space)):
        one = kde_result(source, [[3, 3], [2, 2], [accumulate] * 2], ("scott", "silverman"))
        losses = one.dataset.test_nll
        factor = xr.DataArray([1, 1 + 0.01 * differ], dims="bandwidth")
        results[name] = empty(one.part, xr.Dataset({"test_nll": losses.isel(bandwidth=0, drop=True) * factor}))
    assert found(EstimatedBandwidthStudy, results).verdict == verdict


@pytest.mark.parametrize(
    ("factor", "spread", "censored", "verdict"),
    [
        (1.1, 0.1, False, "verified"),
        (1.5, 0.1, False, "falsified"),
        (1.1, 3.0, False, "open"),
        (1.1, 0.1, True, "open"),
    ],
)
def test_discrete(factor, spread, censored, verdict):
    results = {}
    for outcomes in (2, 10):
        part = CollapseTime(outcomes, (10, 100))
        leading = 2 * np.array(part.num_samples)[:, None] * (outcomes - 1) * np.log(outcomes / (outcomes - 1))
        times = leading * (factor + spread * np.random.default_rng(0).normal(size=(2, 50)))
        dims = ("num_samples", "seed")
        variables = {
            "collapse_time": (dims, times),
            "censored": (dims, np.full(times.shape, censored)),
            "exact": ("num_samples", factor * leading[:, 0] * [1, np.nan]),
        }
        results[f"K={outcomes}"] = empty(part, xr.Dataset(variables, {"num_samples": list(part.num_samples)}))
    finding = found(DiscreteStudy, results)
    assert finding.verdict == verdict
    assert f"{200 * censored} seeds met the limit" in finding.sentence
    assert [one.exact is None for one in finding.numbers] == [True, False, True, False, True]
    assert finding.numbers[3].label.startswith("K = 10, n = 10: ")
    assert finding.numbers[3].exact == pytest.approx(factor)
    assert list(DiscreteStudy().figures(results)) == ["collapse-times"]


@pytest.mark.parametrize(
    ("rises", "verdict"), [([3, 2, 1], "verified"), ([3, 2, 2], "falsified"), ([-3, -2, -4], "falsified")]
)
def test_transformer(rises, verdict):
    part = Sweep(cj.Transformer(cj.sources.markov()), {"num_samples": (128,)}, 20)
    losses = 2 + np.array(rises)[:, None, None] * np.log(T) / 5
    assert found(TransformerStudy, {"text": result(part, {"test_loss": losses})}).verdict == verdict


@pytest.mark.parametrize(("accumulate", "verdict"), [(1.6 - 0.6 / T, "verified"), (T, "falsified")])
def test_real_share(accumulate, verdict):
    mixed, fresh, all_kept = (cj.Weighted(0.5), cj.Augment()), (cj.FreshData(10),), (cj.Accumulate(),)
    make = lambda workflows, sizes, curves: result(
        Sweep(cj.Gaussian(3), {"num_samples": sizes}, 20, workflows),
        {"mean_sq_error": np.repeat(np.array(curves)[:, None], len(sizes), axis=1)},
        workflows=["weighted(real_weight=0.5)", "augment"] if len(curves) == 2 else [workflows[0].name],
    )
    results = {
        "fixed-share": make(mixed, (100,), [1 + T / 20, 1 + T / 10]),
        "fresh-data": make(fresh, (10, 90), [1 + T / 5]),
        "accumulate": make(all_kept, (100,), [accumulate]),
    }
    finding = found(RealShareStudy, results)
    assert finding.verdict == verdict
    assert [one.label.partition(":")[0] for one in finding.numbers] == [
        "weighted(real_weight=0.5), n = 100",
        "augment, n = 100",
        "fresh-data, n = 10",
        "fresh-data, n = 90",
        "accumulate, n = 100",
    ]
    assert all(abs(one.z) < 5 for one in finding.numbers)
    figure = RealShareStudy().figures(results)["loss-against-share"]
    points = [sorted(container.lines[0].get_xdata()) for container in figure.axes[0].containers]
    assert [list(np.round(of, 6)) for of in points] == [[0.5], [0.5], [0.1, 0.5]]


def value_result(scarce, ample):
    """Losses with 10 and with 1000 real rows, for 0, 10, 100, 1000 synthetic ones."""
    noise = np.random.default_rng(0).normal(size=(2, 4, 50)) * 0.01
    loss = np.array([scarce, ample])[:, :, None] + noise
    coords = {"num_real": [10, 1000], "num_synthetic": [0, 10, 100, 1000]}
    variable = (("num_real", "num_synthetic", "seed"), loss, metric_labels("test_nll"))
    dataset = xr.Dataset({"test_nll": variable}, coords)
    return empty(ValueGrid(cj.Gaussian(3), (10, 1000), (10, 100, 1000), "self", 1000), dataset)


VALUES = {
    "a": ([3, 2, 2.5, 2.6], [1, 1.1, 1.2, 1.3], "verified"),
    "b": ([3, 2.5, 2, 1.5], [1, 1.1, 1.2, 1.3], "open"),  # more than there are might hurt
    "c": ([3, 3.1, 3.2, 3.3], [1, 1.1, 1.2, 1.3], "falsified"),
    "d": ([3, 2, 2.5, 2.6], [1, 0.9, 0.8, 0.7], "falsified"),
    "e": ([3, 2, 2.5, 2.6], [1, 1, 1.2, 1.3], "open"),
}


@pytest.mark.parametrize("case", VALUES)
def test_value(case):
    *losses, verdict = VALUES[case]
    results = {case: value_result(*losses)}
    assert found(ValueStudy, results).verdict == verdict
    assert list(ValueStudy().figures(results)) == [f"{case}-map", f"{case}-lines"]


def test_value_in_words():
    """A U where real rows are scarce and harm where they are ample agrees with the paper; anything else does not."""
    finding = found(ValueStudy, {name: value_result(*VALUES[name][:2]) for name in "abcd"})
    assert finding.verdict == "falsified"
    assert finding.sentence.startswith("Of 4 experiments 1 agree with the paper in full")
    assert "synthetic ones help in 3, a moderate amount being best in 2" in finding.sentence
    assert "any amount hurts in 3" in finding.sentence
    a, b, c, d = finding.sentence.split(". ", 1)[1].split("; ")
    assert a == "a: with 10 real rows a moderate amount helps and more hurts, with 1000 any hurts (agrees)"
    assert "the more the better" in b
    assert "none helps, with 1000 any hurts" in c
    assert "it still helps" in d
    assert all("DISAGREES" in text for text in (b, c, d))
    assert finding.numbers[0].value < -0.9
