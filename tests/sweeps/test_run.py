import functools
import itertools

import jax
import numpy as np
import pytest
from small import Small

import collapsejax as cj
from collapsejax.results.statistics import STATISTICS
from collapsejax.sweeps import program
from collapsejax.sweeps.plan import make_plan
from collapsejax.sweeps.run import carry_out, rehearse

pytestmark = pytest.mark.usefixtures("cache")

SIZE = dict(num_samples=6, num_generations=5, key=jax.random.key(20240615))
KEEP = pytest.mark.parametrize("keep", ["seeds", "summary"])


@functools.cache
def swept(**options):
    """A grid in memory; the same for all tests."""
    over = {"kind": [1, 2], "shift": [1.0, 4.0], "num_samples": [6, 8]}
    sizes = dict(SIZE, num_samples=None, num_seeds=25)
    return cj.sweep(Small(), ["replace", "accumulate"], over=over, **sizes, **options)


def small(num_seeds=25, **options):
    return cj.sweep(Small(), ["replace"], **SIZE, num_seeds=num_seeds, **options)


def assert_same(a, b, rtol=1e-6):
    assert list(a.data_vars) == list(b.data_vars) != []
    for name in a.data_vars:
        # Of numbers that are all the same the variance is 0, but for rounding.
        np.testing.assert_allclose(a[name].values, b[name].values, rtol=rtol, atol=1e-12 * bool(rtol), err_msg=name)


@pytest.fixture
def jobs(monkeypatch):
    """What programs are asked for, all jobs of all calls."""
    asked, simulate = [], program.Program.__call__
    monkeypatch.setattr(program.Program, "__call__", lambda self, jobs: asked.extend(jobs) or simulate(self, jobs))
    return asked


def num_seeds(jobs):
    return sum(stop - first for _, first, stop in jobs)


def test_a_dimension_for_each_name():
    dataset = swept()
    assert dict(dataset.sizes) == dict(kind=2, shift=2, workflow=2, num_samples=2, seed=25, generation=5)
    assert list(dataset.sizes)[:4] == ["kind", "shift", "workflow", "num_samples"]
    assert list(dataset.data_vars) == ["error", "odd"]
    assert dataset["shift"].values.tolist() == [1.0, 4.0]
    assert dataset.num_compilations == 4  # for each kind and workflow


def test_cells_are_what_run_seeds_gives():
    keys = cj.seed_keys(SIZE["key"], 25)
    for kind, shift, workflow, n in ((1, 4.0, cj.Replace(), 8), (2, 1.0, cj.Accumulate(), 6)):
        alone = cj.run_seeds(keys, Small(shift, kind), workflow, num_samples=n, num_generations=5)
        cell = swept().sel(kind=kind, shift=shift, workflow=workflow.name, num_samples=n)
        for name, values in alone.metrics.items():
            np.testing.assert_allclose(cell[name], values, rtol=2e-5, atol=1e-5)


def test_cells_of_an_exact_law_are_what_run_seeds_gives():
    over = {"sigma2": [1.0, 4.0], "num_samples": [6, 8]}
    dataset = cj.sweep(cj.Gaussian(), "replace", over=over, num_generations=5, num_seeds=25, key=SIZE["key"])
    assert dataset.num_compilations == 1
    for sigma2, n in itertools.product(*over.values()):
        keys = cj.seed_keys(SIZE["key"], 25)
        alone = cj.run_seeds(keys, cj.Gaussian(1, sigma2), cj.Replace(), num_samples=n, num_generations=5)
        cell = dataset.isel(workflow=0).sel(sigma2=sigma2, num_samples=n)
        for name, values in alone.metrics.items():
            np.testing.assert_allclose(cell[name], values, rtol=2e-5, atol=1e-5)


