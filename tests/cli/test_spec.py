"""What specifications and flags of sweeps mean, and what is said of wrong ones."""

import importlib
import re
from pathlib import Path

import jax
import pytest

import collapsejax as cj
from collapsejax.cli import spec
from collapsejax.cli.main import main
from collapsejax.cli.spec import Specification
from collapsejax.cli.sweep import Sweep
from collapsejax.sweeps.grid import expand

GOOD = """task = "kde"
workflow = ["replace", "weighted"]
num_samples = [6, 8]
num_generations = 5
num_seeds = 25

"""
MOONS = "[kde.source]\nname = 'moons'\n"
TABLE = "[kde.source]\nname = 'table'\n"
LIST = '[[kde.source]]\nname = "moons"\n[[kde.source]]\nname = "circles"\n'
FLAGS = "--workflow replace --num-samples 6 --num-generations 5 --num-seeds 3"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("iris.csv").write_text("a,b,name\n" + "".join(f"{i},{i * i % 7},x\n" for i in range(30)))


def refused(arguments, capsys):
    """The single line on stderr with which the command line refuses `arguments`."""
    with pytest.raises(SystemExit) as leaving:
        main(arguments)
    assert leaving.value.code == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err


@pytest.fixture
def planned(monkeypatch):
    """The arguments of the sweep that the command line would carry out."""

    def planned(*arguments):
        found = {}

        def stop(**given):
            found.update(given)
            raise ValueError

        importlib.import_module("collapsejax.sweeps.run")  # which would keep `stop` if it were imported after
        monkeypatch.setattr("collapsejax.sweeps.plan.make_plan", stop)
        with pytest.raises(SystemExit):
            main(["sweep", *arguments, "--out", "s"])
        return found

    return planned


def test_a_specification_is_the_arguments_of_a_sweep(planned):
    text = GOOD + "seed = 3\nchunk = 5\nrows = true\n[kde]\nbandwidth = [0.1, 'scott']\nkernel = 'tophat'\n"
    Path("s.toml").write_text(text + MOONS + "noise = [0.1, 0.2]\n[weighted]\nreal_weight = 0.3\n")
    found = planned("s.toml", "--devices", "1")
    assert found.pop("execution") == cj.Execution(chunk=5, devices=jax.local_devices()[:1], share=(0, 1))
    assert (found.pop("key") == jax.random.key(3)).all()
    assert found == {
        "task": cj.KDE(cj.sources.moons(noise=0.1), 0.1, kernel="tophat"),
        "workflows": [cj.Replace(), cj.Weighted(0.3)],
        "over": {"bandwidth": [0.1, "scott"], "source.noise": [0.1, 0.2], "num_samples": [6, 8]},
        "num_generations": 5,
        "num_seeds": 25,
        "rows": True,
        "out": "s",
    }


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("dim = [1, 3]", "--dim 1 3"),
        ("dim = 3\nsigma2 = [0.5, 2]", "--dim 3 --sigma2 0.5 2"),
        ('source = ["moons", "circles"]', "--source moons circles"),
        ('source = {name = "moons", noise = [0.1, 0.2]}', "--source moons --noise 0.1 0.2"),
        (
            'source = [{name = "moons", noise = 0.1}, {name = "circles", noise = 0.1}]',
            "--source moons circles --noise 0.1",
        ),
        ('source = {name = "blobs", shared_centres = false}', "--source blobs --shared-centres False"),
        (
            'source = {name = "table", path = "iris.csv", columns = ["a", "b"], standardize = true}',
            "--source table --path iris.csv --columns a b --standardize",
        ),
        ('source = "gaussian"', "--source gaussian"),
        ("[weighted]\nreal_weight = [0.2, 0.5]", "--weighted.real-weight 0.2 0.5"),
        (
            '[selected]\ninner = ["replace", "accumulate"]\nkeep = 0.5',
            "--selected.inner replace accumulate --selected.keep 0.5",
        ),
        ("[fresh-data]\nnum_fresh = 3", "--fresh-data.num-fresh 3"),
    ],
)  # fmt: skip
def test_flags_and_keys_mean_the_same(text, flags, planned):
    workflows = ["weighted", "selected", "fresh-data"]
    sizes = "num_samples = 6\nnum_generations = 5\nnum_seeds = 3"
    Path("s.toml").write_text(f'task = "gaussian"\nworkflow = {workflows}\n{sizes}\n[gaussian]\n{text}\n')
    by_file = planned("s.toml")
    by_flags = planned("--task", "gaussian", *FLAGS.split(), "--workflow", *workflows, *flags.split())
    assert by_file["num_samples"] == 6
    for name in ("over", "workflows"):
        assert by_file[name] == by_flags[name]
    assert repr(by_file["task"]) == repr(by_flags["task"])  # tables have arrays, which cannot be compared as a whole


