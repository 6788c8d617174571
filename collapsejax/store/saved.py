"""The record of a store that is written at once: the checksum of each of its files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from .files import digest, write_whole

_RECORD = "checksums.json"


def write(folder: Path) -> None:
    """Write the record of all files that are in a folder."""
    files = {name: digest((folder / name).read_bytes()) for name in _names(folder)}
    text = json.dumps(files, sort_keys=True)
    write_whole(folder / _RECORD, json.dumps({"files": files, "checksum": digest(text.encode())}, indent=1).encode())


def is_recorded(folder: Path) -> bool:
    """Whether a folder has a record, which may be damaged."""
    return (folder / _RECORD).exists()


def damaged(folder: Path) -> list[str]:
    """The files of a store that are not as they were written, the record itself included; none if there is no record.

    A copy that something else made has no record.
    """
    if not is_recorded(folder):
        return []
    files = _read(folder)
    return [_RECORD] if files is None else [name for name, wanted in files.items() if not _is(folder / name, wanted)]


def foreign(folder: Path) -> list[str]:
    """What is in a folder and is no file of a store, as its record has it."""
    files = _read(folder) or {}
    return [
        name for name in _names(folder) if name != _RECORD and not (name in files and _is(folder / name, files[name]))
    ]


def _read(folder: Path) -> dict[str, str] | None:
    try:
        content = json.loads((folder / _RECORD).read_bytes())
        files = content["files"]
        intact = content["checksum"] == digest(json.dumps(files, sort_keys=True).encode())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return files if intact else None


def _is(file: Path, wanted: str) -> bool:
    try:
        return not file.is_symlink() and digest(file.read_bytes()) == wanted
    except OSError:
        return False


def _names(folder: Path) -> Iterator[str]:
    """All that is in a folder and below it but for folders with something in them, by its path from there."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_dir() or not any(path.iterdir()):
            yield path.relative_to(folder).as_posix()
