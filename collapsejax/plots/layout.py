"""Where the panels of a figure are, and how large."""

from __future__ import annotations

from typing import NamedTuple

from matplotlib.axes import Axes

from .style import Figure, Width
from .texts import text_width

_SINGLE, _ROW = 2.0, 1.3  # inches in print that the panel of a figure of one is high, and others
_LEAST = 1.1  # inches in print that a panel beside others is wide


class Layout(NamedTuple):
    """Where panels are: those of a metric side by side or in rows, or metrics side by side where each has one."""

    groups: int
    columns: int
    rows: int
    panel_height: float
    size: Width

    @classmethod
    def of(cls, metrics: int, groups: int, size: Width) -> Layout:
        room = size.inches / size.scale
        if groups > 1:
            of_metric = -(-groups // int(room / _LEAST))
            columns, rows = -(-groups // of_metric), metrics * of_metric
        else:
            most = 1 if metrics < 4 and room < 4 else max(2, min(3, int(room / 1.65)))
            columns = 2 if metrics == 4 and most > 1 else min(metrics, most)
            rows = -(-metrics // columns)
        height = _SINGLE if rows == 1 and columns < 3 and groups == 1 else _ROW
        return cls(groups, columns, rows, height * size.scale, size)

    @property
    def height(self) -> float:
        """Inches of all panels, with the labels below them."""
        return self.rows * self.panel_height + 0.45 * self.size.scale

    @property
    def wrapped(self) -> bool:
        """Whether the panels of a metric take several rows."""
        return self.groups > self.columns

    @property
    def panel_width(self) -> float:
        """Inches of a panel without the labels beside it, about."""
        labels = 0.65 if self.groups == 1 else 0.65 / self.columns + 0.1
        return self.size.inches / self.columns - labels * self.size.scale

    def axes(self, figure: Figure, metric: int) -> list[Axes]:
        """New panels for a metric, which share their axes."""
        if self.groups == 1:
            return [figure.add_subplot(self.rows, self.columns, metric + 1)]
        first = metric * (self.rows * self.columns // self._metrics) + 1
        panels: list[Axes] = []
        for place in range(self.groups):
            share = dict(sharey=panels[0]) if panels else {}
            panels.append(figure.add_subplot(self.rows, self.columns, first + place, **share))
            if place % self.columns:
                panels[-1].tick_params(labelleft=False)
        return panels

    @property
    def _metrics(self) -> int:
        return self.rows // -(-self.groups // self.columns)

    def label_columns(self, figure: Figure) -> None:
        """Label the iterations below the last panel of each column, and below no other."""
        lowest: dict[int, Axes] = {}
        for axis in figure.axes:
            lowest[axis.get_subplotspec().colspan.start] = axis
        wide = text_width("model-fitting iteration", 7 * self.size.scale) <= self.size.inches / self.columns - 0.1
        for axis in figure.axes:
            if lowest[axis.get_subplotspec().colspan.start] is axis:
                axis.set_xlabel("model-fitting iteration" if wide else "iteration")
            else:
                axis.tick_params(labelbottom=False)
