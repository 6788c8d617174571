"""What a figure says of the results in it: the line below it, and workflows with their settings."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import xarray as xr

from ..results.dataset import line_dimensions
from ..sources import SHAPES
from ..tasks import TASKS
from ..workflows import WORKFLOWS
from .texts import plain

_LETTERS = {"num_samples": "n", "dim": "d"}
_MADE = ("train", "test", "mean", "covariance", "validation")  # of a table, which its path tells


def setting_text(name: str, value: Any) -> str:
    """A setting and its value, as "n = 10" or "real_weight = 0.3"."""
    return f"{_LETTERS.get(name, name)} = {_value_text(value)}"


def caption(dataset: xr.Dataset) -> str:
    """A line with the task and its settings, what all results have in common, and the number of seeds."""
    task = json.loads(dataset.attrs.get("task", "{}"))
    swept = _swept(dataset)
    parts = [plain(task["name"])] if "name" in task else []
    fields = {name: value for name, value in task.items() if name not in ("name", "dim", *swept)}
    parts += [_field_text(name, value, TASKS.get(task.get("name"))) for name, value in fields.items()]
    dim = _dim(task)
    if dim is not None and "dim" not in dataset.coords:
        parts.append(setting_text("dim", dim))
    of_workflows = {dimension for name, dimension in _dimensions(dataset).items() if "." in name}
    common = [str(name) for name in dataset.coords if dataset[name].ndim == 0]
    common = [name for name in common if name in ("num_samples", *swept) and name not in of_workflows]
    parts += [setting_text(name, dataset[name].item()) for name in common if not _is_none(name, dataset)]
    seeds = num_seeds(dataset)
    if seeds is not None:
        parts.append("one seed" if seeds == 1 else f"{seeds} seeds")
    return ", ".join(part for part in parts if part)


def num_seeds(dataset: xr.Dataset) -> int | None:
    """How many seeds results are of; None where that is not known."""
    if "seed" in dataset.dims:
        return dataset.sizes["seed"]
    if "seed" in dataset.coords:
        return 1
    return dataset.attrs.get("num_seeds")


def workflow_titles(dataset: xr.Dataset) -> dict[str, str]:
    """By the label of each workflow in results its name with its settings, as "weighted(real_weight=0.3)".

    A setting that was swept is told where one value of it was selected, and left out where there are several.
    """
    labels = [str(label) for label in dataset.workflow.values.reshape(-1)]
    described = json.loads(dataset.attrs.get("workflows", "[]"))
    all_labels = json.loads(dataset.attrs.get("origin", "{}")).get("labels", {}).get("workflow", labels)
    if len(described) != len(all_labels):
        return {label: plain(label) for label in labels}
    dimensions, titles = _dimensions(dataset), {}
    for label, one in zip(all_labels, described, strict=True):
        settings = {name: value for name, value in one.items() if name != "name"}
        for name in one:
            dimension = dimensions.get(f"{one['name']}.{name}")
            if dimension is not None and dimension in dataset.coords:
                values = dataset[dimension]
                settings.pop(name)
                settings |= {name: values.item()} if values.ndim == 0 else {}
        inner = ", ".join(f"{name}={_value_text(value)}" for name, value in settings.items())
        name = plain(one["name"])
        titles[label] = f"{name}({inner})" if inner else name
    return {label: titles.get(label, plain(label)) for label in labels}


def _dimensions(dataset: xr.Dataset) -> dict[str, str]:
    """For each name of what was swept its dimension."""
    known = json.loads(dataset.attrs.get("origin", "{}")).get("swept")
    names = json.loads(dataset.attrs.get("over", "{}"))
    return known if known is not None else {name: name.split(".")[-1] for name in names}


def _swept(dataset: xr.Dataset) -> set[str]:
    """Names of what was swept and of its dimensions."""
    dimensions = _dimensions(dataset)
    return {*dimensions, *dimensions.values(), *line_dimensions(dataset)}


def _is_none(name: str, dataset: xr.Dataset) -> bool:
    return name == "num_samples" and not dataset.num_samples.item()


def _dim(task: Mapping[str, Any]) -> int | None:
    """Features of a row, as far as a description tells."""
    source = task.get("source") or {}
    if "columns" in source:
        return len(source["columns"])
    shape = SHAPES.get(source.get("name"))
    known = task.get("dim", source.get("dim", shape and shape.dim))
    return known if isinstance(known, int) else None


def _field_text(name: str, value: Any, kind: type | None) -> str:
    """A field that is not as it is by default; a source by what it is called."""
    defaults = {field.name: field.default for field in dataclasses.fields(kind)} if kind else {}
    if value is None or value == defaults.get(name) or (name, value) == ("probs", {"name": "uniform"}):
        return ""
    return _value_text(value) if name == "source" else f"{name} = {_value_text(value)}"


def _value_text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if not isinstance(value, Mapping):
        return plain(str(value))
    if "sha256" in value and "path" not in value and "corpus" not in value:
        return f"array of {value['shape']}"
    where = value.get("path", value.get("corpus"))
    if where is not None:
        return f"{value['name']} {plain(str(where))}"
    kind = SHAPES.get(value["name"]) or type(WORKFLOWS.get(value["name"]))
    inner = [_field_text(name, one, kind if dataclasses.is_dataclass(kind) else None) for name, one in value.items()]
    names = [text for name, text in zip(value, inner, strict=True) if name not in ("name", "factor", "scaled") and text]
    return f"{value['name']} ({', '.join(names)})" if names else value["name"]
