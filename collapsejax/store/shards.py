"""The store of a sweep: a zarr directory with a manifest, and one shard for each cell and chunk of seeds.

    manifest.json, manifest.copy.json   what is swept, for how many seeds, in which chunks; by which versions
    records/0.2.1-7.json                that the shard of cell (0, 2, 1) and chunk 7 is complete, and its checksums
    zarr.json, <metric>/...             the results, as xarray opens them; with keep="seeds" these are the shards
    shards/...                          with keep="summary": mergeable sketches, one zarr chunk a shard

A shard is complete if its record exists and its files have the checksums in the record. Every file is written
atomically, so a process may be killed at any time.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from ..results.dataset import SAMPLES
from ..results.sketch import Sketch
from ..results.statistics import STATISTICS, tables
from . import own_files
from .arrays import SHARDS, empty, encode, file_name, write_skeleton
from .files import checked_place, digest, locked, write_whole, writing
from .manifest import Manifest, Record, Shard
from .provenance import provenance


class Shards:
    """The store at `path`: `at` opens it for reading, `opened` for writing."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest

    @classmethod
    def at(cls, path: Path) -> Shards | None:
        """The store at `path`, None if there is none. Raises ValueError if its manifest is damaged."""
        manifest = Manifest.read(path)
        return manifest and cls(path, manifest)

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path: Path, wanted: Manifest, process: int, num_processes: int) -> Iterator[Shards]:
        """The store at `path`, created if necessary and locked for writing, for the block.

        Raises:
            FileNotFoundError: the folder for it is not there.
            ValueError: something else is there, or another sweep, or more seeds; another process is writing there; or
                the place cannot be written to.
        """
        check_place(path, wanted)
        with contextlib.ExitStack() as stack:
            try:
                path.mkdir(exist_ok=True)
                alone = num_processes == 1
                stack.enter_context(locked(path / ".lock", shared=not alone, wait=False))
                if not alone:
                    stack.enter_context(locked(path / f".lock.{process}", wait=False))
                with locked(path / own_files.MANIFEST_LOCK):
                    there = Manifest.read(path)
                    store = cls(path, there.resumed(wanted) if there else wanted)
                    if alone:
                        store._sweep_out()
                    store.manifest.write(path)
                    store._write_skeleton()
            except BlockingIOError:
                raise ValueError(
                    f"{path}: another process is writing there; wait for it, or choose another name"
                ) from None
            except OSError as error:
                raise ValueError(f"{path}: cannot be written ({error.strerror}); choose another place") from None
            yield store

    @classmethod
    @contextlib.contextmanager
    def alone(cls, path: Path) -> Iterator[None]:
        """No process writes to a store at `path`, if one is there, in the block. Raises ValueError if one does."""
        there = None
        with contextlib.suppress(ValueError):  # of a manifest that is damaged, or none of ours
            there = cls.at(path)
        with contextlib.ExitStack() as stack:
            try:
                if there:
                    stack.enter_context(locked(path / ".lock", wait=False))
            except BlockingIOError:
                raise ValueError(
                    f"{path}: another process is writing there; wait for it, or choose another name"
                ) from None
            yield

    def foreign(self) -> list[str]:
        """Files in the store's folder, by name, that are none of this store's."""
        return own_files.foreign(self.path, self.manifest)

    def record(self, shard: Shard, *, verify: bool = False) -> Record | None:
        """The record of a shard; None if it is missing, of another sweep or, with `verify`, contradicts the files.

        A shard has fewer seeds than it is to have if the sweep has grown.
        """
        try:
            record = Record(**json.loads(self._record_path(shard).read_text()))
        except (OSError, ValueError, TypeError):
            return None
        if record.fingerprint != self.manifest.fingerprint or record.first != shard.first or record.stop > shard.stop:
            return None
        if verify and not all(self._has_digest(name, wanted) for name, wanted in record.files.items()):
            return None
        return record

    def num_seeds(self, shard: Shard) -> int:
        """The number of seeds of a shard that are stored undamaged; they are its first."""
        record = self.record(shard, verify=True)
        return record.stop - record.first if record else 0

    def records(self, *, verify: bool = False) -> dict[Shard, Record | None]:
        """The record of every shard that the store is to hold."""
        return {shard: self.record(shard, verify=verify) for shard in self.manifest.shards()}

    def put(self, shard: Shard, metrics: Mapping[str, Any], seconds: float) -> None:
        """Write a shard: for each metric (seeds, G) values, or a `Sketch`.

        Raises OSError where it cannot be written; what was written before stays as it is.
        """
        with writing(self.path):
            self._put(shard, metrics, seconds)

    def preview(self, shard: Shard, metrics: Mapping[str, np.ndarray]) -> None:
        """Write (seeds, g) values of the generations so far of an incomplete shard. Raises as `put`.

        They have no record, and summaries have no preview.
        """
        if not self.manifest.summary:
            with writing(self.path):
                self._write_chunks(shard, metrics)

    def _write_chunks(self, shard: Shard, metrics: Mapping[str, Any]) -> dict[str, str]:
        """Write the files of a shard; returns their checksums."""
        self._record_path(shard).unlink(missing_ok=True)  # no record may vouch for files that are being replaced
        files = {}
        for name, chunk, place in self._chunks(shard, metrics):
            content = encode(chunk)
            file = file_name(name, place)
            self._write(file, content)
            files[file] = digest(content)
        return files

    def _put(self, shard: Shard, metrics: Mapping[str, Any], seconds: float) -> None:
        files = self._write_chunks(shard, metrics)
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        record = Record(self.manifest.fingerprint, shard.first, shard.stop, files, seconds, now, provenance())
        self._record_path(shard).parent.mkdir(exist_ok=True)
        write_whole(self._record_path(shard), json.dumps(record._asdict()).encode())

    def get(self, shard: Shard) -> dict[str, Any]:
        """What was put, of a shard that has a record. Raises ValueError where a file is damaged."""
        record = self.record(shard)
        shard = shard._replace(stop=record.stop)
        group = zarr.open_group(self.path, mode="r")
        if not self.manifest.summary:
            place = (*shard.cell, slice(shard.first, shard.stop))
            names = [*self.manifest.metrics, *([SAMPLES] if self.manifest.samples else [])]
            return {name: group[name][place] for name in names}
        place = (*shard.cell, shard.chunk)
        arrays = {name: [group[f"{SHARDS}/{name}_{part}"] for part in Sketch._fields] for name in self.manifest.metrics}
        return {name: Sketch(*(array[place] for array in parts)) for name, parts in arrays.items()}

    def finish(self) -> None:
        """Update the summaries that xarray reads from the shards."""
        if self.manifest.summary:
            with locked(self.path / own_files.MANIFEST_LOCK):
                for cell, tables in self._stale():
                    for name, table in tables.items():
                        chunk = table.reshape(*(1 for _ in cell), *table.shape)
                        self._write(file_name(name, (*cell, 0, 0)), encode(chunk))

    def with_latest(self, dataset: xr.Dataset) -> xr.Dataset:
        """`dataset`, as xarray read it, with summaries of all shards that are stored."""
        if self.manifest.summary:
            for cell, tables in self._stale():
                dataset = dataset.load()
                for name, table in tables.items():
                    dataset[name].values[cell] = table
        return dataset

    def _stale(self) -> Iterator[tuple[tuple[int, ...], dict[str, np.ndarray]]]:
        """The cells whose stored summary does not cover all their shards, each with its current tables."""
        of_cell: dict[tuple[int, ...], list[tuple[Shard, int]]] = {}
        for shard, record in self.records(verify=True).items():
            if record:
                of_cell.setdefault(shard.cell, []).append((shard, record.stop - record.first))
        group = zarr.open_group(self.path, mode="r")
        for cell, shards in of_cell.items():
            number = sum(number for _, number in shards)
            if any(_summarized(group[name], cell) != number for name in self.manifest.metrics):
                yield cell, tables(self.get(shard) for shard, _ in shards)

    def _chunks(self, shard: Shard, metrics: Mapping[str, Any]) -> Iterator[tuple[str, np.ndarray, tuple[int, ...]]]:
        """(array, chunk, index of the chunk in the array) for each file of a shard."""
        place, ones = (*shard.cell, shard.chunk), [1] * len(shard.cell)
        for name, values in metrics.items():
            if self.manifest.summary:
                for part, leaf in values._asdict().items():
                    yield f"{SHARDS}/{name}_{part}", leaf.reshape(*ones, 1, *leaf.shape), (*place, *[0] * leaf.ndim)
            else:
                chunk = empty(self.manifest, name, (self.manifest.chunk,))
                chunk[tuple(map(slice, values.shape))] = values
                yield name, chunk.reshape(*ones, *chunk.shape), (*place, *[0] * (chunk.ndim - 1))

    def _record_path(self, shard: Shard) -> Path:
        return self.path / "records" / f"{'.'.join(map(str, shard.cell))}-{shard.chunk}.json"

    def _has_digest(self, name: str, wanted: str) -> bool:
        try:
            return digest((self.path / name).read_bytes()) == wanted
        except OSError:
            return False

    def _write(self, file: str, content: bytes) -> None:
        target = self.path / file
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, content)

    def _sweep_out(self) -> None:
        """Delete the partial files of killed processes."""
        leftovers = list(self.path.rglob(f"*{own_files.PARTIAL}"))
        foreign = {self.path / name for name in self.foreign()} if leftovers else ()
        for leftover in [path for path in leftovers if path not in foreign]:
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)

    def _write_skeleton(self) -> None:
        """Write metadata and coordinates, replacing damaged ones."""
        scratch = Path(tempfile.mkdtemp(prefix=own_files.SKELETON, suffix=own_files.PARTIAL, dir=self.path))
        try:
            write_skeleton(scratch / "new", self.manifest)
            for file in [file for file in (scratch / "new").rglob("*") if file.is_file()]:
                target = self.path / file.relative_to(scratch / "new")
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(file, target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def check_place(path: Path, wanted: Manifest) -> Manifest:
    """The manifest that a store at `path` will have: `wanted`, with the chunks of one that is there already.

    Raises as `Shards.opened`, as far as it shows without writing anything.
    """
    path = checked_place(path)
    if not path.exists():
        return wanted
    if there := path.is_dir() and Manifest.read(path):
        try:
            return there.resumed(wanted)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    if not path.is_dir() or not all(map(own_files.is_of_beginning, path.iterdir())):
        raise ValueError(f"{path}: is there already and holds no sweep; choose another name")
    return wanted


def _summarized(array: zarr.Array, cell: tuple[int, ...]) -> float:
    """The number of seeds in a stored summary; NaN if there is none, or its checksum does not match."""
    try:
        return float(array[(*cell, list(STATISTICS).index("count"), 0)])
    except (OSError, ValueError):
        return np.nan
