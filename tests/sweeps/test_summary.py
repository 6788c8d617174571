"""The tidy table of results, and z-scores of one pair of a task and a workflow."""

import numpy as np
import pytest
from small import Small

import collapsejax as cj

SIZE = dict(num_samples=6, num_generations=4)


@pytest.fixture(scope="module")
def data():
    import jax

    over = {"sigma2": [1.0, 4.0]}
    size = dict(num_seeds=200, key=jax.random.key(1))
    return cj.sweep(cj.Gaussian(2), ["replace", "accumulate"], over=over, **SIZE, **size)


def test_a_row_for_each_number(data):
    table = cj.summary(data)
    assert list(table)[:4] == ["metric", "workflow", "sigma2", "iteration"]
    assert list(table)[4:] == [
        *("mean", "standard_error", "q0.025", "q0.25", "median", "q0.75", "q0.975", "count", "exact", "z"),
    ]
    assert len(table) == 4 * 2 * 2 * 4
    row = table.query("metric == 'mean_sq_error' and workflow == 'accumulate' and sigma2 == 4 and iteration == 3")
    values = data.mean_sq_error.sel(workflow="accumulate", sigma2=4).isel(generation=2)
    exact = cj.theory.curve(cj.Gaussian(2, 4.0), cj.Accumulate(), **SIZE)["mean_sq_error"][2]
    error = values.std(ddof=1).item() / np.sqrt(200)
    assert row["mean"].item() == pytest.approx(values.mean().item(), rel=1e-5)
    assert row["median"].item() == pytest.approx(np.median(values), rel=1e-5)
    assert row["exact"].item() == pytest.approx(exact)
    assert row["z"].item() == pytest.approx((row["mean"].item() - exact) / error, rel=1e-4)
    assert table.query("metric == 'kl' and workflow == 'accumulate'").exact.isna().all()
    assert table.z.abs().max() < 5


def test_summaries_and_selections_give_the_same(data):
    table = cj.summary(data)
    some = cj.summary(data.sel(workflow="replace").isel(sigma2=0))
    assert list(some)[:2] == ["metric", "iteration"]
    there = table.query("workflow == 'replace' and sigma2 == 1").reset_index(drop=True)
    np.testing.assert_array_equal(some["mean"], there["mean"])
    np.testing.assert_allclose(some.exact, there.exact)


def test_curves_of_ones_own(key):
    data = cj.sweep(Small(), ["replace"], **SIZE, num_seeds=50, key=key)
    assert cj.summary(data).exact.isna().all()
    import xarray as xr

    known = xr.Dataset({"odd": ("generation", [1.0, 2.0, 3.0, 4.0]), "error": ("generation", [0.0] * 4)})
    table = cj.summary(data, known)
    assert table.query("metric == 'odd'").z.isna().all()  # all seeds have the exact value
    assert np.isfinite(table.query("metric == 'error'").z).all()


def test_validate_a_pair(key):
    size = dict(SIZE, num_seeds=400, key=key)
    table = cj.validate(cj.Gaussian(2), "accumulate", **size)
    assert list(table) == ["metric", "iteration", "mean", "standard_error", "exact", "z"]
    assert set(table.metric) == {"trace_ratio", "mean_sq_error"}
    assert table.z.abs().max() < 5
    wrong = {"mean_sq_error": 1.5 * cj.theory.curve(cj.Gaussian(2), cj.Accumulate(), **SIZE)["mean_sq_error"]}
    assert cj.validate(cj.Gaussian(2), "accumulate", **size, exact=wrong).z.abs().max() > 5


def test_a_pair_of_ones_own(key):
    """The mean of n numbers that are uniform on (-1, 1) is 0 in the mean, under every workflow."""
    size = dict(SIZE, num_seeds=400, key=key)
    table = cj.validate(Small(), "replace", **size, exact={"error": np.zeros(4)})
    assert list(table.iteration) == [1, 2, 3, 4]
    assert table.z.abs().max() < 5
    with pytest.raises(ValueError, match="no mean of this task is known .*; give curves of your own"):
        cj.validate(Small(), "replace", **size)
    with pytest.raises(ValueError, match=r"exact\['error'\]: has shape \(3,\); give 4 means"):
        cj.validate(Small(), "replace", **size, exact={"error": np.zeros(3)})
    with pytest.raises(ValueError, match="metric 'eror': no such metric; did you mean 'error'"):
        cj.validate(Small(), "replace", **size, exact={"eror": np.zeros(4)})
    with pytest.raises(ValueError, match="num_seeds=99: must be at least 100"):
        cj.validate(Small(), "replace", **(size | {"num_seeds": 99}), exact={"error": np.zeros(4)})
