import jax
import jax.numpy as jnp
import numpy as np
import pytest
from collapsejax.sweeps.long_program import LongProgram
from warm import WORKFLOWS, Told, Warm, assert_same

import collapsejax as cj
from collapsejax import loop
from collapsejax.cli import output
from collapsejax.data.rows import Rows
from collapsejax.sweeps.plan import make_plan
from collapsejax.sweeps.program import Shape
from collapsejax.sweeps.run import rehearse
from collapsejax.workflows import find

pytestmark = pytest.mark.usefixtures("cache")

SIZE = dict(num_samples=6, num_generations=5, key=jax.random.key(20240615))


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


class Known(cj.Task):
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


def test_in_turn_and_in_step_give_the_same(whole):
    assert_same(cj.sweep(Warm(), WORKFLOWS, **SIZE, num_seeds=3, in_turn=False), whole, rtol=1e-5)


def lowered(task, in_turn):
    arguments, static = loop.prepared(
        cj.seed_keys(SIZE["key"], 3), task, cj.Replace(), num_samples=6, num_generations=5, in_turn=in_turn
    )
    assert static["in_turn"] == (in_turn is True or (in_turn is None and task.costly))
    return loop.simulate.lower(*arguments, **static)


def test_run_seeds_in_turn(monkeypatch):
    """The memory of a program does not grow with the seeds, but for keys and results; in step it does."""
    in_turn, in_step = lowered(Warm(), None).compile(), lowered(Warm(), False).compile()
    keys = cj.seed_keys(SIZE["key"], 3)
    for name, values in in_turn(keys, Warm(jnp.float32(0)), cj.Replace(), None).metrics.items():
        other = in_step(keys, Warm(jnp.float32(0)), cj.Replace(), None).metrics[name]
        np.testing.assert_allclose(values, other, rtol=1e-5, atol=1e-6)
    text = lambda lowering: lowering.as_text()
    assert text(lowered(Warm(), None)) == text(lowered(Warm(), True)) != text(lowered(Warm(), False))
    monkeypatch.setattr(Warm, "costly", False)
    assert text(lowered(Warm(), None)) == text(lowered(Warm(), False))


def test_what_no_generation_reads_is_not_computed():
    plan = make_plan(Warm(), WORKFLOWS, **SIZE, num_seeds=3)
    program = LongProgram(plan.grid.cells, plan.settings)
    program._trace(plan.key)
    assert [leaf is not None for leaf in program._unread] == [False, False, True]  # key, mean, unread


@pytest.mark.slow
@pytest.mark.parametrize("in_turn", [True, False])
def test_memory_is_that_of_each_seed_and_a_constant(in_turn):
    """In turn only what is carried comes with a seed; in step also what a generation needs in between."""
    sizes = dict(SIZE, num_samples=1000)
    plan = make_plan(Warm(), ["accumulate"], **sizes, num_seeds=100, in_turn=in_turn)
    program = LongProgram(plan.grid.cells, plan.settings)
    need = [program.lower(plan.key, Shape(1, seeds, 1 if in_turn else seeds))() for seeds in (2, 4, 20)]
    a_seed, state = (need[2] - need[1]) / 16, plan.state_bytes([0])
    np.testing.assert_allclose(need[1] - need[0], 2 * a_seed, rtol=0.1)
    assert (a_seed < 1.1 * state) == in_turn


def test_what_is_done_can_be_read_during_the_run(whole, tmp_path):
    seen = []

    def look(progress):
        if "generation 2/5" in progress.doing:
            with pytest.warns(UserWarning, match="3 of 3 shards are missing"):
                seen.append(cj.open(tmp_path / "s").load())

    cj.sweep(Warm(), WORKFLOWS, **SIZE, num_seeds=3, out=tmp_path / "s", progress=look)
    (partial,) = seen
    assert np.isnan(partial.error[:, :, 2:]).all()
    assert_same(partial.isel(generation=slice(2)), whole.isel(generation=slice(2)))
    assert not (tmp_path / "s" / "running").exists()
    assert_same(cj.open(tmp_path / "s"), whole)


@pytest.mark.parametrize("keep", ["seeds", "summary"])
def test_a_sweep_goes_on_after_the_last_generation(keep, whole, tmp_path):
    options = dict(**SIZE, num_seeds=3, out=tmp_path / "s", keep=keep)
    with pytest.raises(KeyboardInterrupt):
        cj.sweep(Warm(), WORKFLOWS, **options, progress=Told(most=3))
    told = Told()
    resumed = cj.sweep(Warm(), WORKFLOWS, **options, progress=told)
    assert told.generations == ["4/5", "5/5"]
    if keep == "seeds":
        assert_same(resumed, whole)
    else:
        assert_same(resumed, cj.sweep(Warm(), WORKFLOWS, **SIZE, num_seeds=3, keep=keep))
        wanted = cj.summarize(whole.error).sel(statistic=["mean", "min", "max", "count"])
        np.testing.assert_allclose(
            resumed.error.sel(statistic=wanted.statistic), wanted.transpose(*resumed.error.dims), rtol=1e-5, atol=1e-6
        )
    assert not (tmp_path / "s" / "running").exists()


