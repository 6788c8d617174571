"""What a sweep's store holds, after a look at every byte of it; see `shards` for its files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
import zarr

from ..results.dataset import SAMPLES
from ..results.sketch import Sketch
from ..results.statistics import tables
from . import checksums
from .arrays import SHARDS, file_name
from .checksums import differing, read_json
from .manifest import MANIFEST, MANIFEST_COPY, Manifest, Record, Shard

_AGAIN = "the same command again computes and writes them"


class Stored(NamedTuple):
    """What is stored of a shard.

    Attributes:
        shard: which it is.
        record: its record, if that is undamaged.
        num_seeds: how many of its seeds, the first ones, are complete and undamaged.
        damaged: names of files that are damaged, or missing though there is a record of them.
        unreliable: whether files are there that are damaged or that no record is of, as killed processes leave them.
    """

    shard: Shard
    record: Record | None
    num_seeds: int
    damaged: list[str]
    unreliable: bool

    @property
    def complete(self) -> bool:
        return self.num_seeds == self.shard.stop - self.shard.first


class Reader(NamedTuple):
    """The store of a sweep at `path`, which has a manifest."""

    path: Path
    manifest: Manifest

    @classmethod
    def at(cls, path: Path) -> Reader | None:
        """The store at `path`, None if there is none of a sweep. Raises ValueError if its manifest is damaged."""
        manifest = Manifest.read(path)
        return manifest and cls(path, manifest)

    def examined(self) -> list[Stored]:
        """What is stored of every shard that the store is to hold."""
        return [self.examine(shard) for shard in self.manifest.shards()]

    def examine(self, shard: Shard) -> Stored:
        """What is stored of a shard."""
        record = self.record(shard)
        if record is None:
            place = record_path(self.path, shard)
            damaged = [place.relative_to(self.path).as_posix()] if place.exists() else []
            return Stored(shard, None, 0, damaged, any((self.path / name).exists() for name in self._shown(shard)))
        damaged = differing(self.path, record.files)
        complete = not damaged and record.num_generations == self.manifest.num_generations
        return Stored(shard, record, record.stop - record.first if complete else 0, damaged, bool(damaged))

    def record(self, shard: Shard) -> Record | None:
        """The record of a shard; None if it is missing, damaged or of another sweep.

        A shard has fewer seeds than it is to have if the sweep has grown.
        """
        content = read_json(record_path(self.path, shard))
        if content is None or {*content} != {*Record._fields}:
            return None
        record = Record(**content)
        fits = record.fingerprint == self.manifest.fingerprint and record.first == shard.first
        return record if fits and record.stop <= shard.stop else None

    def get(self, stored: Stored) -> dict[str, Any]:
        """What was put, of a shard with a record and no damaged file: (seeds, G) values or a `Sketch` by metric."""
        shard, group = stored.shard, zarr.open_group(self.path, mode="r")
        if not self.manifest.summary:
            place = (*shard.cell, slice(shard.first, stored.record.stop))
            return {name: group[name][place] for name in self.manifest.variables}
        place = (*shard.cell, shard.chunk)
        arrays = {name: [group[f"{SHARDS}/{name}_{part}"] for part in Sketch._fields] for name in self.manifest.metrics}
        return {name: Sketch(*(array[place] for array in parts)) for name, parts in arrays.items()}

    def summary(self, shards: Iterable[Stored]) -> dict[str, np.ndarray]:
        """The tables of statistics of all seeds in these shards of a cell, by metric."""
        return tables(self.get(stored) for stored in shards)

    def has_summary(self, cell: tuple[int, ...], shards: Sequence[Stored]) -> bool:
        """Whether an undamaged summary of all these shards of a cell is stored."""
        record = read_json(summary_path(self.path, cell))
        current = bool(shards) and bool(record) and record["num_seeds"] == num_seeds(shards)
        return current and not differing(self.path, record["files"])

    def place(self, shard: Shard) -> str:
        """A shard's seeds and cell in words."""
        labels = zip(self.manifest.dims.items(), shard.cell, strict=True)
        cell = ", ".join(f"{name}={labels[place]}" for (name, labels), place in labels)
        return f"seeds {shard.first} to {shard.stop - 1} of {cell}"

    def complaints(self, examined: Sequence[Stored]) -> list[str]:
        """What is missing or damaged, in words, given all that was examined."""
        copies = [name for name in (MANIFEST, MANIFEST_COPY) if read_json(self.path / name) is None]
        complaints = [f"{name}: damaged or missing; {_AGAIN}" for name in copies + checksums.damaged(self.path)]
        if damaged := [stored for stored in examined if stored.damaged]:
            first = f"the first is {damaged[0].damaged[0]} ({self.place(damaged[0].shard)})"
            complaints.append(f"{len(damaged)} of {len(examined)} shards are damaged, {first}; {_AGAIN}")
        if missing := [stored for stored in examined if not stored.complete and not stored.damaged]:
            first = f"the first is that of {self.place(missing[0].shard)}"
            again = f"unless processes are still at work, {_AGAIN}"
            complaints.append(f"{len(missing)} of {len(examined)} shards are missing, {first}; {again}")
        return complaints

    def dataset(self, examined: Sequence[Stored]) -> xr.Dataset:
        """What is undamaged, as labelled arrays; NaN, or 0 in text samples, where nothing is.

        Arrays are read when they are used, unless a file of them must not be read or a summary is not up to date.

        Raises ValueError where metadata or coordinates are damaged.
        """
        if damaged := checksums.damaged(self.path):
            raise ValueError(f"{', '.join(damaged)}: damaged or missing; {_AGAIN}")
        dataset = xr.open_dataset(self.path, engine="zarr", consolidated=True)
        if self.manifest.summary:
            cells = by_cell(self.manifest, examined)
            if all(self.has_summary(cell, shards) for cell, shards in cells.items()):
                return dataset
            parts = [(cell, self.summary(shards)) for cell, shards in cells.items() if shards]
        else:
            if not any(stored.unreliable for stored in examined):
                return dataset
            there = [stored for stored in examined if stored.record and not stored.damaged]
            parts = [((*one.shard.cell, slice(one.record.first, one.record.stop)), self.get(one)) for one in there]
        return _filled(dataset, parts)

    def _shown(self, shard: Shard) -> list[str]:
        """The files of a shard that xarray reads."""
        if self.manifest.summary:
            return []
        place = (*shard.cell, shard.chunk, 0)
        return [file_name(name, (*place, 0, 0) if name == SAMPLES else place) for name in self.manifest.variables]


