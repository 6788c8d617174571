"""The command that shows what models wrote."""

from __future__ import annotations

import dataclasses

import rich.console
import rich.table
import tyro
from rich.box import SIMPLE
from rich.text import Text

from ..core.arguments import check_count
from ..results.samples import Specimens
from ..store import datasets
from .flags import optional


@dataclasses.dataclass(frozen=True)
class Samples:
    """Print what the models of each generation wrote, the workflows side by side.

    Args:
        store: directory written by `collapsejax run --out` or `collapsejax sweep --out`.
        workflow: workflows to show, a column each. Default: all.
        seed: which seed.
        generations: generations to show, a block each; 0 was fitted to real data. Default: 0, 1, 4, 9, 19, ... and
            the last.
        num: rows of a block.
        width: characters of a line. Default: as the terminal has, else 120.
    """

    store: tyro.conf.Positional[str]
    workflow: optional(list[str], "NAME [NAME ...]") = None
    seed: int = 0
    generations: optional(list[int], "INT [INT ...]") = None
    num: int = 3
    width: optional(int, "INT") = None

    def run(self) -> None:
        try:
            specimens = Specimens(datasets.open(self.store))
        except ValueError as error:
            raise ValueError(f"{self.store}: {str(error).removeprefix(f'{self.store}: ')}") from None
        workflows = self.workflow or specimens.workflows()
        generations = self.generations or specimens.generations()
        specimens.check(workflows, self.seed, generations, self.num)
        if self.width is not None:
            check_count("width", self.width, least=20)
        console = rich.console.Console(width=self.width)
        if self.width is None and not console.is_terminal:
            console.width = 120
        for cell in specimens.cells():
            if cell:
                console.print(f"{specimens.label(cell)}:", highlight=False, markup=False)
            table = rich.table.Table(box=SIMPLE)
            table.add_column("generation", justify="right", no_wrap=True)
            for workflow in workflows:
                table.add_column(Text(workflow), overflow="fold", ratio=1)
            for generation in generations:
                columns = [specimens.texts(cell, workflow, self.seed, generation, self.num) for workflow in workflows]
                for number in range(max(1, *map(len, columns))):
                    texts = [column[number] if column else "not there yet" * (number == 0) for column in columns]
                    table.add_row(str(generation) if number == 0 else "", *map(Text, texts))
                table.add_section()
            console.print(table)
