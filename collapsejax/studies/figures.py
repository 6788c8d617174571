"""The figures of each study."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr

from .. import plots
from ..core.base import Workflow
from ..experiments.synthetic_value import value_table
from ..plots.style import Figure
from ..results.dataset import line_dimensions
from ..tasks import Gaussian
from ..theory import curve
from ..theory.outcomes import fixation_time_asymptote
from ..theory.shares import real_share
from ..workflows import Accumulate, Augment, FreshData, Weighted

Datasets = Mapping[str, xr.Dataset]
Figures = dict[str, Figure]


def _curves(datasets: Datasets, exact: Datasets, metrics: Sequence[str], theirs: str | None = None) -> Figures:
    """For each part, and each value of what was swept beside n, the curves; and the excess of the metric `theirs`."""
    figures = {}
    for part, dataset in datasets.items():
        names = [name for name in line_dimensions(dataset) if name != "num_samples"]
        for labels in itertools.product(*(dataset[name].values for name in names)):
            chosen = dict(zip(names, labels, strict=True))
            stem = part + "".join(f"-{name}={_short(label)}" for name, label in chosen.items())
            own = dataset.sel(chosen)
            known = exact[part].sel({name: label for name, label in chosen.items() if name in exact[part].dims})
            figures[stem] = plots.curves(own, metrics, exact=known)
            if theirs:
                figures[f"{stem}-excess"] = plots.excess(own, theirs, exact=known)
    return figures


def _short(label: float | str) -> str:
    return f"{label}" if isinstance(label, str) else f"{label:.3g}"


def _gaussian(datasets: Datasets, exact: Datasets) -> Figures:
    return _curves(datasets, exact, ["mean_sq_error", "trace_ratio", "logdet_ratio"], "mean_sq_error")


def _kde(datasets: Datasets, exact: Datasets) -> Figures:
    return _curves(datasets, exact, ["test_nll", "cov_trace_ratio"], "test_nll")


def _kde_bandwidth(datasets: Datasets, exact: Datasets) -> Figures:
    del exact
    figures = {}
    for part, dataset in datasets.items():
        for n in dataset.num_samples.values:
            own = dataset.sel(num_samples=n)
            figures[f"{part}-num_samples={n}"] = plots.against(own, "test_nll", "bandwidth")
    return figures


def _regression(datasets: Datasets, exact: Datasets) -> Figures:
    """As many samples as features have errors without a mean, beside which others could not be seen: figures apart."""
    figures = {}
    for part, dataset in datasets.items():
        apart = np.abs(dataset.num_samples.values - int(part.partition("=")[2])) <= 1
        for suffix, chosen in (("", ~apart), ("-num_samples=dim", apart)):
            if chosen.any():
                own, known = ({f"{part}{suffix}": one.isel(num_samples=chosen)} for one in (dataset, exact[part]))
                figures |= _curves(own, known, ["test_mse"], None if suffix else "test_mse")
    return figures


def _discrete(datasets: Datasets, exact: Datasets) -> Figures:
    times = {}
    for part, dataset in datasets.items():
        if "collapse_time" in dataset:
            number = int(part.partition("=")[2])
            leading = [fixation_time_asymptote(np.full(number, 1 / number), int(n)) for n in dataset.num_samples.values]
            times[number] = dataset.assign(leading=("num_samples", leading))
    losses = {part: dataset for part, dataset in datasets.items() if "entropy" in dataset}
    return {"collapse-times": plots.collapse_times(times)} | _curves(losses, exact, ["entropy", "num_extinct"])


def _transformer(datasets: Datasets, exact: Datasets) -> Figures:
    return _curves(datasets, exact, ["test_loss", "entropy", "distinct_ngrams"])


def _value(datasets: Datasets, exact: Datasets) -> Figures:
    del exact
    figures = {}
    for part, dataset in datasets.items():
        table = value_table(dataset)
        metric = table.attrs["metric"]
        figures[f"{part}-map"] = plots.value_map(table, dataset[metric].attrs["long_name"])
        figures[f"{part}-lines"] = plots.value_lines(dataset, metric)
    return figures


_SHARES = {
    "weighted, w = 0.3": Weighted(0.3),
    "augment": Augment(),
    "fresh-data, 10 beside n = 100": FreshData(10),
    "accumulate (-subsample: on average)": Accumulate(),
}


def _real_share(datasets: Datasets, exact: Datasets) -> Figures:
    length = next(iter(datasets.values())).sizes["generation"]
    shares = {label: real_share(workflow, 100, length) for label, workflow in _SHARES.items()}
    points: dict[str, list] = {}
    for part, dataset in datasets.items():
        for workflow in dataset.workflow.values:
            name, _, setting = str(workflow).rstrip(")").partition("(real_weight=")
            for n in dataset.num_samples.values if name in ("weighted", "augment", "fresh-data") else ():
                values = dataset.mean_sq_error.sel(workflow=workflow, num_samples=n).isel(generation=-1).values
                first = float(exact[part].mean_sq_error.sel(workflow=workflow, num_samples=n)[0])
                share = float(setting) if setting else {"augment": 0.5, "fresh-data": 10 / (10 + n)}[name]
                se = values.std(ddof=1) / len(values) ** 0.5
                points.setdefault(name, []).append((share, values.mean() / first, se / first))
    lines = {
        "weighted": [(w, _last_over_first(Weighted(w), 100, length)) for w in np.geomspace(0.01, 0.6, 30)],
        "fresh-data": [
            (10 / (10 + n), _last_over_first(FreshData(10), n, length)) for n in np.geomspace(10, 1000, 30).astype(int)
        ],
    }
    drawn = [{name: np.array(sorted(rows)).T for name, rows in of.items()} for of in (points, lines)]
    figures = {"shares": plots.real_shares(shares), "loss-against-share": plots.loss_against_share(*drawn)}
    return figures | _curves(datasets, exact, ["mean_sq_error"])


def _last_over_first(workflow: Workflow, num_samples: int, num_generations: int) -> float:
    sizes = dict(num_samples=int(num_samples), num_generations=num_generations)
    error = curve(Gaussian(3), workflow, **sizes)["mean_sq_error"]
    return error[-1] / error[0]


FIGURES: dict[str, Callable[[Datasets, Datasets], Figures]] = {
    "gaussian": _gaussian,
    "kde": _kde,
    "kde-bandwidth": _kde_bandwidth,
    "kde-estimated": _kde,
    "regression": _regression,
    "discrete": _discrete,
    "transformer": _transformer,
    "value": _value,
    "real-share": _real_share,
}
