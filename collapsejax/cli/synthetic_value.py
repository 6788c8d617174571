"""The commands that tell what synthetic rows are worth, one for each task."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from . import declared
from .compilation_cache import Compiles
from .flags import optional
from .run import task_command


@dataclasses.dataclass(frozen=True)
class Amounts:
    """How many rows, from whom, and where the results go.

    Args:
        num_real: numbers of real rows.
        num_synthetic: numbers of synthetic rows; 0 is added.
        num_seeds: independent repetitions (S).
        seed: root of all randomness.
        generator: self, a model fitted to the same real rows; or teacher, one fitted to others.
        teacher_rows: real rows that a teacher is fitted to.
        tune: a field of the task and its candidates, as in num_steps=100,200,400: the best by validation rows is taken
            in each cell. Default: none.
        metric: the loss that says what is best. Default: test_loss, test_nll, test_mse, mean_sq_error or sq_error.
        out: directory to write the results to, in zarr format. Default: none are written.
        overwrite: replace the results that are there now.
        plot: figure to write: .png, .pdf or .svg. Default: none.
        json: print the table as JSON.
    """

    num_real: optional(list[int], "INT [INT ...]") = dataclasses.field(default_factory=lambda: [10, 100])
    num_synthetic: optional(list[int], "INT [INT ...]") = dataclasses.field(default_factory=lambda: [10, 100, 1000])
    num_seeds: int = 100
    seed: int = 0
    generator: Literal["self", "teacher"] = "self"
    teacher_rows: int = 4096
    tune: optional(str, "FIELD=NUMBER,...") = None
    metric: optional(str, "NAME") = None
    out: optional(str, "DIR") = None
    overwrite: bool = False
    plot: optional(str, "FILE") = None
    json: bool = False

    def run(self, task: Any, *, quiet: bool) -> None:
        from ..core.arguments import check_seed
        from ..core.checks import key_of
        from ..experiments.synthetic_value import synthetic_value, value_table
        from ..store import datasets
        from ..store.figures import figure_place
        from . import output, value_tables

        check_seed(self.seed)
        rows = dict(num_real=self.num_real, num_synthetic=self.num_synthetic, num_seeds=self.num_seeds)
        options = dict(generator=self.generator, teacher_rows=self.teacher_rows, tune=_candidates(self.tune))
        with contextlib.ExitStack() as stack:
            place = self.out and stack.enter_context(datasets.reserve(self.out, overwrite=self.overwrite))
            figure = self.plot and stack.enter_context(figure_place(self.plot))
            with output.progress(quiet=quiet) as report:
                dataset = synthetic_value(task, **rows, key=key_of(self.seed), **options, progress=report)
            table = value_table(dataset, self.metric)
            if place:
                datasets.save(dataset, place)
            if figure:
                from .. import plots

                figure.save(plots.value_map(table, dataset[table.metric].attrs["long_name"]))
        if self.json:
            output.print_json(value_tables.value_records(dataset, table))
            return
        value_tables.print_value(dataset, table)
        if not quiet:
            output.print_written(self.out, self.plot)


@dataclasses.dataclass(frozen=True)
class SyntheticValue(Compiles):
    """Fit models to real and synthetic rows together, and print for each number of real rows what synthetic ones add.

    Base class of the commands `synthetic-value TASK`, which `of` makes.
    """

    name: ClassVar[str]

    def run(self) -> None:
        from .schema import make_task
        from .spec import with_flags

        self.set_up_cache()
        task, _ = make_task(self.name, with_flags(self.name, {}, self.task | self.source))
        self.amounts.run(task, quiet=self.quiet)

    @staticmethod
    def of(name: str) -> type[SyntheticValue]:
        """The command for the task of this name."""
        long = declared.tasks()[name].constants.get("long_running")
        sizes = dict(num_real=[64, 256], num_synthetic=[64, 256], num_seeds=3) if long else {}
        default = dataclasses.field(default_factory=lambda: Amounts(**sizes))
        return task_command(SyntheticValue, name, ("amounts", Amounts, default))


def _candidates(text: str | None) -> Mapping[str, list[float]] | None:
    """A field and its candidates; raises ValueError for a text that is none."""
    if text is None:
        return None
    field, equals, numbers = text.partition("=")
    try:
        values = [float(number) if set(number) & set(".eE") else int(number) for number in numbers.split(",")]
    except ValueError:
        equals = ""
    if not equals:
        raise ValueError(f"tune={text!r}: want a field and numbers, as in num_steps=100,200,400")
    return {field.replace("-", "_"): values}
