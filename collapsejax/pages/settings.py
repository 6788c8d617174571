"""What a store says of the simulation that it holds, in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import xarray as xr

from ..results.dataset import line_dimensions
from ..workflows import find

_ORIGIN = ("created", "platform", "device", "git_commit")


def settings_of(dataset: xr.Dataset) -> dict[str, str]:
    """The task with its fields, the workflows, what was swept, and the sizes."""
    attributes = dataset.attrs
    task = json.loads(attributes.get("task", "{}"))
    found = {"task": task_of(dataset)}
    found |= {name: in_words(value) for name, value in task.items() if name != "name" and value is not None}
    for name in ("workflow", *line_dimensions(dataset)):
        found[name] = ", ".join(map(str, dataset[name].values))
    if "num_samples" not in dataset.dims and "num_samples" in dataset.coords:
        found["num_samples"] = str(dataset.num_samples.item())
    found["num_generations"] = str(dataset.sizes["generation"])
    found["num_seeds"] = str(num_seeds_of(dataset))
    if "key" in attributes:
        found["key"] = f"{attributes['key']} ({attributes.get('key_impl', 'threefry2x32')})"
    return found


def task_of(dataset: xr.Dataset) -> str:
    """The name of the task; "unknown" where the dataset does not say it."""
    return json.loads(dataset.attrs.get("task", "{}")).get("name", "unknown")


def num_seeds_of(dataset: xr.Dataset) -> int | str:
    """The number of seeds (S); "unknown" where a dataset of statistics does not say it."""
    return dataset.sizes.get("seed", dataset.attrs.get("num_seeds", "unknown"))  # of a selection the former is right


def origin_of(dataset: xr.Dataset) -> dict[str, str]:
    """When and where it was computed, and by which versions."""
    names = [name for name in dataset.attrs if str(name).startswith("version_")]
    return {name: str(dataset.attrs[name]) for name in (*names, *_ORIGIN) if name in dataset.attrs}


def meaning_of(workflow: str) -> str | None:
    """What a workflow of the library does, a sentence; None of one that is not the library's own."""
    try:
        about = type(find(workflow)).__doc__ or ""
    except ValueError:
        return None
    return " ".join(about.partition("\n\n")[0].split())


def in_words(value: Any) -> str:
    """A described configuration, see `core.describe.describe`, as a text: moons(noise=0.1)."""
    if isinstance(value, Mapping) and {*value} == {"shape", "sha256"}:
        return f"array of {' x '.join(map(str, value['shape']))} numbers"
    if isinstance(value, Mapping):
        fields = ", ".join(
            f"{name}={in_words(one)}" for name, one in value.items() if name != "name" and one is not None
        )
        return f"{value.get('name', '')}({fields})" if fields else str(value.get("name", ""))
    return ", ".join(map(in_words, value)) if isinstance(value, list) else str(value)
