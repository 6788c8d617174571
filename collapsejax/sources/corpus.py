"""Text to learn from, a piece at a time: the standard library's docstrings, or files of one's own."""

from __future__ import annotations

import ast
import codecs
import json
import os
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

from ..core.arguments import nearest

MOST_BYTES = 2**28
_KINDS = (".txt", ".md", ".jsonl")
_PIECE, _SMALL_PIECE, _MANY = 2**16, 2**10, 100  # characters of a piece at most and at least, pieces of a lone file

# Tests, what is not the library's, and packages that some distributions of Python leave out.
_LEFT_OUT = {"test", "tests", "site-packages", "dist-packages", "__pycache__"}
_LEFT_OUT |= {"distutils", "ensurepip", "idlelib", "lib2to3", "tkinter", "turtledemo"}


def stdlib() -> Iterator[tuple[str, str]]:
    """Docstrings of the standard library of this Python: for each file its name and theirs, each of them once.

    Raises ValueError where its source files are not installed.
    """
    root = sysconfig.get_path("stdlib")
    seen: set[str] = set()
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - _LEFT_OUT)
        for name in sorted(name for name in names if name.endswith(".py")):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of escapes in strings that later Pythons will not take
                tree = ast.parse(Path(folder, name).read_bytes())
            new = [text for text in dict.fromkeys(_docstrings(tree)) if text not in seen]
            seen.update(new)
            if new:
                yield Path(folder, name).relative_to(root).as_posix(), "\n\n".join(new)
    if not seen:
        raise ValueError(f"{root}: the standard library's source files are not there; give a corpus of your own")


def _docstrings(node: ast.AST) -> Iterator[str]:
    """Docstrings in statements alone: to look into expressions as well would take longer than to parse the file."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield ast.get_docstring(node, clean=False) or ""
    for block in ("body", "orelse", "handlers", "finalbody"):
        for inner in getattr(node, block, ()):
            yield from _docstrings(inner)


def read(path: Path, field: str | None) -> Iterator[tuple[int, str]]:
    """Pieces of text and the number of the document that each belongs to, in order.

    A file of a folder is a document, and so is a line of a .jsonl file. A .txt or .md file that is alone is split at
    ends of paragraphs into documents of up to 2^16 bytes. Of a file no more than a few pieces, or a line, is held.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: for files of another kind, none, or more than 2^28 bytes in all; text that is not UTF-8 (names the
            byte); lines that are no JSON object, or without a text in `field` (names line and fields).
    """
    files = _files(path)
    sizes = [file.stat().st_size for file in files]
    if sum(sizes) > MOST_BYTES:
        raise ValueError(
            f"{path}: {sum(sizes) / 2**20:,.0f} MiB of text, and at most {MOST_BYTES / 2**20:.0f} MiB are read; "
            "give a part of it"
        )
    if not any(sizes):
        raise ValueError(f"{path}: {'the file is' if path.is_file() else 'its files are'} empty; there is no text")
    of_lines = [file.suffix.lower() == ".jsonl" for file in files]
    if field is None and any(of_lines):
        file = files[of_lines.index(True)]
        there = next(iter(_objects(file)), (0, {}))[1]
        names = f"it has {', '.join(map(repr, there))}" if there else "its first line has none"
        raise ValueError(f"{file}: field: say which field of its lines holds the text; {names}")
    if field is not None and not any(of_lines):
        raise ValueError(f"field={field!r}: is for .jsonl files, and {path} is or has none; leave it out")
    number = 0
    for file, size, has_lines in zip(files, sizes, of_lines, strict=True):
        alone = len(files) == 1
        length = min(_PIECE, max(_SMALL_PIECE, size // _MANY)) if alone else _PIECE
        for piece in _texts(file, field) if has_lines else _blocks(file, length):
            if piece.strip():
                yield number, piece
            number += has_lines or alone
        number += 1


def _files(path: Path) -> list[Path]:
    kinds = ", ".join(_KINDS)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in _KINDS and file.is_file())
        if not files:
            raise ValueError(f"{path}: there is no file of {kinds} in this folder; put text there")
        return files
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file or folder; check the path")
    if path.suffix.lower() not in _KINDS:
        raise ValueError(f"{path}: want a file of {kinds}, or a folder of such; rename it if it is plain text")
    return [path]


def _blocks(path: Path, length: int) -> Iterator[str]:
    """The file in pieces of some `length` bytes that end where a paragraph does; else a line, or a word."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    text, offset = "", 0
    with path.open("rb") as file:
        while data := file.read(length):
            text += _decoded(path, data, offset, decoder)
            offset += len(data)
            if len(data) < length:
                break
            cuts = (text.rfind(mark) for mark in ("\n\n", "\r\n\r\n", "\n", " "))
            cut = next((cut for cut in cuts if cut > 0), len(text))
            yield text[:cut].removeprefix("\ufeff")
            text = text[cut:]
        yield text + _decoded(path, b"", offset, decoder)


def _decoded(path: Path, data: bytes, offset: int, decoder: codecs.IncrementalDecoder) -> str:
    """`data` as text; the bytes before `offset` that are part of its first character are with the decoder."""
    begun = len(decoder.getstate()[0])
    try:
        return decoder.decode(data, final=not data)
    except UnicodeDecodeError as error:
        place = offset - begun + error.start
        raise ValueError(f"{path}: byte {place} is not UTF-8 ({error.reason}); save the file as UTF-8") from None


def _texts(path: Path, field: str) -> Iterator[str]:
    for number, fields in _objects(path):
        if field not in fields:
            names = nearest(field, fields) if fields else "it has none"
            raise ValueError(f"{path}: line {number} has no field {field!r}; {names}")
        if not isinstance(fields[field], str):
            raise ValueError(f"{path}: line {number}: field {field!r} is {fields[field]!r:.40}; put a text there")
        # What JSON writes as a lone half of a surrogate pair is no character.
        yield fields[field].encode(errors="replace").decode()


def _objects(path: Path) -> Iterator[tuple[int, dict]]:
    """Each line's number, from 1, and its object; empty lines are passed over."""
    offset = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            text = _decoded(path, line, offset, codecs.getincrementaldecoder("utf-8")())
            offset += len(line)
            if not text.strip():
                continue
            try:
                fields = json.loads(text.removeprefix("\ufeff"))
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{path}: line {number} is not JSON ({error}); mend or remove it") from None
            if not isinstance(fields, dict):
                raise ValueError(f'{path}: line {number} is no JSON object; want one such as {{"text": "..."}}')
            yield number, fields
