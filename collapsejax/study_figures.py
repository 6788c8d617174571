"""The figures of each study."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from . import plots
from .results import line_dimensions
from .theory.outcomes import fixation_time_asymptote
from .theory.shares import real_share
from .value import value_table
from .workflows import Accumulate, AccumulateSubsample, Augment, FreshData, Replace, Weighted, Window

Datasets = Mapping[str, xr.Dataset]
Figures = dict[str, Figure]


def _curves(datasets: Datasets, exact: Datasets, metrics: Sequence[str], theirs: str | None = None) -> Figures:
    """For each part, and each value of what was swept beside n, the curves; and the excess of the metric `theirs`."""
    figures = {}
    for part, dataset in datasets.items():
        names = [name for name in line_dimensions(dataset) if name != "num_samples"]
        for labels in itertools.product(*(dataset[name].values for name in names)):
            chosen = dict(zip(names, labels, strict=True))
            stem = part + "".join(
                f"-{name}={label:.3g}" if name != "bandwidth" or not isinstance(label, str) else f"-{label}"
                for name, label in chosen.items()
            )
            own, known = (
                dataset.sel(chosen),
                exact[part].sel({k: v for k, v in chosen.items() if k in exact[part].dims}),
            )
            figures[stem] = plots.curves(own, metrics, exact=known)
            if theirs:
                figures[f"{stem}-excess"] = plots.excess(own, theirs, exact=known)
    return figures


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
            # Narrow bandwidths give losses of thousands of nats, beside which nothing else could be seen.
            most = 4 * float(own.test_nll.mean("seed").min("bandwidth").max())
            figures[f"{part}-num_samples={n}"] = plots.against(own, "test_nll", "bandwidth", most=max(most, 20.0))
    return figures


def _regression(datasets: Datasets, exact: Datasets) -> Figures:
    return _curves(datasets, exact, ["test_mse"], "test_mse")


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


_SHARES = (Weighted(0.3), Augment(), FreshData(10), Window(5), Accumulate(), AccumulateSubsample(), Replace())


def _real_share(datasets: Datasets, exact: Datasets) -> Figures:
    length = next(iter(datasets.values())).sizes["generation"]
    shares = {}
    for workflow in _SHARES:
        share, same = real_share(workflow, 100, length), workflow.name
        for name, other in list(shares.items()):
            if np.allclose(share, other):
                same, _ = f"{name}, {same}", shares.pop(name)
        shares[same] = share
    points = {}
    for part, dataset in datasets.items():
        for workflow in dataset.workflow.values:
            name, _, setting = str(workflow).rstrip(")").partition("(real_weight=")
            if name not in ("weighted", "augment", "fresh-data"):
                continue
            for n in dataset.num_samples.values:
                own = dataset.mean_sq_error.sel(workflow=workflow, num_samples=n).isel(generation=-1).values
                known = exact[part].mean_sq_error.sel(workflow=workflow, num_samples=n).values
                share = float(setting) if setting else {"augment": 0.5, "fresh-data": 10 / (10 + n)}[name]
                row = (share, own.mean() / known[0], own.std(ddof=1) / len(own) ** 0.5 / known[0], known[-1] / known[0])
                points.setdefault(name, []).append(row)
    columns = {name: np.array(sorted(rows)).T for name, rows in points.items()}
    figures = {"shares": plots.real_shares(shares), "loss-against-share": plots.loss_against_share(columns)}
    curves = _curves(datasets, exact, ["mean_sq_error"])
    return figures | curves


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
