"""The store of a sweep: a zarr directory with a manifest, and one shard for each cell and chunk of seeds.

    manifest.json, manifest.copy.json   what is swept, for how many seeds, in which chunks; by which versions
    checksums.json                      the checksums of zarr's metadata and of the coordinates
    records/0.2.1-7.json                how much of the shard of cell (0, 2, 1) and chunk 7 is there, and its checksums
    records/0.2.1.json                  with keep="summary": the checksums of the cell's summary
    zarr.json, <metric>/...             the results, as xarray opens them; with keep="seeds" these are the shards
    shards/...                          with keep="summary": mergeable sketches, one zarr chunk a shard

Every JSON file above has a checksum of itself. A shard is complete if its record says so and its files have the
checksums in the record. Every file is written atomically, so a process may be killed at any time.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import checksums, own_files
from .arrays import SHARDS, empty, encode, file_name, write_skeleton
from .checksums import has_digest, write_json
from .files import checked_place, digest, locked, write_whole, writing
from .manifest import Manifest, Record, Shard
from .provenance import provenance
from .reader import Reader, Stored, by_cell, num_seeds, record_path, summary_path

_BUSY = "another process is writing there; wait for it, or choose another name"


class Shards:
    """The store at `path`, to write to; `opened` opens it."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self._reader = Reader(path, manifest)

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
                raise ValueError(f"{path}: {_BUSY}") from None
            except OSError as error:
                raise ValueError(f"{path}: cannot be written ({error.strerror}); choose another place") from None
            yield store

    def num_seeds(self, shard: Shard) -> int:
        """The number of seeds of a shard that are stored undamaged; they are its first."""
        return self._reader.examine(shard).num_seeds

    def get(self, shard: Shard) -> dict[str, Any]:
        """What was put, of a shard that has seeds."""
        return self._reader.get(self._reader.examine(shard))

    def put(self, shard: Shard, metrics: Mapping[str, Any], seconds: float) -> None:
        """Write a shard: for each metric (seeds, G) values, or a `Sketch`.

        Raises OSError where it cannot be written; what was written before stays as it is.
        """
        with writing(self.path):
            self._put(shard, metrics, self.manifest.num_generations, seconds)

    def preview(self, shard: Shard, metrics: Mapping[str, np.ndarray], num_generations: int) -> None:
        """Write (seeds, g) values of the first g generations of an incomplete shard. Raises as `put`.

        Summaries have no preview.
        """
        if not self.manifest.summary:
            with writing(self.path):
                self._put(shard, metrics, num_generations, seconds=0.0)

    def _put(self, shard: Shard, metrics: Mapping[str, Any], num_generations: int, seconds: float) -> None:
        record_path(self.path, shard).unlink(missing_ok=True)  # no record may vouch for files that are being replaced
        files = self._write_chunks(self._chunks(shard, metrics))
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        origin = dict(seconds=seconds, written=now, versions=provenance())
        record = Record(self.manifest.fingerprint, shard.first, shard.stop, num_generations, files, **origin)
        self._write_record(record_path(self.path, shard), record._asdict())

    def _write_chunks(self, chunks: Iterable[tuple[str, np.ndarray, tuple[int, ...]]]) -> dict[str, str]:
        """Write chunks, each given with its array's name and its place in it; returns the checksums of their files."""
        files = {}
        for name, chunk, place in chunks:
            content = encode(chunk)
            file = self.path / file_name(name, place)
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, content)
            files[file_name(name, place)] = digest(content)
        return files

    def finish(self) -> None:
        """Update the summaries that xarray reads from the shards."""
        if self.manifest.summary:
            with locked(self.path / own_files.MANIFEST_LOCK):
                for cell, shards in by_cell(self.manifest, self._reader.examined()).items():
                    if shards and not self._reader.has_summary(cell, shards):
                        self._put_summary(cell, shards)

    def _put_summary(self, cell: tuple[int, ...], shards: Sequence[Stored]) -> None:
        place, ones = (*cell, 0, 0), [1] * len(cell)
        summary = self._reader.summary(shards)
        chunks = ((name, table.reshape(*ones, *table.shape), place) for name, table in summary.items())
        content = {"files": self._write_chunks(chunks), "num_seeds": num_seeds(shards)}
        self._write_record(summary_path(self.path, cell), content)

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

    def _write_record(self, place: Path, content: Mapping[str, Any]) -> None:
        place.parent.mkdir(exist_ok=True)
        write_json(place, content)

    def _sweep_out(self) -> None:
        """Delete the partial files of killed processes."""
        leftovers = list(self.path.rglob(f"*{own_files.PARTIAL}"))
        foreign = {self.path / name for name in own_files.foreign(self.path, self.manifest)} if leftovers else ()
        for leftover in [path for path in leftovers if path not in foreign]:
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)

    def _write_skeleton(self) -> None:
        """Write metadata, coordinates and their checksums, replacing those that are damaged or of fewer seeds."""
        scratch = Path(tempfile.mkdtemp(prefix=own_files.SKELETON, suffix=own_files.PARTIAL, dir=self.path))
        new = scratch / "new"
        try:
            write_skeleton(new, self.manifest)
            checksums.write_record(new)
            for name, wanted in checksums.read_record(new).items():
                if not has_digest(self.path / name, wanted):  # others may be reading it
                    (self.path / name).parent.mkdir(parents=True, exist_ok=True)
                    os.replace(new / name, self.path / name)
            os.replace(new / checksums.RECORD, self.path / checksums.RECORD)
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
        raise ValueError(f"{path}: is there already and holds no sweep; choose another name, or overwrite it")
    return wanted


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Let no process write to a store of a sweep at `path`, if one is there, in the block.

    Raises ValueError if one does.
    """
    there = None
    with contextlib.suppress(ValueError):  # of a manifest that is damaged, or none of ours
        there = Manifest.read(path)
    with contextlib.ExitStack() as stack:
        try:
            if there:
                stack.enter_context(locked(path / ".lock", wait=False))
        except BlockingIOError:
            raise ValueError(f"{path}: {_BUSY}") from None
        yield
