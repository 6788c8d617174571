"""The command that assesses a user's own data."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shlex

from .compilation_cache import Compiles
from .flags import optional, positional


@dataclasses.dataclass(frozen=True)
class Assess(Compiles):
    """Say what would become of your data if models learned from what models wrote, and how much fresh data that takes.

    Args:
        file: table: a text with a line of names, .npy, .parquet or .xlsx. Columns are standardized, rows with missing
            cells dropped, columns of text assessed as categories. Or a folder of text, in minutes.
        fresh: shares of new real rows in every training set after the first; 0 is replace.
        tolerance: what the held-out loss may grow by, in nats a row, or of text a token.
        columns: names of columns of numbers, with spaces between them. Default: all.
        num_samples: rows that each model is fitted to (n). Default: half of the rows, at most 200.
        num_generations: models fitted one after the other (G), 8 or more. Default: 20; of text 8.
        num_seeds: independent repetitions (S), 10 or more. Default: 100 to 500, the more the smaller the table is; of
            text 3.
        seed: root of all randomness.
        json: file for all numbers. An older one is replaced.
        html: page to write: figures, tables, settings, methods. An older one is replaced.
    """

    file: positional("FILE")
    fresh: tuple[float, ...] = (0, 0.01, 0.1, 0.3, 1)
    tolerance: float = 0.1
    columns: optional(list[str], "NAME [NAME ...]") = None
    num_samples: optional(int, "INT") = None
    num_generations: optional(int, "INT") = None
    num_seeds: optional(int, "INT") = None
    seed: int = 0
    json: optional(str, "FILE.json") = None
    html: optional(str, "FILE.html") = None

    def run(self) -> None:
        from ..core.arguments import check_seed
        from ..core.checks import key_of
        from ..experiments.assess import assess
        from ..store.marks import check_ours, write_marked
        from ..store.pages import page_place
        from . import output
        from .signals import stopping

        check_seed(self.seed)
        numbers = None if self.json is None else check_ours(self.json)
        if numbers is not None and numbers.suffix != ".json":
            raise ValueError(f"json={self.json}: the numbers are a .json file; give it that ending")
        self.set_up_cache()
        with contextlib.ExitStack() as stack:
            page = None if self.html is None else stack.enter_context(page_place(self.html))
            with output.progress(quiet=self.quiet) as progress:
                settings = {
                    field.name: getattr(self, field.name)
                    for field in dataclasses.fields(self)
                    if field.name in ("fresh", "tolerance", "columns", "num_samples", "num_generations", "num_seeds")
                }
                found = assess(self.file, **settings, key=key_of(self.seed), progress=stopping(progress))
            try:  # so that one that cannot be written takes no other with it
                if numbers is not None:
                    write_marked(numbers, json.dumps(found.to_json(), indent=1, allow_nan=False).encode())
                if page is not None:
                    from ..pages import html_of

                    page.save(html_of(found.page(self._command())))
            finally:
                print(found.text())
        output.print_written(self.json, self.html)

    def _command(self) -> str:
        """What repeats the assessment."""
        words = ["collapsejax", "assess", self.file]
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "file" or value == field.default:
                continue
            values = [] if value is True else value if isinstance(value, list | tuple) else [value]
            words += [f"--{field.name.replace('_', '-')}", *map(str, values)]
        return shlex.join(words)
