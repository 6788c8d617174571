import functools
import itertools
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import collapsejax as cj
from collapsejax.results.statistics import STATISTICS
from collapsejax.sweeps import program as programs
from collapsejax.sweeps.plan import make_plan
from collapsejax.sweeps.run import carry_out, rehearse
from collapsejax.workflows import find

pytestmark = pytest.mark.usefixtures("cache")

SIZE = dict(num_samples=6, num_generations=5, key=jax.random.key(20240615))
GRID = cj.Gaussian(dim=[1, 2], sigma2=[1.0, 4.0])
METRICS = ["trace_ratio", "mean_sq_error", "logdet_ratio", "kl"]


@functools.cache
def swept(**options):
    """The grid in memory; the same for all tests."""
    sizes = {**SIZE, "num_samples": (6, 8)}
    return cj.sweep(GRID, ["replace", "accumulate"], **sizes, num_seeds=25, **options)


def assert_same(a, b, rtol=1e-6):
    assert list(a.data_vars) == list(b.data_vars)
    for name in a.data_vars:
        np.testing.assert_allclose(a[name].values, b[name].values, rtol=rtol, err_msg=name)


@pytest.mark.slow
def test_a_dimension_for_each_list():
    dataset = swept()
    assert list(dataset.sizes.items())[:4] == [("dim", 2), ("sigma2", 2), ("workflow", 2), ("num_samples", 2)]
    assert dict(dataset.sizes) == dict(dim=2, sigma2=2, workflow=2, num_samples=2, seed=25, generation=5)
    assert list(dataset.data_vars) == METRICS
    assert dataset.sigma2.values.tolist() == [1.0, 4.0]


@pytest.mark.slow
def test_cells_are_what_run_seeds_gives():
    keys = cj.seed_keys(SIZE["key"], 25)
    for dim, sigma2, workflow, n in ((1, 4.0, cj.Replace(), 8), (2, 1.0, cj.Accumulate(), 6)):
        alone = cj.run_seeds(keys, cj.Gaussian(dim, sigma2), workflow, num_samples=n, num_generations=5)
        cell = swept().sel(dim=dim, sigma2=sigma2, workflow=workflow.name, num_samples=n)
        for name, values in alone.metrics.items():
            np.testing.assert_allclose(cell[name], values, rtol=2e-5, atol=1e-5)


def test_traced_fields_and_sizes_share_a_compilation():
    """Two dimensions and two workflows are four programs; variances and numbers of samples add none."""
    assert swept().num_compilations == 4
    sources = [cj.sources.moons(), cj.sources.circles()]
    plan = make_plan(cj.KDE(sources, [0.1, 0.5, "scott"], num_test=7), ["replace"], **SIZE, num_seeds=25)
    assert sorted(len(group) for group in plan.groups) == [1, 1, 2, 2]


def test_workflows_that_differ_in_traced_values_share_a_compilation():
    """Numbers that are static do not, and each cell has its own workflow's numbers."""
    settings = dict(**SIZE, num_seeds=25)
    workflows = [cj.Weighted(0.1), cj.Weighted(0.9), cj.Window(2), cj.Window(3)]
    plan = make_plan(cj.Gaussian(1), workflows, **settings)
    assert [len(group) for group in plan.groups] == [2, 1, 1]
    both, all_of_them = plan.grid.label(plan.grid.cells[:2]), plan.grid.label(plan.grid.cells)
    assert both == "weighted(real_weight=0.1), weighted(real_weight=0.9) (2 cells)"
    assert all_of_them == "4 workflows from weighted(real_weight=0.1) to window(num_batches=3) (4 cells)"
    both = cj.sweep(cj.Gaussian(1), workflows[:2], **settings)
    assert both.num_compilations == 1
    for label, workflow in zip(both.workflow.values, workflows[:2], strict=True):
        alone = cj.sweep(cj.Gaussian(1), workflow, **settings)
        for name in METRICS:
            np.testing.assert_allclose(both[name].sel(workflow=label), alone[name][0], rtol=2e-5, atol=1e-6)


