import jax
import pytest
import xarray as xr

import collapsejax as cj
from collapsejax.plots.captions import caption, workflow_titles
from collapsejax.plots.texts import broken_lines, broken_text, legend_columns, text_width
from collapsejax.plots.ticks import iteration_ticks
from collapsejax.sweeps.plan import make_plan


def planned(task, workflows, **options):
    """What a sweep would say of its results, without simulating them."""
    size = dict(num_samples=10, num_generations=5, num_seeds=7, key=jax.random.key(0))
    manifest = make_plan(task, workflows, **{**size, **options}).manifest
    sizes = {} if "num_samples" in manifest.dims else {"num_samples": 10}
    return xr.Dataset(coords=manifest.dims | sizes, attrs=manifest.attributes)


def test_captions_tell_what_is_not_as_by_default():
    assert caption(planned(cj.Gaussian(3), ["replace"])) == "gaussian, d = 3, n = 10, 7 seeds"
    kde = cj.KDE(cj.sources.moons(0.1), "scott", kernel="tophat")
    wanted = "kde, moons (noise = 0.1), bandwidth = scott, kernel = tophat, d = 2, n = 10, 7 seeds"
    assert caption(planned(kde, ["replace"])) == wanted
    data = planned(cj.Gaussian(), ["replace"], over={"sigma2": [1.0, 4.0], "num_samples": [5, 10]}, num_samples=None)
    assert caption(data) == "gaussian, d = 1, 7 seeds"
    assert caption(data.sel(sigma2=4.0, num_samples=5)) == "gaussian, d = 1, sigma2 = 4, n = 5, 7 seeds"


def test_dollar_signs_of_users_begin_no_formula(tmp_path):
    (tmp_path / "$a_$").mkdir()
    path = tmp_path / "$a_$" / "x$.csv"
    path.write_text("cost in $,b\n" + "".join(f"{number},{number**2}\n" for number in range(20)))
    data = cj.sweep(
        cj.Gaussian(source=cj.sources.table(path)),
        ["replace"],
        num_samples=8,
        num_generations=2,
        num_seeds=5,
        key=jax.random.key(0),
    )
    assert r"\$a_\$" in caption(data)
    cj.plots.curves(data)._repr_png_()


def test_titles_have_the_settings_of_workflows():
    workflows = ["replace", cj.Weighted(0.3), cj.Selected(cj.FreshData(2), keep=0.5)]
    data = planned(cj.Gaussian(), workflows, over={"weighted.real_weight": [0.1, 0.2]})
    titles = workflow_titles(data)
    assert titles["replace"] == "replace"
    assert titles["weighted"] == "weighted"  # the values are the colours
    assert titles["selected"] == "selected(inner=fresh-data (num_fresh = 2), keep=0.5, error=0)"
    assert workflow_titles(data.sel(real_weight=0.2))["weighted"] == "weighted(real_weight=0.2)"
    assert workflow_titles(data.isel(workflow=1)) == {"weighted": "weighted"}
    assert workflow_titles(planned(cj.Gaussian(), workflows))["weighted"] == "weighted(real_weight=0.3)"


def test_texts_are_broken_at_words():
    text = "squared error of the fitted mean (nats a row)"
    for inches in (0.5, 1.0, 2.0, 9.0):
        lines = broken_lines(text, 7, inches)
        assert " ".join(lines) == text
        assert all(text_width(line, 7) <= inches or " " not in line.replace("(nats a row)", "") for line in lines)
    assert broken_text("squared error of the fit", 7, 1.0) == "squared error\nof the fit"
    assert broken_lines("accumulate-subsample", 7, 0.7) == ["accumulate-", "subsample"]
    assert broken_lines(r"error, $|m - \mu|^2$", 7, 0.4) == ["error,", r"$|m - \mu|^2$"]


def test_legends_have_as_many_columns_as_fit():
    labels = ["replace", "accumulate", "accumulate-subsample", "fresh-data(num_fresh=10)"]
    assert legend_columns(labels, 6, 9.0) == 4
    assert legend_columns(labels, 6, 3.2) == 2
    assert legend_columns(labels, 6, 0.5) == 1


@pytest.mark.parametrize("log", [False, True])
def test_ticks_are_iterations_that_are_apart(log):
    for last in range(1, 300, 7):
        for most in (2, 3, 6):
            ticks = iteration_ticks(range(1, last + 1), most, log)
            assert (ticks[0], ticks[-1]) == (1, last)
            assert ticks == sorted(set(ticks))
            assert len(ticks) <= most + 2
