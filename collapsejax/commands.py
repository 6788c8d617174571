"""The commands of the command line: flags made from the library's own dataclasses, and what is done with them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import jax
import tyro
import xarray as xr

from . import console, store
from .base import Source, check_count
from .loop import metric_names
from .results import check_metrics
from .sources import Table, make
from .sweeps import sweep
from .tasks.gaussian import Gaussian
from .tasks.kde import KDE
from .workflows import WORKFLOWS, find


def _optional(kind: Any, metavar: str) -> Any:
    """The type of a flag that may be left out, which its help text explains."""
    return Annotated[kind | None, tyro.conf.arg(metavar=metavar, help_behavior_hint="")]


@dataclasses.dataclass(frozen=True)
class Simulation:
    """Which workflows, how large, and where the results go.

    Args:
        workflow: replace, accumulate-subsample, accumulate: one or more.
        num_samples: rows of real data, and rows that each model generates (n).
        num_generations: models fitted one after the other (G).
        num_seeds: independent repetitions (S).
        seed: root of all randomness; seed number s of the sweep is the same in every sweep with this root.
        rows: draw literal rows even where the exact law of their summary is known.
        out: directory to write the results to, in zarr format; xarray opens it. Default: none are written.
        overwrite: replace the results that are there now.
        plot: figure to write: .png, .pdf or .svg. An older one is redrawn. Default: none.
        metric: metrics to tabulate and plot. Default: all.
    """

    workflow: list[str] = dataclasses.field(default_factory=lambda: list(WORKFLOWS))
    num_samples: int = 100
    num_generations: int = 100
    num_seeds: int = 100
    seed: int = 0
    rows: bool = False
    out: _optional(str, "DIR") = None
    overwrite: bool = False
    plot: _optional(str, "FILE") = None
    metric: _optional(list[str], "NAME [NAME ...]") = None

    def run(self, task: Any) -> None:
        check_count("seed", self.seed, least=0)
        if self.seed >= 2**32:
            raise ValueError(f"seed={self.seed}: must be below 2**32")
        sizes = dict(num_samples=self.num_samples, num_generations=self.num_generations, rows=self.rows)
        if self.out and self.plot and Path(self.out).resolve() == Path(self.plot).resolve():
            raise ValueError(f"out and plot are both {self.out}; choose two names")
        if self.metric is not None and self.workflow:
            check_metrics(self.metric, metric_names(task, find(self.workflow[0]), **sizes))
        with contextlib.ExitStack() as stack:
            if isinstance(task.source, Table):
                print(task.source)
            figure = stack.enter_context(store.reserve_figure(self.plot)) if self.plot else None
            # The inner of the two, so that the results are safe before anything is drawn.
            with store.reserve(self.out, overwrite=self.overwrite) if self.out else contextlib.nullcontext() as out:
                with console.progress(self.num_seeds) as progress:
                    key = jax.random.key(self.seed)
                    dataset = sweep(task, self.workflow, **sizes, num_seeds=self.num_seeds, key=key, progress=progress)
                if out:
                    store.write(dataset, out)
            console.print_tables(dataset, self.metric)
            if figure:
                _draw(dataset, self.metric, figure, self.plot)
        console.print_times(dataset)
        for path in filter(None, (self.out, self.plot)):
            print(f"wrote {path}")


@dataclasses.dataclass(frozen=True)
class SourceFlags:
    """The real data.

    Args:
        source: gaussian, blobs, moons, circles, swiss_roll, or table for a file of your own. Default: N(0, sigma2 I)
            for a Gaussian, moons for a KDE.
        path: table: CSV file with the names of its columns in the first line, or NPY file.
        columns: table: names of the columns to use. Default: all numeric ones.
        standardize: table: give every column mean 0 and variance 1. Default False.
        test_fraction: table: share of the rows held out. Default 0.2.
        split_seed: table: which rows are held out. Default 0.
        noise: moons, circles, swiss_roll: standard deviation of the noise. Default 0.05.
        factor: circles: radius of the inner circle. Default 0.8.
        shared_centres: blobs: train and held-out rows share their centres; False is the published form. Default True.
    """

    source: _optional(str, "NAME") = None
    path: _optional(str, "FILE") = None
    columns: _optional(list[str], "NAME [NAME ...]") = None
    standardize: _optional(bool, "{True,False}") = None
    test_fraction: _optional(float, "FLOAT") = None
    split_seed: _optional(int, "INT") = None
    noise: _optional(float, "FLOAT") = None
    factor: _optional(float, "FLOAT") = None
    shared_centres: _optional(bool, "{True,False}") = None

    def make(self, default: str | None = None, **more: Any) -> Source | None:
        """The source that the flags describe; None where they describe none and there is no default."""
        options = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)} | more
        name = options.pop("source") or default
        given = {option: value for option, value in options.items() if value is not None}
        if name is None:
            if given:
                raise ValueError(f"{next(iter(given))}: belongs to a source of real data; name one with --source")
            return None
        return make(name, **given)


def _flags(task: type, **changed: tuple[Any, Any]) -> type:
    """The fields of a task other than its source, as a dataclass with the task's own documentation.

    `changed` gives (type, default) of fields whose own cannot come from a command line.
    """
    hints = get_type_hints(task)
    fields = []
    for field in dataclasses.fields(task):
        if field.name != "source":
            kind, default = changed.get(field.name, (hints[field.name], field.default))
            fields.append((field.name, kind, dataclasses.field(default=default)))
    return dataclasses.make_dataclass(f"{task.__name__}Flags", fields, namespace={"__doc__": task.__doc__})


@dataclasses.dataclass(frozen=True)
class RunGaussian:
    """Fit Gaussians to what earlier Gaussians generated."""

    task: _flags(Gaussian)
    source: SourceFlags
    simulation: Simulation

    def run(self) -> None:
        # The source of that name is what a Gaussian starts from anyway, and dim and sigma2 are its fields.
        source = self.source.make()
        self.simulation.run(
            Gaussian(**vars(self.task), source=None if source and source.name == "gaussian" else source)
        )


@dataclasses.dataclass(frozen=True)
class GaussianSourceFlags:
    """Only for --source gaussian.

    Args:
        dim: features of a row. Default 1.
        sigma2: their variance. Default 1.
    """

    dim: _optional(int, "INT") = None
    sigma2: _optional(float, "FLOAT") = None


@dataclasses.dataclass(frozen=True)
class RunKDE:
    """Fit kernel density estimates to what earlier estimates generated."""

    task: _flags(KDE, bandwidth=(float | str, 0.1))
    source: SourceFlags
    gaussian: GaussianSourceFlags
    simulation: Simulation

    def run(self) -> None:
        self.simulation.run(KDE(self.source.make("moons", **vars(self.gaussian)), **vars(self.task)))


@dataclasses.dataclass(frozen=True)
class Plot:
    """Draw stored results: mean over the seeds with a 95 % band, a column a workflow.

    Args:
        store: directory written by `collapsejax run --out`.
        out: figure to write: .png, .pdf or .svg. An older one is redrawn.
        metric: metrics to draw, a row each. Default: all.
    """

    store: tyro.conf.Positional[str]
    out: str
    metric: _optional(list[str], "NAME [NAME ...]") = None

    def run(self) -> None:
        dataset = store.open(self.store)
        with store.reserve_figure(self.out) as figure:
            _draw(dataset, self.metric, figure, self.out)
        print(f"wrote {self.out}")


def _draw(dataset: xr.Dataset, metrics: Sequence[str] | None, scratch: Path, path: str) -> None:
    from . import plots  # matplotlib takes its time, and only some commands draw

    plots.curves(dataset, metrics).savefig(scratch, format=Path(path).suffix[1:], dpi=300)
