"""The command that draws stored results."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .figures import Look
from .flags import optional, positional

if TYPE_CHECKING:
    import xarray as xr

    from ..plots.style import Figure


@dataclasses.dataclass(frozen=True)
class Plot:
    """Draw stored results, or compare them with others (--against): means over the seeds on exact curves.

    Colours are workflows or numbers of samples. Where more was swept, each combination gets a figure: g-dim=3.png and
    so on. Where that would be more lines than can be told apart, or more figures than one looks at, each metric gets a
    heat map of the last iteration.

    Args:
        store: directory written by `collapsejax run --out` or `collapsejax sweep --out`.
        out: figure to write: .png, .pdf or .svg. An older one is redrawn. Default: the store's name and .png.
        metric: metrics to draw, a panel each. Default: all.
        against: another store, whose means are drawn for comparison.
        width: of figures: column or page, those of a two-column page, or slide, with larger text.
    """

    store: positional("STORE")
    out: optional(str, "FILE") = None
    metric: optional(list[str], "NAME [NAME ...]") = None
    against: optional(str, "STORE") = None
    width: Literal["column", "page", "slide"] = "column"
    figure: Look = dataclasses.field(default_factory=Look)

    def run(self) -> None:
        from ..results.dataset import metrics_in
        from ..results.metrics import check_metrics
        from ..store import datasets
        from ..store.figures import save_figure
        from ..store.files import check_name

        dataset = datasets.open(self.store)
        other = None if self.against is None else datasets.open(self.against)
        store = Path(self.store)
        beside = store.with_name(f"{store.name.removesuffix('.zarr')}.png")
        out = beside if self.out is None else Path(check_name(self.out))
        if self.metric is not None:
            check_metrics(self.metric, metrics_in(dataset))
        for suffix, figure in self._figures(dataset, other):
            path = out.with_name(f"{out.stem}{suffix}{out.suffix}".replace("/", "_"))
            save_figure(figure, path)
            print(f"wrote {path}")

    def _figures(self, dataset: xr.Dataset, other: xr.Dataset | None) -> Iterator[tuple[str, Figure]]:
        """Each figure, and what its name ends in."""
        from ..plots.curves import MOST_LINES
        from ..results.dataset import line_dimensions

        swept = line_dimensions(dataset)
        if "num_samples" in swept:
            swept.append(swept.pop(swept.index("num_samples")))
        lines = dataset.sizes[swept[-1]] if swept else dataset.sizes["workflow"]
        figures = [dataset.sizes[name] for name in swept[:-1]]
        if lines > MOST_LINES or any(number > MOST_LINES for number in figures):
            yield from self._heat_maps(dataset, swept)
            return
        for chosen, suffix in _combinations(dataset, swept[:-1]):
            against = other and other.sel({name: label for name, label in chosen.items() if name in other.dims})
            yield suffix, self.figure.curves(dataset.sel(chosen), self.metric, against, width=self.width)

    def _heat_maps(self, dataset: xr.Dataset, swept: list[str]) -> Iterator[tuple[str, Figure]]:
        from .. import plots
        from ..results.dataset import metrics_in

        if self.against is not None:
            raise ValueError("against: these results are drawn as heat maps, which compare nothing; leave it out")
        axes = dict(x=swept[-1], y=swept[-2]) if len(swept) > 1 else dict(x="generation", y=(*swept, "workflow")[0])
        for chosen, suffix in _combinations(dataset, swept[:-2]):
            part = dataset.sel(chosen)
            exact = self.figure.exact(part)
            for metric in self.metric or metrics_in(dataset):
                yield (
                    f"{suffix}-{metric}",
                    plots.heatmap(part, metric, **axes, exact=exact, width=self.width),
                )


def _combinations(dataset: xr.Dataset, names: list[str]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Every combination of labels along some dimensions, and a suffix that names it."""
    for labels in itertools.product(*(dataset[name].values for name in names)):
        chosen = dict(zip(names, labels, strict=True))
        yield chosen, "".join(f"-{name}={label}" for name, label in chosen.items())
