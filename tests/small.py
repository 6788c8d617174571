"""A task that takes little to compile, for tests of what goes on around it."""

import jax
import jax.numpy as jnp

import collapsejax as cj


class Small(cj.Task):
    """The mean of numbers that are uniform around 0.

    Args:
        shift: added to the first metric.
        kind: multiplies it; another one is another program.
        odd: the second metric of half of the seeds in generation 2, which else is the iteration.
    """

    shift: float = 0.0
    kind: int = cj.static(default=1)
    odd: float = 3.0

    name = "small"
    paddable = True

    def init(self, key, num_samples):
        return jax.random.bernoulli(key), {"mean": jnp.float32(0), "iteration": jnp.float32(0)}

    def sample_real(self, key, truth, n):
        return jax.random.uniform(key, (n,), minval=-1)

    def fit(self, key, truth, train, params):
        mean = jnp.sum(train.weights * train.values) / jnp.sum(train.weights)
        return {"mean": mean, "iteration": params["iteration"] + 1}

    def sample(self, key, truth, params, n):
        return params["mean"] + jax.random.uniform(key, (n,), minval=-1)

    def evaluate(self, truth, params):
        odd = (params["iteration"] == 3) & truth
        error = self.kind * (params["mean"] + self.shift)
        return {"error": error, "odd": jnp.where(odd, self.odd, params["iteration"])}
