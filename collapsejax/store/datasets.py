"""Datasets as zarr directories that xarray opens: whole ones, and sweeps while they grow."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import xarray as xr

from ..results.dataset import in_order
from .files import staged
from .shards import Shards


def _is_store(path: Path) -> bool:
    """Whether a folder is a store written by this package."""
    metadata = path / "zarr.json"
    return metadata.is_file() and "version_collapsejax" in metadata.read_text()


@contextlib.contextmanager
def reserve(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A temporary path for a store, renamed to `path` when the block ends, or deleted if it fails.

    A place that cannot be written to raises on entering.

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
    with staged(path, lambda: overwrite and _is_store(path)) as scratch:
        yield scratch


def save(dataset: xr.Dataset, path: str | Path, *, overwrite: bool = False) -> None:
    """Write `dataset` as a zarr directory. Raises as `reserve`."""
    with reserve(path, overwrite=overwrite) as scratch:
        write(dataset, scratch)


def write(dataset: xr.Dataset, path: Path) -> None:
    """Write `dataset` to a path from `reserve`."""
    dataset.to_zarr(path, mode="w-", zarr_format=3, consolidated=False)


def open(path: str | Path) -> xr.Dataset:
    """The dataset at `path`, or what is complete of a sweep; a warning says what is missing.

    Raises:
        FileNotFoundError: there is nothing.
        ValueError: what is there is no such store.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such store; check the path")
    complaint = f"{path}: not a store of results, as `collapsejax run` and `collapsejax sweep` write them with --out"
    try:
        sweep = Shards.at(path)
        dataset = xr.open_dataset(path, engine="zarr", consolidated=None if sweep else False)
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{complaint} ({error})") from None
    if not {"workflow", "generation"} <= set(dataset.dims):
        raise ValueError(complaint)
    if sweep is None:
        return dataset
    records = sweep.records()
    if missing := sum(record is None or record.stop < shard.stop for shard, record in records.items()):
        again = "unless processes are still at work, the same command again computes them"
        warnings.warn(f"{path}: {missing} of {len(records)} shards are missing; {again}", stacklevel=2)
    return sweep.with_latest(dataset[in_order(map(str, dataset.data_vars))])
