import subprocess
import sys
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import collapsejax as cj
from collapsejax.core.pytree import Module, static
from collapsejax.data.rows import Rows
from collapsejax.loop.memory import metric_names, state_bytes

SIZE = dict(num_samples=6, num_generations=5)


class Pair(Module):
    first: float = 1.0
    second: int = static(default=2)


class Couple(Module):
    first: float = 1.0
    second: int = static(default=2)


def test_classes_with_equal_fields_have_programs_of_their_own():
    """Were their structures equal, as those of JAX's own dataclasses are, one could run as the other."""
    assert jax.tree.structure(Pair()) == jax.tree.structure(Pair(first=3.0))
    assert jax.tree.structure(Pair()) != jax.tree.structure(Couple())
    assert jax.tree.structure(cj.Accumulate()) != jax.tree.structure(cj.AccumulateSubsample())


class Coin(cj.Task):
    """A user's own task: no registration, none of the optional members; warm-started."""

    sides: int = static(default=2)

    def init(self, key, num_samples):
        return jnp.float32(0.3), jnp.float32(0.5)

    def sample_real(self, key, truth, n):
        return {"heads": jax.random.bernoulli(key, truth, (n,))}

    def fit(self, key, truth, train, params):
        heads = jnp.sum(train.weights * train.values["heads"]) / jnp.sum(train.weights)
        return 0.9 * heads + 0.1 * params

    def sample(self, key, truth, params, n):
        return {"heads": jax.random.bernoulli(key, params, (n,))}

    def evaluate(self, truth, params):
        return {"error": jnp.abs(params - truth)}


class Keyed(cj.Task):
    """Rows are the key that they were drawn with, and a model is all the keys that it comes from."""

    name = "keyed"

    def init(self, key, num_samples):
        return (), None

    def sample_real(self, key, truth, n):
        return jnp.broadcast_to(jax.random.key_data(key), (n, 2))

    def fit(self, key, truth, train, params):
        return jnp.concatenate([jax.random.key_data(key)[None, :], train.values])

    def sample(self, key, truth, params, n):
        return jnp.broadcast_to(jax.random.key_data(key), (n, 2))

    def evaluate(self, truth, params):
        return {"one": jnp.float32(1)}


class Keeping(cj.Workflow):
    """Selects rows that are keys: its own, that of the update before, and those of two fresh real batches then."""

    needs = cj.Needs.ROWS

    def capacity(self, num_samples, num_generations):
        return num_samples

    def init(self, pool, real):
        return jnp.zeros((3, 2), jnp.uint32)

    def update(self, key, state, synthetic, draw_real):
        fresh = [draw_real(jax.random.fold_in(key, number), 1).values[0] for number in range(2)]
        return jnp.stack([jax.random.key_data(key), *fresh])

    def select(self, key, state):
        return Rows.of(jnp.concatenate([jax.random.key_data(key)[None, :], state]))


def test_no_key_is_used_twice(key):
    """Neither for two uses in a generation, nor for two generations or seeds: else what is drawn with both is alike."""
    record = lambda truth, params, synthetic: (params, synthetic.values)
    size = dict(num_samples=1, num_generations=4)
    keys = cj.seed_keys(key, 3)
    params, synthetic = cj.run_seeds(keys, Keyed(), Keeping(), record=record, **size).recorded
    used = np.concatenate([params[:, 1:], synthetic[:, :-1]], axis=2)  # of a batch, and of the model fitted after it
    assert used.shape == (3, 3, 6, 2)
    assert len(np.unique(used.reshape(-1, 2), axis=0)) == 3 * 3 * 6


class LastTwo(NamedTuple):
    before: object
    latest: object


class Window(cj.Workflow):
    """A user's own workflow: the last two batches."""

    name = "window"

    def capacity(self, num_samples, num_generations):
        return num_samples

    def init(self, pool, real):
        return LastTwo(real, real)

    def update(self, key, state, synthetic, draw_real):
        return LastTwo(state.latest, synthetic)

    def select(self, key, state):
        return state.before.join(state.latest)


class Fresh(cj.Workflow):
    """A user's own workflow: each batch with some fresh real rows, in a buffer that is cleared."""

    num_fresh: int = static(default=3)
    name = "fresh"

    def check(self, num_samples):
        if self.num_fresh < 0:
            raise ValueError(f"num_fresh={self.num_fresh}: must be at least 0")

    def capacity(self, num_samples, num_generations):
        return num_samples + self.num_fresh

    def init(self, pool, real):
        return pool.append(real)

    def update(self, key, state, synthetic, draw_real):
        return state.clear().append(synthetic).append(draw_real(key, self.num_fresh))

    def select(self, key, state):
        return state


