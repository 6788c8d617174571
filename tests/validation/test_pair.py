"""Z-scores of one pair of a task and a workflow, also of one's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import Small

import collapsejax as cj

SIZE = dict(num_samples=6, num_generations=4)


def test_validate_a_pair(key):
    size = dict(SIZE, num_seeds=400, key=key)
    table = cj.validate(cj.Gaussian(2), "accumulate", **size)
    assert list(table) == ["metric", "iteration", "mean", "standard_error", "exact", "z", "detectable"]
    np.testing.assert_allclose(table.detectable, 5 * table.standard_error / table.exact, rtol=1e-6)
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
    with pytest.raises(ValueError, match=r"no mean of this task is known .*; give curves of your own"):
        cj.validate(Small(), "replace", **size)
    with pytest.raises(ValueError, match=r"exact\['error'\]: has shape \(3,\); give 4 means"):
        cj.validate(Small(), "replace", **size, exact={"error": np.zeros(3)})
    with pytest.raises(ValueError, match="metric 'eror': no such metric; did you mean 'error'"):
        cj.validate(Small(), "replace", **size, exact={"eror": np.zeros(4)})
    with pytest.raises(ValueError, match="num_seeds=99: must be at least 100"):
        cj.validate(Small(), "replace", **(size | {"num_seeds": 99}), exact={"error": np.zeros(4)})


class Scale(cj.Task):
    """The scale of a Laplace distribution with known centre: its fit to n rows is a gamma variable of shape n."""

    def init(self, key, num_samples):
        return jnp.asarray(1.0), None

    def sample_real(self, key, truth, n):
        return truth * jax.random.laplace(key, (n,))

    def fit(self, key, truth, train, params):
        return jnp.sum(train.weights * jnp.abs(train.values)) / jnp.sum(train.weights)

    def sample(self, key, truth, params, n):
        return params * jax.random.laplace(key, (n,))

    def evaluate(self, truth, params):
        return {"sq_error": (params - truth) ** 2}


def test_means_that_few_seeds_carry_are_not_compared(key):
    """Products of 60 gamma variables: without a limit their means lie up to a hundred standard errors off."""
    size = dict(num_samples=10, num_generations=60, num_seeds=4000, key=key)
    exact = {"sq_error": 1.1 ** np.arange(1, 61) - 1}
    table = cj.validate(Scale(), "replace", **size, exact=exact)
    assert 2 <= len(table) < 20
    assert table.z.abs().max() < 5
    with pytest.raises(ValueError, match="num_seeds=100: few seeds carry the mean of sq_error"):
        cj.validate(Scale(), "replace", **size | {"num_seeds": 100}, exact=exact)
    task, many = cj.ExponentialFamily("exponential", 1.0), dict(num_samples=10, num_generations=4, key=key)
    with pytest.raises(ValueError, match="nothing to compare; use more seeds"):
        cj.validate(task, "replace", **many, num_seeds=1000, exact={"sq_error": np.full(4, 9.0)})


@pytest.mark.parametrize(
    ("exact", "message"),
    [
        ({}, "exact: is no mapping, or empty"),
        (np.ones(4), "exact: is no mapping, or empty"),
        ({"trace_rato": np.ones(3)}, "'trace_rato': no such metric; did you mean 'trace_ratio'"),
    ],
)
def test_curves_are_checked_before_anything_is_compiled(exact, message, key, compilations):
    size = dict(num_samples=5, num_generations=3, num_seeds=100, key=key)
    with compilations(at_most=0), pytest.raises(ValueError, match=message):
        cj.validate(cj.Gaussian(), "replace", **size, exact=exact)
