"""The page of a store: what was simulated, what came of it, and what it was made with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from ..plots import curves
from ..results.dataset import line_dimensions, metrics_in, summarize
from ..results.metrics import LOSSES, SPREADS
from ..sweeps.exact_curves import exact_curves
from ..tasks import TASKS
from .cells import cells_of, label_of, some
from .diagnoses import diagnoses, diagnosis_table
from .numbers import metric_table
from .parts import Block, Bullets, Facts, Page, Picture, Section, with_error
from .settings import meaning_of, num_seeds_of, origin_of, settings_of, task_of

_MOST_LINES = 6  # of a figure, in one colour each
_MOST_CELLS = 4  # of which there are figures and diagnoses


def store_page(dataset: xr.Dataset, *, store: str, command: str, missing: Sequence[str] = ()) -> Page:
    """The page of results, with exact curves where they are known.

    Args:
        dataset: as from `sweep` or `open`, of all seeds or statistics over them.
        store: its name.
        command: repeats what is in the store, or the page.
        missing: what is missing or damaged, a sentence each.
    """
    names = [name for name in line_dimensions(dataset) if name != "num_samples"]
    *outer, lines = [*names, *(["num_samples"] if "num_samples" in dataset.dims else [])] or [None]
    known, unknown = _exact(dataset)
    sections = [
        Section("Missing or damaged", [Bullets(missing)]) if missing else None,
        Section("Figures", _figures(dataset, known, outer, lines)),
        Section("Numbers", [metric_table(dataset, known, metric) for metric in metrics_in(dataset)]),
        _diagnosis(dataset, names),
        Section("Settings", [Facts({"store": store} | settings_of(dataset))]),
        Section("Methods", _methods(dataset, known, unknown)),
    ]
    return Page(
        title=f"{_title(task_of(dataset))} under {_listed(list(map(str, dataset.workflow.values)))}",
        summary=_summary(dataset, known),
        sections=[section for section in sections if section],
        command=command,
        versions=origin_of(dataset),
    )


def _figures(dataset: xr.Dataset, exact: xr.Dataset, outer: Sequence[str], lines: str | None) -> list[Block]:
    cells = cells_of(dataset, outer)
    shown = some(cells, _MOST_CELLS)
    blocks: list[Block] = []
    if lines and dataset.sizes[lines] > _MOST_LINES:
        some_lines = some(list(dataset[lines].values), _MOST_LINES)
        blocks.append(f"Lines: {len(some_lines)} of {dataset.sizes[lines]} values of {lines}.")
        dataset, exact = (
            dataset.sel({lines: some_lines}),
            exact.sel({lines: some_lines}) if lines in exact.dims else exact,
        )
    if len(shown) < len(cells):
        blocks.append(f"Figures of {len(shown)} of {len(cells)} combinations of {', '.join(outer)}.")
    for cell in shown:
        own, known = dataset.sel(cell), exact.sel({name: cell[name] for name in cell if name in exact.dims})
        where = f", {label_of(cell)}" if cell else ""
        for metric in metrics_in(own):
            label = f"{own[metric].attrs.get('long_name', metric)}{where}"
            under = ", ".join(map(str, own.workflow.values))
            about = f"{label}, against model-fitting iteration under {under}. The table of {metric} has the numbers."
            try:
                figure = curves(own, [metric], exact=known)
            except ValueError as error:  # more lines or panels than a figure can have
                blocks.append(f"No figure of {metric}{where}: {error}.")
            else:
                blocks.append(Picture.of(figure, label, about, f"{label} ({metric})"))
    return blocks


def _diagnosis(dataset: xr.Dataset, names: Sequence[str]) -> Section | None:
    blocks: list[Block] = []
    for cell in some(cells_of(dataset, names), _MOST_CELLS):
        if found := diagnoses(dataset.sel(cell)):
            blocks += diagnosis_table(found, label_of(cell))
    if not blocks:
        return None
    how = (
        "Eight definitions of model collapse, as arXiv 2503.03150 finds them in the literature: yes or no where the "
        "statistic is three standard errors from the other answer."
    )
    return Section("Diagnosis", [how, *blocks])


def _exact(dataset: xr.Dataset) -> tuple[xr.Dataset, str]:
    """The exact curves of the metrics that a dataset has, and why there are none, if so."""
    try:
        exact = exact_curves(dataset)
    except ValueError as error:
        return xr.Dataset(), f"No exact means: {error}."
    known = exact[[name for name in exact.data_vars if name in dataset]]
    return known, "" if known.data_vars else "No exact means are known of these metrics under these workflows."


def _methods(dataset: xr.Dataset, exact: xr.Dataset, unknown: str) -> list[Block]:
    workflows = [str(name) for name in dataset.workflow.values]
    meanings = [f"{name}: {meaning}" for name in workflows if (meaning := meaning_of(name))]
    blocks: list[Block] = [
        "The first model is fitted to real data. Each further model is fitted to data that the workflow chooses among "
        "real rows and rows that earlier models generated.",
        *([Bullets(meanings)] if meanings else []),
        f"This is repeated independently {num_seeds_of(dataset)} times, once a seed. Means are over the seeds, with "
        "standard errors; bands are 1.96 standard errors to both sides.",
    ]
    known = "Exact means are expectations computed in float64; they depend on no random numbers."
    return [*blocks, unknown or known]


def _summary(dataset: xr.Dataset, exact: xr.Dataset) -> list[str]:
    """From where to where the metric that tells most went, under each workflow."""
    metric = _main_metric(dataset)
    last_cell = cells_of(dataset, line_dimensions(dataset))[-1]
    statistics, known = summarize(dataset[metric].sel(last_cell)), exact.get(metric)
    label = dataset[metric].attrs.get("long_name", metric)
    sentences = []
    for name in map(str, dataset.workflow.values):
        ends = statistics.sel(workflow=name).isel(generation=[0, -1])
        first, end = (
            with_error(*one).replace(" ", "\N{NO-BREAK SPACE}")
            for one in ends.sel(statistic=["mean", "standard_error"]).values.T
        )
        value = np.nan if known is None else float(known.sel(last_cell).sel(workflow=name).isel(generation=-1))
        exactly = f" (exact: {value:.4g})" if np.isfinite(value) else ""
        called = metric if sentences else f"{metric} ({label})"
        under = f"under {name}, {called} goes from {first} in the first model"
        sentences.append(f"{under} to {end} in model {dataset.sizes['generation']}{exactly}.")
    sentences[0] = f"With {label_of(last_cell)}, {sentences[0]}" if last_cell else sentences[0]
    return [f"{sentence[0].upper()}{sentence[1:]}" for sentence in sentences]


def _title(task: str) -> str:
    return TASKS[task].__name__ if task in TASKS else f"{task[0].upper()}{task[1:]}"


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def _main_metric(dataset: xr.Dataset) -> str:
    there = metrics_in(dataset)
    preferred = [metric.name for metric in (*SPREADS, *LOSSES) if metric.name in there]
    means = {name: summarize(dataset[name]).sel(statistic="mean") for name in (*preferred, *there)}
    return next((name for name, mean in means.items() if np.isfinite(mean).all()), there[0])