def test_each_cell_has_the_settings_of_its_own_workflow():
    weights = [0.1, 0.9]
    workflows = [cj.Weighted(weight) for weight in weights]
    listed = cj.sweep(Small(), workflows, **SIZE, num_seeds=5)
    assert listed.num_compilations == 1
    assert list(listed.workflow.values) == ["weighted(real_weight=0.1)", "weighted(real_weight=0.9)"]
    over = cj.sweep(Small(), "weighted", over={"weighted.real_weight": weights}, **SIZE, num_seeds=5)
    assert dict(over.sizes) == dict(real_weight=2, workflow=1, seed=5, generation=5)
    np.testing.assert_allclose(over.error.isel(workflow=0), listed.error, rtol=1e-5)
    keys = cj.seed_keys(SIZE["key"], 5)
    for workflow, cell in zip(workflows, listed.error, strict=True):
        alone = cj.run_seeds(keys, Small(), workflow, num_samples=6, num_generations=5)
        np.testing.assert_allclose(cell, alone.metrics["error"], rtol=2e-5, atol=1e-6)


SETTINGS = dict(
    task=Small(),
    workflows=["replace", "weighted"],
    over={"weighted.real_weight": [0.1, 0.5, 0.9]},
    **SIZE,
)


@KEEP
def test_a_setting_of_another_workflow_costs_nothing(jobs, keep, tmp_path):
    """The seeds of a workflow that it makes no difference to are simulated once, also where a sweep goes on."""
    options = dict(**SETTINGS, keep=keep, out=tmp_path / "s", execution=cj.Execution(chunk=4))
    cj.sweep(**options, num_seeds=6)
    assert num_seeds(jobs) == (1 + 3) * 6
    jobs.clear()
    grown = cj.sweep(**options, num_seeds=10)
    assert num_seeds(jobs) == (1 + 3) * 4
    assert np.isfinite(grown.odd).all()
    replace = grown.error.sel(workflow="replace")
    np.testing.assert_array_equal(replace, np.broadcast_to(replace[0], replace.shape))
    assert (grown.error.sel(workflow="weighted").std("real_weight").isel(generation=-1) > 0).any()
    jobs.clear()
    (tmp_path / "s" / "records" / "1.0-0.json").unlink()
    assert_same(cj.sweep(**options, num_seeds=10), grown, rtol=1e-5)
    assert jobs == [(0, 0, 4)]


def test_a_setting_of_another_workflow_costs_no_process_anything(jobs, tmp_path):
    options = dict(num_seeds=10, out=tmp_path / "s")
    with pytest.warns(UserWarning, match="of 18 shards are missing"):
        cj.sweep(**SETTINGS, **options, execution=cj.Execution(chunk=4, share=(0, 2)))
    mine = num_seeds(jobs)
    both = cj.sweep(**SETTINGS, **options, execution=cj.Execution(chunk=4, share=(1, 2)))
    assert 10 < mine < 30
    assert num_seeds(jobs) == (1 + 3) * 10
    assert_same(both, cj.sweep(**SETTINGS, num_seeds=10), rtol=1e-5)


@pytest.mark.parametrize("keep", ["seeds", pytest.param("summary", marks=pytest.mark.slow)])
def test_a_sweep_may_grow(keep, jobs, tmp_path):
    options = dict(keep=keep, out=tmp_path / "s", execution=cj.Execution(chunk=4))
    small(10, **options)
    jobs.clear()
    grown = small(25, **options)
    assert jobs == [(0, 10, 12), (0, 12, 16), (0, 16, 20), (0, 20, 24), (0, 24, 25)]
    assert_same(grown, small(25, keep=keep), rtol=1e-5)
    if keep == "summary":
        assert (grown.error.sel(statistic="count") == 25).all()
    with pytest.raises(ValueError, match="has 25 seeds already, num_seeds=10"):
        small(10, **options)


