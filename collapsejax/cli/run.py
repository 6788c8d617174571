"""The commands that simulate, one for each task."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar

import tyro

from ..core.arguments import check_seed
from ..core.base import Task
from ..core.checks import key_of
from ..core.describe import fields_of
from ..results.metrics import check_metrics
from ..sources import Table, Text
from ..store import datasets
from ..store.figures import figure_place
from ..store.files import check_name, checked_place
from ..sweeps.memory import metric_names
from ..sweeps.run import sweep
from ..workflows import PUBLISHED, find
from . import output
from .compilation_cache import Compiles
from .figures import Look
from .flags import WORKFLOWS_HELP, flags, optional
from .schema import SOURCES, make_task, settings
from .signals import resumable, stopping
from .spec import with_flags


@dataclasses.dataclass(frozen=True)
class Simulation:
    """Which workflows, how large, and where the results go.

    Args:
        num_samples: rows of real data, and rows that each model generates (n).
        num_generations: models fitted one after the other (G).
        num_seeds: independent repetitions (S).
        seed: root of all randomness; seed number s of the sweep is the same in every sweep with this root.
        rows: draw rows even where the exact law of their summary is known.
        out: directory to write the results to, in zarr format; xarray opens it. The same command goes on where one was
            stopped, language models after the last generation that was done. Default: none are written.
        overwrite: replace the results that are there now.
        plot: figure to write: .png, .pdf or .svg. An older one is redrawn. Default: none.
        metric: metrics to tabulate and plot. Default: all.
    """

    workflow: Annotated[list[str], tyro.conf.arg(help=WORKFLOWS_HELP)] = dataclasses.field(
        default_factory=lambda: list(PUBLISHED)
    )
    num_samples: int = 100
    num_generations: int = 100
    num_seeds: int = 100
    seed: int = 0
    rows: bool = False
    out: optional(str, "DIR") = None
    overwrite: bool = False
    plot: optional(str, "FILE") = None
    metric: optional(list[str], "NAME [NAME ...]") = None
    figure: Look = dataclasses.field(default_factory=Look)

    def run(self, task: Any) -> None:
        check_seed(self.seed)
        sizes = dict(num_samples=self.num_samples, num_generations=self.num_generations, rows=self.rows)
        if self.out is not None and self.plot is not None and Path(self.out).resolve() == Path(self.plot).resolve():
            raise ValueError(f"out and plot are both {self.out}; choose two names")
        if self.metric is not None and self.workflow:
            check_metrics(self.metric, metric_names(task, find(self.workflow[0]), **sizes))
        with contextlib.ExitStack() as stack:
            for _, value in fields_of(task):
                if isinstance(value, Table | Text):
                    print(value)
            figure = None if self.plot is None else stack.enter_context(figure_place(self.plot))
            # The inner of the two, so that the results are safe before anything is drawn.
            with self._place() as out, output.progress() as progress:
                options = dict(sizes, num_seeds=self.num_seeds, key=key_of(self.seed))
                dataset = sweep(task, self.workflow, **options, out=out, progress=stopping(progress)).load()
            if figure:
                figure.save(self.figure.curves(dataset, self.metric))
        output.print_tables(dataset, self.metric)
        output.print_times(dataset)
        for path in (self.out, self.plot):
            if path is not None:
                print(f"wrote {path}")

    @contextlib.contextmanager
    def _place(self) -> Iterator[Path | None]:
        """The place of the store for the block: what is to be overwritten stays until all is computed."""
        if self.out is not None and self.overwrite and checked_place(self.out).exists():
            with datasets.reserve(self.out, overwrite=True) as scratch:
                yield scratch
        elif self.out is not None:
            with resumable(self.out):
                yield Path(check_name(self.out))
        else:
            yield None


@dataclasses.dataclass(frozen=True)
class Run(Compiles):
    """Base class of the commands `run TASK`, which `run_command` makes."""

    name: ClassVar[str]

    def run(self) -> None:
        self.set_up_cache()
        task, _ = make_task(self.name, with_flags(self.name, {}, self.task | self.source))
        self.simulation.run(task)


def run_command(kind: type[Task]) -> type[Run]:
    """The command that runs a task of this class. It has flags for its fields, and for the settings of its sources."""
    own = settings(kind)
    kinds = own["source"].kinds if "source" in own else ()
    sources = {name: maker for one in kinds for name, maker in SOURCES[one].items()}
    sizes = dict(num_samples=256, num_generations=10, num_seeds=3) if kind.long_running else {}
    fields = [
        ("task", flags("", {"": kind}, without=["source"])),
        ("source", flags("The real data.", {"": kind, **sources}, without=own.keys() - {"source"})),
        ("simulation", Simulation, dataclasses.field(default_factory=lambda: Simulation(**sizes))),
    ]
    namespace = {"__doc__": inspect.getdoc(kind).partition("\n\n")[0], "name": kind.name}
    return dataclasses.make_dataclass(f"Run{kind.__name__}", fields, bases=(Run,), namespace=namespace, frozen=True)
