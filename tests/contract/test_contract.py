"""What every task under every workflow must do. A new task or workflow is one more row."""

import inspect

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import collapsejax as cj
from collapsejax import loop
from collapsejax.core.checks import uses_rows
from collapsejax.data.counts import Counts, Totals
from collapsejax.data.kernel_sums import KernelSums
from collapsejax.data.moments import Gram, Moments
from collapsejax.data.rows import Rows
from collapsejax.workflows import PUBLISHED, WORKFLOWS

TABLE = cj.sources.Table(
    train=jax.random.normal(jax.random.key(1), (30, 3)),
    test=jax.random.normal(jax.random.key(2), (8, 3)),
    mean=jnp.zeros(3),
    covariance=jnp.eye(3),
    path="made up",
    sha256="",
    columns=("a", "b", "c"),
    dependent_columns=(),
    standardize=False,
    test_fraction=0.2,
    split_seed=0,
)

TASKS = {
    "gaussian": cj.Gaussian(2),
    "gaussian, real data, fewer rows than dimensions": cj.Gaussian(source=cj.sources.gaussian(8), ddof=1),
    "kde": cj.KDE(cj.sources.moons(), 0.3, num_test=7),
    "kde, tophat, scaled rule, table": cj.KDE(TABLE, "silverman-scaled", kernel="tophat", num_test=50),
    "kde, schedule of bandwidths, tempered": cj.KDE(
        cj.sources.circles(), 0.3, num_test=7, bandwidth_exponent=0.5, sampling_temperature=0.8
    ),
    "regression": cj.LinearRegression(2),
    "regression, fewer rows than dimensions, refitted": cj.LinearRegression(
        8, fresh_design=True, refit_noise=True, ridge=0.1, sampling_temperature=0.8
    ),
    "probed kde": cj.Probed(cj.KDE(cj.sources.blobs(), 0.3, num_test=7), 5),
    "categorical": cj.Categorical(5, "zipf"),
    "bernoulli": cj.ExponentialFamily("bernoulli", 0.3),
    "poisson": cj.ExponentialFamily("poisson", 2.0),
    "exponential": cj.ExponentialFamily("exponential", 2.0),
    "gamma": cj.ExponentialFamily("gamma", 2.0, 3.0),
    "transformer": cj.Transformer(
        cj.sources.markov(1, 3, 0.5, 6), width=8, depth=1, num_steps=5, batch_size=4, num_test=7, num_scored=3
    ),
}
BY_DEFAULT = (*PUBLISHED, "window")
ONLY_SLOW = (
    "gaussian, real data, fewer rows than dimensions",
    "kde, tophat, scaled rule, table",
    "bernoulli",
    "gamma",
    "kde, schedule of bandwidths, tempered",
    "probed kde",
    "regression",
    "regression, fewer rows than dimensions, refitted",
    "poisson",
    "exponential",
    "transformer",
)
SIZE = dict(  # the sizes of other tests too, so that they share compiled programs
    num_samples=6, num_generations=5
)


def _is_default(name, workflow):
    return workflow in (BY_DEFAULT if name == "gaussian" else PUBLISHED) and name not in ONLY_SLOW


CELLS = [
    pytest.param(name, workflow, marks=() if _is_default(name, workflow) else pytest.mark.slow)
    for name in TASKS
    for workflow in WORKFLOWS
]


def by_hand(key, task, workflow, num_samples, num_generations):
    """The generation loop as a plain Python loop over the base classes' methods, of which a generation is compiled."""
    k_init, k_real, k_scan = jax.random.split(key, 3)
    truth, _ = task.init(k_init, num_samples)
    summarized = not uses_rows(task, workflow, False)
    known, known_real, _ = (summarized and task.exact_law) or cj.ExactLaw(None)

    def real(key, n):
        if known_real is not None:
            return known_real(key, truth, n)
        rows = Rows.of(task.sample_real(key, truth, n))
        return task.summarize(truth, rows) if summarized else rows

    def synthetic(key, task, params):
        if known is not None:
            return task.exact_law.synthetic(key, truth, params, num_samples)
        if workflow.screen is not None:
            k_sample, k_screen = jax.random.split(key)
            candidates = task.sample(k_sample, truth, params, workflow.num_candidates(num_samples))
            score = lambda values: task.log_density(truth, values)
            return workflow.screen(k_screen, Rows.of(candidates), score, num_samples)
        rows = Rows.of(task.sample(key, truth, params, num_samples))
        return task.summarize(truth, rows) if summarized else rows

    @jax.jit
    def generation(g, state):
        k_select, k_fit, k_sample, k_update = (jax.random.fold_in(k_scan, 4 * g + use) for use in range(4))
        now = task.at(g)
        train = workflow.select(k_select, state)
        params = now.fit(k_fit, truth, train if summarized else now.summarize(truth, train), None)
        draw_real = lambda key, m=None: real(key, num_samples if m is None else m)
        state = workflow.update(k_update, state, synthetic(k_sample, now, params), draw_real)
        return loop.settled(state), now.evaluate(truth, params)

    first = real(k_real, num_samples)
    room = workflow.capacity(num_samples, num_generations + 1)
    state = loop.settled(workflow.init(first.empty(room), first))
    curves = []
    for g in range(num_generations):
        state, metrics = generation(jnp.int32(g), state)
        curves.append(metrics)
    return {name: np.array([curve[name] for curve in curves]) for name in curves[0]}


