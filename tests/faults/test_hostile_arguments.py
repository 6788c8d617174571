"""Values of every type and size through flags of each command, and through files: no traceback, nothing left.

A call takes a third of a second to read its flags, so each flag gets the next of the values, not all of them.
"""

import itertools
import math

import jax
import pytest

import collapsejax as cj
from collapsejax.cli.main import main
from collapsejax.cli.schema import MAKERS, settings
from collapsejax.tasks import TASKS
from collapsejax.workflows import WORKFLOWS

pytestmark = pytest.mark.faults

VALUES = ["0", "-1", str(2**31), str(10**20), "9" * 5000, "1e300", "1e-300", "nan", "inf", "-inf", "", "a\0b", "/"]
VALUES += ["x" * 100_000, "é\N{SNOWMAN}", "\udcff", "(" * 300, "True"]
SIZES = {"num_samples": "6", "num_generations": "2", "num_seeds": "2"}


class Planned(Exception):
    """A command has come to where it would compile."""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder, and commands that stop as soon as they would compile or simulate."""

    def stop(*arguments, **options):
        raise Planned

    monkeypatch.chdir(tmp_path)
    for place in ("sweeps.run.carry_out", "sweeps.run.rehearse", "studies.reproduce.simulate"):
        monkeypatch.setattr(f"collapsejax.{place}", stop)
    monkeypatch.setattr("collapsejax.validation.validate._compare", stop)
    monkeypatch.setattr("collapsejax.cli.compilation_cache.Compiles.set_up_cache", lambda self: None)
    monkeypatch.setattr("collapsejax.cli.devices.chosen_devices", lambda number=None: jax.devices()[:1])
    return tmp_path


def outcome(arguments, capsys, folder):
    """What is wrong with how the command line takes these arguments; None where nothing is."""
    before = sorted(folder.iterdir())
    said = None
    try:
        main(arguments)
    except Planned:
        said = "planned"
    except SystemExit as leaving:
        said = leaving.code
    except BaseException as error:
        return f"{type(error).__name__}: {error!s:.200}"
    err = capsys.readouterr().err.encode(errors="backslashreplace").decode()
    lines = [line for line in err.splitlines() if "is far from the standard deviations" not in line]
    if said not in (None, 0, "planned") and (said != 2 or len(lines) != 1 or not lines[0].startswith("collapsejax: ")):
        return f"left with {said}: {err:.500}"
    if said == 2 and len(err) > 2100:
        return f"{len(err)} characters of an error"
    return f"left {set(folder.iterdir()) - set(before)}" if sorted(folder.iterdir()) != before else None


def sized(arguments, flag):
    """With small sizes, but for the flag itself."""
    return [*arguments, *itertools.chain(*((_flag(name), size) for name, size in SIZES.items() if name != flag))]


def _flag(name):
    return f"--{name.replace('_', '-')}"


def test_the_flags_of_run(capsys, folder):
    wrong, values = {}, itertools.cycle(VALUES)
    own = ["num_samples", "num_generations", "num_seeds", "seed", "out", "plot", "metric", "workflow"]
    for task, kind in TASKS.items():
        of_task = [name for name in settings(kind) if name != "source"]
        for flag in of_task[:3] + (own if task == "gaussian" else []):
            value = next(values)
            more = ["--source", "markov"] if task == "transformer" else []
            arguments = sized(["run", task, *more, f"{_flag(flag)}={value}"], flag)
            if complaint := outcome(arguments, capsys, folder):
                wrong[task, flag, value[:20]] = complaint
    assert not wrong


def test_the_flags_of_sources(capsys, folder):
    wrong, values = {}, itertools.cycle(VALUES[1:])
    for source, maker in MAKERS.items():
        task = "transformer" if source in ("markov", "text") else "gaussian"
        for flag, value in zip(settings(maker), values, strict=False):
            arguments = sized(["run", task, "--source", source, f"{_flag(flag)}={value}"], flag)
            if complaint := outcome(arguments, capsys, folder):
                wrong[source, flag, value[:20]] = complaint
    assert not wrong


def test_the_settings_of_workflows(capsys, folder):
    wrong = {}
    for name, workflow in WORKFLOWS.items():
        for setting, value in itertools.product(settings(type(workflow)), VALUES[3:6]):
            arguments = sized(["run", "gaussian", f"--workflow={name}({setting}={value})"], "")
            if complaint := outcome(arguments, capsys, folder):
                wrong[name, setting, value[:20]] = complaint
    assert not wrong


def test_the_flags_of_other_commands(capsys, folder):
    wrong = {}
    of_sweep = ["sweep", "--task", "gaussian", "--workflow", "replace", "--out", "s"]
    commands = {
        "num_samples": of_sweep,
        "num_generations": of_sweep,
        "num_seeds": of_sweep,
        "seed": of_sweep,
        "keep": of_sweep,
        "chunk": of_sweep,
        "task": of_sweep[:1] + of_sweep[3:],
        "dim": of_sweep,
        "sigma2": of_sweep,
        "weighted.real_weight": of_sweep,
        "out": of_sweep[:-2],
    }
    cases = [(sized(arguments, flag), flag) for flag, arguments in commands.items()]
    cases += [(["validate"], flag) for flag in ("num_seeds", "seed", "only", "out", "plant")]
    cases += [(["reproduce"], "seed")]
    values = itertools.cycle(VALUES[1:])
    for (arguments, flag), value in zip(cases, values, strict=False):
        if complaint := outcome([*arguments, f"{_flag(flag)}={value}"], capsys, folder):
            wrong[arguments[0], flag, value[:20]] = complaint
    (folder / "file").touch()
    for value in ("a\0b", "", "file", "file/below"):
        if complaint := outcome(["reproduce", "gaussian", "--out", value], capsys, folder):
            wrong["reproduce", "out", value] = complaint
    for command, value in itertools.product(("info", "plot", "sweep"), ("a\0b", "x" * 100_000, "\udcff")):
        if complaint := outcome([command, value], capsys, folder):
            wrong[command, value[:20]] = complaint
    assert not wrong


def test_specifications(capsys, folder):
    wrong = {}
    texts = [
        "x = " + "[" * 5000,
        "x = " + "9" * 5000,
        "\0",
        "x=1 # " + "y" * 10**7,
        "task = 3",
        "task = []",
        "[[task]]",
    ]
    values = (10**30, -1, "nan", "true", '"a"', "[]")
    texts += [f"{name} = {value}" for name, value in zip(itertools.cycle(SIZES), values, strict=False)]
    whole = 'task = "gaussian"\nworkflow = "replace"\n'
    for text in texts:
        name = text.partition(" ")[0]
        sizes = "".join(f"{other} = {size}\n" for other, size in SIZES.items() if other != name)
        (folder / "spec.toml").write_text(f"{whole}{sizes}{text}\n")
        if complaint := outcome(["sweep", "spec.toml", "--out", "s"], capsys, folder):
            wrong[text[:20]] = complaint
    (folder / "spec.toml").write_bytes(b"\xff\xfe")
    assert not wrong
    assert outcome(["sweep", "spec.toml", "--out", "s"], capsys, folder) is None


@pytest.mark.parametrize("make", [cj.Window, cj.FreshData, cj.Gaussian, cj.LinearRegression, cj.Categorical])
def test_constructors(make):
    for value in (-1, 2**31, 10**20, 10**5000, 1e300, math.nan, math.inf, "", "a\0b", "x" * 10**5, True, [1], 1j):
        with pytest.raises(ValueError, match=r"^[^\n]{1,300}$"):
            make(value)
