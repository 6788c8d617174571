"""The command that computes what a store holds, made of what that says of itself."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from ..core.base import Workflow
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
        arguments = spec.arguments(fields)
    except (KeyError, TypeError, ValueError, FileNotFoundError):  # of a task that is none of the library's
        return None
    over = arguments["over"]
    if not _is_of(arguments, dataset.attrs) or any(len(values) == 1 for values in over.values()):
        return None  # a flag with one value makes no dimension
    return shlex.join([*_words(fields, swept=bool(over)), "--out", out])


def _fields(dataset: xr.Dataset) -> dict[str, Any]:
    """The fields of a specification with these results."""
    attributes, over = dataset.attrs, json.loads(dataset.attrs["over"])
    task = json.loads(attributes["task"])
    name = task.pop("name")
    fields = {
        "task": name,
        "workflow": [_text(workflow, over) for workflow in json.loads(attributes["workflows"])],
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
        if name not in known or value is None:
            continue
        if isinstance(value, Mapping) and value["name"] in MAKERS:
            given[name] = {"name": value["name"], **_given(value, MAKERS[value["name"]])}
            continue
        plain = value["name"] if isinstance(value, Mapping) else value  # of a rule, which has a name alone
        if plain != known[name].default:
            given[name] = plain
    return given


def _seed(key: Sequence[int]) -> int:
    return key[0] << 32 | key[1]


def _text(workflow: Mapping[str, Any], over: Mapping[str, Any]) -> str:
    """A described workflow as commands write it, with settings that are neither swept nor as they are by default."""
    known = settings(type(WORKFLOWS[workflow["name"]]))
    texts = {name: value["name"] if isinstance(value, Mapping) else value for name, value in workflow.items()}
    plain = lambda value: value.name if isinstance(value, Workflow) else value
    default = {name: plain(setting.default) for name, setting in known.items()}
    given = [
        f"{name}={text}"
        for name, text in texts.items()
        if name in known and text != default[name] and f"{workflow['name']}.{name}" not in over
    ]
    return f"{workflow['name']}({', '.join(given)})" if given else workflow["name"]


def _is_of(arguments: Mapping[str, Any], attributes: Mapping[str, Any]) -> bool:
    """Whether the arguments of a sweep are those of results; of what was swept the first values stand for all."""
    over = json.loads(attributes["over"])
    if json.loads(json.dumps(describe(arguments["over"]))) != over:
        return False
    first = {name: values[0] for name, values in over.items()}
    made = [describe(arguments["task"]), [describe(one) for one in arguments["workflows"]]]
    pairs = (json.loads(json.dumps(made)), [json.loads(attributes[name]) for name in ("task", "workflows")])
    given, wanted = (
        [_replaced(task, first), *(_replaced(one, first, one["name"]) for one in workflows)]
        for task, workflows in pairs
    )
    return given == wanted


def _replaced(described: Any, values: Mapping[str, Any], path: str = "") -> Any:
    """A description with other values of some fields, by their names with those of the fields that they are in."""
    if not isinstance(described, Mapping):
        return described
    places = {name: f"{path}.{name}" if path else name for name in described}
    return {name: values.get(places[name], _replaced(value, values, places[name])) for name, value in described.items()}


def _words(fields: Mapping[str, Any], *, swept: bool) -> list[str]:
    task = fields["task"]
    of_task = dict(fields[task])
    if isinstance(source := of_task.pop("source", None), Mapping):
        of_task |= {"source": source["name"]} | {name: value for name, value in source.items() if name != "name"}
    of_workflows = {f"{name}.{one}": value for name in WORKFLOWS for one, value in fields.get(name, {}).items()}
    sizes = {name: fields[name] for name in ("num_samples", "num_generations", "num_seeds", "seed")}
    if fields["keep"] != "seeds":
        sizes["keep"] = fields["keep"]
    flags = of_task | {"workflow": fields["workflow"]} | of_workflows | sizes | ({"rows": []} if fields["rows"] else {})
    words = ["collapsejax", *(["sweep", "--task", task] if swept or "keep" in sizes else ["run", task])]
    for name, value in flags.items():
        words += [f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, list) else [value])]
    return words