ROWS = jax.random.normal(jax.random.key(0), (1000, 1))
TABLE = cj.sources.Table(
    train=ROWS,
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


def sizes_by_program(num_seeds, task, workflow="accumulate-subsample", **options):
    sizes = {**SIZE, "num_samples": [10, 100, 1000], "num_generations": 100} | options
    plan = make_plan(task, [workflow], **sizes, num_seeds=num_seeds)
    return [[plan.grid.cells[number].num_samples for number in group] for group in plan.groups]


def test_rows_of_several_sizes_share_a_program_while_little_is_wasted(monkeypatch):
    apart = [[10], [100], [1000]]
    monkeypatch.setattr(cj.Gaussian, "paddable", True, raising=False)
    assert sizes_by_program(100, cj.Gaussian([1, 100])) == [[10, 100, 1000], [10, 100], [1000]]
    assert sizes_by_program(10**6, cj.Gaussian()) == apart
    # A batch of a pool that is fitted whole is fitted a hundred times.
    assert sizes_by_program(100, cj.Gaussian(), "accumulate", rows=True) == [[10, 100], [1000]]
    assert sizes_by_program(100, cj.Gaussian(), "selected") == apart
    assert sizes_by_program(100, cj.Gaussian(), key=jax.random.key(0, impl="rbg")) == apart
    assert sizes_by_program(100, cj.Gaussian(source=TABLE)) == apart
    monkeypatch.setattr(cj.Gaussian, "paddable", False, raising=False)
    assert sizes_by_program(100, cj.Gaussian()) == apart
    assert sizes_by_program(100, Broken()) == apart


PADDED = [
    ("accumulate-subsample", cj.Gaussian(2)),
    ("replace", cj.Gaussian(2)),
    ("accumulate", cj.Gaussian(2)),
    ("weighted", cj.Gaussian(2)),
    ("fresh-data", cj.Gaussian(2)),
    ("augment", cj.Gaussian(2)),
    ("window", cj.Gaussian(2)),
    ("accumulate", cj.Gaussian(source=cj.sources.moons())),
    ("accumulate", cj.KDE(cj.sources.moons(), 0.3, num_test=7)),
    ("accumulate-subsample", cj.KDE(cj.sources.circles(), "scott-scaled", num_test=7)),
    ("accumulate-subsample", cj.LinearRegression(2)),
    ("accumulate", cj.Categorical(5, "zipf")),
    ("replace", cj.ExponentialFamily("gamma", 2.0, 3.0)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("workflow", "task"), PADDED, ids=lambda part: getattr(part, "name", part))
def test_cells_with_room_for_more_are_what_run_seeds_gives(monkeypatch, workflow, task):
    for part in (task, getattr(task, "source", None) or task):
        monkeypatch.setattr(type(part), "paddable", True, raising=False)
    sizes = {**SIZE, "num_samples": [5, 6, 9]}
    dataset = cj.sweep(task, [workflow], **sizes, num_seeds=25, rows=True)
    assert dataset.num_compilations == 1
    for n in sizes["num_samples"]:
        size = dict(num_samples=n, num_generations=5, rows=True)
        alone = cj.run_seeds(cj.seed_keys(SIZE["key"], 25), task, find(workflow), **size)
        cell = dataset.isel(workflow=0).sel(num_samples=n)
        for name, values in alone.metrics.items():
            np.testing.assert_allclose(cell[name], values, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_sweep_that_grows_may_share_other_programs(monkeypatch, tmp_path):
    monkeypatch.setattr(cj.Gaussian, "paddable", True, raising=False)
    sizes = {**SIZE, "num_samples": [5, 6, 9]}
    options = dict(out=tmp_path / "s", chunk=4)
    assert cj.sweep(cj.Gaussian(2), ["accumulate-subsample"], **sizes, num_seeds=10, **options).num_compilations == 1
    monkeypatch.setattr("collapsejax.sweeps.grouping._MOST_WASTED", 0)
    grown = cj.sweep(cj.Gaussian(2), ["accumulate-subsample"], **sizes, num_seeds=25, **options)
    assert grown.num_compilations == 3
    whole = cj.sweep(cj.Gaussian(2), ["accumulate-subsample"], **sizes, num_seeds=25)
    assert_same(grown, whole, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [1, 4, 24, 25])
def test_chunks_change_nothing(chunk):
    """Not the last bit, on a CPU."""
    task, wanted = cj.Gaussian(2), swept().sel(dim=2, sigma2=1.0, num_samples=6)
    chunked = cj.sweep(task, ["replace"], **SIZE, num_seeds=25, chunk=chunk)
    whole = cj.sweep(task, ["replace"], **SIZE, num_seeds=25)
    assert_same(chunked, whole, rtol=0)
    assert_same(chunked, wanted.sel(workflow=["replace"]), rtol=1e-5)


@pytest.mark.slow
def test_a_sweep_may_grow(tmp_path):
    options = dict(out=tmp_path / "s", chunk=4)
    cj.sweep(cj.Gaussian(2), ["replace"], **SIZE, num_seeds=10, **options)
    grown = cj.sweep(cj.Gaussian(2), ["replace"], **SIZE, num_seeds=25, **options)
    assert_same(grown, cj.sweep(cj.Gaussian(2), ["replace"], **SIZE, num_seeds=25, chunk=4), rtol=1e-5)
    with pytest.raises(ValueError, match="has 25 seeds already, num_seeds=10"):
        cj.sweep(cj.Gaussian(2), ["replace"], **SIZE, num_seeds=10, **options)


@pytest.mark.slow
def test_a_summary_may_grow(tmp_path):
    options = dict(out=tmp_path / "s", chunk=4, keep="summary")
    for num_seeds in (10, 25):
        grown = cj.sweep(cj.Gaussian(2), ["replace"], **SIZE, num_seeds=num_seeds, **options)
    whole = cj.sweep(cj.Gaussian(2), ["replace"], **SIZE, num_seeds=25, keep="summary")
    assert_same(grown, whole, rtol=1e-5)
    assert (grown.kl.sel(statistic="count") == 25).all()


def test_summary_is_that_of_the_seeds():
    summary, seeds = swept(keep="summary"), swept()
    assert list(summary.statistic.values) == list(STATISTICS)
    for name in METRICS:
        exact = cj.summarize(seeds[name]).transpose(*summary[name].dims)
        for statistic in STATISTICS:
            a, b = summary[name].sel(statistic=statistic), exact.sel(statistic=statistic)
            quantile = statistic.startswith("q") or statistic == "median"
            # 25 numbers may span 20 octaves on either side of zero.
            np.testing.assert_allclose(a, b, rtol=0.02 if quantile else 1e-6, atol=1e-6, err_msg=statistic)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [3, 11, 25])
def test_summaries_do_not_depend_on_chunks(chunk, tmp_path):
    sizes = {**SIZE, "num_samples": (6, 8), "num_seeds": 25}
    stored = cj.sweep(GRID, ["replace", "accumulate"], **sizes, keep="summary", chunk=chunk, out=tmp_path / "s")
    assert_same(stored, swept(keep="summary"))


def test_summary_of_infinite_values():
    summary = cj.sweep(cj.Gaussian(2), ["replace"], **{**SIZE, "num_samples": 2}, num_seeds=5, keep="summary")
    assert np.isneginf(summary.logdet_ratio.sel(statistic="mean")).all()
    assert (summary.logdet_ratio.sel(statistic="num_infinite") == 5).all()
    assert np.isfinite(summary.trace_ratio.sel(statistic="mean")).all()


@pytest.mark.slow
def test_shares_make_the_whole(tmp_path):
    options = dict(**SIZE, num_seeds=25, chunk=4, keep="summary", out=tmp_path / "s")
    with pytest.warns(UserWarning, match="of 7 shards are missing"):
        cj.sweep(cj.Gaussian(2), ["replace"], **options, share=(0, 2))
    both = cj.sweep(cj.Gaussian(2), ["replace"], **options, share=(1, 2))
    assert_same(both, cj.sweep(cj.Gaussian(2), ["replace"], **SIZE, num_seeds=25, keep="summary"))
    with pytest.raises(ValueError, match="2 processes need a store"):
        cj.sweep(cj.Gaussian(2), ["replace"], **SIZE, num_seeds=25, share=(0, 2))


@pytest.mark.slow
def test_devices_change_nothing(tmp_path):
    """Seeds shared by three devices, rows that they do not divide: not the last bit changes."""
    code = f"""
import jax, collapsejax as cj
jax.config.update("jax_num_cpu_devices", 3)
size = dict(num_samples=6, num_generations=5, num_seeds=200, key=jax.random.key(20240615))
for keep in ("seeds", "summary"):
    dataset = cj.sweep(cj.Gaussian(2), ["replace"], **size, keep=keep, out={str(tmp_path)!r} + "/" + keep)
    assert "3 x cpu" in dataset.attrs["device"]
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    for keep, rtol in (("seeds", 0), ("summary", 1e-12)):
        one = cj.sweep(cj.Gaussian(2), ["replace"], **SIZE, num_seeds=200, keep=keep)
        assert_same(cj.open(tmp_path / keep), one, rtol=rtol)


@pytest.mark.slow
def test_as_many_devices_as_cores():
    """LAPACK's batched calls would wait for one another forever here; a timeout is how that shows."""
    code = """
import os, jax, collapsejax as cj
jax.config.update("jax_num_cpu_devices", os.cpu_count())
size = dict(num_samples=20, num_generations=3, num_seeds=256 * os.cpu_count(), key=jax.random.key(0))
cj.sweep(cj.Gaussian(10), ["accumulate"], **size)
cj.sweep(cj.Gaussian(source=cj.sources.blobs()), ["accumulate"], **size)
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=240)


class Scarce:
    """A stand-in for a device that has memory for a number of seeds at a time."""

    def __init__(self, monkeypatch, most):
        simulate = programs.Program.__call__
        self.calls = []

        def limited(program, jobs):
            self.calls.append(program.shape.rows * program.shape.seeds)
            if self.calls[-1] > most:
                raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 123 bytes.")
            return simulate(program, jobs)

        monkeypatch.setattr(programs.Program, "__call__", limited)


@pytest.mark.parametrize("keep", ["seeds", pytest.param("summary", marks=pytest.mark.slow)])
def test_a_call_that_does_not_fit_is_halved(monkeypatch, keep):
    scarce, said = Scarce(monkeypatch, 13), []
    dataset = cj.sweep(
        cj.Gaussian(2),
        ["replace"],
        **SIZE,
        num_seeds=25,
        keep=keep,
        progress=lambda progress: said.append(progress.doing),
    )
    assert max(scarce.calls) == 25
    assert any("out of memory with 25 seeds at a time: 13 seeds at a time instead" in line for line in said)
    monkeypatch.undo()
    assert_same(dataset, cj.sweep(cj.Gaussian(2), ["replace"], **SIZE, num_seeds=25, keep=keep), rtol=1e-5)


def test_no_memory_at_all_is_an_error(monkeypatch):
    Scarce(monkeypatch, 0)
    with pytest.raises(jax.errors.JaxRuntimeError, match="RESOURCE_EXHAUSTED"):
        cj.sweep(cj.Gaussian(1), ["replace"], **SIZE, num_seeds=2)


@pytest.mark.slow
def test_the_compiler_is_asked_what_fits(monkeypatch):
    said = []
    monkeypatch.setattr(programs, "free_bytes", lambda device: 10_000)
    cj.sweep(cj.Gaussian(1), ["replace"], **SIZE, num_seeds=200, progress=lambda progress: said.append(progress.doing))
    assert any("MiB are free" in line for line in said)


def test_results_too_large_for_memory_are_refused():
    with pytest.raises(ValueError, match="more than the memory that is free; give out"):
        cj.sweep(cj.Gaussian(1), ["replace"], **SIZE, num_seeds=2**31 - 1)


class Broken(cj.Task):
    """A task whose third generation is not a number, for odd seeds."""

    name = "broken"

    def init(self, key, num_samples):
        return jax.random.bernoulli(key), jnp.zeros(())

    def sample_real(self, key, truth, n):
        return jnp.zeros(n)

    def summarize(self, truth, rows):
        return rows

    def fit(self, key, truth, train, params):
        return params + 1

    def sample(self, key, truth, params, n):
        return jnp.zeros(n)

    def evaluate(self, truth, params):
        return {"mine": jnp.where((params == 3) & truth, jnp.nan, params)}


@pytest.mark.parametrize("keep", ["seeds", "summary"])
def test_nan_is_announced(keep):
    with pytest.warns(UserWarning, match=r"mine is NaN first in generation 2 \(replace; \d+ of seeds 0 to 24\)"):
        dataset = cj.sweep(Broken(), ["replace"], **SIZE, num_seeds=25, keep=keep)
    assert dataset.mine.attrs["long_name"] == "mine"
    assert np.isnan(dataset.mine).any() == (keep == "seeds")


@pytest.mark.slow
def test_progress_counts_cells_and_seeds(tmp_path):
    calls = []
    options = dict(**SIZE, num_seeds=25, chunk=10, out=tmp_path / "s")
    cj.sweep(cj.Gaussian(2), ["replace", "accumulate"], **options, progress=calls.append)
    assert calls[0].doing == "compiling replace"
    assert (calls[0].cells, calls[0].num_cells, calls[0].seeds, calls[0].num_seeds) == (0, 2, 0, 50)
    assert (calls[-1].cells, calls[-1].seeds) == (2, 50)
    assert [call.seeds for call in calls] == sorted(call.seeds for call in calls)


def test_what_is_there_is_not_computed_again(tmp_path):
    options = dict(**SIZE, num_seeds=25, chunk=10, out=tmp_path / "s")
    first = cj.sweep(cj.Gaussian(2), ["replace"], **options)
    second = cj.sweep(cj.Gaussian(2), ["replace"], **options)
    assert (first.num_compilations, second.num_compilations) == (1, 0)
    assert_same(first, second, rtol=0)


@pytest.mark.slow
def test_rehearsal_times_every_program():
    plan = make_plan(cj.Gaussian([1, 2]), ["replace"], **SIZE, num_seeds=25)
    timings = rehearse(plan)
    assert [timing.label for timing in timings] == ["replace, dim=1", "replace, dim=2"]
    assert all(timing.compile_seconds > 0 and timing.seconds_a_seed > 0 for timing in timings)
    assert carry_out(plan).sizes["seed"] == 25


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (dict(keep="all"), "keep='all': must be 'seeds' or 'summary'"),
        (dict(num_seeds=0), "num_seeds=0: must be at least 1"),
        (dict(num_seeds=2**31), "must be below"),
        (dict(num_generations=0), "num_generations=0: must be at least 1"),
        (dict(chunk=0), "chunk=0: must be at least 1"),
        (dict(num_samples=1), "num_samples=1: a covariance needs at least 2"),
        (dict(num_samples=[6, 1]), "num_samples=1: a covariance needs at least 2"),
        (dict(share=(2, 2)), r"share=\(2, 2\): want"),
        (dict(workflows=[]), "at least one"),
        (dict(task=cj.Gaussian(sigma2=[1.0, -1.0])), "sigma2=-1.0: must be a finite number above 0"),
    ],
)
def test_mistakes_are_found_before_anything_is_compiled(changed, message, tmp_path):
    arguments = dict(task=cj.Gaussian(2), workflows=["replace"], **SIZE, num_seeds=5, out=tmp_path / "s") | changed
    with pytest.raises(ValueError, match=message):
        cj.sweep(**arguments, progress=lambda progress: pytest.fail("something was compiled"))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_numpy_sizes_are_sizes(tmp_path):
    sizes = dict(num_samples=np.array([6, 8]), num_generations=np.int64(5), num_seeds=np.int32(5), key=SIZE["key"])
    task = cj.Gaussian(list(np.arange(1, 3)), sigma2=list(np.float32([1.0, 2.0])))
    cj.sweep(task, ["replace"], **sizes, out=tmp_path / "s")
    plain = dict(num_samples=[6, 8], num_generations=5, num_seeds=5, key=SIZE["key"])
    again = cj.sweep(cj.Gaussian([1, 2], sigma2=[1.0, 2.0]), ["replace"], **plain, out=tmp_path / "s")
    assert again.num_compilations == 0


class Diluted(cj.Workflow):
    """Replace under another name, with a field of its own."""

    share: float = 0.5

    name = "diluted"

    capacity, init, select = cj.Replace.capacity, cj.Replace.init, cj.Replace.select

    def update(self, key, state, synthetic, draw_real):
        return synthetic.scale(self.share)


@pytest.mark.slow
def test_workflows_may_differ_in_a_field():
    dataset = cj.sweep(cj.Gaussian(2), [Diluted(0.25), Diluted(1.0)], **SIZE, num_seeds=5)
    assert list(dataset.workflow.values) == ["diluted(share=0.25)", "diluted(share=1.0)"]
    assert_same(dataset.isel(workflow=[1]), cj.sweep(cj.Gaussian(2), ["replace"], **SIZE, num_seeds=5), rtol=1e-5)


def test_a_metric_named_like_a_dimension_is_refused():
    class Task(Broken):
        mine: float = 1.0

    with pytest.raises(ValueError, match="metric 'mine': results need this name"):
        cj.sweep(Task(mine=[1.0, 2.0]), ["replace"], **SIZE, num_seeds=5)


def test_plans_of_summaries_in_memory_are_modest():
    sizes = {**SIZE, "num_samples": [6, 8], "num_generations": 100}
    plan = make_plan(cj.Gaussian([1, 2, 3], sigma2=[1.0, 2.0]), ["replace"], **sizes, num_seeds=10**6, keep="summary")
    assert plan.kept_bytes < 2**20


def test_halving_halves_what_is_in_step():
    shape, lanes = programs.Shape(8, 1000, 8000), []
    while shape:
        lanes.append(shape.together)
        shape = shape.halved()
    assert lanes == sorted(lanes, reverse=True)
    assert all(b <= -(-a // 2) for a, b in itertools.pairwise(lanes))


@pytest.mark.slow
def test_an_interrupted_growth_is_no_summary(tmp_path):
    """New moments beside old counts, as a process leaves that is killed between two files, are never merged."""
    options = dict(**SIZE, chunk=10, keep="summary", out=tmp_path / "s")
    cj.sweep(cj.Gaussian(2), ["replace"], **options, num_seeds=15)
    place = tmp_path / "s" / "shards" / "kl_counts" / "c" / "0" / "1" / "0" / "0" / "0"
    old = place.read_bytes()
    cj.sweep(cj.Gaussian(2), ["replace"], **options, num_seeds=20)
    place.write_bytes(old)
    (tmp_path / "s" / "kl" / "c" / "0" / "0" / "0").unlink()
    grown = cj.sweep(cj.Gaussian(2), ["replace"], **options, num_seeds=20)
    assert_same(grown, cj.sweep(cj.Gaussian(2), ["replace"], **SIZE, num_seeds=20, keep="summary"), rtol=1e-5)
