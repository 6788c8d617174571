"""Results on disk: zarr directories that xarray opens, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import xarray as xr

FIGURE_SUFFIXES = (".png", ".pdf", ".svg")


def provenance() -> dict[str, Any]:
    """Versions, platform, device and, in a working copy of the repository, the commit that make a result."""
    packages = ("collapsejax", "jax", "jaxlib", "numpy", "xarray", "zarr")
    return {
        **{f"version_{package}": version(package) for package in packages},
        "version_python": platform.python_version(),
        "platform": platform.platform(),
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind} ({jax.default_backend()})",
        "git_commit": _git_commit(),
    }


def _git_commit() -> str:
    """The commit of this file, with "-dirty" after local changes; "unknown" where git does not track this file."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)
        return git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _is_store(path: Path) -> bool:
    """Whether a folder is a store that this package wrote."""
    metadata = path / "zarr.json"
    return metadata.is_file() and "version_collapsejax" in metadata.read_text()


@contextlib.contextmanager
def _staged(path: Path, may_replace: Callable[[], bool]) -> Iterator[Path]:
    """A scratch path that gets the name `path` when the block ends, or vanishes if it fails.

    Where something has come to `path` meanwhile that may not be replaced, the new one is kept beside it.
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


@contextlib.contextmanager
def reserve(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A path to write a store to, which gets the name `path` when the block ends, or vanishes if it fails.

    Whether the place can be written to shows on entering.

    Raises:
        FileNotFoundError: the folder is not there.
        ValueError: the place cannot be written to, or `path` is there and not to be overwritten, or no store.
    """
    path = Path(path)
    if path.exists():
        if not overwrite:
            raise ValueError(f"{path}: is there already; choose another name, or overwrite it (--overwrite)")
        if not _is_store(path):
            raise ValueError(f"{path}: is no store of results, so it is not overwritten; choose another name")
    with _staged(path, lambda: overwrite and _is_store(path)) as scratch:
        yield scratch


@contextlib.contextmanager
def reserve_figure(path: str | Path) -> Iterator[Path]:
    """The same for a figure, of which an older one is replaced.

    Raises:
        FileNotFoundError: the folder is not there.
        ValueError: the place cannot be written to, or the name does not end like one of a figure.
    """
    path = Path(path)
    if path.suffix not in FIGURE_SUFFIXES:
        raise ValueError(f"{path}: a figure's name ends in {', '.join(FIGURE_SUFFIXES)}")
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; choose another name")
    with _staged(path, path.is_file) as scratch:
        yield scratch


def save(dataset: xr.Dataset, path: str | Path, *, overwrite: bool = False) -> None:
    """Write `dataset` as a zarr directory. Raises as `reserve`."""
    with reserve(path, overwrite=overwrite) as scratch:
        write(dataset, scratch)


def write(dataset: xr.Dataset, path: Path) -> None:
    """Write `dataset` to a path from `reserve`."""
    dataset.to_zarr(path, mode="w-", zarr_format=3, consolidated=False)


def open(path: str | Path) -> xr.Dataset:
    """The dataset that was written to `path`.

    Raises:
        FileNotFoundError: there is nothing.
        ValueError: what is there is no such store.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"{path}: there is no such store; check the path")
    try:
        dataset = xr.open_dataset(path, engine="zarr", consolidated=False)
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: not a store of results, as `collapsejax run --out` writes them ({error})") from None
    if not {"workflow", "generation"} <= set(dataset.dims):
        raise ValueError(f"{path}: not a store of results, as `collapsejax run --out` writes them")
    return dataset
