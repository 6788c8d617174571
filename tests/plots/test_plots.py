import time

import jax
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import collapsejax as cj
from collapsejax.results.dataset import to_dataset


def dataset_of(curves, workflows=("accumulate", "replace"), *, statistics=False):
    """Curves (S, G) for each workflow, as a metric called kl; or its statistics over the seeds."""
    data = to_dataset({"kl": np.asarray(curves)}, {"workflow": list(workflows)}, 5, {})
    return cj.summarize(data.kl).to_dataset(name="kl") if statistics else data


def gids(axis, kind):
    """The lines of a kind in a panel, in their order."""
    return [line for line in axis.lines if line.get_gid() == kind]


def legend_texts(figure):
    return [[text.get_text() for text in legend.get_texts()] for legend in figure.legends]


def test_mean_and_band():
    rng = np.random.default_rng(0)
    curves = rng.normal(10.0, 1.0, (2, 100, 8))
    figure = cj.plots.curves(dataset_of(curves))
    (axis,) = figure.axes
    lines = gids(axis, "mean")
    assert legend_texts(figure) == [["replace", "accumulate"], ["mean, 95 % band"]]  # the published order
    np.testing.assert_array_equal(lines[0].get_xdata(), np.arange(1, 9))
    np.testing.assert_allclose(lines[0].get_ydata(), curves[1].mean(axis=0))
    lowest = axis.collections[0].get_paths()[0].vertices[:, 1].min()
    assert lowest == pytest.approx((curves[1].mean(axis=0) - 1.96 * curves[1].std(axis=0, ddof=1) / 10).min())
    assert axis.get_yscale() == "linear"
    split = cj.plots.curves(dataset_of(curves), split=True)
    assert [axis.get_title() for axis in split.axes] == ["replace", "accumulate"]
    np.testing.assert_allclose(gids(split.axes[0], "mean")[0].get_ydata(), curves[1].mean(axis=0))


def test_titles_are_broken_where_panels_are_too_narrow_for_them():
    names = ("accumulate-subsample", "fresh-data", "weighted(real_weight=0.3)")
    figure = cj.plots.curves(dataset_of(np.ones((3, 5, 4)), names), split=True)
    titles = {axis.get_title() for axis in figure.axes}
    assert titles == {"accumulate-\nsubsample", "fresh-data", "weighted\n(real_weight=0.3)"}


def walk():
    """Logarithms of a log-normal variance that grows by 0.5 a generation, of 200 seeds."""
    return np.cumsum(np.random.default_rng(1).normal(-0.5, np.sqrt(0.5), (2, 200, 40)), axis=2)


def test_a_mean_that_few_seeds_carry_is_dotted_on_grey_ground():
    """Its logarithm needs no such thing."""
    figure = cj.plots.curves(dataset_of(np.exp(walk()))[{"workflow": [1]}])
    (axis,) = figure.axes
    (solid,), (dotted,), (median,) = (gids(axis, kind) for kind in ("mean", "tail", "median"))
    last = np.flatnonzero(np.isfinite(solid.get_ydata()))[-1]
    assert 1 < last < 15
    assert dotted.get_linestyle() == ":"
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(dotted.get_ydata())), np.arange(last, 40))
    assert median.get_linestyle() == "--"
    np.testing.assert_allclose(median.get_ydata(), np.median(np.exp(walk()[1]), axis=0))  # along the whole axis
    (ground,) = [patch for patch in axis.patches if patch.get_gid() == "ground"]
    assert ground.get_x() == last + 1.5
    assert legend_texts(figure)[1] == ["mean, 95 % band", "median", "mean carried by few seeds"]
    plain = cj.plots.curves(dataset_of(walk()))
    assert {line.get_gid() for line in plain.axes[0].lines} == {"mean"}
    assert not plain.axes[0].patches


def test_a_median_sets_no_limits_of_other_panels():
    """Where panels share their axis it is drawn whole or not at all."""
    data = dataset_of(np.exp(walk()), ("replace", "accumulate"))
    data.kl[1] = np.exp(0.01 * walk()[1])
    figure = cj.plots.curves(data, split=True)
    low, _ = figure.axes[0].get_ylim()
    assert np.median(np.exp(walk()[0]), axis=0)[-1] < low < data.kl[0].mean("seed").min()
    assert not gids(figure.axes[0], "median")
    alone = cj.plots.curves(data.isel(workflow=[0]))
    assert alone.axes[0].get_ylim()[0] < gids(alone.axes[0], "median")[0].get_ydata().min()


def test_squares_of_normal_errors_are_not():
    errors = np.random.default_rng(2).chisquare(1, (2, 100, 40))
    assert {line.get_gid() for line in cj.plots.curves(dataset_of(errors)).axes[0].lines} == {"mean"}