@pytest.mark.parametrize(("name", "workflow"), CELLS)
def test_task_under_workflow(key, name, workflow, compilations):
    keys, task, workflow = cj.seed_keys(key, 3), TASKS[name], WORKFLOWS[workflow]
    if workflow.screen is not None and task.log_density is None:
        with pytest.raises(ValueError, match="needs the true log-density"):
            cj.run_seeds(keys, task, workflow, **SIZE)
        return
    result = cj.run_seeds(keys, task, workflow, **SIZE)
    backwards = keys[::-1]
    with compilations(at_most=0):
        turned = cj.run_seeds(backwards, task, workflow, **SIZE)
    chex.assert_shape([*result.metrics.values()], (3, 5))
    assert not any(np.isnan(values).any() for values in result.metrics.values())
    forwards = jax.tree.map(lambda values: values[::-1], turned.metrics)
    chex.assert_trees_all_close(result.metrics, forwards, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "workflow"),
    [
        ("categorical", "accumulate"),
        *[
            pytest.param(name, workflow, marks=pytest.mark.slow)
            for name, workflow in [
                ("categorical", "accumulate-subsample"),
                ("gaussian, real data, fewer rows than dimensions", "accumulate-subsample"),
                ("kde, schedule of bandwidths, tempered", "selected"),
                ("kde", "accumulate"),
                ("probed kde", "accumulate"),
                ("gaussian", "accumulate"),
                ("gaussian", "weighted"),
                ("regression", "fresh-data"),
                ("regression, fewer rows than dimensions, refitted", "accumulate"),
                ("gamma", "window"),
                ("bernoulli", "augment"),
                ("transformer", "accumulate-subsample"),
            ]
        ],
    ],
)
def test_scan_is_a_python_loop(key, name, workflow):
    keys, workflow = cj.seed_keys(key, 3), WORKFLOWS[workflow]
    seeds = cj.run_seeds(keys, TASKS[name], workflow, **SIZE)
    curves = by_hand(keys[1], TASKS[name], workflow, **SIZE)
    assert list(seeds.metrics) == sorted(curves)
    for metric, values in curves.items():
        np.testing.assert_allclose(values, seeds.metrics[metric][1], rtol=2e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "workflow"),
    [
        ("gaussian", "accumulate"),
        ("kde", "accumulate-subsample"),
        ("regression", "window"),
        ("transformer", "accumulate"),
        ("categorical", "accumulate-subsample"),
        ("gaussian", "accumulate-subsample"),
        ("gaussian", "replace"),
        ("kde", "replace"),
        ("kde", "accumulate"),
        ("kde, schedule of bandwidths, tempered", "fresh-data"),
        ("gaussian", "selected"),
    ],
)
def test_shorter_run_is_a_prefix_bit_for_bit(key, name, workflow):
    """And a seed's curve does not depend on how many others there are, to rounding."""
    keys, workflow = cj.seed_keys(key, 3), WORKFLOWS[workflow]
    longer = cj.run_seeds(keys, TASKS[name], workflow, num_samples=6, num_generations=8)
    shorter = cj.run_seeds(keys, TASKS[name], workflow, **SIZE)
    chex.assert_trees_all_equal(shorter.metrics, jax.tree.map(lambda values: values[:, :5], longer.metrics))
    single = cj.run_seeds(keys[2:], TASKS[name], workflow, **SIZE)
    third = jax.tree.map(lambda values: values[2:], shorter.metrics)
    chex.assert_trees_all_close(single.metrics, third, rtol=2e-5, atol=1e-5)


SOURCES = [*(make() for make in cj.sources.SHAPES.values()), TABLE]
SEQUENCES = [cj.sources.markov(), cj.sources.Text]
CLASSES = {
    cj.Task: {type(task) for task in TASKS.values()},
    cj.Workflow: {type(workflow) for workflow in WORKFLOWS.values()},
    cj.Source: {type(source) for source in SOURCES},
    cj.SequenceSource: {cj.sources.markov, cj.sources.Text},
    cj.Dataset: {Rows, Moments, KernelSums, Gram, Counts, Totals},
}


def parameters(method):
    return [name for name in inspect.signature(method).parameters if name != "self"]


@pytest.mark.parametrize("base", CLASSES, ids=lambda base: base.__name__)
def test_signatures_are_those_of_the_base_class(base):
    methods = {name: method for name, method in inspect.getmembers(base, inspect.isfunction) if name[0] != "_"}
    assert base.__abstractmethods__ <= set(methods)
    for name, method in methods.items():
        for cls in CLASSES[base]:
            assert parameters(getattr(cls, name)) == parameters(method), (cls, name)


# Methods that may be None, or may come from a property, and their parameters.
OPTIONAL = {
    "task": (
        TASKS.values(),
        {
            "log_density": ["truth", "values"],
            "log_density_of_modes": ["truth", "values"],
            "validation_loss": ["key", "truth", "params"],
            "text_samples": ["truth", "params"],
        },
    ),
    "workflow": (WORKFLOWS.values(), {"screen": ["key", "candidates", "score", "n"]}),
    "source": (
        SOURCES,
        {"log_density": ["real", "values"], "log_density_of_modes": ["real", "values"]},
    ),
    "sequence source": (SEQUENCES, {"decode": ["row"], "log_prob": ["real", "tokens"]}),
}


@pytest.mark.parametrize("kind", OPTIONAL)
def test_optional_methods_are_as_documented(kind):
    """And each is there somewhere, and somewhere None."""
    instances, methods = OPTIONAL[kind]
    for name, documented in methods.items():
        known = [getattr(instance, name) for instance in instances]
        assert None in known
        assert any(known)
        for method in known:
            assert method is None or parameters(method) == documented


def test_exact_laws_are_as_documented():
    laws = [task.exact_law for task in TASKS.values()]
    assert None in laws
    for law in filter(None, laws):
        assert parameters(law.synthetic) == ["key", "truth", "params", "n"]
        assert law.real is None or parameters(law.real) == ["key", "truth", "n"]
