import jax
import jax.numpy as jnp
import numpy as np
import pytest

import collapsejax as cj
from collapsejax.datasets import Rows
from collapsejax.plan import make_plan
from collapsejax.workflows import find

SIZE = dict(num_samples=6, num_generations=5, key=jax.random.key(20240615))
WORKFLOWS = ["replace", "accumulate", "accumulate-subsample"]


@cj.pytree
class Warm:
    """A mean that follows that of the rows by half; a key is part of the fit, and rows of it are the specimens."""

    shift: float = 0.0
    length: int = cj.static(default=2)

    name = "warm"
    costly = True

    def init(self, key, num_samples):
        k_truth, k_unread = jax.random.split(key)
        truth = {"mean": jax.random.normal(k_truth) + self.shift, "key": k_truth, "unread": jax.random.normal(k_unread)}
        return truth, {"mean": jnp.float32(0), "key": key, "fits": jnp.int32(0)}

    def sample_real(self, key, truth, n):
        return jax.random.normal(key, (n,)) + truth["mean"]

    def summarize(self, truth, rows):
        return rows

    def fit(self, key, truth, train, params):
        mean = jnp.sum(train.weights * train.values) / jnp.sum(train.weights)
        return {"mean": (mean + params["mean"]) / 2, "key": key, "fits": params["fits"] + 1}

    def sample(self, key, truth, params, n):
        return jax.random.normal(key, (n,)) + params["mean"]

    def evaluate(self, truth, params):
        noise = jax.random.normal(jax.random.fold_in(truth["key"], params["fits"]))
        return {"error": params["mean"] - truth["mean"], "noise": noise, "fits": params["fits"]}

    def specimens(self, truth, params):
        return jax.random.randint(params["key"], (3, self.length), 0, 100).astype(jnp.uint8)


class Told:
    """What a sweep says; after a number of generations it ends it."""

    def __init__(self, most=None):
        self.said, self.most = [], most

    def __call__(self, progress):
        self.said.append(progress.doing)
        if self.most and len(self.generations) == self.most:
            raise KeyboardInterrupt

    @property
    def generations(self):
        return [doing.partition("generation ")[2] for doing in self.said if "generation" in doing]


def assert_same(a, b, rtol=0.0):
    assert list(a.data_vars) == list(b.data_vars)
    for name in a.data_vars:
        np.testing.assert_allclose(a[name].values, b[name].values, rtol=rtol, atol=rtol, err_msg=name)


@pytest.fixture(scope="module")
def whole():
    """A sweep in memory that nothing disturbed."""
    return cj.sweep(Warm(), WORKFLOWS, **SIZE, num_seeds=3)


def test_generation_by_generation_is_the_one_scan(whole):
    keys, sizes = cj.seed_keys(SIZE["key"], 3), dict(num_samples=6, num_generations=5)
    record = lambda truth, params, synthetic: Warm().specimens(truth, params)
    for name in WORKFLOWS:
        alone = cj.run_seeds(keys, Warm(), find(name), **sizes, record=record)
        cell = whole.sel(workflow=name)
        for metric, values in alone.metrics.items():
            np.testing.assert_allclose(cell[metric], values, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(cell.specimens, alone.recorded)
        assert cell.specimens.dtype == np.uint8


def test_two_programs_serve_all_workflows_and_values(monkeypatch):
    compiled = []
    compile = jax.stages.Lowered.compile
    monkeypatch.setattr(jax.stages.Lowered, "compile", lambda *args: compiled.append(args) or compile(*args))
    dataset = cj.sweep(Warm([0.0, 1.0]), [*WORKFLOWS, "window"], **SIZE, num_seeds=2)
    assert dataset.num_compilations == 1  # of two parts: what comes before generation 0, and a generation
    assert len(compiled) == 2
    assert (np.abs(dataset.error.diff("workflow")).max("generation") > 1e-4).all()


@cj.pytree
class Known:
    """Costly, with an exact law of its summaries, and a density."""

    name = "known"
    costly = True
    shift: float = 0.0

    log_density = lambda self, truth, values: -jnp.square(values - truth["mean"])
    sample_summary = lambda self, key, truth, params, n: Rows.of(self.sample(key, truth, params, n))

    init, sample_real, summarize, fit = Warm.init, Warm.sample_real, Warm.summarize, Warm.fit
    sample, evaluate = Warm.sample, Warm.evaluate


def test_workflows_whose_rows_are_drawn_otherwise_do_not_share(monkeypatch):
    groups = lambda: make_plan(Known(), [*WORKFLOWS, "selected"], **SIZE, num_seeds=2).groups
    assert groups() == [[0, 1], [2], [3]]
    monkeypatch.setattr(Known, "sample_summary", None)
    assert groups() == [[0, 1, 2], [3]]
    monkeypatch.setattr(Known, "costly", False)
    assert groups() == [[0], [1], [2], [3]]
