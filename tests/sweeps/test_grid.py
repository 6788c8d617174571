import json

import jax.numpy as jnp
import numpy as np
import pytest

import collapsejax as cj
from collapsejax.core.describe import describe
from collapsejax.sweeps.grid import Experiments, expand


class Free(cj.Task):
    """A task with fields of any kind; it is never run."""

    value: float = 1.0
    generation: int = cj.static(default=1)
    inner: cj.Source = cj.sources.moons()
    other: cj.Source = cj.sources.circles()
    table: object = None

    init = sample_real = fit = sample = evaluate = None


def test_every_combination_once():
    over = {"num_samples": [10, 100], "dim": [1, 3], "sigma2": [0.5, 1, 2]}
    grid = expand(cj.Gaussian(), ["replace", cj.Accumulate()], over=over)
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


@pytest.mark.parametrize("over", [None, {}])
def test_nothing_swept_no_dimension(over):
    grid = expand(cj.Gaussian(3), "replace", 10, over)
    assert grid.dims == {"workflow": ["replace"]}
    assert grid.cells[0].task == cj.Gaussian(3)
    assert grid.cells[0].num_samples == 10


def test_fields_of_sources_and_sources():
    moons, circles = cj.sources.moons, cj.sources.circles
    grid = expand(cj.KDE(moons(), 0.1), ["replace"], 10, {"noise": [0.05, 0.1], "bandwidth": [0.1, "scott"]})
    assert grid.dims == {"noise": [0.05, 0.1], "bandwidth": ["0.1", "scott"], "workflow": ["replace"]}
    assert grid.cells[-1].task == cj.KDE(moons(0.1), "scott")
    assert expand(cj.KDE(moons(), 0.1), ["replace"], 10, {"source.noise": [0.05]}).dims["noise"] == [0.05]
    labels = lambda *sources: expand(cj.KDE(moons(), 0.1), ["replace"], 10, {"source": sources}).dims["source"]
    assert labels(moons(), circles()) == ["moons", "circles"]
    assert labels(moons(0.05), moons(0.1)) == ["moons(noise=0.05)", "moons(noise=0.1)"]
    both = {"source": [moons(), circles()], "noise": [0.05, 0.1]}
    assert [cell.task.source for cell in expand(cj.KDE(moons(), 0.1), ["replace"], 10, both).cells] == [
        *(moons(0.05), moons(0.1), circles(0.05), circles(0.1))
    ]
    grid = expand(cj.KDE(cj.sources.gaussian(), 0.1), ["replace"], 10, {"dim": [1, 2]})
    assert [cell.task.source.dim for cell in grid.cells] == [1, 2]
    assert expand(cj.Probed(cj.Gaussian()), ["replace"], 10, {"sigma2": [1.0, 2.0]}).cells[1].task.task.sigma2 == 2.0


def test_settings_of_workflows():
    """They change workflows of that name alone; the others stay the same objects, and are one experiment."""
    selected = cj.Selected(cj.Weighted())
    over = {"weighted.real_weight": [0.1, 0.9], "selected.inner.real_weight": [0.2, 0.3], "selected.error": [0.0]}
    grid = expand(cj.KDE(cj.sources.moons(), 0.1), ["replace", "weighted", selected], 10, over)
    assert grid.dims == {
        "weighted_real_weight": [0.1, 0.9],
        "selected_inner_real_weight": [0.2, 0.3],
        "error": [0.0],
        "workflow": ["replace", "weighted", "selected"],
    }
    of = {cell.index: cell.workflow for cell in grid.cells}
    assert of[1, 0, 0, 1] == cj.Weighted(0.9)
    assert of[1, 1, 0, 2] == cj.Selected(cj.Weighted(0.3))
    assert len({id(of[a, b, 0, 0]) for a in range(2) for b in range(2)}) == 1
    experiments = Experiments.of(grid.cells)
    assert len(experiments.cells) == 1 + 2 + 2
    assert all(experiments.cells[place].workflow.name == of[index].name for index, place in experiments.place.items())
    assert experiments.place[1, 1, 0, 0] == experiments.place[0, 0, 0, 0]
    assert experiments.place[1, 1, 0, 1] == experiments.place[1, 0, 0, 1]


def test_values_may_be_arrays():
    over = {"sigma2": np.float32([0.5, 2]), "ddof": jnp.arange(2), "num_samples": np.array([4, 5])}
    grid = expand(cj.Gaussian(2), ["replace"], None, over)
    assert grid.dims == {"sigma2": [0.5, 2], "ddof": [0, 1], "workflow": ["replace"], "num_samples": [4, 5]}
    assert json.loads(json.dumps(describe(grid.over))) == {
        "sigma2": [0.5, 2.0],
        "ddof": [0, 1],
        "num_samples": [4, 5],
    }
    probs = expand(cj.Categorical(2), ["replace"], 10, {"probs": [(0.5, 0.5), [0.1, 0.9]]})
    assert probs.dims["probs"] == ["(0.5, 0.5)", "[0.1, 0.9]"]


def test_labels_of_dimensions():
    """Numbers stay numbers; other values are texts, and have their fields where names are not enough."""
    workflows = ["replace", cj.Weighted(0.2), cj.Weighted(0.4), "window"]
    grid = expand(Free(), workflows, 10, {"table": [1.5, None, True], "value": [1, 2.5]})
    assert grid.dims["table"] == ["1.5", "None", "True"]
    assert grid.dims["value"] == [1, 2.5]
    assert grid.dims["workflow"] == ["replace", "weighted(real_weight=0.2)", "weighted(real_weight=0.4)", "window"]
    first, *_, last = grid.cells
    assert grid.workflow_of(last) == "window"
    assert grid.label([last]) == "window, table=True, value=2.5"
    assert grid.label([first, last]) == "replace, window (2 cells)"
    assert grid.label(grid.cells) == "4 workflows from replace to window (24 cells)"


