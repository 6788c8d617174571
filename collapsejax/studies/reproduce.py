"""The published studies, carried out: stores, figures, and a record of what was found."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import xarray as xr

from ..core.arguments import check_seed
from ..core.checks import key_of
from ..core.describe import describe
from ..experiments.collapse_time import until_collapse
from ..experiments.synthetic_value import synthetic_value
from ..loop import seed_keys
from ..store import datasets
from ..store.figures import save_figure
from ..store.marks import write_marked
from ..store.provenance import provenance
from ..sweeps.exact_curves import exact_curves
from ..sweeps.execution import Execution
from ..sweeps.run import Progress, sweep
from ..theory.outcomes import fixation_time
from .record import Record, read
from .study import CollapseTime, Part, PartResult, Results, Study, Sweep, ValueGrid

Report = Callable[[Progress], None]

_MOST_TIMES = 50  # n generations that a discrete loop may take; its time is about 2 n, with an exponential tail
_MOST_EXACT = 10**7  # numbers of the largest matrix of an exact mean time


class Simulated(NamedTuple):
    """The datasets of a study's parts by name, whether any of them is new, and the seconds that they took."""

    datasets: dict[str, xr.Dataset]
    new: bool
    seconds: float


class _Run(NamedTuple):
    """What a part is run with: seeds, the root of all randomness, its store, a device, and who is told of progress."""

    num_seeds: int
    key: jax.Array
    path: Path
    device: jax.Device
    say: Report


def simulate(study: Study, folder: Path, *, seed: int, devices: Sequence[jax.Device], say: Report) -> Simulated:
    """Carry out the parts of a study, or carry them on, each into a store in a folder that is there.

    They go side by side, each on a device of its own, so that their compilations do, too. What is complete is computed
    no more.

    Raises ValueError for a seed below 0, and for a store of something else.
    """
    check_seed(seed)
    began, stop, told, parts = time.perf_counter(), threading.Event(), {}, study.parts

    def one_part(place: int, name: str) -> tuple[xr.Dataset, bool]:
        def tell(progress: Progress) -> None:
            if stop.is_set():
                raise KeyboardInterrupt
            told[name] = progress
            sums = [sum(getattr(one, field) for one in told.values()) for field in Progress._fields[1:]]
            say(Progress(f"{study.name}: {name}, {progress.doing}", *sums))

        # The same device in every run: a compiled program that was kept is found for its own device alone.
        device = devices[place % len(devices)]
        with jax.default_device(device):
            run = _Run(study.num_seeds, key_of(seed), folder / f"{name}.zarr", device, tell)
            return _simulated(parts[name], run)

    with ThreadPoolExecutor(len(devices)) as threads:
        futures = [threads.submit(one_part, place, name) for place, name in enumerate(parts)]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            stop.set()
            threads.shutdown(cancel_futures=True)
            raise
        made = {name: future.result() for name, future in zip(parts, futures, strict=True)}
        loaded = {name: dataset.load() for name, (dataset, _) in made.items()}
    return Simulated(loaded, any(new for _, new in made.values()), time.perf_counter() - began)


def results_of(study: Study, simulated: Simulated) -> dict[str, PartResult]:
    """What a study draws and concludes from: its parts with what was simulated and what is known exactly."""
    return {name: PartResult(part, simulated.datasets[name], _exact(part)) for name, part in study.parts.items()}


def write_up(study: Study, folder: Path, simulated: Simulated) -> float:
    """Draw the figures of a study and record what was found; returns the seconds that all of it took."""
    began = time.perf_counter()
    results = results_of(study, simulated)
    figures = draw(study, results, folder)
    finding = study.finding(results)
    seconds = simulated.seconds + time.perf_counter() - began
    before = None if simulated.new else read(folder)  # of when more than figures was computed
    record = Record(
        study=study.name,
        title=study.title,
        citation=study.citation,
        claim=study.claim,
        form=study.form,
        num_seeds=study.num_seeds,
        found=finding.sentence,
        verdict=finding.verdict,
        numbers=finding.numbers,
        figures=figures,
        folder=folder.name,
        seconds=before.seconds if before else seconds,
    )
    record.write(folder)
    return seconds


