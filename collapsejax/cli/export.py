"""The command that writes stored results as a table for other programs."""

from __future__ import annotations

import dataclasses

from .flags import optional, positional


@dataclasses.dataclass(frozen=True)
class Export:
    """Write statistics of stored results as a table: a row for each metric, workflow, swept value and iteration.

    Columns are the mean over seeds, its standard error, quantiles, the exact mean where it is known, and z.

    Args:
        store: directory written by `collapsejax run --out` or `collapsejax sweep --out`.
        csv: file to write, with commas between columns. One that is there stays.
        metric: metrics to write. Default: all.
    """

    store: positional("STORE")
    csv: optional(str, "FILE.csv") = None
    metric: optional(list[str], "NAME [NAME ...]") = None

    def run(self) -> None:
        from ..results.dataset import metrics_in
        from ..results.metrics import check_metrics
        from ..store import datasets
        from ..store.files import checked_place, write_new
        from ..sweeps.summary import summary

        if self.csv is None:
            raise ValueError("csv: is missing; give a file to write with --csv FILE.csv")
        place = checked_place(self.csv)
        dataset = datasets.open(self.store)
        if self.metric is not None:
            check_metrics(self.metric, metrics_in(dataset))
            dataset = dataset[self.metric]
        table = summary(dataset)
        write_new(place, table.to_csv(index=False, lineterminator="\n").encode())
        print(f"wrote {self.csv}: {len(table)} rows")
