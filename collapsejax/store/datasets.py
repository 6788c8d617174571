"""Datasets as zarr directories that xarray opens: whole ones, and sweeps while they grow."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import xarray as xr
from zarr.errors import ZarrUserWarning

from ..results.dataset import in_order
from . import checksums, own_files
from .files import checked_place, finish_stages, staged, writing
from .manifest import MANIFEST, Manifest
from .reader import Reader
from .shards import alone


@contextlib.contextmanager
def reserve(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A temporary path for a store, renamed to `path` when the block ends, or deleted if it fails.

    A place that cannot be written to raises on entering.

    Raises:
        FileNotFoundError: the folder is not there.
        OSError: from the block, with the name of the place.
        ValueError: the place cannot be written to; or `path` is there and not to be overwritten, another process writes
            there, or it has anything that this package did not write.
    """
    path = checked_place(path)
    finish_stages(path, lambda part: not foreign(part))
    if path.exists() and not overwrite:
        raise ValueError(f"{path}: is there already; choose another name, or overwrite it (--overwrite)")
    with alone(path):
        if path.exists() and (names := foreign(path)):
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise ValueError(
                f"{path}: {names[0]}{more} is no part of a store of results as this program left it, so nothing is "
                "overwritten; move it away, or choose another name"
            )
        with staged(path, lambda: overwrite and not foreign(path)) as scratch, writing(path):
            yield scratch


def foreign(path: Path) -> list[str]:
    """What is in the place of a store that this package did not write, or that was changed since, by name."""
    if not path.is_dir():
        return [path.name]
    try:
        manifest = Manifest.read(path)
    except ValueError:
        return [MANIFEST]
    if manifest:
        return own_files.foreign(path, manifest)
    files = checksums.read_record(path) or {}
    ours = {name for name in files if not (path / name).is_symlink() and checksums.has_digest(path / name, files[name])}
    return [name for name in checksums.names(path) if name not in ours and name != checksums.RECORD]


def save(dataset: xr.Dataset, path: str | Path, *, overwrite: bool = False) -> None:
    """Write `dataset` as a zarr directory. Raises as `reserve`, and ValueError where a name has a slash."""
    if slashed := [name for name in dataset.variables if "/" in str(name)]:
        raise ValueError(f"{slashed[0]!r}: a variable's name may have no slash, which would make a group; rename it")
    with reserve(path, overwrite=overwrite) as scratch, warnings.catch_warnings():
        # Consolidated metadata await zarr's next specification; readers would warn of the file of checksums without.
        warnings.simplefilter("ignore", ZarrUserWarning)
        dataset.to_zarr(scratch, mode="w-", zarr_format=3, consolidated=True)
        checksums.write_record(scratch)


def read(path: Path) -> xr.Dataset:
    """The dataset that `save` wrote to `path`, or a copy of one. Raises ValueError where a file of it is damaged."""
    recorded = is_recorded(path)
    if recorded and (damaged := checksums.damaged(path)):
        raise ValueError(f"{', '.join(damaged)}: damaged or missing; compute it again")
    # Metadata of a copy need not be consolidated, and those of others must be: the record is no part of zarr's.
    return xr.open_dataset(path, engine="zarr", consolidated=recorded)


def is_recorded(path: Path) -> bool:
    """Whether a store has checksums, which copies by other programs have not."""
    return (path / checksums.RECORD).exists()


def open(path: str | Path) -> xr.Dataset:
    """The dataset at `path`, or what is complete of a sweep; warnings say what is missing or damaged.

    Every byte is compared with its checksum. Where a shard of a sweep is missing or damaged, metrics are NaN, or
    statistics are of the other seeds.

    Raises:
        FileNotFoundError: there is nothing.
        ValueError: what is there is no such store, or damaged.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such store; check the path")
    complaint = f"{path}: not a store of results, as `collapsejax run` and `collapsejax sweep` write them with --out"
    try:
        sweep = Reader.at(path)
        dataset = sweep.dataset(examined := sweep.examined()) if sweep else read(path)
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{complaint} ({error})") from None
    if not {"workflow", "generation"} <= set(dataset.dims):
        raise ValueError(complaint)
    if sweep is None:
        return dataset
    for complaint in sweep.complaints(examined):
        warnings.warn(f"{path}: {complaint}", stacklevel=2)
    return dataset[in_order(map(str, dataset.data_vars))]