def test_lists_are_dimensions_of_a_sweep(planned):
    task = "--task kde --source moons circles --noise 0.1 0.2 --bandwidth 0.1 scott"
    workflow = "--workflow weighted --weighted.real-weight 0.2 0.5"
    found = planned(*FLAGS.split(), *task.split(), *workflow.split())
    names = ("task", "workflows", "num_samples", "over")
    dims = expand(**{name: found[name] for name in names}).dims
    assert dims == {
        "source": ["moons", "circles"],
        "noise": [0.1, 0.2],
        "bandwidth": ["0.1", "scott"],
        "real_weight": [0.2, 0.5],
        "workflow": ["weighted"],
    }


def test_flags_are_of_the_task_before_its_source(planned):
    """Fields of a Gaussian and of the source of that name are called the same."""
    found = planned("--task", "gaussian", *FLAGS.split(), "--source", "gaussian", "--dim", "3")
    assert found["task"] == cj.Gaussian(3)
    found = planned("--task", "kde", *FLAGS.split(), "--source", "gaussian", "--dim", "3")
    assert found["task"].source == cj.sources.gaussian(3)


def test_flags_change_the_source_of_the_file(planned):
    Path("s.toml").write_text(GOOD + "[kde]\nsource = 'circles'\n")
    assert planned("s.toml", "--noise", "0.3")["task"].source == cj.sources.circles(0.3)
    assert planned("s.toml", "--source", "moons")["task"].source == cj.sources.moons()
    assert planned("--task", "kde", *FLAGS.split(), "--noise", "0.3")["task"].source == cj.sources.moons(0.3)


def test_sources_of_sequences():
    sizes = dict(task="transformer", workflow="replace", num_samples=6, num_generations=2, num_seeds=2)
    chain = dict(name="markov", order=1, vocab=4, window=6)
    found = spec.arguments(sizes | {"transformer": dict(source=chain, width=[8, 16], temperature=[0.5, 1])})
    assert found["task"].source == cj.sources.markov(order=1, vocab=4, window=6)
    assert (found["task"].width, found["over"]) == (8, {"width": [8, 16], "temperature": [0.5, 1]})
    Path("texts").mkdir()
    for number in range(10):
        Path(f"texts/{number}.txt").write_text(f"{number} is a number. " * 9 + "abcdefghij"[number:] * 9)
    texts = [dict(name="text", corpus="texts", window=window) for window in (8, 16)]
    found = spec.arguments(sizes | {"transformer": dict(source=texts)})
    assert [source.window for source in found["over"]["source"]] == [8, 16]


