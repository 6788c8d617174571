"""Checksums: JSON files that carry their own, and the record of the checksums of a store's other files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .files import digest, write_whole

RECORD = "checksums.json"


def canonical(content: Any) -> bytes:
    """JSON in which equal contents are equal bytes."""
    return json.dumps(content, sort_keys=True).encode()


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object with a field "checksum" more."""
    content = json.loads(json.dumps(content))  # tuples become lists, as they will be read
    write_whole(file, json.dumps(content | {"checksum": digest(canonical(content))}, indent=1).encode())


def read_json(file: Path) -> dict[str, Any] | None:
    """What `write_json` was given; None where the file is missing or not as it was written."""
    try:
        content = json.loads(file.read_bytes())
        return content if content.pop("checksum") == digest(canonical(content)) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def write_record(folder: Path) -> None:
    """Write the record of all files that are in a folder."""
    write_json(folder / RECORD, {"files": digests(folder)})


def digests(folder: Path) -> dict[str, str]:
    """The checksums of all files in a folder and below it, by name."""
    return {name: digest((folder / name).read_bytes()) for name in names(folder) if (folder / name).is_file()}


def read_record(folder: Path) -> dict[str, str] | None:
    """The files in the record of a folder, and their checksums; None without an undamaged record."""
    content = read_json(folder / RECORD)
    return content and content["files"]


def damaged(folder: Path) -> list[str]:
    """The files of a folder's record that are not as they were written, or the record itself."""
    files = read_record(folder)
    return [RECORD] if files is None else differing(folder, files)


def differing(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Those of some files in a folder that are missing or do not have their checksums."""
    return [name for name, wanted in files.items() if not has_digest(folder / name, wanted)]


def has_digest(file: Path, wanted: str) -> bool:
    """Whether a file is there and has a checksum."""
    try:
        return digest(file.read_bytes()) == wanted
    except OSError:
        return False


def names(folder: Path) -> Iterator[str]:
    """All that is in a folder and below it but for folders with something in them, by its path from there."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_dir() or not any(path.iterdir()):
            yield path.relative_to(folder).as_posix()