@pytest.mark.parametrize(
    "workflow",
    [cj.Replace(), cj.Accumulate(), cj.AccumulateSubsample(), pytest.param(Window(), marks=pytest.mark.slow), Fresh()],
    ids=lambda w: w.name,
)
def test_tasks_and_workflows_of_ones_own(key, workflow):
    keys = cj.seed_keys(key, 4)
    more = {"window": [cj.KDE(cj.sources.moons(), 0.3, num_test=7)], "fresh": [cj.Gaussian(1)]}
    for task in (Coin(), *more.get(workflow.name, [])):
        result = cj.run_seeds(keys, task, workflow, num_samples=8, num_generations=4)
        assert all(np.isfinite(values).all() for values in result.metrics.values())
        assert result.recorded is None


def test_fresh_data_without_fresh_data_is_replace(key):
    keys, size = cj.seed_keys(key, 4), dict(num_samples=8, num_generations=4, rows=True)
    replaced = cj.run_seeds(keys, cj.Gaussian(1), cj.Replace(), **size).metrics
    without = cj.run_seeds(keys, cj.Gaussian(1), Fresh(0), **size).metrics
    chex.assert_trees_all_close(without, replaced, rtol=1e-4, atol=1e-5)


class Slow(cj.Task):
    """A mean that is added up row by row, in a loop."""

    def init(self, key, num_samples):
        return (), None

    def sample_real(self, key, truth, n):
        return jax.random.normal(key, (n,))

    def fit(self, key, truth, train, params):
        weighted = lambda row, total: total + train.weights[row] * train.values[row]
        return jax.lax.fori_loop(0, train.capacity, weighted, 0.0) / jnp.sum(train.weights)

    def sample(self, key, truth, params, n):
        return params + jax.random.normal(key, (n,))

    def evaluate(self, truth, params):
        return {"mean": params}


class Slanted(cj.Workflow):
    """Replace, with synthetic rows of more and more weight."""

    capacity, init, select = cj.Replace.capacity, cj.Replace.init, cj.Replace.select

    def update(self, key, state, synthetic, draw_real):
        return synthetic.scale(jnp.arange(1.0, synthetic.capacity + 1))


def test_loops_read_what_the_next_generation_replaces(key):
    """XLA may be told to leave out copies, and then leaves out those that this needs."""
    keys = cj.seed_keys(key, 3)
    found = cj.run_seeds(keys, Slow(), Slanted(), **SIZE).metrics["mean"]
    first = cj.run_seeds(keys, Slow(), cj.Replace(), **SIZE).metrics["mean"][:, 0]
    np.testing.assert_allclose(found[:, 0], first, rtol=1e-5, atol=1e-6)


def test_run_is_one_seed_of_run_seeds(key):
    keys, task = cj.seed_keys(key, 3), cj.Gaussian(2)
    one = jax.jit(lambda key: cj.run(key, task, cj.Accumulate(), **SIZE))(keys[1])
    many = cj.run_seeds(keys, task, cj.Accumulate(), **SIZE)
    second = jax.tree.map(lambda values: values[1], many.metrics)
    chex.assert_trees_all_close(one.metrics, second, rtol=1e-5, atol=1e-6)


def test_seed_keys_do_not_depend_on_their_number(key):
    np.testing.assert_array_equal(
        jax.random.key_data(cj.seed_keys(key, 100)[37]), jax.random.key_data(cj.seed_keys(key, 38)[37])
    )


@pytest.mark.slow
def test_run_maps_over_a_field(key):
    """The fields that are floats are traced: a whole axis of them is one vmap."""
    size = dict(num_samples=6, num_generations=4)
    curves = jax.vmap(lambda sigma2: cj.run(key, cj.Gaussian(2, sigma2=sigma2), cj.Replace(), **size).metrics)(
        jnp.array([1.0, 9.0])
    )
    np.testing.assert_allclose(curves["mean_sq_error"][1], 9 * curves["mean_sq_error"][0], rtol=1e-4)
    np.testing.assert_allclose(curves["trace_ratio"][1], curves["trace_ratio"][0], rtol=1e-4)