def test_a_list_may_be_one_value():
    sizes = dict(task="categorical", workflow="replace", num_samples=6, num_generations=2, num_seeds=2)
    found = spec.arguments(sizes | {"categorical": dict(probs=[0.2, 0.8])})
    assert (found["task"].probs.tolist(), found["over"]) == ([0.2, 0.8], {})
    for probs in (["uniform", "zipf"], [[0.2, 0.8], [0.5, 0.5]]):
        assert spec.arguments(sizes | {"categorical": dict(probs=probs)})["over"] == {"probs": probs}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MOONS + "noise = 'a'", "line 9: kde.source.noise: 'a': want a number"),
        ("[kde]\nsource = {name = 'moons', noise = 'a'}", "line 8: kde.source.noise: 'a': want a number"),
        ("[kde]\nsource = ['moons', {name = 'moons', noise = 'a'}]", "line 8: kde.source.noise: 'a': want a number"),
        (LIST + "noise = 'a'", "line 11: kde.source.noise: 'a': want a number"),
        ("[kde]\nsource.name = 'moons'\nsource.noise = true", "line 9: kde.source.noise: True: want a number"),
        (LIST + "noise = [0.1, 0.2]", "kde.source: a list in one of several tables makes no dimension"),
        (MOONS + "noise = [0.1, 'a']", "line 9: kde.source.noise: 'a': want a number"),
        (MOONS + "noise = []", "line 9: kde.source.noise: an empty list"),
        (MOONS + "nosie = 1", "line 9: kde.source.nosie: source 'moons' has no such setting; did you mean 'noise'"),
        ("[kde.source]\nname = 'blobs'\nshared_centres = 1", "kde.source.shared_centres: 1: want true or false"),
        (TABLE + "standardize = 'False'", "kde.source.standardize: 'False': want true or false"),
        (TABLE + "test_fraction = '0.2'", "kde.source.test_fraction: '0.2': want a number"),
        (TABLE + "test_fraction = [0.1, 0.2]", "kde.source.test_fraction: [0.1, 0.2]: want a number"),
        (TABLE + "columns = [1, 2]", "kde.source.columns: 1: want a text or a list of such"),
        (TABLE + "columns = []", "kde.source.columns: an empty list"),
        (TABLE + "path = 3", "kde.source.path: 3: want a text"),
        (TABLE + "split_seed = 0.5", "kde.source.split_seed: 0.5: want a whole number"),
        ("[kde.source]\nname = 'table'", "kde.source: source 'table': needs the path"),
        ("[kde.source]\nname = 'moon'", "kde.source: source 'moon': there is none; did you mean 'moons'"),
        ("[kde.source]\nnoise = 1", "kde.source: {'noise': 1}: want a name, one of gaussian, blobs"),
        ("[kde]\nsource = []", "line 8: kde.source: []: want a name"),
        ("[kde]\nsource = [3]", "line 8: kde.source: 3: want a name"),
        ("[kde]\nnum_test = true", "line 8: kde.num_test: True: want a whole number"),
        ("[kde]\nbandwidth = [0.1, true]", "line 8: kde.bandwidth: True: want a number or a text"),
        ("[kde]\nkernel = 3", "line 8: kde.kernel: 3: want a text"),
        ("kde = 3", "line 7: kde: 3: want a table, [kde]"),
        ("[weighted]\nreal_weight = 'half'", "line 8: weighted.real_weight: 'half': want a number"),
        ("[weighted]\nreal_weight = []", "line 8: weighted.real_weight: an empty list"),
        ("[weighted]\nweight = 1", "line 8: weighted.weight: there is no such field; did you mean 'real_weight'"),
        ("[weighted]\nreal_weight = 2", "real_weight=2: must lie between 0 and 1"),
        ("[window]\nnum_batches = 2", "window: there is no such workflow in this sweep"),
        ("[weigthed]\nreal_weight = 1", "weigthed: there is no such field; did you mean 'weighted'"),
        ("weighted = 3", "line 7: weighted: 3: want a table, [weighted]"),
    ],
)  # fmt: skip
def test_wrong_values(text, message):
    Path("s.toml").write_text(f"{GOOD}{text}\n")
    command = Sweep.asked([])(sweep=Specification(), task={}, source={}, workflow={}, spec="s.toml", out="s")
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        command.run()
    assert str(error.value).startswith("s.toml: ") or "must lie" in message
    assert not Path("s").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('["replace", "weighted"]', "3", "s.toml: line 2: workflow: 3: want a text or a list of such"),
        ('["replace", "weighted"]', "[3]", "s.toml: line 2: workflow: 3: want a text or a list of such"),
        ('["replace", "weighted"]', '{name = "replace"}', "s.toml: line 2: workflow: {'name': 'replace'}: want a text"),
        ('"kde"', '["kde"]', "s.toml: line 1: task: ['kde']: want a text"),
        ("[6, 8]", "true", "s.toml: line 3: num_samples: True: want a whole number or a list of such"),
        ("[6, 8]", "[6, 8.5]", "s.toml: line 3: num_samples: 8.5: want a whole number or a list of such"),
        ("= 5", "= [5, 6]", "s.toml: line 4: num_generations: [5, 6]: want a whole number"),
    ],
)
def test_wrong_fields(old, new, message, capsys):
    Path("s.toml").write_text(GOOD.replace(old, new))
    assert message in refused(["sweep", "s.toml", "--out", "s"], capsys)
    assert message in refused(["sweep", "s.toml", "--out", "s", "--noise", "0.1"], capsys)


@pytest.mark.parametrize("command", ["run kde", f"sweep --out s --task kde {FLAGS}"])
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--source moons --noise a", "noise: 'a' is no number"),
        ("--source table --standardize maybe", "standardize: "),
        ("--source table --test-fraction x", "test_fraction: 'x' is no number"),
        ("--source table --split-seed 0.5", "split_seed: '0.5' is no whole number"),
        ("--source moons --factor 0.5", "kde.source.factor: source 'moons' has no such setting"),
        ("--source moon", "did you mean 'moons'"),
        ("--nosie 1", "--nosie: there is no such flag; did you mean --noise?"),
        ("--num-test 2.5", "num_test: '2.5' is no whole number"),
    ],
)
def test_wrong_flags(command, flags, message, capsys):
    assert message in refused([*command.split(), *flags.split()], capsys)


def test_lines_of_fields():
    Path("s.toml").write_text("a = 1\n[b]\n'c' = 2\nd.e = 3\n[[b.f]]\ng = 1\n[[b.f]]\nh = 1\ng = 2\n")
    places = {("a",): 1, ("b", "c"): 3, ("b", "d", "e"): 4, ("b", "f", 0, "g"): 6, ("b", "f", 1, "g"): 9}
    for path, line in places.items():
        assert spec.line_of("s.toml", path) == f" line {line}:"
    assert spec.line_of("s.toml", ("a", 1, "inline")) == " line 1:"
    assert spec.line_of("s.toml", ("b", "g")) == ""
    assert not re.search(r"\d", spec.line_of("s.toml", ("g",)))