def test_points_lie_on_exact_curves():
    curves = np.random.default_rng(3).gamma(4.0, 1.0, (2, 50, 40))
    data = dataset_of(curves)
    exact = data.mean("seed").isel(workflow=[1]) + 0.25
    figure = cj.plots.curves(data, exact=exact)
    (axis,) = figure.axes
    (line,) = gids(axis, "exact")
    np.testing.assert_allclose(line.get_ydata(), curves[1].mean(axis=0) + 0.25)
    assert line.get_color() == "0.15"
    (points,) = axis.containers
    x, y = points[0].get_data()
    assert x[0] == 1
    assert x[-1] == 40
    np.testing.assert_allclose(y, curves[1].mean(axis=0)[x - 1])
    (bars,) = points[2]
    heights = [np.ptp(segment[:, 1]) for segment in bars.get_segments()]
    np.testing.assert_allclose(heights, 2 * 1.96 * (curves[1].std(axis=0, ddof=1) / 50**0.5)[x - 1])
    assert len(gids(axis, "mean")) == 1  # that of which nothing is known
    assert legend_texts(figure)[1] == ["mean, 95 % error bars", "mean, 95 % band", "exact mean"]


def test_exact_curves_among_several_have_the_colours_of_their_points():
    data = dataset_of(np.random.default_rng(4).gamma(4.0, 1.0, (2, 50, 10)))
    (axis,) = cj.plots.curves(data, exact=data.mean("seed")).axes
    for line, points in zip(gids(axis, "exact"), axis.containers, strict=True):
        colour = np.array(matplotlib.colors.to_rgb(points[0].get_color()))
        np.testing.assert_allclose(line.get_color(), 0.6 * colour)


def test_one_seed_is_marked_as_one():
    data = dataset_of(np.random.default_rng(0).gamma(4.0, 1.0, (2, 1, 10)))
    figure = cj.plots.curves(data)
    assert not figure.axes[0].collections
    assert legend_texts(figure)[1] == ["one seed, without error bars"]
    assert figure.texts[-1].get_text() == "n = 5, one seed"
    summary = dataset_of(np.ones((2, 3, 10)), statistics=True)
    assert "3 seeds" in cj.plots.curves(summary.assign_attrs(num_seeds=3)).texts[-1].get_text()


def test_iterations_have_ticks_where_there_are_some():
    for num_generations, logx, wanted in (
        (5, False, [1, 2, 3, 4, 5]),
        (50, False, [1, 10, 20, 30, 40, 50]),
        (100, False, [1, 20, 40, 60, 80, 100]),
        (50, True, [1, 2, 5, 10, 20, 50]),
        (1, False, [1]),
    ):
        figure = cj.plots.curves(dataset_of(np.ones((2, 3, num_generations))), logx=logx)
        (axis,) = figure.axes
        assert axis.get_xticks().tolist() == wanted
        assert [text.get_text() for text in axis.get_xticklabels()] == list(map(str, wanted))
        assert axis.get_xlabel() == "model-fitting iteration"
    some = dataset_of(np.ones((2, 3, 40))).isel(generation=slice(3, None, 6))
    ticks = cj.plots.curves(some).axes[0].get_xticks()
    assert {*ticks} <= {*some.iteration.values}


def test_each_column_has_one_label_of_iterations():
    data = dataset_of(np.ones((2, 3, 4))).assign(entropy=lambda data: data.kl, sq_error=lambda data: data.kl)
    axes = cj.plots.curves(data, split=True).axes
    assert [axis.get_xlabel() != "" for axis in axes] == [False] * 4 + [True] * 2
    assert [axis.xaxis.get_tick_params()["labelbottom"] for axis in axes] == [False] * 4 + [True] * 2


def test_axes_are_logarithmic_where_one_says_so():
    data = dataset_of(1 + np.random.default_rng(0).uniform(size=(2, 9, 4)))
    (axis,) = cj.plots.curves(data, logx=True, logy=True).axes
    assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")
    with pytest.raises(ValueError, match="logy: no mean of 'kl' is positive"):
        cj.plots.curves(-data, logy=True)


def test_widths():
    data = dataset_of(np.ones((2, 3, 4)))
    for width, inches, size in (("column", 3.4, 7), ("page", 6.9, 7), ("slide", 10, 14)):
        figure = cj.plots.curves(data, width=width)
        assert figure.get_size_inches()[0] == inches
        assert figure.axes[0].yaxis.label.get_size() == size
    with pytest.raises(ValueError, match="width='pge': no such width; did you mean 'page'"):
        cj.plots.curves(data, width="pge")


