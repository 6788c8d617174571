"""Specimens of stored results, to be read: a few rows of the models of each generation, as text where they are text."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import xarray as xr

from ..core.arguments import check_count, nearest
from ..sources.tokenizers import Bytes, Characters
from .dataset import SPECIMENS, line_dimensions, metrics_in, milestones

_UNSEEN = "\N{MIDDLE DOT}"  # in place of what would move a terminal's cursor


class Specimens:
    """The specimens in results, as from `open`.

    Raises ValueError where there are none.
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        if SPECIMENS not in dataset:
            raise ValueError(
                "there are no specimens; `collapsejax run transformer --out` keeps them, and so do sweeps of "
                "transformers that keep all seeds"
            )
        self._dataset = dataset
        self._source = json.loads(dataset.attrs.get("task", "{}")).get("source") or {}

    def check(self, workflows: Sequence[str], seed: int, generations: Sequence[int], num: int) -> None:
        """Raise ValueError, naming what there is, unless all of these are there."""
        known, sizes = [str(name) for name in self._dataset.workflow.values], self._dataset.sizes
        for name in workflows:
            if name not in known:
                raise ValueError(f"workflow {name!r}: is not there; {nearest(name, known)}")
        asked = [("seed", seed), *(("generations", generation) for generation in generations)]
        for (name, value), size in zip(
            asked, [sizes["seed"], *(sizes["generation"] for _ in generations)], strict=True
        ):
            check_count(name, value, least=0)
            if value >= size:
                raise ValueError(f"{name}={value}: is not there; the last is {size - 1}")
        check_count("num", num)
        if num > sizes["specimen"]:
            raise ValueError(f"num={num}: of each generation {sizes['specimen']} are there; use at most that")

    def workflows(self) -> list[str]:
        return [str(name) for name in self._dataset.workflow.values]

    def generations(self) -> list[int]:
        """Those of iterations 1, 2, 5, 10, 20, ... and the last."""
        return sorted({*milestones(self._dataset.sizes["generation"])})

    def cells(self) -> Iterator[dict[str, int]]:
        """The places of each combination of what was swept beside workflows; an empty one if that is nothing."""
        names = line_dimensions(self._dataset)
        for places in itertools.product(*(range(self._dataset.sizes[name]) for name in names)):
            yield dict(zip(names, places, strict=True))

    def label(self, cell: Mapping[str, int]) -> str:
        """As "num_samples=64, width=32"."""
        return ", ".join(f"{name}={self._dataset[name].values[place]}" for name, place in cell.items())

    def texts(self, cell: Mapping[str, int], workflow: str, seed: int, generation: int, num: int) -> list[str]:
        """The first specimens of a model; none where it is not there yet."""
        own = self._dataset.isel(cell).sel(workflow=workflow).isel(seed=seed, generation=generation)
        if all(np.isnan(own[name].values) for name in metrics_in(self._dataset)):
            return []
        return [self._text(row, cell) for row in own[SPECIMENS].values[:num]]

    def _text(self, row: np.ndarray, cell: Mapping[str, int]) -> str:
        source = self._source[cell["source"]] if isinstance(self._source, list) else self._source
        window = source.get("window", len(row))
        # A shorter row has room behind it where longer ones were swept, too.
        row = row[: window[cell["window"]] if isinstance(window, list) else window]
        tokenizer = source.get("tokenizer", {})
        if tokenizer.get("name") == Characters.name:
            text = Characters(tokenizer["alphabet"]).decode(row)
        elif tokenizer.get("name") == Bytes.name:
            text = Bytes().decode(row)
        else:
            return " ".join(f"{number:.4g}" for number in row)
        return "".join(character if character.isprintable() else _UNSEEN for character in text)
