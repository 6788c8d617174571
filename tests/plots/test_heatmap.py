import time

import numpy as np
import pytest
import xarray as xr

import collapsejax as cj
from collapsejax.results.dataset import to_dataset

DIMS = {"dim": [1, 2, 3], "workflow": ["replace", "accumulate"], "num_samples": [10, 20, 50, 100]}


def results(shift=0.0, num_seeds=400, num_generations=3, dims=DIMS):
    """Trace ratios of mean 2, or log-determinants of that mean, which a shift is added to."""
    shape = (*map(len, dims.values()), num_seeds, num_generations)
    curves = np.random.default_rng(0).normal(2.0, 1.0, shape) + shift
    return to_dataset({"trace_ratio": curves, "logdet_ratio": curves}, dims, 0, {})


def image_of(axis):
    return axis.images[0]


def marked(axis):
    """The cells (row, column) with a dot."""
    (dots,) = [part for part in axis.collections if part.get_gid() == "marked"]
    return {(round(y - 0.1), round(x - 0.1)) for x, y in np.ma.getdata(dots.get_offsets())}


def test_colours_are_means_of_the_cells():
    data = results()
    figure = cj.plots.heatmap(data, "trace_ratio")
    panels = figure.axes[:2]
    assert [axis.get_title() for axis in panels] == ["replace", "accumulate"]
    means = data.trace_ratio.mean("seed").isel(generation=-1)
    for axis, workflow in zip(panels, DIMS["workflow"], strict=True):
        np.testing.assert_allclose(image_of(axis).get_array(), means.sel(workflow=workflow))
        assert image_of(axis).get_cmap().name == "viridis"  # it has no sign
        assert not marked(axis)
    assert figure.texts[-1].get_text() == "400 seeds, iteration 3"
    figure = cj.plots.heatmap(data.isel(dim=0, num_samples=1), "trace_ratio", x="generation", y="workflow")
    wanted = data.trace_ratio.isel(dim=0, num_samples=1).mean("seed")
    np.testing.assert_allclose(image_of(figure.axes[0]).get_array(), wanted)
    with pytest.raises(
        ValueError, match=r"num_samples: 4 values are along no axis; choose one with .isel\(num_samples=0"
    ):
        cj.plots.heatmap(data.isel(dim=0), "trace_ratio", x="generation", y="workflow")


def test_curves_of_ones_own_need_no_dimension_but_generation():
    data = results()
    exact = xr.Dataset({"trace_ratio": ("generation", [2.0, 2.0, 3.0])})
    figure = cj.plots.heatmap(data, "trace_ratio", exact=exact)
    assert len(marked(figure.axes[0])) == 12
    right = xr.Dataset({"trace_ratio": ("generation", [2.0, 2.0, 2.0])})
    assert len(marked(cj.plots.heatmap(data, "trace_ratio", exact=right).axes[0])) < 4
    with pytest.raises(ValueError, match="exact: is a dict; give a dataset"):
        cj.plots.heatmap(data, "trace_ratio", exact={"trace_ratio": [2.0, 2.0, 2.0]})
    with pytest.raises(ValueError, match="give curves along generation, 3"):
        cj.plots.heatmap(data, "trace_ratio", exact=right.isel(generation=[0, 1]))


def test_cells_that_few_seeds_carry_have_no_mark():
    """Nor have those in which all seeds have the exact value up to rounding."""
    curves = np.zeros((2, 400, 3)) + 1e-9
    curves[0, :3] = 1.0
    curves[1] = 0.9 * (1 + 1e-7)
    data = to_dataset({"trace_ratio": curves}, {"workflow": ["replace", "accumulate"]}, 5, {})
    exact = xr.Dataset({"trace_ratio": ("generation", [0.9] * 3)})
    figure = cj.plots.heatmap(data, "trace_ratio", exact=exact)
    assert not marked(figure.axes[0])


def test_numbers_with_signs_diverge_from_0_and_marks_are_of_0():
    shift = np.zeros((3, 2, 4, 1, 1))
    shift[...] = -2.0
    shift[1, 0, 2] = -5.0
    figure = cj.plots.heatmap(results(shift, num_seeds=40000), "logdet_ratio")
    image = image_of(figure.axes[0])
    assert image.get_cmap().name == "RdBu_r"
    low, high = image.get_clim()
    assert -low == high == pytest.approx(3.0, abs=0.1)
    assert (1, 2) in marked(figure.axes[0])
    assert len(marked(figure.axes[0])) <= 4
    assert "dots: more than 2 s.e. from 0" in figure.texts[-1].get_text()


def test_marks_are_of_cells_far_from_exact():
    exact = results().mean("seed").isel(generation=[2])
    exact["trace_ratio"][:] = 2.0
    exact.trace_ratio[2, 1, 3] = 2.5
    figure = cj.plots.heatmap(results(), "trace_ratio", exact=exact)
    assert (2, 3) in marked(figure.axes[1])
    assert len(marked(figure.axes[1])) <= 3
    assert "from exact" in figure.texts[-1].get_text()


def test_a_baseline_is_subtracted_seed_by_seed():
    data = results()
    data.trace_ratio.loc[{"workflow": "accumulate"}] = data.trace_ratio.sel(workflow="replace") + 0.01
    figure = cj.plots.heatmap(data, "trace_ratio", baseline="replace")
    assert [axis.get_title() for axis in figure.axes[:1]] == ["accumulate"]
    np.testing.assert_allclose(image_of(figure.axes[0]).get_array(), 0.01)
    assert len(marked(figure.axes[0])) == 12  # far less than the spread of seeds, but in each of them
    assert "from replace" in figure.texts[-1].get_text()


def test_many_cells_take_a_moment():
    dims = {"dim": list(range(25)), "workflow": ["replace"], "num_samples": list(range(39))}
    data = results(num_seeds=5, dims=dims)
    cj.plots.heatmap(data.isel(dim=[0, 1]), "trace_ratio")
    start = time.perf_counter()
    cj.plots.heatmap(data, "trace_ratio")
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(x="sigma2"), "x='sigma2': is no dimension of the results; choose of dim, num_samples, workflow"),
        (dict(x="dim", y="dim"), "x and y are both 'dim'"),
        (dict(baseline="replce"), "did you mean 'replace'"),
        (dict(iteration=9), "iteration=9: is not in the results; they have 1 to 3"),
        (dict(width="wide"), "width='wide'"),
    ],
)
def test_what_is_wrong_is_said(options, message):
    with pytest.raises(ValueError, match=message):
        cj.plots.heatmap(results(num_seeds=3), "trace_ratio", **options)


def test_a_baseline_needs_another_workflow():
    with pytest.raises(ValueError, match="baseline='replace': there is no other workflow"):
        cj.plots.heatmap(results().sel(workflow=["replace"]), "trace_ratio", baseline="replace")
