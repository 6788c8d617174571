import numpy as np
import pytest

from collapsejax.results.dataset import to_dataset
from collapsejax.studies.findings import (
    Verdict,
    combined,
    count_above,
    exceeds,
    growth,
    in_order,
    late_growth,
    levels_off,
    number,
    order,
    slopes,
)
from collapsejax.workflows import PUBLISHED


def dataset_of(curves, metric="test_nll"):
    """Curves (workflow, n, S, G) as results."""
    sizes = list(range(10, 10 + np.shape(curves)[1]))
    return to_dataset({metric: np.asarray(curves)}, {"workflow": list(PUBLISHED), "num_samples": sizes}, 0, {})


def test_growth_order_and_slopes():
    rng = np.random.default_rng(0)
    t, seeds = np.arange(1, 101), rng.normal(1.0, 0.1, (3, 4, 50, 1))
    curves = 2.0 + seeds * np.array([3.0, 2.0, 1.0])[:, None, None, None] * np.log(t)
    dataset = dataset_of(curves)
    grown = growth([dataset, dataset], "test_nll", ratio=False)
    assert grown["replace"].shape == (8, 50)
    np.testing.assert_allclose(grown["replace"][:4], 3 * seeds[0, :, :, 0] * np.log(100))
    ratios = growth([dataset], "test_nll", ratio=True, since=9)["accumulate"]
    np.testing.assert_allclose(np.exp(ratios), curves[2, :, :, -1] / curves[2, :, :, 9])
    late = late_growth([dataset], "test_nll")["accumulate"]
    np.testing.assert_allclose(np.exp(late), curves[2, :, :, 99] / curves[2, :, :, 49])
    assert count_above(grown["replace"], grown["accumulate"]) == (8, 8)
    assert "in 8 of 8 cells (by more than 3 s.e. in 8)" in order(grown)
    assert "lay between them in 8 (clearly outside in 0)" in order(grown)
    assert in_order(grown) == Verdict.VERIFIED
    wrong = {"replace": grown["accumulate"], "accumulate": grown["replace"]} | {
        "accumulate-subsample": grown["accumulate-subsample"]
    }
    assert "in 0 of 8 cells" in order(wrong)
    assert "lay between them in 0 (clearly outside in 16)" in order(wrong)
    assert in_order(wrong) == Verdict.FALSIFIED
    fitted = slopes(dataset.test_nll.sel(workflow="accumulate"), 10)
    np.testing.assert_allclose(fitted, seeds[2, :, :, 0], rtol=1e-6)
    curves[0, 1, 2, -1] = np.inf
    assert len(growth([dataset_of(curves)], "test_nll", ratio=False)["accumulate"]) == 3


def test_numbers():
    one = number("mean", np.array([1.0, 2.0, 3.0]), 1.0)
    assert (one.value, one.standard_error) == (2.0, pytest.approx(1 / np.sqrt(3)))
    assert one.z == pytest.approx(np.sqrt(3))
    assert f"{one}" == "2 ± 0.58"
    assert number("mean", np.arange(3)).z is None


def test_a_verdict_needs_all_cells():
    noise = np.random.default_rng(0).normal(size=(3, 100))  # standard errors are 0.1
    shifted = lambda *shifts: noise + np.array(shifts)[:, None]
    assert exceeds(shifted(1, 1, 1)) == Verdict.VERIFIED
    assert exceeds(shifted(1, 1, 0)) == Verdict.VERIFIED  # which this cell does not contradict
    assert exceeds(shifted(2, 2, -1)) == Verdict.OPEN
    assert exceeds(shifted(0, 0, 0)) == Verdict.OPEN
    assert exceeds(shifted(-1, -1, 0)) == exceeds(shifted(-2, -2, 1)) == Verdict.FALSIFIED
    assert exceeds(shifted(1, 1, 1), 0.5) == Verdict.VERIFIED
    assert exceeds(shifted(1, 1, 1), 1.5) == exceeds(noise, shifted(1, 1, 1)) == Verdict.FALSIFIED
    assert exceeds(noise[:0]) == Verdict.OPEN


def test_verdicts_together():
    verified, falsified, undecided = Verdict.VERIFIED, Verdict.FALSIFIED, Verdict.OPEN
    assert combined(verified, verified) == verified
    assert combined(verified, undecided) == undecided
    assert combined(undecided, falsified, verified) == falsified


def test_losses_level_off():
    noise = np.random.default_rng(0).normal(0, 0.01, (2, 50))
    assert levels_off({"accumulate": np.log(1.05) + noise}) == Verdict.VERIFIED
    assert levels_off({"accumulate": np.log(1.15) + noise}) == Verdict.FALSIFIED
