"""Files that carry a checksum of themselves, so that only what this package wrote, and nobody changed, is replaced."""

from __future__ import annotations

import zlib
from pathlib import Path

from .files import checked_place, digest, write_whole

_NAME = b"collapsejax"
# What a file ends with, behind its mark.
_ENDS = {".png": b"\0\0\0\0IEND\xaeB`\x82", ".json": b"\n}"}


def check_ours(path: str | Path) -> Path:
    """The path, where nothing is there or a file as it was marked.

    Raises as `checked_place`, and ValueError for any other file or folder.
    """
    path = checked_place(path)
    if path.exists() and not is_ours(path):
        raise ValueError(f"{path}: is there already, and not as this program left it; move it, or choose another name")
    return path


def is_ours(path: Path) -> bool:
    """Whether a file is as it was marked."""
    if path.is_symlink() or not path.is_file():
        return False
    content = path.read_bytes()
    end = _end(content, path.suffix)
    without = content[: len(content) - len(_mark(b"", path.suffix)) - len(end)] + end
    return content == marked(without, path.suffix)


def marked(content: bytes, suffix: str) -> bytes:
    """A figure (.png, .pdf, .svg), a page (.md, .html) or a JSON object with the digest of its content near its end.

    It is a comment, in a PNG a text, in JSON a field.
    """
    end = _end(content, suffix)
    return content.removesuffix(end) + _mark(content, suffix) + end


def write_marked(path: Path, content: bytes) -> None:
    """Write marked content to `path`, whole or not at all, in place of what was marked. Raises as `check_ours`."""
    write_whole(check_ours(path), marked(content, path.suffix))


def _end(content: bytes, suffix: str) -> bytes:
    end = _ENDS.get(suffix, b"")
    return end if content.endswith(end) else b""


def _mark(content: bytes, suffix: str) -> bytes:
    hexadecimal = digest(content).encode()
    if suffix == ".json":
        return b',\n "checksum_collapsejax": "' + hexadecimal + b'"'
    if suffix == ".png":
        chunk = b"tEXt" + _NAME + b"\0" + hexadecimal
        return (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    before, after = (b"% ", b"\n") if suffix == ".pdf" else (b"<!-- ", b" -->\n")
    return before + _NAME + b" " + hexadecimal + after