@pytest.mark.slow
def test_a_sweep_that_grows_may_share_other_programs(monkeypatch, tmp_path):
    options = dict(SIZE, num_samples=None, over={"num_samples": [5, 6, 9]})
    stored = dict(**options, out=tmp_path / "s", execution=cj.Execution(chunk=4))
    assert cj.sweep(Small(), "accumulate-subsample", **stored, num_seeds=10).num_compilations == 1
    monkeypatch.setattr("collapsejax.sweeps.cells._MOST_PADDING", 0)
    grown = cj.sweep(Small(), "accumulate-subsample", **stored, num_seeds=25)
    assert grown.num_compilations == 3
    monkeypatch.undo()
    assert_same(grown, cj.sweep(Small(), "accumulate-subsample", **options, num_seeds=25), rtol=1e-4)


@pytest.mark.parametrize("chunk", [4, *(pytest.param(chunk, marks=pytest.mark.slow) for chunk in (1, 24))])
def test_chunks_change_nothing(chunk):
    """Not the last bit, on a CPU."""
    assert_same(small(execution=cj.Execution(chunk=chunk)), small(), rtol=0)


def test_summaries_do_not_depend_on_chunks(tmp_path):
    for out in (None, tmp_path / "s"):
        assert_same(small(keep="summary", execution=cj.Execution(chunk=3), out=out), small(keep="summary"))


def test_summary_is_that_of_the_seeds():
    summary, seeds = swept(keep="summary"), swept()
    assert list(summary.statistic.values) == list(STATISTICS)
    for name in seeds.data_vars:
        exact = cj.summarize(seeds[name]).transpose(*summary[name].dims)
        for statistic in STATISTICS:
            a, b = summary[name].sel(statistic=statistic), exact.sel(statistic=statistic)
            quantile = statistic.startswith("q") or statistic == "median"
            # 25 numbers may span 20 octaves on either side of zero.
            np.testing.assert_allclose(a, b, rtol=0.02 if quantile else 1e-6, atol=1e-6, err_msg=statistic)


def test_summary_of_infinite_values():
    odd = cj.sweep(Small(odd=-np.inf), ["replace"], **SIZE, num_seeds=25, keep="summary").odd.isel(workflow=0)
    assert np.isneginf(odd.sel(statistic="q0.025")).values.tolist() == [False, False, True, False, False]
    assert 0 < odd.sel(statistic="num_infinite")[2] < 25
    for statistic in ("mean", "min"):  # of the finite ones
        np.testing.assert_array_equal(odd.sel(statistic=statistic), [1, 2, 3, 4, 5])


@pytest.mark.slow
def test_shares_make_the_whole(tmp_path):
    options = dict(keep="summary", out=tmp_path / "s")
    with pytest.warns(UserWarning, match="of 7 shards are missing"):
        small(**options, execution=cj.Execution(chunk=4, share=(0, 2)))
    assert_same(small(**options, execution=cj.Execution(chunk=4, share=(1, 2))), small(keep="summary"))


@KEEP
def test_nan_is_announced(keep):
    with pytest.warns(UserWarning, match=r"odd is NaN first in generation 2 \(replace; \d+ of seeds 0 to 24\)"):
        dataset = cj.sweep(Small(odd=np.nan), ["replace"], **SIZE, num_seeds=25, keep=keep)
    assert dataset.odd.attrs["long_name"] == "odd"
    odd = dataset.odd.isel(workflow=0)
    nan = np.isnan(odd).sum("seed") if keep == "seeds" else odd.sel(statistic="num_nan")
    assert [0 < number < 25 for number in nan] == [False, False, True, False, False]
    assert keep == "seeds" or not np.isnan(odd).any()


def test_progress_counts_cells_and_seeds(tmp_path):
    calls = []
    options = dict(**SIZE, num_seeds=25, out=tmp_path / "s", execution=cj.Execution(chunk=10))
    cj.sweep(Small(), ["replace", "accumulate"], **options, progress=calls.append)
    assert calls[0].doing == "compiling replace"
    assert (calls[0].cells, calls[0].num_cells, calls[0].seeds, calls[0].num_seeds) == (0, 2, 0, 50)
    assert (calls[-1].cells, calls[-1].seeds) == (2, 50)
    assert [call.seeds for call in calls] == sorted(call.seeds for call in calls)