def test_one_compilation_serves_every_number_of_samples_and_every_float(key, compilations):
    keys = cj.seed_keys(key, 3)
    for workflow in (cj.Replace(), cj.Accumulate()):
        cj.run_seeds(keys, cj.Gaussian(2), workflow, **SIZE)
        for num_samples, sigma2 in ((2, 1), (3, 0.5), (1000, np.float64(7.0))):
            size = dict(num_samples=num_samples, num_generations=5)
            with compilations(at_most=0):
                result = cj.run_seeds(keys, cj.Gaussian(2, sigma2=sigma2), workflow, **size)
            assert not any(np.isnan(values).any() for values in result.metrics.values())
    cj.run_seeds(keys, cj.KDE(cj.sources.moons(), 0.1, num_test=7), cj.Replace(), **SIZE)
    with compilations(at_most=0):
        cj.run_seeds(keys, cj.KDE(cj.sources.moons(noise=0.2), 2, num_test=7), cj.Replace(), **SIZE)


def test_record_keeps_what_it_returns(key):
    def record(truth, params, synthetic):
        return params.mean, synthetic.weight

    size = dict(num_samples=6, num_generations=4)
    mean, weight = cj.run_seeds(cj.seed_keys(key, 3), cj.Gaussian(2), cj.Replace(), record=record, **size).recorded
    assert mean.shape == (3, 4, 2)
    np.testing.assert_array_equal(weight, np.full((3, 4), 6.0))


def test_metric_names_and_state_bytes():
    size = dict(num_samples=6, num_generations=4)
    assert metric_names(cj.Gaussian(2), cj.Replace(), **size) == ["kl", "logdet_ratio", "mean_sq_error", "trace_ratio"]
    # Exact law: a constant amount. Rows: (G + 1) n rows of d numbers and a weight, and a count.
    summaries = [
        state_bytes(cj.Gaussian(10), cj.Accumulate(), num_samples=n, num_generations=g) for n, g in ((5, 4), (500, 40))
    ]
    assert summaries[0] == summaries[1] < 1000
    rows = state_bytes(cj.Gaussian(10), cj.Accumulate(), num_samples=500, num_generations=40, rows=True)
    assert rows < 4 * 41 * 500 * 11 + 1000


ONE_AXIS = '(jax.make_mesh((4,), ("seed",)), cj.Gaussian(3), cj.AccumulateSubsample()),'
TWO_AXES = (
    '(jax.make_mesh((2, 2), ("host", "device"), axis_types=(jax.sharding.AxisType.Auto,) * 2),'
    " cj.KDE(cj.sources.moons(), 0.2), cj.Accumulate()),"
)


@pytest.mark.slow
@pytest.mark.parametrize("case", [ONE_AXIS, TWO_AXES], ids=["one", "two"])
def test_four_devices_equal_one(case):
    """10 seeds on 4 devices, which do not divide them: a mesh with make_mesh's own axis types, and one of two axes."""
    code = """
import jax, numpy as np
jax.config.update("jax_num_cpu_devices", 4)
import collapsejax as cj
assert len(jax.devices()) == 4
size = dict(num_samples=6, num_generations=3)
keys = cj.seed_keys(jax.random.key(5), 10)
for mesh, task, workflow in (CASES):
    spread = cj.run_seeds(keys, task, workflow, mesh=mesh, **size)
    whole = cj.run_seeds(keys, task, workflow, **size)
    for name, values in whole.metrics.items():
        np.testing.assert_allclose(spread.metrics[name], values, rtol=1e-5, atol=1e-6)
text = cj.loop.simulate.lower(*(p := cj.loop.prepared(keys, task, workflow, mesh=mesh, **size))[0], **p[1]).as_text()
assert "sdy.manual_computation" in text or "shard_map" in text, "nothing was sharded"
print("equal")
"""
    code = code.replace("CASES", case)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout.strip() == "equal", result.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(num_samples=1), "num_samples=1: a covariance needs at least 2"),
        (dict(num_samples=0), "num_samples=0: must be at least 1"),
        (dict(num_samples=2.5), "num_samples=2.5: must be a whole number"),
        (dict(num_generations=0), "num_generations=0: must be at least 1"),
        (dict(num_generations=True), "num_generations=True: must be a whole number"),
        (dict(task=cj.Gaussian(2, sigma2=0.0)), "sigma2=0.0: must be a finite number above 0"),
        (dict(task=cj.Gaussian(2, sigma2=float("nan"))), "sigma2=nan: must be a finite number above 0"),
        (dict(task=cj.Gaussian(2, sigma2=1e-50)), "sigma2=1e-50: must lie between 1e-30 and 1e30"),
        (dict(num_samples=2**31), "num_samples=2147483648: must be at most 2147483647"),
        (dict(task=cj.Gaussian(3, source=cj.sources.moons())), "dim=3: the source has 2 features"),
        (dict(task=cj.Gaussian(sigma2=2.0, source=cj.sources.moons())), "sigma2=2.0: a source has its own variance"),
        (dict(task=cj.Gaussian(source=cj.sources.moons(noise=-1.0))), "noise=-1.0: must be a finite number"),
        (dict(task=cj.KDE(cj.sources.moons(), -0.5)), "bandwidth=-0.5: must be a finite number above 0"),
        (dict(workflow=Fresh(-1)), "num_fresh=-1: must be at least 0"),
        (dict(task=cj.KDE(cj.sources.moons(), "scott-scaled"), num_samples=1), "'scott-scaled' needs at least 2"),
    ],
)
def test_mistakes_are_refused_before_compiling(key, change, message, compilations):
    arguments = dict(task=cj.Gaussian(2), workflow=cj.Replace(), num_samples=6, num_generations=3) | change
    keys = cj.seed_keys(key, 2)
    with compilations(at_most=0), pytest.raises(ValueError, match=message.replace("(", r"\(")):
        cj.run_seeds(keys, **arguments)
    with compilations(at_most=0), pytest.raises(ValueError, match=message.replace("(", r"\(")):
        cj.run(key, **arguments)


