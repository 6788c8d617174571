"""Results of a sweep that are kept in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ..results.dataset import SAMPLES, to_dataset
from ..results.sketch import Sketch
from ..results.statistics import STATISTICS, tables
from ..store.arrays import empty
from ..store.manifest import Manifest, Shard
from .calls import joined


class Memory:
    """Results that are kept in memory; the same methods as those of `Shards`."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        cells = tuple(map(len, manifest.dims.values()))
        if manifest.summary:
            shape = (*cells, len(STATISTICS), manifest.num_generations)
            self._values = {name: np.full(shape, np.nan, np.float64) for name in manifest.metrics}
        else:
            names = [*manifest.metrics, *([SAMPLES] if manifest.samples else [])]
            self._values = {name: empty(manifest, name, (*cells, manifest.num_seeds)) for name in names}
        self._states: dict[tuple[int, ...], dict[str, Sketch]] = {}

    def num_seeds(self, shard: Shard) -> int:
        del shard
        return 0

    def put(self, shard: Shard, metrics: dict[str, Any], seconds: float) -> None:
        del seconds
        if self.manifest.summary:
            parts = [self._states.pop(shard.cell), metrics] if shard.cell in self._states else [metrics]
            self._states[shard.cell] = joined(parts)
            if shard.stop == self.manifest.num_seeds:
                for name, table in tables([self._states.pop(shard.cell)]).items():
                    self._values[name][shard.cell] = table
        else:
            for name, values in metrics.items():
                own = self._values[name][shard.cell][shard.first : shard.stop]
                own[tuple(map(slice, values.shape))] = values

    def preview(self, shard: Shard, metrics: dict[str, np.ndarray], num_generations: int) -> None:
        pass

    def finish(self) -> None:
        pass

    def dataset(self) -> xr.Dataset:
        manifest = self.manifest
        num_samples = manifest.configuration["num_samples"]
        return to_dataset(self._values, manifest.dims, num_samples, manifest.attributes, summary=manifest.summary)
