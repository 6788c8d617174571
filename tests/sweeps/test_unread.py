import jax
import jax.numpy as jnp
import numpy as np
from warm import Warm

import collapsejax as cj
from collapsejax.loop import Experiment
from collapsejax.sweeps.unread import TracedGeneration

SIZE = dict(num_samples=6, num_generations=5)
KEY = jax.random.key(20240615)


def test_what_no_generation_reads_is_left_out():
    """The generation is that of the loop, though it is given less of the truth."""
    experiment = lambda shift, cell: Experiment.of(Warm(shift), cj.Accumulate(), **SIZE)
    generation = TracedGeneration(experiment, jnp.float32(0.5), KEY)
    running = jax.jit(experiment(0.5, None).begin)(KEY)
    read = generation.read(running.truth)
    assert [leaf is running.truth[name] for leaf, name in zip(read, ("key", "mean"), strict=True)] == [True, True]
    later, metrics = jax.jit(generation)(read, 0.5, 0, running._replace(truth=None))
    wanted, result = jax.jit(experiment(0.5, None).step)(running)
    assert later.truth is None
    assert later.generation == 1
    np.testing.assert_allclose(later.params["mean"], wanted.params["mean"], rtol=1e-6)
    for name, values in result.metrics.items():
        np.testing.assert_allclose(metrics[name], values, rtol=1e-5)