@pytest.mark.parametrize("keys", [jnp.zeros((3, 2), jnp.uint32), jax.random.key(0)])
def test_keys_of_another_kind_are_refused(keys):
    with pytest.raises(ValueError, match="want typed keys of shape"):
        cj.run_seeds(keys, cj.Gaussian(2), cj.Replace(), num_samples=6, num_generations=3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cj.Gaussian(0), "dim=0: must be at least 1"),
        (lambda: cj.Gaussian(2.5), "dim=2.5: must be a whole number"),
        (lambda: cj.Gaussian(2, ddof=2), "ddof=2: must be 0"),
        (lambda: cj.KDE(cj.sources.moons(), 0.1, kernel="tophut"), "did you mean 'tophat'"),
        (lambda: cj.KDE(cj.sources.moons(), "scot"), "did you mean 'scott'"),
        (lambda: cj.KDE(cj.sources.moons(), 0.1, num_test=0), "num_test=0: must be at least 1"),
        (lambda: cj.Gaussian(cj.sources.moons()), "is a source of real data; write Gaussian"),
        (lambda: cj.Selected(cj.Selected()), "has a verifier of its own; give a workflow without"),
        (lambda: cj.Selected("replace"), "inner='replace': is a name; give the workflow itself"),
        (lambda: cj.Selected(cj.Replace), "inner: is the class Replace; make an instance"),
        (lambda: cj.seed_keys(0, 3), "key=0: want one typed key, as from jax.random.key"),
        (lambda: cj.seed_keys(jax.random.key(0), 0), "num_seeds=0: must be at least 1"),
        (lambda: cj.sources.make("moon"), "did you mean 'moons'"),
        (
            lambda: cj.sources.make("moons", path="x"),
            "path=x: source 'moons' has no such setting, table has; it takes noise",
        ),
        (lambda: cj.sources.make("table"), "needs the path of a CSV or NPY file"),
    ],
)
def test_mistakes_in_construction(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("task", "workflow", "message"),
    [
        (cj.Gaussian(2, sigma2="1"), cj.Replace(), "sigma2='1': must be a number"),
        (cj.Gaussian(2, sampling_temperature=None), cj.Replace(), "sampling_temperature=None: must be a number"),
        (cj.Gaussian(2), cj.Weighted("0.5"), "real_weight='0.5': must be a number"),
        (cj.Gaussian(2), cj.Weighted(np.array([0.2, 0.8])), "must be a number"),
        (cj.LinearRegression(2, ridge="1"), cj.Replace(), "ridge='1': must be a number"),
        (cj.ExponentialFamily("poisson", 1e9), cj.Replace(), "must be below 2\\*\\*30"),
    ],
    ids=str,
)
def test_values_of_another_kind_are_named(key, task, workflow, message):
    with pytest.raises(ValueError, match=message):
        cj.run_seeds(cj.seed_keys(key, 2), task, workflow, **SIZE)


def test_a_schedule_may_be_an_array_of_any_kind(key):
    keys, sizes = cj.seed_keys(key, 2), [6, 7, 8]
    curves = [
        cj.run_seeds(keys, cj.Gaussian(1), cj.Replace(), num_samples=kind(sizes), num_generations=3).metrics["kl"]
        for kind in (list, tuple, np.array, jnp.array)
    ]
    for other in curves[1:]:
        np.testing.assert_array_equal(other, curves[0])
