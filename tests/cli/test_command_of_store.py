"""The command that a store's page gives is that of what the store holds."""

import shlex

import jax
import numpy as np
import pytest
from small import Small

import collapsejax as cj
from collapsejax.cli.command_line import command_of
from collapsejax.cli.main import main
from collapsejax.results.dataset import to_dataset
from collapsejax.sweeps.plan import make_plan

SIZES = dict(num_generations=3, num_seeds=5, key=jax.random.key(7))


class Planned(Exception):
    """What a command asks for, which is then not carried out."""


@pytest.fixture
def asked(monkeypatch):
    """The configuration that a command asks for."""

    def plan(*arguments, **options):
        raise Planned(make_plan(*arguments, **options | {"out": None}).manifest)

    monkeypatch.setattr("collapsejax.sweeps.plan.make_plan", plan)

    def of(command):
        program, *words = shlex.split(command)
        assert program == "collapsejax"
        with pytest.raises(Planned) as planned:
            main(words)
        return planned.value.args[0]

    return of


def results(*arguments, **options):
    """Results of a sweep without their values, and its manifest."""
    manifest = make_plan(*arguments, **SIZES | options).manifest
    shape = (*map(len, manifest.dims.values()), manifest.num_seeds, manifest.num_generations)
    return to_dataset(
        {"any": np.zeros(shape)}, manifest.dims, options.get("num_samples", 0), manifest.attributes
    ), manifest


@pytest.mark.parametrize(
    ("arguments", "options", "beginning"),
    [
        ((cj.Gaussian(3, ddof=1), ["replace"]), dict(num_samples=10), "collapsejax run gaussian --dim 3 --ddof 1 "),
        (
            (cj.Gaussian(1), ["accumulate", "weighted(real_weight=0.3)", "selected(inner=accumulate,keep=0.25)"]),
            dict(num_samples=10),
            "collapsejax run gaussian --dim 1 --workflow accumulate 'weighted(real_weight=0.3)' 'selected(inner=",
        ),
        (
            (cj.KDE(cj.sources.moons(noise=0.2), bandwidth=0.3, num_test=7), ["replace"]),
            dict(num_samples=10),
            "collapsejax run kde --bandwidth 0.3 --num-test 7 --source moons --noise 0.2 ",
        ),
        (
            (cj.Gaussian(1), ["replace", cj.Weighted(0.2)]),
            dict(over={"dim": [1, 3], "num_samples": [5, 10], "weighted.real_weight": [0.2, 0.5]}, keep="summary"),
            "collapsejax sweep --task gaussian --dim 1 3 --workflow replace weighted --weighted.real-weight 0.2 0.5 ",
        ),
        ((cj.Gaussian(2), ["replace"]), dict(num_samples=10, rows=True), "collapsejax run gaussian"),
        (
            (cj.Categorical(10), ["replace"]),
            dict(num_samples=10),
            "collapsejax run categorical --num-outcomes 10 --workflow",
        ),
        (
            (cj.Categorical(7, probs="zipf"), ["replace"]),
            dict(num_samples=10),
            "collapsejax run categorical --num-outcomes 7 --probs zipf ",
        ),
        (
            (cj.KDE(cj.sources.moons(), bandwidth="silverman", kernel="tophat"), ["replace"]),
            dict(num_samples=10),
            "collapsejax run kde --bandwidth silverman --kernel tophat --source moons --workflow",
        ),
        (
            (cj.Categorical(9), ["replace"]),
            dict(num_samples=10, over={"probs": ["uniform", "zipf"]}),
            "collapsejax sweep --task categorical --num-outcomes 9 --probs uniform zipf ",
        ),
    ],
)
def test_the_command_asks_for_what_is_there(asked, arguments, options, beginning):
    dataset, manifest = results(*arguments, **options)
    command = command_of(dataset, "a store.zarr")
    assert command.startswith(beginning)
    assert command.endswith("--out 'a store.zarr'")
    again = asked(command)
    assert again.configuration == manifest.configuration
    assert (again.num_seeds, again.dims) == (manifest.num_seeds, manifest.dims)


def test_what_stands_where_something_is_swept_does_not_matter(asked):
    swept = {"dim": [2, 3], "weighted.real_weight": [0.2, 0.4]}
    dataset, manifest = results(cj.Gaussian(7), [cj.Weighted(0.9)], num_samples=4, over=swept)
    again = asked(command_of(dataset, "store.zarr"))
    assert (again.dims, again.num_seeds) == (manifest.dims, manifest.num_seeds)


@pytest.mark.parametrize(
    ("task", "options"),
    [
        (Small(), dict(num_samples=10)),
        (cj.Probed(cj.Gaussian(1)), dict(num_samples=10)),
        (cj.Gaussian(1), dict(over={"dim": [3]}, num_samples=10)),
    ],
)
def test_what_no_command_says_has_none(task, options):
    dataset, _ = results(task, ["replace"], **options)
    assert command_of(dataset, "store.zarr") is None


def test_a_table_is_told_by_its_path(asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my rows.csv").write_text("a,b\n" + "\n".join(f"{i * i % 7},{i * i % 11}" for i in range(40)))
    dataset, manifest = results(cj.Gaussian(source=cj.sources.table("my rows.csv")), ["replace"], num_samples=10)
    command = command_of(dataset, "store.zarr")
    assert "--source table --path 'my rows.csv'" in command
    assert asked(command).configuration == manifest.configuration
    (tmp_path / "my rows.csv").write_text("a,b\n1,2\n3,5\n4,4\n5,1\n")
    assert command_of(dataset, "store.zarr") is None  # the rows are others now
