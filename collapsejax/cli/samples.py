"""The command that prints text samples."""

from __future__ import annotations

import dataclasses

from .flags import optional, positional


@dataclasses.dataclass(frozen=True)
class Samples:
    """Print text that the models of each generation produced, with the workflows side by side.

    Above generation 0 there is real text that it was fitted to, if the corpus is still as it was.

    Args:
        store: directory written by `collapsejax run --out` or `collapsejax sweep --out`.
        workflow: workflows to show, one column each. Default: all.
        seed: the seed to show.
        generations: generations to show, one block each; 0 was fitted to real data. Default: 0, 1, 4, 9, 19, ... and
            the last.
        num: samples in a block.
        width: characters in a line. Default: the width of the terminal, else 120.
    """

    store: positional("STORE")
    workflow: optional(list[str], "NAME [NAME ...]") = None
    seed: int = 0
    generations: optional(list[int], "INT [INT ...]") = None
    num: int = 3
    width: optional(int, "INT") = None

    def run(self) -> None:
        import rich.console
        import rich.table
        from rich.box import SIMPLE
        from rich.text import Text

        from ..core.arguments import check_count
        from ..results.samples import TextSamples
        from ..store import datasets

        try:
            samples = TextSamples(datasets.open(self.store))
        except ValueError as error:
            raise ValueError(f"{self.store}: {str(error).removeprefix(f'{self.store}: ')}") from None
        workflows = self.workflow or samples.workflows()
        generations = self.generations or samples.generations()
        samples.check(workflows, self.seed, generations, self.num)
        if self.width is not None:
            check_count("width", self.width, least=20)
        console = rich.console.Console(width=self.width)
        if self.width is None and not console.is_terminal:
            console.width = 120
        for cell in samples.cells():
            if cell:
                console.print(f"{samples.label(cell)}:", highlight=False, markup=False)
            table = rich.table.Table(box=SIMPLE)
            table.add_column("generation", justify="right", no_wrap=True)
            for workflow in workflows:
                table.add_column(Text(workflow), overflow="fold", ratio=1)
            if real := samples.real_texts(cell, self.num * len(workflows)) if 0 in generations else []:
                for number in range(self.num):
                    texts = real[number :: self.num][: len(workflows)]
                    table.add_row("real text" if number == 0 else "", *map(Text, texts))
                table.add_section()
            for generation in generations:
                columns = [samples.texts(cell, workflow, self.seed, generation, self.num) for workflow in workflows]
                for number in range(max(1, *map(len, columns))):
                    texts = [column[number] if column else "not there yet" * (number == 0) for column in columns]
                    table.add_row(str(generation) if number == 0 else "", *map(Text, texts))
                table.add_section()
            console.print(table)
