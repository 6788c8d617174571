"""Which files in the folder of a sweep's store are the store's own."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from ..results.dataset import RUNNING
from .arrays import write_skeleton
from .checksums import RECORD
from .files import scratch_of
from .manifest import MANIFEST, MANIFEST_COPY, Manifest

MANIFEST_LOCK = ".manifest.lock"
_LOCK = re.compile(r"\.lock(\.\d+)?|\.manifest\.lock")
SKELETON, PARTIAL = ".skeleton.", ".partial"
_CHUNK = re.compile(r"\d+")
_RECORD = re.compile(r"\d+(\.\d+)*(-\d+)?\.json")


def foreign(folder: Path, manifest: Manifest) -> list[str]:
    """What is in the folder of a sweep's store and is none of its files, by name."""
    with tempfile.TemporaryDirectory() as scratch:
        write_skeleton(Path(scratch, "new"), manifest)
        skeleton = {file.relative_to(Path(scratch, "new")) for file in Path(scratch, "new").rglob("*")}
    arrays = {file.parent for file in skeleton if file.name == "zarr.json"}

    def is_own(path: Path) -> bool:
        if path.is_symlink():
            return False
        file = path.relative_to(folder)
        if (name := scratch_of(path.name)) is not None:
            file = file.with_name(name)
        if file in skeleton or _is_lock(path) or str(file) in (MANIFEST, MANIFEST_COPY, RECORD, "records", RUNNING):
            return True
        if file.parts[0] == "records":
            return bool(_RECORD.fullmatch(str(Path(*file.parts[1:]))))
        if file.parts[0] == RUNNING:  # checkpoints, in a folder for each process
            return file.parts[1].isdigit()
        array, _, place = str(file).partition("/c/")
        if Path(array) in arrays:
            return all(map(_CHUNK.fullmatch, place.split("/")))
        return file.name == "c" and file.parent in arrays

    own = [path for path in folder.iterdir() if _is_skeleton(path)]
    paths = (path for path in folder.rglob("*") if not any(map(path.is_relative_to, own)))
    return sorted(path.relative_to(folder).as_posix() for path in paths if not is_own(path))


def is_of_beginning(path: Path) -> bool:
    """Whether a file is one of those that a process leaves that was killed before its manifest was there."""
    return _is_lock(path) or scratch_of(path.name) in (MANIFEST, MANIFEST_COPY)


def _is_lock(path: Path) -> bool:
    return bool(_LOCK.fullmatch(path.name)) and path.is_file() and path.stat().st_size == 0


def _is_skeleton(path: Path) -> bool:
    """Whether a folder is one that metadata were written to before they were moved into the store."""
    named = path.name.startswith(SKELETON) and path.name.endswith(PARTIAL)
    return named and path.is_dir() and not path.is_symlink() and {child.name for child in path.iterdir()} <= {"new"}
