"""The zarr arrays of a sweep's store: metadata, coordinates, and the encoding of chunks."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.errors import ZarrUserWarning
from zarr.storage import MemoryStore

from ..results.dataset import SAMPLES, coordinates, inner_dimensions
from ..results.metrics import metric_labels
from ..results.sketch import BINS, NUM_MOMENTS
from ..results.statistics import STATISTICS
from .manifest import Manifest

# Readers that do not know the records still detect a damaged chunk.
_CODECS = (ZstdCodec(level=1), Crc32cCodec())
SHARDS = "shards"


def write_skeleton(path: Path, manifest: Manifest) -> None:
    """Create a zarr group at `path` with everything of a sweep's store except the chunks of results.

    Results have dimensions (cell dimensions, seed or statistic, generation), text samples two more. With summaries, a
    group "shards" holds the mergeable sketches of each chunk of seeds, in arrays "<metric>_moments" and
    "<metric>_counts".
    """
    sizes = dict(num_seeds=manifest.num_seeds, num_generations=manifest.num_generations, summary=manifest.summary)
    coords = coordinates(manifest.dims, manifest.configuration["num_samples"], **sizes)
    xr.Dataset(coords=coords, attrs=manifest.attributes).to_zarr(path, zarr_format=3, consolidated=False)
    group = zarr.open_group(path, mode="r+")
    generations, cells = manifest.num_generations, tuple(map(len, manifest.dims.values()))

    def add(
        group: zarr.Group, name: str, inner: dict[str, tuple[int, int]], dtype: str, labels: dict[str, str]
    ) -> None:
        """An array of the cells' dimensions and `inner`: for each further dimension its length and its chunks'."""
        lengths, chunks = zip(*inner.values(), strict=True)
        group.create_array(
            name,
            shape=cells + lengths,
            chunks=(1,) * len(cells) + chunks,
            dimension_names=(*manifest.dims, *inner),
            attributes=labels,
            **_layout(np.dtype(dtype)),
        )

    ends = {"generation": (generations, generations)}
    if manifest.summary:
        inner, dtype = {"statistic": (len(STATISTICS), len(STATISTICS))}, "float64"
        sketches, chunks = group.create_group(SHARDS), {"chunk": (len(manifest.chunks), 1)}
        for metric in manifest.metrics:
            add(sketches, f"{metric}_moments", chunks | {"moment": (NUM_MOMENTS, NUM_MOMENTS)} | ends, "float64", {})
            add(sketches, f"{metric}_counts", chunks | {"side": (2, 2)} | ends | {"bin": (BINS, BINS)}, "int32", {})
    else:
        inner, dtype = {"seed": (manifest.num_seeds, manifest.chunk)}, "float32"
    for metric in manifest.metrics:
        add(group, metric, inner | ends, dtype, metric_labels(metric, manifest.configuration["task"]["name"]))
    if manifest.samples:
        lengths, dtype = manifest.samples
        whole = {name: (length, length) for name, length in zip(inner_dimensions(SAMPLES), lengths, strict=True)}
        add(group, SAMPLES, inner | ends | whole, str(dtype), metric_labels(SAMPLES))
    with warnings.catch_warnings():
        # Consolidated metadata await zarr's next specification; xarray looks for them and complains without.
        warnings.simplefilter("ignore", ZarrUserWarning)
        zarr.consolidate_metadata(path)


def empty(manifest: Manifest, name: str, leading: tuple[int, ...]) -> np.ndarray:
    """An array for results: (*leading, G) of a metric, (*leading, G, k, L) of text samples; NaN, or 0 for integers."""
    shape, dtype = manifest.samples if name == SAMPLES else ((), np.dtype(np.float32))
    value = np.nan if dtype.kind == "f" else 0
    return np.full((*leading, manifest.num_generations, *shape), value, dtype)


def _layout(dtype: np.dtype) -> dict[str, Any]:
    fill_value = np.nan if dtype.kind == "f" else 0
    return dict(dtype=dtype, fill_value=fill_value, compressors=_CODECS, config={"write_empty_chunks": True})


def encode(chunk: np.ndarray) -> bytes:
    """The bytes of a zarr chunk of an array that `write_skeleton` made."""
    files = {}
    array = zarr.create_array(MemoryStore(files), shape=chunk.shape, chunks=chunk.shape, **_layout(chunk.dtype))
    array[...] = chunk
    return files["/".join(("c", *("0" for _ in chunk.shape)))].to_bytes()


def file_name(array: str, place: Sequence[int]) -> str:
    """Where in the store the chunk at that place of an array is."""
    return "/".join((array, "c", *map(str, place)))