def test_what_is_there_is_not_computed_again(jobs, tmp_path):
    """Also where the sweep was stopped in between, and where it is there as a whole."""

    def stop(progress):
        if progress.seeds == 25:
            raise KeyboardInterrupt

    options = dict(**SIZE, num_seeds=25, out=tmp_path / "s")
    with pytest.raises(KeyboardInterrupt):
        cj.sweep(Small(), ["replace", "accumulate"], **options, progress=stop)
    assert num_seeds(jobs) == 25
    with pytest.warns(UserWarning, match="1 of 2 shards are missing"):
        assert np.isfinite(cj.open(tmp_path / "s").error[0]).all()
    resumed = cj.sweep(Small(), ["replace", "accumulate"], **options)
    again = cj.sweep(Small(), ["replace", "accumulate"], **options)
    assert num_seeds(jobs) == 50
    assert (resumed.num_compilations, again.num_compilations) == (1, 0)
    assert_same(resumed, again, rtol=0)
    assert_same(resumed.isel(workflow=[0]), small(), rtol=1e-5)


def test_rehearsal_times_every_program():
    plan, told = make_plan(**SETTINGS, num_seeds=25), []
    timings = rehearse(plan, told.append)
    assert [(timing.label, timing.num_cells) for timing in timings] == [
        ("replace (3 cells)", 1),
        ("weighted (3 cells)", 3),
    ]
    assert [(progress.cells, progress.num_cells) for progress in told] == [(0, 6), (3, 6)]
    assert all(timing.compile_seconds > 0 and timing.seconds_a_seed > 0 for timing in timings)
    assert carry_out(plan).sizes["seed"] == 25


def test_numpy_sizes_are_sizes(tmp_path):
    options = dict(key=SIZE["key"], out=tmp_path / "s")
    over = {"kind": np.arange(1, 3), "shift": np.float32([1.0, 2.0]), "num_samples": np.array([6, 8])}
    cj.sweep(Small(), ["replace"], over=over, num_generations=np.int64(5), num_seeds=np.int32(5), **options)
    over = {"kind": [1, 2], "shift": [1.0, 2.0], "num_samples": [6, 8]}
    again = cj.sweep(Small(), ["replace"], over=over, num_generations=5, num_seeds=5, **options)
    assert again.num_compilations == 0


class Diluted(cj.Workflow):
    """Replace under another name, with a field of its own."""

    share: float = 0.5

    name = "diluted"

    capacity, init, select = cj.Replace.capacity, cj.Replace.init, cj.Replace.select

    def update(self, key, state, synthetic, draw_real):
        return synthetic.scale(self.share)


def test_workflows_of_ones_own_may_differ_in_a_field():
    dataset = cj.sweep(Small(), [Diluted(0.25), Diluted(1.0)], **SIZE, num_seeds=5)
    assert list(dataset.workflow.values) == ["diluted(share=0.25)", "diluted(share=1.0)"]
    assert_same(dataset.isel(workflow=[1]), small(5), rtol=1e-5)


@pytest.mark.slow
def test_an_interrupted_growth_is_no_summary(tmp_path):
    """New moments beside old counts, as a process leaves that is killed between two files, are never merged."""
    options = dict(keep="summary", out=tmp_path / "s", execution=cj.Execution(chunk=10))
    small(15, **options)
    place = tmp_path / "s" / "shards" / "error_counts" / "c" / "0" / "1" / "0" / "0" / "0"
    old = place.read_bytes()
    small(20, **options)
    place.write_bytes(old)
    (tmp_path / "s" / "error" / "c" / "0" / "0" / "0").unlink()
    assert_same(small(20, **options), small(20, keep="summary"), rtol=1e-5)
