"""The commands that simulate, one for each task."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import tyro

from . import declared
from .compilation_cache import Compiles
from .figures import Look
from .flags import WORKFLOWS_HELP, flags, optional

_PUBLISHED = declared.literal("workflows/__init__.py", "PUBLISHED")


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
        table: short, the means at a few iterations with their exact values, a line a workflow; or full.
        json: print the statistics as JSON instead of tables.
    """

    workflow: Annotated[list[str], tyro.conf.arg(metavar="NAME [NAME ...]", help=WORKFLOWS_HELP)] = dataclasses.field(
        default_factory=lambda: list(_PUBLISHED)
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
    table: Literal["short", "full"] = "short"
    json: bool = False
    figure: Look = dataclasses.field(default_factory=Look)

    def run(self, task: Any, *, quiet: bool = False) -> None:
        from ..core.arguments import check_seed
        from ..core.checks import key_of
        from ..core.describe import fields_of
        from ..results.metrics import check_metrics
        from ..sources import Table, Text
        from ..store.figures import figure_place
        from ..sweeps.exact_curves import exact_curves
        from ..sweeps.plan import make_plan
        from ..sweeps.run import carry_out
        from . import output, tables
        from .signals import stopping

        check_seed(self.seed)
        sizes = dict(num_samples=self.num_samples, num_generations=self.num_generations, rows=self.rows)
        if self.out is not None and self.plot is not None and Path(self.out).resolve() == Path(self.plot).resolve():
            raise ValueError(f"out and plot are both {self.out}; choose two names")
        with contextlib.ExitStack() as stack:
            for _, value in fields_of(task):
                if isinstance(value, Table | Text) and not (quiet or self.json):
                    print(value)
            figure = None if self.plot is None else stack.enter_context(figure_place(self.plot))
            # The inner of the two, so that the results are safe before anything is drawn.
            with self._place() as out:
                plan = make_plan(task, self.workflow, **sizes, num_seeds=self.num_seeds, key=key_of(self.seed), out=out)
                if self.metric is not None:
                    check_metrics(self.metric, plan.manifest.metrics)
                with output.progress(quiet=quiet) as progress:
                    dataset = carry_out(plan, stopping(progress)).load()
            sizes.pop("rows")
            exact = exact_curves(task, self.workflow, **sizes)
            # Before the figure, which some results cannot have.
            if self.json:
                output.print_json(tables.statistics_of(dataset, self.metric, exact))
            else:
                tables.print_tables(dataset, self.metric, exact, full=self.table == "full")
            if figure:
                figure.save(self.figure.curves(dataset, self.metric, exact=exact))
        if not (quiet or self.json):
            output.print_times(dataset)
            output.print_written(self.out, self.plot)

    @contextlib.contextmanager
    def _place(self) -> Iterator[Path | None]:
        """The place of the store for the block: what is to be overwritten stays until all is computed."""
        from ..store import datasets
        from ..store.files import check_name, checked_place
        from .signals import resumable

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
    """Simulate generations of models, each fitted to data that earlier ones generated, and print the means over seeds.

    Base class of the commands `run TASK`, which `Run.of` makes.
    """

    name: ClassVar[str]

    def run(self) -> None:
        from .schema import make_task
        from .spec import with_flags

        self.set_up_cache()
        task, _ = make_task(self.name, with_flags(self.name, {}, self.task | self.source))
        self.simulation.run(task, quiet=self.quiet)

    @staticmethod
    def of(name: str) -> type[Run]:
        """The command that runs the task of this name. It has flags for its fields, and for settings of its sources."""
        long = declared.tasks()[name].constants.get("long_running")
        sizes = dict(num_samples=256, num_generations=10, num_seeds=3) if long else {}
        default = dataclasses.field(default_factory=lambda: Simulation(**sizes))
        return task_command(Run, name, ("simulation", Simulation, default))


def task_command(base: type, name: str, field: tuple) -> type:
    """A subclass of a command for one task: with flags for its fields and settings of its sources, and this field."""
    task = declared.tasks()[name]
    kinds = task.settings["source"].kinds if "source" in task.settings else ()
    sources = {name: maker for kind in kinds for name, maker in declared.sources()[kind].items()}
    fields = [
        ("task", flags("", {"": task}, without=["source"])),
        ("source", flags("The real data.", {"": task, **sources}, without=task.settings.keys() - {"source"})),
        field,
    ]
    namespace = {"__doc__": task.about, "name": name}
    return dataclasses.make_dataclass(
        f"{base.__name__}_{name}", fields, bases=(base,), namespace=namespace, frozen=True
    )
