"""The tidy table of results: statistics, exact means and z-scores."""

import jax
import numpy as np
import pytest
import xarray as xr
from small import Small

import collapsejax as cj

SIZE = dict(num_samples=6, num_generations=4)


@pytest.fixture(scope="module")
def data():
    over = {"sigma2": [1.0, 4.0]}
    size = dict(num_seeds=200, key=jax.random.key(1))
    return cj.sweep(cj.Gaussian(2), ["replace", "accumulate"], over=over, **SIZE, **size)


def test_a_row_for_each_number(data):
    table = cj.summary(data)
    assert list(table)[:4] == ["metric", "workflow", "sigma2", "iteration"]
    assert list(table)[4:] == [
        *(
            "mean",
            "standard_error",
            "q0.025",
            "q0.25",
            "median",
            "q0.75",
            "q0.975",
            "count",
            "exact",
            "z",
            "informative",
        ),
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


def test_means_that_few_seeds_carry_are_told():
    """Under replace in one dimension the variance ends in most seeds near 0, and its mean in the few that grew."""
    over = dict(num_samples=5, num_generations=30, num_seeds=300, key=jax.random.key(2))
    table = cj.summary(cj.sweep(cj.Gaussian(1), ["replace", "accumulate"], **over)).query("metric == 'trace_ratio'")
    told = {name: rows.informative.tolist() for name, rows in table.groupby("workflow")}
    assert all(told["accumulate"])
    first = told["replace"].index(False)
    assert 3 < first < 15
    assert not any(told["replace"][first:])


def test_what_is_rare_at_first_is_told_by_most_seeds_later():
    """Outcomes that are lost: none or few at first, most of them in the end; and under accumulate hardly ever one."""
    size = dict(num_samples=100, num_generations=60, num_seeds=200, key=jax.random.key(0))
    table = cj.summary(cj.sweep(cj.Categorical(10), ["replace", "accumulate"], **size)).query("metric == 'num_extinct'")
    replace, accumulate = (rows for _, rows in table.groupby("workflow", sort=False))
    assert not replace.informative.iloc[0]
    assert replace.informative.iloc[20:].all()
    assert np.abs(replace.z.iloc[20:]).max() < 5
    unseen = accumulate[accumulate["mean"] == 0]
    assert len(unseen)
    assert unseen.z.isna().all()
    assert not unseen.informative.any()


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
    known = xr.Dataset({"odd": ("generation", [1.0, 2.0, 3.0, 4.0]), "error": ("generation", [0.0] * 4)})
    table = cj.summary(data, known)
    assert table.query("metric == 'odd'").z.isna().all()  # all seeds have the exact value
    assert np.isfinite(table.query("metric == 'error'").z).all()
