"""The command that computes what a store holds, made of what that says of itself."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from ..core.describe import describe
from ..tasks import TASKS
from ..workflows import WORKFLOWS
from . import spec
from .schema import MAKERS, settings


def command_of(dataset: xr.Dataset, out: str) -> str | None:
    """The command that simulates the results in a store again, into `out`.

    None where there is no such command: the task is none of the library's, or was made of more than a command can say.
    """
    try:
        fields = _fields(dataset)
        if not _is_what(spec.arguments(fields), dataset.attrs):
            return None
    except (KeyError, TypeError, ValueError, FileNotFoundError):  # of a task that is none of the library's
        return None
    return shlex.join([*_words(fields), "--out", out])


def _fields(dataset: xr.Dataset) -> dict[str, Any]:
    """The fields of a specification with these results."""
    attributes, over = dataset.attrs, json.loads(dataset.attrs["over"])
    task = json.loads(attributes["task"])
    name = task.pop("name")
    fields = {
        "task": name,
        "workflow": [str(label) for label in dataset.workflow.values],
        name: _given(task, TASKS[name]),
        "num_samples": over.pop("num_samples", dataset.num_samples.values.tolist()),
        "num_generations": dataset.sizes["generation"],
        "num_seeds": int(attributes["num_seeds"]),
        "seed": _seed(json.loads(attributes["key"])),
        "keep": attributes["keep"],
        "rows": bool(attributes["rows"]),
    }
    for where, values in over.items():
        field, _, setting = where.partition(".")
        if not setting:
            fields[name][field] = values
        elif field in WORKFLOWS:
            fields.setdefault(field, {})[setting] = values
        else:
            fields[name][field][setting] = values
    return fields


def _given(described: Mapping[str, Any], maker: Any) -> dict[str, Any]:
    """The fields of a description that are settings of `maker`, and not as they are by default."""
    known, given = settings(maker), {}
    for name, value in described.items():
        if name in known and isinstance(value, Mapping):
            given[name] = {"name": value["name"], **_given(value, MAKERS[value["name"]])}
        elif name in known and value is not None and value != known[name].default:
            given[name] = value
    return given


def _seed(key: Sequence[int]) -> int:
    return key[0] << 32 | key[1]


def _is_what(arguments: Mapping[str, Any], attributes: Mapping[str, Any]) -> bool:
    """Whether the arguments of a sweep are those that the results are of."""
    parts = {"task": arguments["task"], "workflows": arguments["workflows"], "over": dict(arguments["over"])}
    return all(json.loads(json.dumps(describe(part))) == json.loads(attributes[name]) for name, part in parts.items())


def _words(fields: Mapping[str, Any]) -> list[str]:
    task, swept = fields["task"], fields["keep"] != "seeds"
    flags = {**fields[task], **(source if isinstance(source := fields[task].get("source"), Mapping) else {})}
    if source:
        flags = {name: value for name, value in flags.items() if name != "name"} | {"source": source["name"]}
    sizes = ("workflow", "num_samples", "num_generations", "num_seeds", "seed")
    flags |= {name: fields[name] for name in sizes}
    flags |= {f"{name}.{one}": value for name in WORKFLOWS for one, value in fields.get(name, {}).items()}
    swept |= any(isinstance(value, list) for name, value in flags.items() if name not in ("workflow", "columns"))
    if fields["rows"]:
        flags["rows"] = None
    if fields["keep"] != "seeds":
        flags["keep"] = fields["keep"]
    words = ["collapsejax", *(["sweep", "--task", task] if swept else ["run", task])]
    for name, value in flags.items():
        values = value if isinstance(value, list) else [] if value is None else [value]
        words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return words
