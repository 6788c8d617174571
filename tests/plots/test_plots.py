import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import collapsejax as cj
from collapsejax.results.dataset import to_dataset


def dataset_of(curves, workflows=("accumulate", "replace")):
    """Curves (S, G) for each workflow, as a metric called kl."""
    return to_dataset({"kl": np.asarray(curves)}, {"workflow": list(workflows)}, 5, {})


def test_mean_and_band():
    rng = np.random.default_rng(0)
    curves = rng.normal(10.0, 1.0, (2, 100, 8))
    figure = cj.plots.curves(dataset_of(curves))
    assert [axis.get_title() for axis in figure.axes] == ["replace", "accumulate"]  # the published order
    line, band = figure.axes[0].lines[0], figure.axes[0].collections[0]
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 9))
    np.testing.assert_allclose(line.get_ydata(), curves[1].mean(axis=0))
    lowest = band.get_paths()[0].vertices[:, 1].min()
    assert lowest == pytest.approx((curves[1].mean(axis=0) - 1.96 * curves[1].std(axis=0, ddof=1) / 10).min())
    assert figure.axes[0].get_yscale() == "linear"


def test_titles_are_broken_where_panels_are_too_narrow_for_them():
    names = ("accumulate-subsample", "fresh-data", "weighted(real_weight=0.3)")
    figure = cj.plots.curves(dataset_of(np.ones((3, 5, 4)), names))
    titles = {axis.get_title() for axis in figure.axes}
    assert titles == {"accumulate-\nsubsample", "fresh-data", "weighted\n(real_weight=0.3)"}


def test_a_mean_that_few_seeds_carry_is_dotted():
    """A log-normal variance that grows by 0.5 a generation, from 200 seeds; its logarithm needs no such thing."""
    walk = np.cumsum(np.random.default_rng(1).normal(-0.5, np.sqrt(0.5), (2, 200, 40)), axis=2)
    solid, dotted, dashed = cj.plots.curves(dataset_of(np.exp(walk))).axes[0].lines
    last = np.flatnonzero(np.isfinite(solid.get_ydata()))[-1]
    assert 1 < last < 15
    assert dotted.get_linestyle() == ":"
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(dotted.get_ydata())), np.arange(last, 40))
    assert dashed.get_linestyle() == "--"
    np.testing.assert_allclose(dashed.get_ydata()[last:], np.median(np.exp(walk[1]), axis=0)[last:])
    assert len(cj.plots.curves(dataset_of(walk)).axes[0].lines) == 1


def test_squares_of_normal_errors_are_not():
    errors = np.random.default_rng(2).chisquare(1, (2, 100, 40))
    assert len(cj.plots.curves(dataset_of(errors)).axes[0].lines) == 1


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
    figure = cj.plots.curves(dataset_of(curves, ("replace", "accumulate")))
    assert "infinite" in figure.axes[0].texts[0].get_text()
    assert not figure.axes[1].texts


def test_one_line_a_number_of_samples():
    datasets = [
        dataset_of(np.random.default_rng(n).normal(size=(2, 9, 4))).assign_coords(num_samples=n) for n in (5, 50)
    ]
    figure = cj.plots.curves(xr.concat(datasets, "num_samples"))
    assert len(figure.axes[0].lines) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["5", "50"]


def test_unknown_metric():
    with pytest.raises(ValueError, match="metric 'k1': no such metric; did you mean 'kl'"):
        cj.plots.curves(dataset_of(np.ones((2, 3, 4))), ["k1"])


@pytest.mark.slow
def test_fits_a_column(tmp_path):
    size = dict(num_samples=6, num_generations=5, num_seeds=25, key=jax.random.key(20240615))
    figure = cj.plots.curves(cj.sweep(cj.Gaussian(2), ["replace", "accumulate"], **size))
    assert figure.get_size_inches()[0] <= 3.5
    figure.savefig(tmp_path / "a.pdf")
