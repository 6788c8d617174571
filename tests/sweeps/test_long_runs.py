import jax
import jax.numpy as jnp
import numpy as np
import pytest
from warm import WORKFLOWS, Told, Warm, assert_same

import collapsejax as cj
from collapsejax import loop
from collapsejax.cli import tables
from collapsejax.results.dataset import SAMPLES
from collapsejax.sweeps.plan import make_plan
from collapsejax.sweeps.program import CallShape, Program
from collapsejax.sweeps.run import rehearse
from collapsejax.sweeps.summary import known_curves

pytestmark = pytest.mark.usefixtures("cache")

SIZE = dict(num_samples=6, num_generations=5, key=jax.random.key(20240615))


@pytest.fixture(scope="module")
def whole():
    """A sweep in memory that nothing disturbed."""
    return cj.sweep(Warm(), WORKFLOWS, **SIZE, num_seeds=3)


def test_generation_by_generation_is_the_one_scan(whole):
    keys, sizes = cj.seed_keys(SIZE["key"], 3), dict(num_samples=6, num_generations=5)
    record = lambda truth, params, synthetic: Warm().text_samples(truth, params)
    for name in WORKFLOWS:
        alone = cj.run_seeds(keys, Warm(), cj.workflows.find(name), **sizes, record=record)
        cell = whole.sel(workflow=name)
        for metric, values in alone.metrics.items():
            np.testing.assert_allclose(cell[metric], values, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(cell[SAMPLES], alone.recorded)
        assert cell[SAMPLES].dtype == np.uint8


def test_two_programs_serve_all_workflows_and_values(monkeypatch):
    compiled = []
    compile = jax.stages.Lowered.compile
    monkeypatch.setattr(jax.stages.Lowered, "compile", lambda *args: compiled.append(args) or compile(*args))
    over = {"shift": [0.0, 1.0], "weighted.real_weight": [0.25, 0.5, 0.75]}
    dataset = cj.sweep(Warm(), [*WORKFLOWS, "window", "weighted"], over=over, **SIZE, num_seeds=2)
    assert dataset.num_compilations == 1  # of two parts: what comes before generation 0, and a generation
    assert len(compiled) == 2
    assert (np.abs(dataset.error.diff("workflow")).max("generation") > 1e-4).all()
    steps = np.abs(dataset.error.diff("real_weight")).max("generation")
    assert (steps.sel(workflow="weighted") > 1e-4).all()
    assert (steps.drop_sel(workflow="weighted") == 0).all()


def test_in_turn_and_in_step_give_the_same(whole):
    in_step = cj.sweep(Warm(), WORKFLOWS, **SIZE, num_seeds=3, execution=cj.Execution(in_turn=False))
    assert_same(in_step, whole, rtol=1e-5)


def lowered(task, in_turn):
    arguments, static = loop.prepared(
        cj.seed_keys(SIZE["key"], 3), task, cj.Replace(), num_samples=6, num_generations=5, in_turn=in_turn
    )
    assert static["in_turn"] == (in_turn is True or (in_turn is None and task.long_running))
    return loop.simulate.lower(*arguments, **static)


def test_run_seeds_in_turn(monkeypatch):
    """The numbers are those in step, and what is the default depends on the task."""
    in_turn, in_step = lowered(Warm(), None).compile(), lowered(Warm(), False).compile()
    keys = cj.seed_keys(SIZE["key"], 3)
    for name, values in in_turn(keys, Warm(jnp.float32(0)), cj.Replace(), None).metrics.items():
        other = in_step(keys, Warm(jnp.float32(0)), cj.Replace(), None).metrics[name]
        np.testing.assert_allclose(values, other, rtol=1e-5, atol=1e-6)
    text = lambda lowering: lowering.as_text()
    assert text(lowered(Warm(), None)) == text(lowered(Warm(), True)) != text(lowered(Warm(), False))
    monkeypatch.setattr(Warm, "long_running", False)
    assert text(lowered(Warm(), None)) == text(lowered(Warm(), False))


@pytest.mark.slow
@pytest.mark.parametrize("in_turn", [True, False])
def test_memory_is_that_of_each_seed_and_a_constant(in_turn):
    """In turn only what is carried comes with a seed; in step also what a generation needs in between."""
    sizes, execution = dict(SIZE, num_samples=1000), cj.Execution(in_turn=in_turn)
    plan = make_plan(Warm(), ["accumulate"], **sizes, num_seeds=100, execution=execution)
    program = Program(plan.grid.cells, plan.settings, by_generation=True)
    need = [program.compile(plan.key, CallShape(1, seeds, 1 if in_turn else seeds)) for seeds in (2, 4, 20)]
    a_seed, state = (need[2] - need[1]) / 16, plan.state_bytes([0])
    np.testing.assert_allclose(need[1] - need[0], 2 * a_seed, rtol=0.1)
    assert (a_seed < 1.1 * state) == in_turn


def test_what_is_done_can_be_read_during_the_run(whole, tmp_path):
    """In all cells, also those that are simulated once for several values of a setting."""
    seen = []

    def look(progress):
        if "generation 2/5" in progress.doing:
            with pytest.warns(UserWarning, match="8 of 8 shards are missing"):
                seen.append(cj.open(tmp_path / "s").load())

    options = dict(over={"weighted.real_weight": [0.25, 0.75]}, **SIZE, num_seeds=3, out=tmp_path / "s")
    cj.sweep(Warm(), [*WORKFLOWS, "weighted"], **options, progress=look)
    (partial,) = seen
    assert np.isnan(partial.error[..., 2:]).all()
    done, whole_of = partial.isel(generation=slice(2)), cj.open(tmp_path / "s").load()
    assert np.isfinite(done.error).all()
    assert_same(done, whole_of.isel(generation=slice(2)))
    for place in range(2):
        assert_same(whole_of.isel(real_weight=place).sel(workflow=WORKFLOWS), whole, rtol=1e-5)
    assert not (tmp_path / "s" / "running").exists()


@pytest.mark.parametrize("keep", ["seeds", "summary"])
def test_a_sweep_goes_on_after_the_last_generation(keep, whole, tmp_path):
    options = dict(**SIZE, num_seeds=3, out=tmp_path / "s", keep=keep)
    with pytest.raises(KeyboardInterrupt):
        cj.sweep(Warm(), WORKFLOWS, **options, progress=Told(most=3))
    told = Told()
    resumed = cj.sweep(Warm(), WORKFLOWS, **options, progress=told)
    assert told.generations == ["4/5", "5/5"]
    assert [doing.partition("resuming ")[2] for doing in told.said if "resuming" in doing] == ["at generation 3"]
    if keep == "seeds":
        assert_same(resumed, whole)
    else:
        wanted = cj.summarize(whole.error).sel(statistic=["mean", "min", "max", "count"])
        np.testing.assert_allclose(
            resumed.error.sel(statistic=wanted.statistic), wanted.transpose(*resumed.error.dims), rtol=1e-5, atol=1e-6
        )
    assert not (tmp_path / "s" / "running").exists()


@pytest.mark.slow
def test_a_checkpoint_of_another_call_is_no_good(whole, tmp_path):
    """The store grows while a run is under way: it is begun anew, without a trace of what was kept."""
    options = dict(**SIZE, out=tmp_path / "s", execution=cj.Execution(chunk=3))
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
    options = dict(**SIZE, out=tmp_path / "s", execution=cj.Execution(chunk=2))
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


def test_plots_and_tables_leave_text_samples_out(whole, capsys):
    cj.plots.curves(whole)
    with pytest.raises(ValueError, match=f"metric '{SAMPLES}'"):
        cj.plots.curves(whole, [SAMPLES])
    tables.print_tables(whole, None, known_curves(whole))
    said = capsys.readouterr().out
    assert "noise: noise" in said
    assert SAMPLES not in said


def test_text_samples_of_several_sizes(tmp_path):
    options = dict(SIZE, num_generations=1, over={"length": [1, 3]})
    dataset = cj.sweep(Warm(), ["replace"], **options, num_seeds=2, out=tmp_path / "s")
    samples = dataset[SAMPLES]
    assert samples.dims[:4] == ("length", "workflow", "seed", "generation")
    assert samples.dims[-1] == "position"
    assert samples.shape == (2, 1, 2, 1, 3, 3)
    assert (samples.sel(length=1).isel(position=slice(1, None)) == 0).all()
    assert (samples.sel(length=3).isel(position=2) > 0).any()
    cj.save(dataset.load(), tmp_path / "copy")
    np.testing.assert_array_equal(cj.open(tmp_path / "copy")[SAMPLES], samples)


def test_a_rehearsal_runs_a_generation(monkeypatch):
    plan, results = make_plan(Warm(), WORKFLOWS, **SIZE, num_seeds=3), []
    simulate = Program.__call__
    monkeypatch.setattr(Program, "__call__", lambda *args: results.extend(simulate(*args)) or results)
    (timing,) = rehearse(plan)
    assert timing.num_cells == 3
    assert results[0]["error"].shape == (1, 1)
