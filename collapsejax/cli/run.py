"""The commands of the command line: flags made from the library's own dataclasses, and what is done with them."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import jax

from ..core.arguments import check_count
from ..results.metrics import check_metrics
from ..sources import Table, Text
from ..store import datasets
from ..store.files import figure_place
from ..sweeps.memory import metric_names
from ..sweeps.run import sweep
from ..tasks import KDE, Categorical, ExponentialFamily, Gaussian, LinearRegression, Transformer
from ..workflows import PUBLISHED, find
from . import compilation_cache, output
from .flags import GaussianSourceFlags, SequenceFlags, SequenceSourceFlags, SourceFlags, optional, task_flags


@dataclasses.dataclass(frozen=True)
class Simulation:
    """Which workflows, how large, and where the results go.

    Args:
        workflow: replace, accumulate-subsample, accumulate, fresh-data, augment, weighted, window, selected: one or
            more; with settings as in "weighted(real_weight=0.6)".
        num_samples: rows of real data, and rows that each model generates (n).
        num_generations: models fitted one after the other (G).
        num_seeds: independent repetitions (S).
        seed: root of all randomness; seed number s of the sweep is the same in every sweep with this root.
        rows: draw literal rows even where the exact law of their summary is known.
        out: directory to write the results to, in zarr format; xarray opens it. Of language models each generation is
            there when it is done, and the same command goes on where one was stopped. Default: none are written.
        overwrite: replace the results that are there now.
        plot: figure to write: .png, .pdf or .svg. An older one is redrawn. Default: none.
        metric: metrics to tabulate and plot. Default: all.
        no_compilation_cache: compile every program anew, and keep none for later runs.
    """

    workflow: list[str] = dataclasses.field(default_factory=lambda: list(PUBLISHED))
    num_samples: int = 100
    num_generations: int = 100
    num_seeds: int = 100
    seed: int = 0
    rows: bool = False
    out: optional(str, "DIR") = None
    overwrite: bool = False
    plot: optional(str, "FILE") = None
    metric: optional(list[str], "NAME [NAME ...]") = None
    no_compilation_cache: bool = False

    def run(self, task: Any) -> None:
        check_count("seed", self.seed, least=0)
        if self.seed >= 2**32:
            raise ValueError(f"seed={self.seed}: must be below 2**32")
        sizes = dict(num_samples=self.num_samples, num_generations=self.num_generations, rows=self.rows)
        if self.out and self.plot and Path(self.out).resolve() == Path(self.plot).resolve():
            raise ValueError(f"out and plot are both {self.out}; choose two names")
        if self.metric is not None and self.workflow:
            check_metrics(self.metric, metric_names(task, find(self.workflow[0]), **sizes))
        compilation_cache.set_up(off=self.no_compilation_cache)
        with contextlib.ExitStack() as stack:
            if isinstance(task, Gaussian | KDE | Transformer) and isinstance(task.source, Table | Text):
                print(task.source)
            figure = stack.enter_context(figure_place(self.plot)) if self.plot else None
            # The inner of the two, so that the results are safe before anything is drawn.
            grows = self.out and task.long_running and not (self.overwrite and Path(self.out).exists())
            reserved = self.out and not grows
            with (
                datasets.reserve(self.out, overwrite=self.overwrite)
                if reserved
                else contextlib.nullcontext() as scratch
            ):
                with output.progress() as progress:
                    options = dict(sizes, num_seeds=self.num_seeds, key=jax.random.key(self.seed), progress=progress)
                    dataset = sweep(task, self.workflow, **options, out=self.out if grows else None)
                if scratch:
                    datasets.write(dataset, scratch)
            output.print_tables(dataset, self.metric)
            if figure:
                from .. import plots

                figure.save(plots.curves(dataset, self.metric))
        output.print_times(dataset)
        for path in filter(None, (self.out, self.plot)):
            print(f"wrote {path}")


@dataclasses.dataclass(frozen=True)
class RunGaussian:
    """Fit Gaussians to what earlier Gaussians generated."""

    task: task_flags(Gaussian)
    source: SourceFlags
    simulation: Simulation

    def run(self) -> None:
        # The source of that name is what a Gaussian starts from anyway, and dim and sigma2 are its fields.
        source = self.source.make()
        self.simulation.run(
            Gaussian(**vars(self.task), source=None if source and source.name == "gaussian" else source)
        )


@dataclasses.dataclass(frozen=True)
class RunKDE:
    """Fit kernel density estimates to what earlier estimates generated."""

    task: task_flags(KDE, bandwidth=(float | str, 0.1))
    source: SourceFlags
    gaussian: GaussianSourceFlags
    simulation: Simulation

    def run(self) -> None:
        self.simulation.run(KDE(self.source.make("moons", **vars(self.gaussian)), **vars(self.task)))


@dataclasses.dataclass(frozen=True)
class RunRegression:
    """Fit linear regressions to what earlier regressions predicted, with noise."""

    task: task_flags(LinearRegression)
    simulation: Simulation

    def run(self) -> None:
        self.simulation.run(LinearRegression(**vars(self.task)))


@dataclasses.dataclass(frozen=True)
class RunCategorical:
    """Fit probabilities of outcomes to outcomes that earlier ones gave."""

    task: task_flags(Categorical, probs=(str, "uniform"))
    simulation: Simulation

    def run(self) -> None:
        self.simulation.run(Categorical(**vars(self.task)))


@dataclasses.dataclass(frozen=True)
class RunFamily:
    """Fit the mean of a one-parameter exponential family to what earlier members of it generated."""

    task: task_flags(ExponentialFamily)
    simulation: Simulation

    def run(self) -> None:
        self.simulation.run(ExponentialFamily(**vars(self.task)))


@dataclasses.dataclass(frozen=True)
class RunTransformer:
    """Train small language models on text that earlier models wrote."""

    task: task_flags(Transformer)
    source: SequenceSourceFlags
    sequences: SequenceFlags
    simulation: Simulation = dataclasses.field(
        default_factory=lambda: Simulation(num_samples=256, num_generations=10, num_seeds=3)
    )

    def run(self) -> None:
        self.simulation.run(Transformer(self.source.make(**vars(self.sequences)), **vars(self.task)))
