"""Compiled programs that are found by what they are made from, and when they must not be."""

import contextvars

import jax
import numpy as np
import pytest

import collapsejax as cj
from collapsejax.sweeps import kept_programs
from collapsejax.sweeps.kept_programs import keep_in

SIZE = dict(num_samples=6, num_generations=4, num_seeds=5, key=jax.random.key(7))
TASK = cj.Categorical(4)


def swept(folder, task=TASK, **options):
    """A sweep whose programs are kept in `folder`."""

    def sweep():
        keep_in(folder)
        return cj.sweep(task, ["replace", "accumulate"], **SIZE | options)

    return contextvars.copy_context().run(sweep)


def kept(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*-cache")}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "programs"


def test_the_same_sweep_traces_nothing_and_gives_the_same(folder, monkeypatch):
    first, before = swept(folder), kept(folder)
    assert len(before) == first.attrs["num_compilations"] > 0
    monkeypatch.setattr("collapsejax.sweeps.program.Program._whole_call", None)
    again = swept(folder)
    assert kept(folder) == before
    for name in first.data_vars:
        np.testing.assert_array_equal(again[name], first[name])


@pytest.mark.parametrize(
    "options",
    [
        {"task": cj.Categorical(5)},
        {"task": cj.Categorical(4, sampling_temperature=0.5)},
        {"num_samples": 7},
        {"num_generations": 5},
        {"num_seeds": 400},
        {"keep": "summary"},
    ],
    ids=str,
)
def test_another_sweep_has_other_programs(options, folder):
    swept(folder)
    before = kept(folder)
    with_kept = swept(folder, **options)
    size = SIZE | {name: value for name, value in options.items() if name != "task"}
    without = cj.sweep(options.get("task", TASK), ["replace", "accumulate"], **size)
    for name in without.data_vars:
        np.testing.assert_array_equal(with_kept[name], without[name])
    assert {*before} < {*kept(folder)}


def test_another_key_has_the_same_program(folder):
    first, before = swept(folder), kept(folder)
    other = swept(folder, key=jax.random.key(8))
    assert kept(folder) == before
    assert not np.array_equal(first.sq_error, other.sq_error)


def test_what_surrounds_a_program_tells_it_apart(folder, monkeypatch):
    swept(folder)
    before = kept(folder)
    with jax.default_matmul_precision("highest"):
        swept(folder)
    assert len(kept(folder)) == 2 * len(before)
    monkeypatch.setattr(kept_programs, "_digest_of_sources", lambda: "of another version")
    swept(folder)
    assert len(kept(folder)) == 3 * len(before)


@pytest.mark.parametrize("damage", [lambda content: content[:100], lambda content: content[:-1] + b"?"])
def test_a_damaged_program_is_compiled_again(damage, folder):
    first, before = swept(folder), kept(folder)
    for name in before:
        (folder / name).write_bytes(damage((folder / name).read_bytes()))
    again = swept(folder)
    assert {*kept(folder)} == {*before}
    assert all(kept(folder)[name] > before[name] for name in before)
    np.testing.assert_array_equal(again.sq_error, first.sq_error)


def test_a_folder_that_cannot_be_written_is_left_alone(tmp_path):
    (tmp_path / "file").write_text("mine")
    swept(tmp_path / "file" / "programs")
    assert (tmp_path / "file").read_text() == "mine"


class Mine(cj.Categorical):
    """A task of the user's, whose methods nothing here knows."""


def test_programs_of_the_users_classes_are_not_kept(folder):
    swept(folder, task=Mine(num_outcomes=4))
    assert not folder.exists()


def test_nothing_is_kept_unless_asked_for(folder):
    contextvars.copy_context().run(keep_in, folder)
    cj.sweep(TASK, ["replace"], **SIZE)
    assert not folder.exists()
