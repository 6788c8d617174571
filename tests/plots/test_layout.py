"""Labels of figures do not overlap and lie inside the figure, however many panels and lines there are."""

import itertools
import json

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

import collapsejax as cj
from collapsejax.results.dataset import to_dataset

WORKFLOWS = [
    {"name": "replace"},
    {"name": "accumulate"},
    {"name": "accumulate-subsample"},
    {"name": "fresh-data", "num_fresh": 10},
    {"name": "augment"},
    {"name": "weighted", "real_weight": 0.3},
    {"name": "window", "num_batches": 2},
    {"name": "selected", "inner": {"name": "replace"}, "keep": 0.5, "error": 0.1},
    {"name": "Fading", "memory": 0.5},
]
METRICS = [
    *("mean_sq_error", "logdet_ratio", "trace_ratio", "kl"),
    *("param_sq_error", "distinct_ngrams", "test_nll", "improbable_share"),
]


def results(num_workflows, num_metrics, *, sizes=(10,), num_generations=30, num_seeds=20):
    """Made-up results: under replace, trace ratios whose means few seeds carry; infinite ones under fresh data."""
    rng, described = np.random.default_rng(0), WORKFLOWS[:num_workflows]
    shape = (num_workflows, len(sizes), num_seeds, num_generations)
    values = {name: rng.gamma(4.0, 0.25, shape) + place for place, name in enumerate(METRICS[:num_metrics])}
    if "trace_ratio" in values:
        values["trace_ratio"][0] = np.exp(np.cumsum(rng.normal(-0.5, 0.7, shape[1:]), axis=-1))
    if "logdet_ratio" in values:
        values["logdet_ratio"] = -values["logdet_ratio"]
        values["logdet_ratio"][min(3, num_workflows - 1)] = -np.inf
    dims = {"workflow": [one["name"] for one in described], "num_samples": list(sizes)}
    task = {"name": "gaussian", "dim": 10, "sigma2": 4.0, "ddof": 1, "source": None, "sampling_temperature": 0.9}
    attributes = {"task": json.dumps(task), "workflows": json.dumps(described), "over": "{}"}
    data = to_dataset(values, dims, 0, attributes)
    return data if len(sizes) > 1 else data.isel(num_samples=0)


def exact_of(data):
    """Curves near the means, as exact ones of half the metrics."""
    names = list(data.data_vars)[::2]
    return data[names].mean("seed")


def check_texts(figure):
    """Raise AssertionError where two texts overlap, or one leaves the figure."""
    canvas = FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    renderer = canvas.get_renderer()
    texts = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axis in figure.axes:
        if axis.get_visible():
            texts += [axis.title, axis.xaxis.label, axis.yaxis.label]
            for one in (axis.xaxis, axis.yaxis):
                low, high = sorted(one.get_view_interval())
                ticks = (*one.get_major_ticks(), *one.get_minor_ticks())
                shown = [tick for tick in ticks if low <= tick.get_loc() <= high]
                texts += [text for tick in shown for text in (tick.label1, tick.label2) if text.get_visible()]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts if text.get_text().strip()]
    width, height = figure.bbox.size
    for text, box in boxes:
        assert max(-box.x0, box.x1 - width, -box.y0, box.y1 - height) <= 1, text
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        apart = a.x1 <= b.x0 + 1 or b.x1 <= a.x0 + 1 or a.y1 <= b.y0 + 1 or b.y1 <= a.y0 + 1
        assert apart, f"{one!r} and {other!r}"


CASES = [
    (1, 1, "column", False, (10,)),
    (9, 1, "column", False, (10,)),
    (3, 3, "column", True, (10, 100)),
    (4, 8, "column", False, (10,)),
    (5, 2, "page", True, (10,)),
    (9, 4, "slide", False, (10,)),
    (1, 5, "slide", True, (10, 20, 50)),
]
WIDTHS = ("column", "page", "slide")
EVERY = [
    *itertools.product((2, 3, 5, 9), (1, 2, 3, 6, 8), WIDTHS, (False, True), [(10,)]),
    *itertools.product((1, 3, 9), (1, 4), WIDTHS, (True,), [(10, 100, 1000)]),
]


@pytest.mark.parametrize(
    ("num_workflows", "num_metrics", "width", "split", "sizes"),
    [*CASES, *(pytest.param(*case, marks=pytest.mark.slow) for case in EVERY)],
)
def test_labels_do_not_overlap(num_workflows, num_metrics, width, split, sizes):
    data = results(num_workflows, num_metrics, sizes=sizes)
    check_texts(cj.plots.curves(data, exact=exact_of(data), width=width, split=split))


@pytest.mark.parametrize("width", ["column", pytest.param("page", marks=pytest.mark.slow), "slide"])
def test_labels_of_heat_maps_do_not_overlap(width):
    data = results(3, 2, sizes=(10, 20, 50, 100, 200))
    check_texts(cj.plots.heatmap(data, "logdet_ratio", x="generation", width=width))
    check_texts(cj.plots.heatmap(data, "mean_sq_error", y="workflow", width=width, exact=exact_of(data)))
