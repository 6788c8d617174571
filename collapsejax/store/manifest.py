"""The manifest of a sweep's store, and the records of its complete shards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..results.dataset import SAMPLES
from .checksums import canonical, read_json, write_json
from .files import digest

MANIFEST = "manifest.json"
MANIFEST_COPY = "manifest.copy.json"


class Shard(NamedTuple):
    """The seeds first <= s < stop of one cell (its place along each dimension): chunk number `chunk`."""

    cell: tuple[int, ...]
    chunk: int
    first: int
    stop: int


class Record(NamedTuple):
    """The record of a shard: its seeds, how many generations are complete, the checksums of its files, its origin."""

    fingerprint: str
    first: int
    stop: int
    num_generations: int
    files: dict[str, str]
    seconds: float
    written: str
    versions: dict[str, Any]


class Manifest(NamedTuple):
    """What a store is to hold: `configuration` determines the numbers, `dims` has the labels of each dimension."""

    configuration: dict[str, Any]
    dims: dict[str, list]
    metrics: list[str]
    num_seeds: int
    num_generations: int
    chunk: int
    summary: bool
    attributes: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        return digest(canonical(self.configuration))

    @property
    def samples(self) -> tuple[tuple[int, int], np.dtype] | None:
        """Shape (k, L) and dtype of the text samples of each seed and generation; None where there are none."""
        kept = self.configuration.get(SAMPLES)
        return kept and (tuple(kept["shape"]), np.dtype(kept["dtype"]))

    @property
    def variables(self) -> list[str]:
        """The names of the results' arrays: the metrics, and text samples if there are any."""
        return [*self.metrics, *([SAMPLES] if self.samples else [])]

    @property
    def chunks(self) -> list[tuple[int, int]]:
        """The first seed of each chunk, and the first seed after it."""
        return [(first, min(first + self.chunk, self.num_seeds)) for first in range(0, self.num_seeds, self.chunk)]

    def shards(self) -> Iterator[Shard]:
        for cell in np.ndindex(*map(len, self.dims.values())):
            for number, (first, stop) in enumerate(self.chunks):
                yield Shard(cell, number, first, stop)

    def write(self, path: Path) -> None:
        """Write the manifest of the store at `path` and a copy, which is read if the first is damaged."""
        for name in (MANIFEST, MANIFEST_COPY):
            write_json(path / name, self._asdict() | {"chunks": self.chunks})

    @classmethod
    def read(cls, path: Path) -> Manifest | None:
        """The manifest of the store at `path`, None if there is none. Raises ValueError if it is damaged."""
        there = [path / name for name in (MANIFEST, MANIFEST_COPY) if (path / name).is_file()]
        for file in there:
            if (content := read_json(file)) is not None and {*content} == {*cls._fields, "chunks"}:
                del content["chunks"]
                return cls(**content)
        if there:
            raise ValueError(f"{path}: {MANIFEST} and its copy are damaged; restore one of them, or move {path} away")
        return None

    def resumed(self, wanted: Manifest) -> Manifest:
        """The manifest with the number of seeds of `wanted`. Raises ValueError if `wanted` is another sweep."""
        if differences := list(_differences(self.configuration, wanted.configuration)):
            raise ValueError(
                f"holds another sweep ({'; '.join(differences)}); choose another name, overwrite it, or ask for "
                "the same"
            )
        if wanted.num_seeds < self.num_seeds:
            raise ValueError(
                f"has {self.num_seeds} seeds already, num_seeds={wanted.num_seeds}; ask for as many or more"
            )
        return self._replace(num_seeds=wanted.num_seeds, attributes=self.attributes | {"num_seeds": wanted.num_seeds})


def _differences(there: Any, wanted: Any, name: str = "") -> Iterator[str]:
    if isinstance(there, dict) and isinstance(wanted, dict):
        for key in there | wanted:
            yield from _differences(there.get(key), wanted.get(key), f"{name}.{key}" if name else key)
    elif there != wanted:
        yield f"{name} is {json.dumps(there)} there, {json.dumps(wanted)} here"
