"""The published studies, carried out: stores, figures, and an index that says what was found."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import xarray as xr

from ..core.arguments import check_count
from ..core.describe import describe
from ..experiments.collapse_time import until_collapse
from ..experiments.synthetic_value import synthetic_value
from ..loop import seed_keys
from ..store import datasets
from ..store.files import save_figure, write_whole
from ..store.provenance import provenance
from ..sweeps.exact_curves import exact_curves
from ..sweeps.run import Progress, sweep
from ..theory.outcomes import fixation_time
from .catalogue import Collapse, Study, Sweep, Value
from .conclusions import CONCLUSIONS
from .index import render

Report = Callable[[Progress], None]

_MOST_TIMES = 50  # n generations that a discrete loop may take; its time is about 2 n, with an exponential tail
_MOST_EXACT = 10**7  # numbers of the largest matrix of an exact mean time
_RECORD = "finding.json"


class Simulated(NamedTuple):
    """The results of a study's parts by name, whether any of them is new, and the seconds that they took."""

    datasets: dict[str, xr.Dataset]
    new: bool
    seconds: float


def simulate(
    name: str, study: Study, folder: Path, *, seed: int, devices: Sequence[jax.Device], say: Report
) -> Simulated:
    """Carry out the parts of a study, or carry them on, each into a store in a folder that is there.

    They go side by side, each on a device of its own, so that their compilations do, too. What is complete is computed
    no more.
    """
    check_count("seed", seed, least=0)
    began, stop, told = time.perf_counter(), threading.Event(), {}

    def one_part(number: int) -> tuple[xr.Dataset, bool]:
        part, path = list(study.parts)[number], folder / f"{list(study.parts)[number]}.zarr"

        def tell(progress: Progress) -> None:
            if stop.is_set():
                raise KeyboardInterrupt
            told[part] = progress
            sums = [sum(getattr(one, field) for one in told.values()) for field in Progress._fields[1:]]
            say(Progress(f"{name}: {part}, {progress.doing}", *sums))

        # The same device in every run: a compiled program that was kept is found for its own device alone.
        device = devices[number % len(devices)]
        with jax.default_device(device):
            key = jax.random.key(seed)
            return _MAKERS[type(study.parts[part])](study.parts[part], study.num_seeds, key, path, device, tell)

    with ThreadPoolExecutor(len(devices)) as threads:
        futures = [threads.submit(one_part, number) for number in range(len(study.parts))]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            stop.set()
            threads.shutdown(cancel_futures=True)
            raise
        made = {part: future.result() for part, future in zip(study.parts, futures, strict=True)}
        datasets = {part: dataset.load() for part, (dataset, _) in made.items()}
    return Simulated(datasets, any(new for _, new in made.values()), time.perf_counter() - began)


def write_up(name: str, study: Study, folder: Path, simulated: Simulated) -> float:
    """Draw the figures of a study and write what was found; returns the seconds that all of it took."""
    began, datasets = time.perf_counter(), simulated.datasets
    exact = {part: _exact(one) for part, one in study.parts.items()}
    figures = draw(name, datasets, exact, folder)
    finding = CONCLUSIONS[name](datasets, exact)
    seconds = simulated.seconds + time.perf_counter() - began
    record = dict(study=name, title=study.title, paper=study.paper, form=study.form, num_seeds=study.num_seeds)
    record |= dict(found=finding.sentence, figures=figures, folder=folder.name)
    record["numbers"] = [one._asdict() | {"z": one.z} for one in finding.numbers]
    before = None if simulated.new else _read(folder / _RECORD)  # of when more than figures was computed
    record["seconds"] = before["seconds"] if before else seconds
    write_whole(folder / _RECORD, json.dumps(record, indent=1).encode())
    return seconds


def write_index(out: Path) -> Path:
    """Write `out`/index.md from what all studies found whose folders are there; returns its path."""
    records = [record for path in sorted(out.glob(f"*/{_RECORD}")) if (record := _read(path))]
    path = out / "index.md"
    write_whole(path, render(records).encode())
    return path