def test_fields_of_one_name_are_told_apart():
    grid = expand(Free(), ["replace"], 10, {"inner.noise": [0.05], "other.noise": [0.1, 0.2]})
    assert grid.dims == {"inner_noise": [0.05], "other_noise": [0.1, 0.2], "workflow": ["replace"]}


def test_settings_that_a_source_was_read_with_are_not_swept(tmp_path):
    """The rows would stay as they are, under labels that promise others."""
    np.save(tmp_path / "rows.npy", np.arange(20.0).reshape(10, 2))
    tables = [cj.sources.table(tmp_path / "rows.npy", test_fraction=share) for share in (0.1, 0.5)]
    for name in ("test_fraction", "source.split_seed"):
        with pytest.raises(ValueError, match=f"'{name}' would change no row of .*with over={{'source': "):
            expand(cj.KDE(tables[0], 0.3), ["replace"], 3, {name: [0.1, 0.5]})
    assert len(expand(cj.KDE(tables[0], 0.3), ["replace"], 3, {"source": tables}).cells) == 2


TWICE = {"weighted.real_weight": [0.1, 0.2]}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (dict(over={"dimm": [1]}), "over: 'dimm' is no field of task 'gaussian' .*; did you mean 'dim'"),
        (dict(over={"real_weight": [1]}, workflows="weighted"), "did you mean 'weighted.real_weight'"),
        (dict(over={"weighted.real_weigth": [1]}, workflows="weighted"), "did you mean 'weighted.real_weight'"),
        (dict(over=TWICE), "over: 'weighted.real_weight' is no field of task .*, and no setting of these workflows"),
        (
            dict(over=TWICE, workflows=[cj.Weighted(0.3), cj.Weighted(0.4)]),
            "is a setting of 2 of these .*'weighted' on",
        ),
        (dict(over={"dim": []}), r"over: dim=\[\]: is empty; give at least one value"),
        (dict(over={"dim": np.array([])}), r"over: dim=\[\]: is empty"),
        (dict(over={"dim": "12"}), "over: dim='12': want a list of values"),
        (dict(over={"dim": 3}), "over: dim=3: want a list of values"),
        (dict(over={"dim": np.int64(3)}), "over: dim=.*3.*: want a list of values"),
        (dict(over={"dim": {1, 2}}), "over: dim={1, 2}: want a list of values"),
        (dict(over=["dim"]), r"over=\['dim'\]: want a dict of lists by name"),
        (dict(over={3: [1]}), "over: 3 is no name"),
        (dict(over={"dim": [1, 2, 1]}), "dim: duplicate value 1; give each value once"),
        (dict(over={"sigma2": [1, 1.0]}), "sigma2: duplicate value 1"),
        (dict(over={"num_samples": [5, 5]}, num_samples=None), "num_samples: duplicate value 5"),
        (dict(over={"num_samples": [5]}), "num_samples=10: is swept over as well; give one of the two"),
        (dict(over={"num_samples": [10, 2.5]}, num_samples=None), "num_samples=2.5: must be a whole number"),
        (dict(num_samples=None), "num_samples: is missing; give a number, or several with over="),
        (dict(num_samples=[10, 100]), r"num_samples=\[10, 100\]: is one number; give several with over="),
        (dict(num_samples=0), "num_samples=0: must be at least 1"),
        (dict(over={"dim": [1, 0]}), "dim=0: must be at least 1"),
        (dict(workflows=[]), r"workflows=\[\]: give at least one workflow"),
        (dict(workflows=["replace", "replace"]), "workflows: duplicate value replace"),
        (dict(workflows=["replce"]), "did you mean 'replace'"),
        (dict(workflows=[cj.Gaussian()]), "is a task; the task comes first"),
        (dict(task=cj.Replace()), "is a workflow; the task comes first"),
        (
            dict(over={"sigma2": range(1, 50002)}, workflows=["replace", "accumulate"]),
            "100002 cells are more than 1000",
        ),
        (dict(task=Free(), over={"generation": [1, 2]}), "'generation' would make a dimension of this name"),
        (dict(task=Free(), over={"noise": [0.1]}), "over: 'noise' may be 'inner.noise' or 'other.noise'; write which"),
        (
            dict(task=cj.KDE(cj.sources.moons(), 0.1), over={"noise": [0.1], "source.noise": [0.2]}),
            "over: 'noise' and 'source.noise' are the same field; give one of the two",
        ),
        (
            dict(task=Free(), over={"inner": [cj.sources.gaussian()], "inner.noise": [0.1]}),
            r"over: 'noise' is no field of gaussian\(.*\); sweep over the two apart",
        ),
    ],
)
def test_what_cannot_be_swept_is_refused(changed, message):
    arguments = dict(task=cj.Gaussian(1), workflows=["replace"], num_samples=10) | changed
    with pytest.raises(ValueError, match=message):
        expand(**arguments)


def test_descriptions_tell_configurations_apart():
    assert describe(cj.Gaussian(2))["dim"] == 2
    assert describe(Free())["name"] == "Free"
    tables = [describe(Free(table=jnp.asarray(row))) for row in ([1.0, 2.0], [1.0, 3.0])]
    assert tables[0] != tables[1]
    assert tables[0] == json.loads(json.dumps(tables[0]))
    assert describe(cj.KDE(cj.sources.moons(), "scott"))["bandwidth"]["name"] == "scott"
