"""A task of several generations that warm-starts, and who listens to a sweep of it."""

import jax
import jax.numpy as jnp
import numpy as np

import collapsejax as cj

WORKFLOWS = ["replace", "accumulate", "accumulate-subsample"]


class Warm(cj.Task):
    """A mean that follows that of the rows by half; a key is part of the fit, and makes text samples."""

    shift: float = 0.0
    length: int = cj.static(default=2)

    name = "warm"
    long_running = True

    def init(self, key, num_samples):
        k_truth, k_unread = jax.random.split(key)
        truth = {"mean": jax.random.normal(k_truth) + self.shift, "key": k_truth, "unread": jax.random.normal(k_unread)}
        return truth, {"mean": jnp.float32(0), "key": key, "fits": jnp.int32(0)}

    def sample_real(self, key, truth, n):
        return jax.random.normal(key, (n,)) + truth["mean"]

    def fit(self, key, truth, train, params):
        mean = jnp.sum(train.weights * train.values) / jnp.sum(train.weights)
        return {"mean": (mean + params["mean"]) / 2, "key": key, "fits": params["fits"] + 1}

    def sample(self, key, truth, params, n):
        return jax.random.normal(key, (n,)) + params["mean"]

    def evaluate(self, truth, params):
        noise = jax.random.normal(jax.random.fold_in(truth["key"], params["fits"]))
        return {"error": params["mean"] - truth["mean"], "noise": noise, "fits": params["fits"]}

    def text_samples(self, truth, params):
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
        return [doing.partition("generation ")[2] for doing in self.said if ", generation" in doing]


def assert_same(a, b, rtol=0.0):
    assert list(a.data_vars) == list(b.data_vars) != []
    for name in a.data_vars:
        np.testing.assert_allclose(a[name].values, b[name].values, rtol=rtol, atol=rtol, err_msg=name)
