"""The paper's findings in quick form, from simulations that are large enough to fail if a number is a few % off."""

import jax
import numpy as np
import pytest
from checks import GATE
from made_up import SEED, simulated, tiny

import collapsejax as cj
from collapsejax.studies.findings import number
from collapsejax.studies.gaussian import GaussianStudy, plateau
from collapsejax.studies.kde import EstimatedBandwidthStudy, KDEStudy
from collapsejax.studies.regression import RegressionStudy
from collapsejax.studies.study import Sweep
from collapsejax.theory.outcomes import fixation_time, fixation_time_asymptote

pytestmark = pytest.mark.slow
SIZES = {"num_samples": (32, 100)}


def test_gaussian(tmp_path):
    study = tiny(GaussianStudy, {"dim=10": Sweep(cj.Gaussian(10), SIZES, 100)}, seeds=200)()
    results = simulated(study, tmp_path)
    found = study.finding(results)
    assert "in 2 of 2 cells (by more than 3 s.e. in 2)" in found.sentence
    assert "lay between them in 2 (clearly outside in 0)" in found.sentence
    assert found.verdict == "verified"
    # The plateau alone needs more seeds, and costs little.
    many = tiny(GaussianStudy, {"many": Sweep(cj.Gaussian(10), SIZES, 100, ("accumulate",))}, seeds=10_000)()
    scaled, known, _ = plateau(simulated(many, tmp_path)["many"].dataset, results["dim=10"].exact)
    level = number("", scaled.mean(axis=0) / 10, known.mean() / 10)
    assert abs(level.z) < GATE
    assert abs(level._replace(exact=1.05 * level.exact).z) > GATE
    assert level.exact == pytest.approx(np.pi**2 / 6, rel=0.03)


def test_kde(tmp_path):
    task = cj.KDE(cj.sources.moons(noise=0.05), 0.5)
    part = Sweep(task, {"bandwidth": (0.5, 1.0), "num_samples": (32,)}, 100)
    study = tiny(KDEStudy, {"moons": part}, seeds=200)()
    found = study.finding(simulated(study, tmp_path))
    assert "in 2 of 2 cells (by more than 3 s.e. in 2)" in found.sentence
    assert "variance rose against log t in 2 of 2 cells, and its loss in 2 (clearly in 2)" in found.sentence
    assert found.verdict == "verified"
    slope = found.numbers[0]
    assert abs(slope.z) < GATE
    assert abs(slope._replace(exact=1.1 * slope.exact).z) > GATE
    assert "over theory's slope" in slope.label


def test_rules_are_the_same_in_two_dimensions_only(tmp_path):
    over = {"bandwidth": ("scott", "silverman"), "num_samples": (20,)}
    sources = (cj.sources.moons(noise=0.05), cj.sources.swiss_roll(noise=0.05))
    parts = {source.name: Sweep(cj.KDE(source, "scott"), over, 10) for source in sources}
    apart = {}
    for name, result in simulated(tiny(EstimatedBandwidthStudy, parts, seeds=10)(), tmp_path).items():
        losses = result.dataset.test_nll.transpose("bandwidth", ...).values
        apart[name] = np.abs(losses[0] - losses[1]).max()
    assert apart["moons"] < 1e-4
    assert apart["swiss_roll"] > 0.01


def test_discrete():
    keys = cj.seed_keys(jax.random.key(SEED), 20_000)
    for outcomes, n in ((10, 100), (100, 32)):
        probs = np.full(outcomes, 1 / outcomes)
        times = cj.until_collapse(keys, cj.Categorical(outcomes), num_samples=n, limit=50 * n)
        assert not times.censored.any()
        one = number("", times.iterations, fixation_time(probs, n))
        assert abs(one.z) < GATE
        assert abs(one._replace(exact=1.05 * one.exact).z) > GATE
        leading = fixation_time_asymptote(probs, n)
        assert leading == pytest.approx(2 * n * (outcomes - 1) * np.log(outcomes / (outcomes - 1)))
        assert one.exact == pytest.approx(leading, rel=0.05)


def test_regression(tmp_path):
    part = Sweep(cj.LinearRegression(3, 1.0, True), {"sigma2": (1.0,)} | SIZES, 100)
    study = tiny(RegressionStudy, {"dim=3": part}, seeds=4000)()
    found = study.finding(simulated(study, tmp_path))
    assert "in 2 of 2 cells (by more than 3 s.e. in 2)" in found.sentence
    assert "lay between them in 2 (clearly outside in 0)" in found.sentence
    assert found.verdict == "verified"
    known = [one for one in found.numbers if one.exact is not None]
    assert len(known) == 2
    for one in known:
        assert abs(one.z) < GATE
        assert abs(one._replace(exact=1.1 * one.exact).z) > GATE
