import json

import jax.numpy as jnp
import pytest

import collapsejax as cj
from collapsejax.core.describe import describe
from collapsejax.sweeps.grid import expand


class Free(cj.Task):
    """A task with fields of any kind; it is never run."""

    value: float = 1.0
    generation: int = cj.static(default=1)
    table: object = None

    def sample(self):
        return self.value


def test_every_combination_once():
    grid = expand(cj.Gaussian(dim=[1, 3], sigma2=[0.5, 1, 2]), ["replace", cj.Accumulate()], [10, 100])
    assert grid.dims == {
        "dim": [1, 3],
        "sigma2": [0.5, 1, 2],
        "workflow": ["replace", "accumulate"],
        "num_samples": [10, 100],
    }
    assert len(grid.cells) == 2 * 3 * 2 * 2
    for cell in grid.cells:
        labels = [labels[place] for labels, place in zip(grid.dims.values(), cell.index, strict=True)]
        assert [cell.task.dim, cell.task.sigma2, cell.workflow.name, cell.num_samples] == labels


def test_no_list_no_dimension():
    grid = expand(cj.Gaussian(3), "replace", 10)
    assert grid.dims == {"workflow": ["replace"]}
    assert grid.cells[0].task == cj.Gaussian(3)


def test_lists_in_sources_and_of_sources():
    grid = expand(cj.KDE(cj.sources.moons(noise=[0.05, 0.1]), [0.1, "scott"]), ["replace"], 10)
    assert grid.dims == {"noise": [0.05, 0.1], "bandwidth": ["0.1", "scott"], "workflow": ["replace"]}
    assert grid.cells[-1].task == cj.KDE(cj.sources.moons(0.1), "scott")
    grid = expand(cj.KDE([cj.sources.moons(), cj.sources.circles()], 0.1), ["replace"], 10)
    assert grid.dims["source"] == ["moons", "circles"]
    grid = expand(cj.KDE([cj.sources.moons(0.05), cj.sources.moons(0.1)], 0.1), ["replace"], 10)
    assert grid.dims["source"] == ["moons(noise=0.05)", "moons(noise=0.1)"]
    grid = expand(cj.Gaussian(source=cj.sources.gaussian(dim=[1, 2])), ["replace"], 10)
    assert [cell.task.dim for cell in grid.cells] == [1, 2]


@pytest.mark.parametrize(
    ("task", "workflows", "num_samples", "message"),
    [
        (cj.Gaussian([]), ["replace"], 10, r"dim=.*: an empty list"),
        (cj.Gaussian(1), [], 10, r"workflow=.*: an empty list"),
        (cj.Gaussian(1), ["replace"], [], r"num_samples=.*: an empty list"),
        (cj.Gaussian([1, 2, 1]), ["replace"], 10, "dim: 1 stands there 2 times"),
        (cj.Gaussian(sigma2=[1, 1.0]), ["replace"], 10, "sigma2: 1 stands there 2 times"),
        (cj.Gaussian(1), ["replace", "replace"], 10, "workflow: replace stands there 2 times"),
        (cj.Gaussian(1), ["replce"], 10, "did you mean 'replace'"),
        (cj.Gaussian([1, 0]), ["replace"], 10, "dim=0: must be at least 1"),
        (cj.Gaussian(1), ["replace"], [10, 2.5], "num_samples=2.5: must be a whole number"),
        (cj.Gaussian(sigma2=list(range(1, 50002))), ["replace", "accumulate"], 10, "100002 cells are more than 100000"),
        (Free(generation=[1, 2]), ["replace"], 10, "generation: a list makes a dimension of this name"),
    ],
)
def test_mistakes(task, workflows, num_samples, message):
    with pytest.raises(ValueError, match=message):
        expand(task, workflows, num_samples)


def test_a_single_run_takes_no_list(key):
    with pytest.raises(ValueError, match="dim: a list of values is for"):
        cj.run_seeds(cj.seed_keys(key, 2), cj.Gaussian([1, 2]), cj.Replace(), num_samples=10, num_generations=2)


def test_descriptions_tell_configurations_apart():
    assert describe(cj.Gaussian(2))["dim"] == 2
    assert describe(Free())["name"] == "Free"
    tables = [describe(Free(table=jnp.asarray(row))) for row in ([1.0, 2.0], [1.0, 3.0])]
    assert tables[0] != tables[1]
    assert tables[0] == json.loads(json.dumps(tables[0]))
    assert describe(cj.KDE(cj.sources.moons(), "scott"))["bandwidth"]["name"] == "scott"
