import matplotlib
import numpy as np
import pytest
import xarray as xr

import collapsejax as cj
from collapsejax.results.dataset import to_dataset


def results(curves):
    """Curves (workflow, n, S, G) as results."""
    workflows = ["replace", "accumulate-subsample", "accumulate"]
    dims = {"workflow": workflows, "num_samples": list(range(10, 10 + np.shape(curves)[1]))}
    return to_dataset({"test_nll": np.asarray(curves)}, dims, 0, {})


def test_exact_lines_are_where_something_is_known():
    curves = np.random.default_rng(0).uniform(1, 2, (3, 2, 9, 6))
    known = results(curves[:, :, :1]).test_nll.isel(seed=0, drop=True).to_dataset()
    known = known.where(known.workflow != "accumulate")
    for figure in (
        cj.plots.curves(results(curves), exact=known),
        cj.plots.excess(results(np.cumsum(curves, axis=3)), "test_nll", exact=known.cumsum("generation")),
    ):
        lines = [[line for line in axis.lines if line.get_gid() == "exact"] for axis in figure.axes]
        finite = [sum(np.isfinite(line.get_ydata()).any() for line in of) for of in lines]
        assert finite == [2, 2, 0]


@pytest.mark.parametrize("sizes", [1, 2])
def test_figures_of_excess_say_what_their_lines_are(sizes):
    data = results(np.random.default_rng(0).uniform(1, 2, (3, sizes, 9, 6)))
    known = data.mean("seed")
    if sizes == 1:
        data, known = data.isel(num_samples=0), known.isel(num_samples=0)
    for exact, lines in ((None, ["mean, 95 % band"]), (known, ["mean, 95 % band", "exact mean"])):
        (legend,) = cj.plots.excess(data, "test_nll", exact=exact).legends
        told = [text.get_text() for text in legend.get_texts()]
        assert told[-len(lines) :] == lines
        assert len(told) - len(lines) == (sizes if sizes > 1 else 0)


def test_exact_losses_against_shares_have_the_colours_of_their_points():
    points = {name: np.array([[0.1, 0.2], [1.0, 2.0], [0.1, 0.1]]) for name in ("augment", "fresh-data", "weighted")}
    exact = {name: np.array([[0.1, 0.2], [place, place]]) for place, name in enumerate(points, 1)}
    del exact["augment"]
    (axis,) = cj.plots.loss_against_share(points, exact).axes
    lines = {line.get_ydata()[0]: line.get_color() for line in axis.lines if len(line.get_ydata()) == 2}
    for place, container in enumerate(axis.containers, 1):
        if place > 1:
            np.testing.assert_allclose(lines[place], 0.6 * np.array(matplotlib.colors.to_rgb(container[0].get_color())))


def test_curves_of_ones_own_need_no_iterations():
    data = results(np.random.default_rng(0).uniform(1, 2, (3, 1, 9, 6)))
    own = xr.Dataset({"test_nll": ("generation", np.linspace(1, 2, 6))})
    (axis,) = cj.plots.curves(data, exact=own, split=False).axes
    for line in (line for line in axis.lines if line.get_gid() == "exact"):
        np.testing.assert_array_equal(line.get_xdata(), range(1, 7))
    with pytest.raises(ValueError, match=r"exact: \{'generation': 5\}; give curves along generation, 6"):
        cj.plots.curves(data, exact=own.isel(generation=slice(5)))
