"""Files that are written whole or not at all, and locks."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

_SCRATCH = re.compile(r"\.(.+)\.[0-9a-f]{32}\.partial")
STAGE_LOCK = ".lock"  # in the folder of `staged`, held as long as the process lives


def digest(content: bytes) -> str:
    """The SHA-256 digest of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def check_name(path: str | Path) -> str | Path:
    """The path itself. Raises ValueError where nothing can have that name."""
    if str(path) == "" or "\0" in str(path):
        raise ValueError(f"{str(path)!r}: is no name of a file or folder; give one, or leave it out")
    return path


def checked_place(path: str | Path) -> Path:
    """The path of something to write, of which only the last part may be missing.

    Raises:
        FileNotFoundError: the folder is not there.
        ValueError: it is empty, no name of a file, or a link, in place of which something would be written.
    """
    path = Path(check_name(path))
    if path.is_symlink():
        raise ValueError(f"{path}: is a link, to {os.readlink(path)}; give the place itself")
    try:
        there = path.parent.is_dir()
    except OSError as error:  # too long a name, or a link to itself
        raise ValueError(f"{path}: {error.strerror}; choose another place") from None
    if not there:
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}; make it first")
    return path


def scratch_of(name: str) -> str | None:
    """The file that a file called `name` was written for, where `write_whole` did; else None."""
    found = _SCRATCH.fullmatch(name)
    return found and found[1]


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically: the file is whole, or is not there."""
    scratch = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        scratch.write_bytes(content)
        os.replace(scratch, path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


def write_new(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically, where nothing is, or the very same.

    Raises ValueError where something else is there.
    """
    if path.exists() and not (path.is_file() and path.read_bytes() == content):
        raise ValueError(f"{path}: is there already; move it, or choose another name")
    write_whole(path, content)


@contextlib.contextmanager
def writing(store: Path) -> Iterator[None]:
    """Raise an OSError from the block with the name of the store, and with what remains of it."""
    try:
        yield
    except OSError as error:
        again = "all that was complete stays; mend that, and the same command again computes the rest"
        cause = error.__cause__  # of an error that has been named already
        reason = error.strerror or (cause.strerror if isinstance(cause, OSError) else None) or error
        raise OSError(f"{store}: writing failed ({reason}); {again}") from error


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
def staged(path: str | Path, may_replace: Callable[[], bool]) -> Iterator[Path]:
    """A temporary path that is renamed to `path` when the block ends, or deleted if it fails.

    If something has appeared at `path` meanwhile that may not be replaced, the new one is kept beside it.

    Raises as `checked_place`, and ValueError where nothing can be written.
    """
    path = checked_place(path)
    if path.name in ("", ".."):
        raise ValueError(f"{path}: is a folder that has its place already; give a name in it")
    try:
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
    except OSError as error:
        raise ValueError(f"{path}: cannot be written ({error.strerror}); choose another place") from None
    new, old = scratch / "new", scratch / "old"
    with locked(scratch / STAGE_LOCK):
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


def finish_stages(path: Path, is_ours: Callable[[Path], bool]) -> None:
    """Finish or delete what `staged` left beside `path` in processes that were killed.

    One that was complete, and whose `path` was moved away already, becomes `path`. What is deleted has to be ours.
    """
    for scratch in path.parent.glob(f".{glob.escape(path.name)}.????????.partial"):
        new, old, lock = scratch / "new", scratch / "old", scratch / STAGE_LOCK
        if scratch.is_symlink() or not lock.is_file() or not {*scratch.iterdir()} <= {new, old, lock}:
            continue
        with contextlib.suppress(BlockingIOError), locked(lock, wait=False):
            if old.exists() and new.exists() and not path.exists():
                os.replace(new, path)
            if all(is_ours(part) for part in (new, old) if part.exists()):
                shutil.rmtree(scratch, ignore_errors=True)


def make_folder(path: Path) -> None:
    """Make a folder and those above it; one that is there stays as it is.

    Raises OSError where it cannot be made, or where a file has its name.
    """
    path.mkdir(parents=True, exist_ok=True)
