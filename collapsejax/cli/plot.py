"""The command that draws stored results."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

from .flags import optional, positional


@dataclasses.dataclass(frozen=True)
class Plot:
    """Draw stored results: mean over the seeds with a 95 % band, a column a workflow, a line a number of samples.

    Where more was swept, each combination gets a figure: g-dim=3.png and so on.

    Args:
        store: directory written by `collapsejax run --out` or `collapsejax sweep --out`.
        out: figure to write: .png, .pdf or .svg. An older one is redrawn. Default: the store's name and .png.
        metric: metrics to draw, a row each. Default: all.
    """

    store: positional("STORE")
    out: optional(str, "FILE") = None
    metric: optional(list[str], "NAME [NAME ...]") = None

    def run(self) -> None:
        from .. import plots
        from ..results.dataset import line_dimensions
        from ..store import datasets
        from ..store.figures import save_figure
        from ..store.files import check_name

        dataset = datasets.open(self.store)
        out = Path(self.store).with_suffix(".png") if self.out is None else Path(check_name(self.out))
        swept = line_dimensions(dataset)
        if "num_samples" in swept:
            swept.append(swept.pop(swept.index("num_samples")))
        for labels in itertools.product(*(dataset[name].values for name in swept[:-1])):
            chosen = dict(zip(swept, labels, strict=False))
            suffix = "".join(f"-{name}={label}" for name, label in chosen.items())
            path = out.with_name(f"{out.stem}{suffix}{out.suffix}".replace("/", "_"))
            save_figure(plots.curves(dataset.sel(chosen), self.metric), path)
            print(f"wrote {path}")