def draw(study: Study, results: Results, folder: Path) -> list[str]:
    """Write all figures of a study as PNG, as PDF, and for the page as SVG; returns their names."""
    from ..plots.svg import svg_text

    figures = study.figures(results)
    for name, figure in figures.items():
        for suffix in (".png", ".pdf"):
            save_figure(figure, folder / f"{name}{suffix}")
            figure.set_layout_engine("none")  # all is in its place by now
        write_marked(folder / f"{name}.svg", svg_text(figure).encode())
    return list(figures)


def _exact(part: Part) -> xr.Dataset:
    """What is known of a sweep's means; of other parts nothing."""
    if not isinstance(part, Sweep):
        return xr.Dataset()
    return exact_curves(part.task, part.workflows, over=part.over, num_generations=part.num_generations)


def _simulated(part: Part, run: _Run) -> tuple[xr.Dataset, bool]:
    """The dataset of a part, from its store where it is complete there; and whether any of it is new."""
    match part:
        case Sweep():
            return _sweep(part, run)
        case CollapseTime():
            return _kept(part, run, lambda: _collapse_times(part, run))
        case ValueGrid():
            arguments = {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}
            options = dict(num_seeds=run.num_seeds, key=run.key, progress=run.say)
            return _kept(part, run, lambda: synthetic_value(**arguments, **options))


def _sweep(part: Sweep, run: _Run) -> tuple[xr.Dataset, bool]:
    dataset = sweep(
        part.task,
        part.workflows,
        over=part.over,
        num_generations=part.num_generations,
        num_seeds=run.num_seeds,
        key=run.key,
        out=run.path,
        execution=Execution(devices=[run.device]),
        progress=run.say,
    )
    return dataset, dataset.attrs["num_compilations"] > 0


def _collapse_times(part: CollapseTime, run: _Run) -> xr.Dataset:
    total, seeds = len(part.num_samples), run.num_seeds * len(part.num_samples)
    times, exact, keys = [], [], seed_keys(run.key, run.num_seeds)
    for done, n in enumerate(part.num_samples):
        run.say(Progress(f"n={n}", done, total, done * run.num_seeds, seeds))
        times.append(until_collapse(keys, part.task, num_samples=n, limit=_MOST_TIMES * n))
        few = max(part.num_outcomes * n, n**2) <= _MOST_EXACT
        probs = np.full(part.num_outcomes, 1 / part.num_outcomes)
        exact.append(fixation_time(probs, n) if few else np.nan)
    run.say(Progress("", total, total, seeds, seeds))
    dims = ("num_samples", "seed")
    variables = {
        "collapse_time": (dims, np.array([one.iterations for one in times]), {"long_name": "Models fitted"}),
        "censored": (dims, np.array([one.censored for one in times])),
        "exact": ("num_samples", exact),
    }
    return xr.Dataset(variables, {"num_samples": list(part.num_samples), "seed": np.arange(run.num_seeds)})


def _kept(part: CollapseTime | ValueGrid, run: _Run, make: Callable[[], xr.Dataset]) -> tuple[xr.Dataset, bool]:
    """What is in the store, if that is this part, or what is made and stored now; and whether it is new."""
    asked = _asked(part, run)
    if run.path.exists():
        dataset = datasets.read(run.path)
        if dataset.attrs.get("asked") != asked:
            raise ValueError(f"{run.path}: is there already, of another study; choose another folder (--out)")
        return dataset, False
    dataset = make()
    datasets.save(dataset.assign_attrs(dataset.attrs | {"asked": asked} | provenance()), run.path)
    return dataset, True


def _asked(part: CollapseTime | ValueGrid, run: _Run) -> str:
    """What decides the numbers of a part, as JSON."""
    asked: dict[str, Any] = {field.name: describe(getattr(part, field.name)) for field in dataclasses.fields(part)}
    asked |= {"num_seeds": run.num_seeds, "key": jax.random.key_data(run.key).tolist()}
    return json.dumps(asked, sort_keys=True)
