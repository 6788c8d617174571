"""Fields of tasks and settings of sources and workflows: each has a flag with a help text, and a key in TOML."""

import contextlib
import dataclasses
import datetime
import functools
import inspect
import io
import re

import pytest

from collapsejax.cli import declared, schema, spec
from collapsejax.cli.main import main
from collapsejax.cli.schema import FieldError
from collapsejax.core.pytree import Module
from collapsejax.sources import SEQUENCES, SHAPES, table
from collapsejax.studies.catalogue import STUDIES
from collapsejax.tasks import TASKS
from collapsejax.workflows import WORKFLOWS

ROWS = {**SHAPES, "table": table}
SOURCES = {"gaussian": ROWS, "kde": ROWS, "transformer": SEQUENCES}
WITH_SETTINGS = {name: workflow for name, workflow in WORKFLOWS.items() if dataclasses.fields(workflow)}
SIZES = dict(num_samples=6, num_generations=5, num_seeds=3)
DATE = datetime.date(2024, 6, 15)  # TOML has dates, and no setting is one


@functools.cache
def help_texts(command):
    """The help texts of a command by flag, as in "num_samples" and "weighted.real_weight"."""
    shown = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(shown):
        patch.setenv("COLUMNS", "100")  # wider ones have boxes side by side
        with pytest.raises(SystemExit):
            main([*command.split(), "--help"])
    texts, name = {}, None
    for line in shown.getvalue().splitlines():
        content = line.strip()
        if not content:
            name = None
        elif flag := re.match(r"--([a-z]\S+)(.*)", content):
            workflow, dot, setting = flag[1].rpartition(".")
            name = workflow + dot + setting.replace("-", "_")
            texts[name] = flag[2].partition("  ")[2].strip()
        elif name:
            texts[name] = f"{texts[name]} {content}".strip()
    return texts


def refuses(fields, task="gaussian", workflow="replace"):
    """What is said of a specification's fields."""
    with pytest.raises(FieldError) as error:
        spec.arguments({"task": task, "workflow": workflow, **SIZES} | fields)
    return str(error.value)


@pytest.mark.parametrize("task", TASKS)
def test_every_field_of_a_task(task):
    for field in dataclasses.fields(TASKS[task]):
        run, sweep = (help_texts(command)[field.name] for command in (f"run {task}", f"sweep --task {task}"))
        assert len(run.split("(default")[0]) > 5, field.name
        assert re.search(rf"(^|[ ,]){task}(, [\w ,]+)?: {re.escape(run[:10])}", sweep), field.name
        if field.default not in (dataclasses.MISSING, None):
            assert run.endswith(f"(default: {field.default})")
        message = refuses({task: {field.name: DATE}}, task)
        assert message.startswith(f"{task}.{field.name}: {DATE!r}: want ")


@pytest.mark.parametrize(("task", "source"), [(task, source) for task, makers in SOURCES.items() for source in makers])
def test_every_setting_of_a_source(task, source):
    settings = inspect.signature(SOURCES[task][source]).parameters
    assert settings
    for name in settings:
        for command in (f"run {task}", f"sweep --task {task}"):
            text = help_texts(command)[name]
            if command.startswith("sweep") or name not in [field.name for field in dataclasses.fields(TASKS[task])]:
                assert re.search(rf"(^|[ ,]){source}(, [\w ,]+)?: \S+ \S+", text), (command, name)
        message = refuses({task: {"source": {"name": source, name: DATE}}}, task)
        assert message.startswith(f"{task}.source.{name}: {DATE!r}: want ")


@pytest.mark.parametrize("workflow", WITH_SETTINGS)
def test_every_setting_of_a_workflow(workflow):
    for field in dataclasses.fields(WORKFLOWS[workflow]):
        assert len(help_texts("sweep --task gaussian")[f"{workflow}.{field.name}"].split("(default")[0]) > 10
        message = refuses({workflow: {field.name: DATE}}, workflow=workflow)
        assert message.startswith(f"{workflow}.{field.name}: {DATE!r}: want ")


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(spec.Specification)])
def test_every_other_field_of_a_sweep(name):
    assert len(help_texts("sweep")[name]) > 10
    assert refuses({name: DATE}).startswith(f"{name}: {DATE!r}: want ")


def test_help_of_sources_names_them():
    texts = help_texts("run kde")
    assert texts["noise"] == "moons, circles, swiss_roll: standard deviation of the noise. (default: 0.05)"
    assert texts["path"].startswith("table: file with a table.")
    assert texts["source"].endswith("One of gaussian, blobs, moons, circles, swiss_roll, table. (default: moons)")
    assert "table: share of the rows" in help_texts("sweep --task kde")["test_fraction"]
    assert "text: share of the documents" in help_texts("sweep --task transformer")["test_fraction"]
    assert "noise" not in help_texts("run regression")
    assert "corpus" not in texts


def same(declared, maker):
    """Whether the source text of a class or function declares the settings that it has."""
    found = schema.settings(maker)
    kind_of = lambda kind: kind.__name__ if isinstance(kind, type) and issubclass(kind, Module) else kind
    default_of = lambda value: value.name if isinstance(value, Module) else value
    known = {name: (tuple(map(kind_of, one.kinds)), default_of(one.default), one.help) for name, one in found.items()}
    assert {name: tuple(setting) for name, setting in declared.settings.items()} == known
    return True


def test_source_texts_declare_what_classes_have():
    """Flags come from the one, and what they give goes to the other."""
    assert list(declared.tasks()) == list(TASKS)
    assert list(declared.workflows()) == list(WORKFLOWS)
    assert [study.name for study in declared.studies()] == [study.name for study in STUDIES]
    assert all(same(declared.tasks()[name], task) for name, task in TASKS.items())
    assert all(same(declared.workflows()[name], type(workflow)) for name, workflow in WORKFLOWS.items())
    for kind, makers in schema.SOURCES.items():
        assert list(declared.sources()[kind.__name__]) == list(makers)
        assert all(same(declared.sources()[kind.__name__][name], maker) for name, maker in makers.items())