@pytest.mark.slow
def test_a_checkpoint_of_another_call_is_no_good(whole, tmp_path):
    """The store grows while a run is under way: it is begun anew, without a trace of what was kept."""
    options = dict(**SIZE, chunk=3, out=tmp_path / "s")
    with pytest.raises(KeyboardInterrupt):
        cj.sweep(Warm(), WORKFLOWS, **options, num_seeds=2, progress=Told(most=3))
    told = Told()
    grown = cj.sweep(Warm(), WORKFLOWS, **options, num_seeds=3, progress=told)
    assert told.generations == ["1/5", "2/5", "3/5", "4/5", "5/5"]
    assert_same(grown, whole)
    told = Told()
    again = cj.sweep(Warm(), WORKFLOWS, **options, num_seeds=3, progress=told)
    assert (again.num_compilations, told.generations) == (0, [])


@pytest.mark.slow
def test_several_calls_and_a_shard_that_grows(tmp_path):
    """Calls of two seeds each; the second sweep adds a seed to the last shard of each workflow, and one shard."""
    options = dict(**SIZE, chunk=2, out=tmp_path / "s")
    cj.sweep(Warm(), WORKFLOWS, **options, num_seeds=3)
    before = cj.open(tmp_path / "s").load()
    seen = []

    def look(progress):
        if "generation 2/5" in progress.doing and not seen:
            with pytest.warns(UserWarning, match="6 of 9 shards are missing"):
                seen.append(cj.open(tmp_path / "s").load())

    grown = cj.sweep(Warm(), WORKFLOWS, **options, num_seeds=5, progress=look)
    assert_same(seen[0].isel(seed=slice(3)), before)  # a record vouches for these
    assert_same(grown.isel(seed=slice(3)), before)
    assert_same(grown, cj.sweep(Warm(), WORKFLOWS, **SIZE, num_seeds=5), rtol=1e-6)


def test_plots_and_tables_leave_specimens_out(whole, capsys):
    cj.plots.curves(whole)
    with pytest.raises(ValueError, match="metric 'specimens': there is none"):
        cj.plots.curves(whole, ["specimens"])
    output.print_tables(whole, None)
    said = capsys.readouterr().out
    assert "noise: noise" in said
    assert "specimens" not in said


@pytest.mark.slow
def test_specimens_of_several_sizes(tmp_path):
    task, options = Warm(length=[1, 3]), dict(SIZE, num_generations=1)
    dataset = cj.sweep(task, ["replace"], **options, num_seeds=2, out=tmp_path / "s")
    assert dataset.specimens.dims == ("length", "workflow", "seed", "generation", "specimen", "position")
    assert dataset.specimens.shape == (2, 1, 2, 1, 3, 3)
    assert (dataset.specimens.sel(length=1).isel(position=slice(1, None)) == 0).all()
    assert (dataset.specimens.sel(length=3).isel(position=2) > 0).any()
    cj.save(dataset.load(), tmp_path / "copy")
    np.testing.assert_array_equal(cj.open(tmp_path / "copy").specimens, dataset.specimens)


def test_specimens_must_be_rows_of_numbers(monkeypatch):
    monkeypatch.setattr(Warm, "specimens", lambda self, truth, params: params["mean"])
    with pytest.raises(ValueError, match=r"specimens: task 'warm' must give an array \(k, L\) of numbers"):
        cj.sweep(Warm(), WORKFLOWS, **SIZE, num_seeds=1)


def test_tasks_without_specimens_have_the_manifest_they_had():
    manifest = make_plan(cj.Gaussian(2), WORKFLOWS, **SIZE, num_seeds=3).manifest
    assert "specimens" not in manifest.configuration | manifest.attributes
    assert list(manifest.configuration) == [
        *("task", "workflows", "num_samples", "num_generations", "rows", "keep", "dtype", "key", "key_impl")
    ]


def test_a_rehearsal_runs_a_generation(monkeypatch):
    plan, results = make_plan(Warm(), WORKFLOWS, **SIZE, num_seeds=3), []
    simulate = LongProgram.__call__
    monkeypatch.setattr(LongProgram, "__call__", lambda *args: results.extend(simulate(*args)) or results)
    (timing,) = rehearse(plan)
    assert timing.num_cells == 3
    assert results[0]["error"].shape == (1, 1)
