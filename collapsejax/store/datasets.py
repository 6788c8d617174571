"""Datasets as zarr directories that xarray opens: whole ones, and sweeps while they grow."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import xarray as xr
from zarr.errors import ZarrUserWarning

from ..results.dataset import in_order
from . import saved
from .files import checked_place, staged
from .manifest import MANIFEST
from .shards import Shards


@contextlib.contextmanager
def reserve(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A temporary path for a store, renamed to `path` when the block ends, or deleted if it fails.

    A place that cannot be written to raises on entering.

    Raises:
        FileNotFoundError: the folder is not there.
        ValueError: the place cannot be written to; or `path` is there and not to be overwritten, another process writes
            there, or it has anything that this package did not write.
    """
    path = checked_place(path)
    if path.exists() and not overwrite:
        raise ValueError(f"{path}: is there already; choose another name, or overwrite it (--overwrite)")
    with Shards.alone(path):
        if path.exists() and (names := foreign(path)):
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise ValueError(
                f"{path}: {names[0]}{more} is no part of a store of results as this program left it, so nothing is "
                "overwritten; move it away, or choose another name"
            )
        with staged(path, lambda: overwrite and not foreign(path)) as scratch:
            yield scratch


def foreign(path: Path) -> list[str]:
    """What is in the place of a store that this package did not write, or that was changed since, by name."""
    if not path.is_dir():
        return [path.name]
    try:
        sweep = Shards.at(path)
    except ValueError:
        return [MANIFEST]
    return sweep.foreign() if sweep else saved.foreign(path)


def save(dataset: xr.Dataset, path: str | Path, *, overwrite: bool = False) -> None:
    """Write `dataset` as a zarr directory. Raises as `reserve`."""
    with reserve(path, overwrite=overwrite) as scratch:
        write(dataset, scratch)


def write(dataset: xr.Dataset, path: Path) -> None:
    """Write `dataset` to a path from `reserve`."""
    with warnings.catch_warnings():
        # Consolidated metadata await zarr's next specification; readers would warn of the file of checksums without.
        warnings.simplefilter("ignore", ZarrUserWarning)
        dataset.to_zarr(path, mode="w-", zarr_format=3, consolidated=True)
    saved.write(path)


def read(path: Path) -> xr.Dataset:
    """The dataset that `save` wrote to `path`, or a copy of one. Raises ValueError where a file of it is damaged."""
    if damaged := saved.damaged(path):
        raise ValueError(f"{', '.join(damaged)}: damaged or missing; compute it again")
    # Metadata of a copy need not be consolidated, and those of others must be: the record is no part of zarr's.
    return xr.open_dataset(path, engine="zarr", consolidated=saved.is_recorded(path))


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
        dataset = xr.open_dataset(path, engine="zarr") if sweep else read(path)
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
