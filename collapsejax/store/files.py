"""Files that are written whole or not at all, and locks."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

FIGURE_SUFFIXES = (".png", ".pdf", ".svg")


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically: the file is whole, or is not there."""
    scratch = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        scratch.write_bytes(content)
        os.replace(scratch, path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def writing(store: Path) -> Iterator[None]:
    """Raise an OSError from the block with the name of the store, and with what remains of it."""
    try:
        yield
    except OSError as error:
        again = "all that was complete stays; mend that, and the same command again computes the rest"
        raise OSError(f"{store}: writing failed ({error.strerror}); {again}") from error


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
    """Hold a lock on the file `path` for the block: exclusively, or `shared` with others.

    The operating system releases it when the process ends, however it ends. File systems and platforms without such
    locks give none.

    Raises:
        BlockingIOError: another process holds it, and `wait` is False.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with open(path, "a") as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP):
                raise
        yield


@contextlib.contextmanager
def staged(path: Path, may_replace: Callable[[], bool]) -> Iterator[Path]:
    """A temporary path that is renamed to `path` when the block ends, or deleted if it fails.

    If something has appeared at `path` meanwhile that may not be replaced, the new one is kept beside it.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}; make it first")
    try:
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
    except OSError as error:
        raise ValueError(f"{path}: cannot be written ({error.strerror}); choose another place") from None
    new, old = scratch / "new", scratch / "old"
    try:
        yield new
        if path.exists() and not may_replace():
            beside = path.with_name(f"{path.stem}-{scratch.name.split('.')[-2]}{path.suffix}")
            os.replace(new, beside)
            raise ValueError(f"{path}: something else was written there meanwhile; this is now {beside}")
        if path.exists():
            os.replace(path, old)
        try:
            os.replace(new, path)
        except BaseException:
            if old.exists():
                os.replace(old, path)
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@dataclasses.dataclass(frozen=True)
class FigurePlace:
    """A place that `figure_place` holds for one figure."""

    scratch: Path
    suffix: str

    def save(self, figure: Any) -> None:
        """Write a figure, or anything with matplotlib's `savefig`, in the format that the suffix names."""
        figure.savefig(self.scratch, format=self.suffix.removeprefix("."))


@contextlib.contextmanager
def figure_place(path: str | Path) -> Iterator[FigurePlace]:
    """A place for a figure: what is saved in it gets the name `path` when the block ends, or vanishes if it fails.

    Whether the place can be written to shows on entering. An older figure is replaced.

    Raises:
        FileNotFoundError: the folder is not there.
        ValueError: the place cannot be written to, or the name does not end like one of a figure.
    """
    path = Path(path)
    if path.suffix not in FIGURE_SUFFIXES:
        raise ValueError(f"{path}: a figure's name ends in {', '.join(FIGURE_SUFFIXES)}")
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; choose another name")
    with staged(path, path.is_file) as scratch:
        yield FigurePlace(scratch, path.suffix)


def save_figure(figure: Any, path: str | Path) -> None:
    """Write a figure to `path`, whole or not at all. Arguments as of `FigurePlace.save`, errors of `figure_place`."""
    with figure_place(path) as place:
        place.save(figure)


def make_folder(path: Path) -> None:
    """Make a folder and those above it; one that is there stays as it is.

    Raises OSError where it cannot be made, or where a file has its name.
    """
    path.mkdir(parents=True, exist_ok=True)