def draw(name: str, datasets: Mapping[str, xr.Dataset], exact: Mapping[str, xr.Dataset], folder: Path) -> list[str]:
    """Write all figures of a study as PDF and PNG; returns their stems."""
    from .figures import FIGURES

    figures = FIGURES[name](datasets, exact)
    for stem, figure in figures.items():
        for suffix in (".png", ".pdf"):
            save_figure(figure, folder / f"{stem}{suffix}")
            figure.set_layout_engine("none")  # all is in its place by now
    return list(figures)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _exact(part: Sweep | Collapse | Value) -> xr.Dataset:
    """What is known of a sweep's means; of other parts nothing."""
    if not isinstance(part, Sweep):
        return xr.Dataset()
    sizes = dict(num_samples=part.num_samples, num_generations=part.num_generations)
    return exact_curves(part.task, part.workflows, **sizes)


def _sweep(
    part: Sweep, num_seeds: int, key: jax.Array, path: Path, device: jax.Device, say: Report
) -> tuple[xr.Dataset, bool]:
    sizes = dict(num_samples=list(part.num_samples), num_generations=part.num_generations, num_seeds=num_seeds)
    dataset = sweep(part.task, part.workflows, **sizes, key=key, out=path, devices=[device], progress=say)
    return dataset, dataset.attrs["num_compilations"] > 0


def _collapse(
    part: Collapse, num_seeds: int, key: jax.Array, path: Path, device: jax.Device, say: Report
) -> tuple[xr.Dataset, bool]:
    del device
    total, seeds = len(part.num_samples), num_seeds * len(part.num_samples)

    def make() -> xr.Dataset:
        times, exact, keys = [], [], seed_keys(key, num_seeds)
        for done, n in enumerate(part.num_samples):
            say(Progress(f"n={n}", done, total, done * num_seeds, seeds))
            times.append(until_collapse(keys, part.task, num_samples=n, limit=_MOST_TIMES * n))
            few = max(part.num_outcomes * n, n**2) <= _MOST_EXACT
            probs = np.full(part.num_outcomes, 1 / part.num_outcomes)
            exact.append(fixation_time(probs, n) if few else np.nan)
        say(Progress("", total, total, seeds, seeds))
        dims = ("num_samples", "seed")
        variables = {
            "collapse_time": (dims, np.array([one.iterations for one in times]), {"long_name": "Models fitted"}),
            "censored": (dims, np.array([one.censored for one in times])),
            "exact": ("num_samples", exact),
        }
        return xr.Dataset(variables, {"num_samples": list(part.num_samples), "seed": np.arange(num_seeds)})

    return _kept(part, num_seeds, key, path, make)


def _value(
    part: Value, num_seeds: int, key: jax.Array, path: Path, device: jax.Device, say: Report
) -> tuple[xr.Dataset, bool]:
    del device
    options = part._asdict()
    task = options.pop("task")
    return _kept(
        part, num_seeds, key, path, lambda: synthetic_value(task, **options, num_seeds=num_seeds, key=key, progress=say)
    )


def _kept(
    part: Collapse | Value, num_seeds: int, key: jax.Array, path: Path, make: Callable[[], xr.Dataset]
) -> tuple[xr.Dataset, bool]:
    """What is in the store at `path`, if that is this part, or what is made and stored now; and whether it is new."""
    asked = {"num_seeds": num_seeds, "key": jax.random.key_data(key).tolist()}
    asked = json.dumps({name: describe(value) for name, value in part._asdict().items()} | asked, sort_keys=True)
    if path.exists():
        dataset = xr.open_zarr(path, consolidated=False)
        if dataset.attrs.get("asked") != asked:
            raise ValueError(f"{path}: is there already, of another study; choose another folder (--out)")
        return dataset, False
    dataset = make()
    datasets.save(dataset.assign_attrs(dataset.attrs | {"asked": asked} | provenance()), path)
    return dataset, True


_MAKERS = {Sweep: _sweep, Collapse: _collapse, Value: _value}
