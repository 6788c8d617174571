"""Compiled programs that are found by what they are made from, and when they must not be."""

import contextvars
import shutil

import jax
import numpy as np
import pytest

import collapsejax as cj
from collapsejax.sweeps import kept_programs
from collapsejax.sweeps.kept_programs import keep_in

SIZE = dict(num_samples=6, num_generations=4, num_seeds=5, key=jax.random.key(7))
TASK = cj.ExponentialFamily("exponential", 2.0)


def swept(folder, task=TASK, **options):
    """A sweep whose programs are kept in `folder`."""

    def sweep():
        keep_in(folder)
        return cj.sweep(task, ["replace"], **SIZE | options)

    return contextvars.copy_context().run(sweep)


def kept(folder, kind="program"):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob(f"*-{kind}-cache")}


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A sweep, and the folder with its programs."""
    folder = tmp_path_factory.mktemp("once")
    return swept(folder), folder


@pytest.fixture
def folder(once, tmp_path):
    return shutil.copytree(once[1], tmp_path / "programs")


def test_the_same_sweep_traces_nothing_and_gives_the_same(once, folder, monkeypatch):
    first, before = once[0], kept(folder)
    assert len(before) == first.attrs["num_compilations"] > 0
    monkeypatch.setattr("collapsejax.sweeps.program.Program._whole_call", None)
    monkeypatch.setattr("collapsejax.loop.memory._shapes", None)
    again = swept(folder)
    assert kept(folder) == before
    for name in first.data_vars:
        np.testing.assert_array_equal(again[name], first[name])


@pytest.mark.parametrize(
    "options",
    [
        {"task": cj.ExponentialFamily("exponential", 3.0)},
        {"task": cj.ExponentialFamily("poisson", 2.0)},
        {"num_samples": 7},
        {"num_generations": 5},
        {"num_seeds": 400},
        {"keep": "summary"},
        {"rows": True},
    ],
    ids=str,
)
def test_another_sweep_has_other_programs_or_gets_other_values(options, folder):
    """The size of a family's sample and the mean are values that a program is given."""
    before = kept(folder)
    found = swept(folder, **options)
    assert {*kept(folder)} >= {*before}
    wanted = cj.sweep(
        options.get("task", TASK), ["replace"], **SIZE | {k: v for k, v in options.items() if k != "task"}
    )
    for name in wanted.data_vars:
        np.testing.assert_array_equal(found[name], wanted[name])


@pytest.mark.parametrize("options", [{"key": jax.random.key(8)}, {"task": cj.ExponentialFamily("exponential", 3.0)}])
def test_other_values_have_the_same_program(options, once, folder):
    before = kept(folder)
    other = swept(folder, **options)
    assert kept(folder) == before
    assert not np.array_equal(once[0].sq_error, other.sq_error)


def test_what_surrounds_a_program_tells_it_apart(folder, monkeypatch):
    before = kept(folder)
    with jax.default_matmul_precision("highest"):
        swept(folder)
    assert len(kept(folder)) == 2 * len(before)
    monkeypatch.setattr(kept_programs, "_digest_of_sources", lambda: "of another version")
    swept(folder)
    assert len(kept(folder)) == 3 * len(before)


@pytest.mark.parametrize("damage", [lambda content: content[:30], lambda content: content[:-1] + b"?"])
def test_a_damaged_program_is_compiled_again(damage, once, folder):
    before, values = kept(folder), kept(folder, "value")
    for name in before | values:
        (folder / name).write_bytes(damage((folder / name).read_bytes()))
    damaged = kept(folder)
    again = swept(folder)
    assert {*kept(folder)} == {*before}
    assert {*kept(folder, "value")} == {*values}
    assert all(kept(folder)[name] > damaged[name] for name in before)
    np.testing.assert_array_equal(again.sq_error, once[0].sq_error)


def test_a_folder_that_cannot_be_written_is_left_alone(tmp_path):
    (tmp_path / "file").write_text("mine")
    swept(tmp_path / "file" / "programs")
    assert (tmp_path / "file").read_text() == "mine"


class Mine(cj.ExponentialFamily):
    """A task of the user's, whose methods nothing here knows."""


def test_programs_of_the_users_classes_are_not_kept(tmp_path):
    swept(tmp_path, task=Mine("exponential", 2.0))
    assert not kept(tmp_path)


def test_a_program_that_jax_has_read_is_compiled_again(cache, once, tmp_path, monkeypatch):
    """What it is kept as would else fail when it is called."""
    for version in "1", "2":
        monkeypatch.setattr(kept_programs, "_digest_of_sources", lambda version=version: version)
        jax.clear_caches()
        swept(tmp_path)
    assert len(kept(tmp_path)) == 2
    assert jax.config.jax_enable_compilation_cache
    again = swept(tmp_path)
    assert len(kept(tmp_path)) == 2
    np.testing.assert_array_equal(again.sq_error, once[0].sq_error)


def test_nothing_is_kept_unless_asked_for(tmp_path):
    contextvars.copy_context().run(keep_in, tmp_path)
    cj.sweep(TASK, ["replace"], **SIZE)
    assert not kept(tmp_path)
