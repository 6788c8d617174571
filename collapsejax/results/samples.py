"""Text samples in stored results: rows that the model of each generation produced, decoded where they are text."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ..core.arguments import check_count
from ..sources import Text, text
from ..sources.tokenizers import Bytes, Characters
from .dataset import SAMPLES, check_workflow, line_dimensions, metrics_in, milestones

_TEXT_SETTINGS = ("corpus", "window", "field", "test_fraction", "validation_fraction", "split_seed")
_UNPRINTABLE = "\N{MIDDLE DOT}"  # in place of characters that would move a terminal's cursor


class TextSamples:
    """The text samples in results, as from `open`.

    Raises ValueError where there are none.
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        if SAMPLES not in dataset:
            raise ValueError(
                "there are no text samples; `collapsejax run transformer --out` keeps them, and so do sweeps of "
                "transformers that keep all seeds"
            )
        self._dataset = dataset
        self._source = json.loads(dataset.attrs.get("task", "{}")).get("source") or {}
        self._over = json.loads(dataset.attrs.get("over", "{}"))

    def check(self, workflows: Sequence[str], seed: int, generations: Sequence[int], num: int) -> None:
        """Check that there are `num` samples of these workflows, seed and generations.

        Raises ValueError that names the argument, its value and what there is.
        """
        for name in workflows:
            check_workflow(name, self._dataset)
        sizes = self._dataset.sizes
        indices = [("seed", seed, sizes["seed"])]
        indices += [("generations", generation, sizes["generation"]) for generation in generations]
        for name, value, size in indices:
            check_count(name, value, least=0)
            if value >= size:
                raise ValueError(f"{name}={value}: is not in the results; the last is {size - 1}")
        check_count("num", num)
        if num > sizes["sample"]:
            raise ValueError(f"num={num}: each generation has {sizes['sample']} samples; use at most that")

    def workflows(self) -> list[str]:
        """The names of the workflows."""
        return [str(name) for name in self._dataset.workflow.values]

    def generations(self) -> list[int]:
        """The generations of iterations 1, 2, 5, 10, 20, ... and the last one."""
        return sorted({*milestones(self._dataset.sizes["generation"])})

    def cells(self) -> Iterator[dict[str, int]]:
        """The indices of each combination of swept values other than workflows; one empty one if there are none."""
        names = line_dimensions(self._dataset)
        for places in itertools.product(*(range(self._dataset.sizes[name]) for name in names)):
            yield dict(zip(names, places, strict=True))

    def label(self, cell: Mapping[str, int]) -> str:
        """The swept values of a cell, such as "num_samples=64, width=32"."""
        return ", ".join(f"{name}={self._dataset[name].values[place]}" for name, place in cell.items())

    def texts(self, cell: Mapping[str, int], workflow: str, seed: int, generation: int, num: int) -> list[str]:
        """The first `num` samples of a model as text; an empty list where its results are not there yet."""
        own = self._dataset.isel(cell).sel(workflow=workflow).isel(seed=seed, generation=generation)
        if all(np.isnan(own[name].values) for name in metrics_in(self._dataset)):
            return []
        return [self._text(row, cell) for row in own[SAMPLES].values[:num]]

    def real_texts(self, cell: Mapping[str, int], num: int) -> list[str]:
        """So many windows of the text that the models of a cell were fitted to.

        Empty where they were fitted to no text, or where that is no longer as it was: other files, or another Python.
        """
        described = self._source_of(cell)
        if described.get("name") != Text.name or "sha256" not in described:
            return []
        tokenizer = described["tokenizer"]
        options = {name: described[name] for name in _TEXT_SETTINGS}
        try:
            found = text(tokenizer=tokenizer["name"], alphabet=tokenizer.get("alphabet"), **options)
        except (OSError, ValueError):
            return []
        if found.sha256 != described["sha256"]:
            return []
        rows = np.asarray(found.train)
        return [self._text(row, cell) for row in rows[:: max(len(rows) // num, 1)][:num]]

    def _source_of(self, cell: Mapping[str, int]) -> dict[str, Any]:
        """The description of a cell's source, with what was swept."""
        source = self._over["source"][cell["source"]] if "source" in self._over else self._source
        fields = {name.rpartition(".")[2]: values for name, values in self._over.items()}
        return source | {field: values[cell[field]] for field, values in fields.items() if field in {*cell} & {*source}}

    def _text(self, row: np.ndarray, cell: Mapping[str, int]) -> str:
        source = self._source_of(cell)
        row = row[: source.get("window", len(row))]  # rows are padded to the longest window of the sweep
        tokenizer = source.get("tokenizer", {})
        if tokenizer.get("name") == Characters.name:
            text = Characters(tokenizer["alphabet"]).decode(row)
        elif tokenizer.get("name") == Bytes.name:
            text = Bytes().decode(row)
        else:
            return " ".join(f"{number:.4g}" for number in row)
        return "".join(character if character.isprintable() else _UNPRINTABLE for character in text)