def test_other_results_are_drawn_for_comparison():
    rng = np.random.default_rng(0)
    data, other = (dataset_of(rng.gamma(4.0, 1.0, (2, seeds, 10))) for seeds in (5, 7))
    figure = cj.plots.curves(data, against=other.isel(workflow=[0]))
    (line,) = gids(figure.axes[0], "other")
    np.testing.assert_allclose(line.get_ydata(), other.kl[0].mean("seed"))
    assert line.get_color() == gids(figure.axes[0], "mean")[1].get_color()  # accumulate's
    assert figure.texts[-1].get_text() == "n = 5, 5 seeds\nother results: n = 5, 7 seeds"
    for without in (other.rename(kl="k2"), other.assign_coords(workflow=["a", "b"])):
        with pytest.raises(ValueError, match="against: the other results have no curve of these"):
            cj.plots.curves(data, against=without)


def test_more_than_can_be_told_apart_names_isel_and_heat_maps():
    many = dataset_of(np.ones((25, 2, 2)), map(str, range(25)))
    with pytest.raises(ValueError, match=r"workflow: 25 lines in a panel.*\.isel\(workflow=\[.*heatmap"):
        cj.plots.curves(many)
    swept = many.drop_vars("num_samples").expand_dims(num_samples=range(39))
    start = time.perf_counter()
    with pytest.raises(ValueError, match=r"num_samples: 39 lines in a panel.*\.isel\(num_samples=\[.*heatmap"):
        cj.plots.curves(swept)
    assert time.perf_counter() - start < 1


def test_z_scores():
    rng = np.random.default_rng(0)
    figure = cj.plots.z_scores({"gaussian": rng.normal(size=300), "kde": rng.normal(size=100)})
    assert sum(patch.get_height() for patch in figure.axes[0].patches) == 400
    assert figure.axes[0].lines[0].get_ydata().max() == pytest.approx(400 * 0.5 * 0.3989, rel=1e-3)


def test_decades_get_a_logarithmic_axis():
    curves = np.exp(-np.arange(20.0))[None, None] * np.random.default_rng(0).exponential(size=(2, 50, 1))
    figure = cj.plots.curves(dataset_of(curves))
    assert figure.axes[0].get_yscale() == "log"
    assert figure.axes[0].collections[0].get_paths()[0].vertices[:, 1].min() > 0


@pytest.mark.parametrize(("decades", "ticks"), [(1.6, [2, 5, 10, 20, 50]), (3.0, [10, 100, 1000])])
def test_logarithmic_axes_have_ticks(decades, ticks):
    curves = np.geomspace(1.5, 1.5 * 10**decades, 20) * np.ones((2, 50, 1))
    axis = cj.plots.curves(dataset_of(curves)).axes[0].yaxis
    low, high = axis.get_view_interval()
    assert [place for place in axis.get_majorticklocs() if low < place < high] == ticks
    assert not any(axis.get_minor_formatter().format_ticks(axis.get_minorticklocs()))


def test_notebooks_show_figures():
    """Also those where pyplot was not imported, which has matplotlib's own figures shown."""
    assert cj.plots.curves(dataset_of(np.ones((2, 3, 4))))._repr_png_().startswith(b"\x89PNG")


def test_figures_are_saved_for_print(tmp_path):
    cj.plots.curves(dataset_of(np.ones((2, 3, 4)))).savefig(tmp_path / "a.png")
    assert plt.imread(tmp_path / "a.png").shape[1] == 1020  # of 3.4 inches


def test_infinite_curves_are_said_to_be():
    curves = np.stack([np.full((3, 4), -np.inf), np.ones((3, 4))])
    data = dataset_of(curves, ("replace", "accumulate"))
    assert cj.plots.curves(data).axes[0].get_title() == "replace: -infinite"
    split = cj.plots.curves(data, split=True)
    assert [axis.get_title() for axis in split.axes] == ["replace\n-infinite throughout", "accumulate"]


def test_one_line_a_number_of_samples():
    datasets = [
        dataset_of(np.random.default_rng(n).normal(size=(2, 9, 4))).assign_coords(num_samples=n) for n in (5, 50)
    ]
    figure = cj.plots.curves(xr.concat(datasets, "num_samples"))
    assert len(figure.axes[0].lines) == 2
    assert legend_texts(figure)[0] == ["n = 5", "n = 50"]


def test_unknown_metric():
    with pytest.raises(ValueError, match="metric 'k1': no such metric; did you mean 'kl'"):
        cj.plots.curves(dataset_of(np.ones((2, 3, 4))), ["k1"])


@pytest.mark.slow
def test_fits_a_column(tmp_path):
    size = dict(num_samples=6, num_generations=5, num_seeds=25, key=jax.random.key(20240615))
    figure = cj.plots.curves(cj.sweep(cj.Gaussian(2), ["replace", "accumulate"], **size))
    assert figure.get_size_inches()[0] <= 3.5
    figure.savefig(tmp_path / "a.pdf")
