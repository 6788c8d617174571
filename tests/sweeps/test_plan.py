"""Which cells share a program, what a store will hold, and what is refused; nothing is compiled here."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import Small
from warm import Warm

import collapsejax as cj
from collapsejax.data.rows import Rows
from collapsejax.sweeps.plan import make_plan

SIZE = dict(num_generations=5, num_seeds=25, key=jax.random.key(20240615))
MOONS = cj.sources.moons()
plan_of = functools.partial(make_plan, **SIZE)


def groups(plan):
    return [len(group) for group in plan.groups]


def test_traced_fields_and_sizes_share_a_program():
    sizes = {"num_samples": [6, 8]}
    plan = plan_of(cj.Gaussian(), ["replace", "accumulate"], over={"dim": [1, 2], "sigma2": [1.0, 4.0], **sizes})
    assert groups(plan) == [4, 4, 4, 4]
    task, over = (
        cj.KDE(MOONS, 0.1, num_test=7),
        {"source": [MOONS, cj.sources.circles()], "bandwidth": [0.1, 0.5, "scott"]},
    )
    assert sorted(groups(plan_of(task, ["replace"], num_samples=6, over=over))) == [1, 1, 2, 2]


def test_workflows_that_differ_in_traced_values_share_a_program():
    """Those that differ in static ones do not, nor those of other kinds."""
    workflows = [cj.Weighted(0.1), cj.Weighted(0.9), cj.Window(2), cj.Window(3)]
    assert groups(plan_of(cj.Gaussian(1), workflows, num_samples=6)) == [2, 1, 1]
    over = {"weighted.real_weight": [0.1, 0.5, 0.9], "window.num_batches": [2, 3]}
    plan = plan_of(cj.Gaussian(1), ["replace", "weighted", "window"], num_samples=6, over=over)
    assert groups(plan) == [6, 6, 3, 3]
    assert [len(plan.experiments(group).cells) for group in plan.groups] == [1, 3, 1, 1]


class Known(cj.Task):
    """Long-running, with an exact law of its summaries, and a density."""

    shift: float = 0.0

    name = "known"
    long_running = True

    log_density = lambda self, truth, values: -jnp.square(values - truth["mean"])
    init, sample_real, fit, sample, evaluate = Warm.init, Warm.sample_real, Warm.fit, Warm.sample, Warm.evaluate

    @property
    def exact_law(self):
        return cj.ExactLaw(lambda key, truth, params, n: Rows.of(self.sample(key, truth, params, n)))


def test_workflows_share_a_program_of_a_long_running_task(monkeypatch):
    """But for those whose rows are drawn otherwise."""
    workflows = ["replace", "accumulate", "accumulate-subsample", "selected"]
    numbers = lambda: plan_of(Known(), workflows, num_samples=6).groups
    assert numbers() == [[0, 1], [2], [3]]
    monkeypatch.setattr(Known, "exact_law", None)
    assert numbers() == [[0, 1, 2], [3]]
    monkeypatch.setattr(Known, "long_running", False)
    assert numbers() == [[0], [1], [2], [3]]


TABLE = cj.sources.Table(
    train=(ROWS := jax.random.normal(jax.random.key(0), (1000, 1))),
    test=ROWS[:5],
    mean=jnp.zeros(1),
    covariance=jnp.eye(1),
    path="made up",
    sha256="",
    columns=("a",),
    dependent_columns=(),
    standardize=False,
    test_fraction=0.2,
    split_seed=0,
)


def sizes_by_program(num_seeds, task, workflow="accumulate-subsample", over=None, **options):
    over = {"num_samples": [10, 100, 1000]} | (over or {})
    plan = make_plan(task, [workflow], over=over, **SIZE | dict(num_generations=100, num_seeds=num_seeds) | options)
    return [[plan.grid.cells[number].num_samples for number in group] for group in plan.groups]


def test_rows_of_several_sizes_share_a_program_while_little_is_wasted(monkeypatch):
    apart = [[10], [100], [1000]]
    monkeypatch.setattr(cj.Gaussian, "paddable", True)
    assert sizes_by_program(100, cj.Gaussian(), over={"dim": [1, 100]}) == [[10, 100, 1000], [10, 100], [1000]]
    assert sizes_by_program(10**6, cj.Gaussian()) == apart
    # A batch of a pool that is fitted whole is fitted a hundred times.
    assert sizes_by_program(100, cj.Gaussian(), "accumulate", rows=True) == [[10, 100], [1000]]
    assert sizes_by_program(100, cj.Gaussian(), "selected") == apart
    assert sizes_by_program(100, cj.KDE(MOONS, 0.1)) != apart == sizes_by_program(100, cj.KDE(TABLE, 0.1))
    monkeypatch.setattr(cj.Gaussian, "paddable", False)
    assert sizes_by_program(100, cj.Gaussian()) == apart
    monkeypatch.setattr(Small, "paddable", False)
    assert sizes_by_program(100, Small()) == apart


def test_cells_that_are_one_experiment_are_padded_once():
    over = {"num_samples": [10, 100, 1000], "weighted.real_weight": list(np.linspace(0.1, 0.9, 50))}
    plan = make_plan(Small(), ["replace", "weighted"], over=over, **SIZE | dict(num_generations=100, num_seeds=600))
    assert groups(plan) == [150, 50, 50, 50]


def test_summaries_in_memory_are_modest():
    over = {"dim": [1, 2, 3], "sigma2": [1.0, 2.0], "num_samples": [6, 8]}
    sizes = dict(num_generations=100, num_seeds=10**6, keep="summary")
    assert make_plan(cj.Gaussian(), ["replace"], over=over, **SIZE | sizes).kept_bytes < 2**20


def test_results_too_large_for_memory_are_refused(tmp_path):
    sizes = SIZE | dict(num_samples=6, num_seeds=2**31 - 1)
    with pytest.raises(ValueError, match="more than the memory that is free; give out"):
        make_plan(cj.Gaussian(1), ["replace"], **sizes)
    make_plan(cj.Gaussian(1), ["replace"], **sizes, out=tmp_path / "s")


def test_the_configuration_is_all_that_decides_the_numbers(tmp_path):
    manifest = plan_of(cj.Gaussian(2), ["replace"], num_samples=6).manifest
    assert list(manifest.configuration) == [
        *("task", "workflows", "over", "num_samples", "num_generations", "rows", "keep", "dtype", "key", "key_impl")
    ]
    assert manifest.samples is None
    executions = dict(execution=cj.Execution(chunk=3, share=(0, 2), in_turn=True), out=tmp_path / "s")
    assert (
        plan_of(cj.Gaussian(2), ["replace"], num_samples=6, **executions).manifest.fingerprint == manifest.fingerprint
    )
    assert plan_of(Warm(), ["replace"], num_samples=6).manifest.samples == ((3, 2), np.dtype("uint8"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (dict(keep="all"), "keep='all': must be 'seeds' or 'summary'"),
        (dict(num_seeds=0), "num_seeds=0: must be at least 1"),
        (dict(num_seeds=2**31), "num_seeds=2147483648: must be at most 2147483647"),
        (dict(num_generations=0), "num_generations=0: must be at least 1"),
        (dict(num_samples=1), "num_samples=1: a covariance needs at least 2"),
        (dict(num_samples=None, over={"num_samples": [6, 1]}), "num_samples=1: a covariance needs at least 2"),
        (dict(over={"sigma2": [1.0, -1.0]}), "sigma2=-1.0: must be a finite number above 0"),
        (dict(workflows=["weighted"], over={"weighted.real_weight": [0.5, 2]}), "real_weight=2: must lie between 0"),
        (dict(execution=4), "execution=4: want a collapsejax.Execution"),
        (dict(execution=cj.Execution(share=(0, 2)), out=None), "2 processes need a store"),
        (dict(key=jax.random.PRNGKey(0)), "want one typed key"),
        (dict(out="nowhere/s"), "nowhere/s: there is no folder nowhere; make it first"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_compiled(changed, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sizes = dict(num_samples=6, num_generations=5, num_seeds=5, key=jax.random.key(0), out="s")
    arguments = dict(task=cj.Gaussian(2), workflows=["replace"], **sizes) | changed
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        cj.sweep(**arguments, progress=lambda progress: pytest.fail("something was compiled"))
    assert not list(tmp_path.iterdir())


def test_a_metric_named_like_a_dimension_is_refused(monkeypatch):
    monkeypatch.setattr(Small, "evaluate", lambda self, truth, params: {"shift": params["mean"]})
    with pytest.raises(ValueError, match="metric 'shift': results need this name"):
        plan_of(Small(), ["replace"], num_samples=6, over={"shift": [1.0, 2.0]})


def test_text_samples_must_be_rows_of_numbers(monkeypatch):
    monkeypatch.setattr(Warm, "text_samples", lambda self, truth, params: params["mean"])
    with pytest.raises(ValueError, match=r"task 'warm': text_samples must return an array \(k, L\) of numbers"):
        plan_of(Warm(), ["replace"], num_samples=6)