def by_cell(manifest: Manifest, examined: Iterable[Stored]) -> dict[tuple[int, ...], list[Stored]]:
    """The shards of each cell that have complete seeds."""
    cells = {cell: [] for cell in np.ndindex(*map(len, manifest.dims.values()))}
    for stored in examined:
        if stored.num_seeds:
            cells[stored.shard.cell].append(stored)
    return cells


def num_seeds(shards: Iterable[Stored]) -> int:
    """The number of complete seeds in some shards."""
    return sum(stored.num_seeds for stored in shards)


def record_path(path: Path, shard: Shard) -> Path:
    """Where the record of a shard is in the store at `path`."""
    return path / "records" / f"{'.'.join(map(str, shard.cell))}-{shard.chunk}.json"


def summary_path(path: Path, cell: tuple[int, ...]) -> Path:
    """Where the record of the summary of a cell is in the store at `path`."""
    return path / "records" / f"{'.'.join(map(str, cell))}.json"


def _filled(dataset: xr.Dataset, parts: Iterable[tuple[Any, Mapping[str, np.ndarray]]]) -> xr.Dataset:
    """A dataset with the values of `parts`, by place and name, and nothing in other places."""
    fill = lambda array: np.nan if array.dtype.kind == "f" else 0
    values = {name: np.full(array.shape, fill(array), array.dtype) for name, array in dataset.data_vars.items()}
    for place, of_metrics in parts:
        for name, array in of_metrics.items():
            values[name][place] = array
    return dataset.copy(data=values)
