"""Tasks, workflows and sources made again from the descriptions that results keep of them."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..core.describe import describe
from ..sources import SHAPES, Table, markov, table
from ..tasks import TASKS, Probed
from ..tasks.bandwidths import BANDWIDTH_RULES
from ..tasks.categorical import PROBS_RULES
from ..workflows import WORKFLOWS

TASK, WORKFLOW = "task", "inner"  # fields that hold a task, and a workflow
_CLASSES: dict[str, dict[str, Callable]] = {
    TASK: {**TASKS, Probed.name: Probed},
    WORKFLOW: {name: type(workflow) for name, workflow in WORKFLOWS.items()},
    "source": {**SHAPES, markov.name: markov},
}
_RULES = {"bandwidth": BANDWIDTH_RULES, "probs": PROBS_RULES}


class NotRebuilt(ValueError):
    """What is described cannot be made again; the text says why."""


class Recorded(NamedTuple):
    """What is recorded beside descriptions.

    Attributes:
        own_classes: of the classes that are not this package's the modules and names, by what they are called.
        arrays: the numbers of short arrays, by their digests.
    """

    own_classes: Mapping[str, str]
    arrays: Mapping[str, Mapping[str, Any]]

    def made(self, description: Any, field: str) -> Any:
        """What `describe` described as the value of a field of that name, equal to it in all that theory needs.

        Raises NotRebuilt for classes and functions that are not the library's, arrays of which the digest alone is
        recorded, and tables that have changed on disk.
        """
        if isinstance(description, list):
            return tuple(self.made(one, field) for one in description)
        if not isinstance(description, Mapping):
            return description
        if {*description} == {"shape", "sha256"}:
            return self._array(description, field)
        name = description.get("name")
        if name in self.own_classes:
            raise NotRebuilt(f"{name!r} is a class of your own, {self.own_classes[name]}")
        if field == "source" and name == Table.name:
            return _table(description)
        if field in _RULES:
            return _rule(description, field)
        maker = _CLASSES.get(field, {}).get(name)
        if maker is None:
            raise NotRebuilt(f"{field}={name!r} is none of this library's, or is read from text")
        fields = {inner: self.made(value, inner) for inner, value in description.items() if inner != "name"}
        try:
            return maker(**fields)
        except (TypeError, ValueError) as error:
            raise NotRebuilt(f"{field}={name!r} has settings that this version does not take ({error})") from None

    def _array(self, description: Mapping[str, Any], field: str) -> np.ndarray:
        if (kept := self.arrays.get(description["sha256"])) is None:
            raise NotRebuilt(
                f"{field} is an array of shape {tuple(description['shape'])}, recorded by its digest alone"
            )
        return np.array(kept["values"], kept["dtype"]).reshape(description["shape"])


def _rule(description: Mapping[str, Any], field: str) -> Any:
    for rule in _RULES[field].values():
        if describe(rule) == description:
            return rule
    raise NotRebuilt(f"{field}={description.get('name')!r} is a rule of your own")


def _table(description: Mapping[str, Any]) -> Table:
    """The table that is at the recorded path, if it is still the same and is read to the same rows."""
    path = Path(description["path"])
    if not path.is_file():
        raise NotRebuilt(f"the table {path} is no longer there")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NotRebuilt(f"the table {path} cannot be read ({error.strerror})") from None
    if hashlib.sha256(content).hexdigest() != description["sha256"]:
        raise NotRebuilt(f"the table {path} has changed since")
    options = {name: description[name] for name in ("columns", "standardize", "test_fraction", "split_seed")}
    with warnings.catch_warnings(action="ignore"):  # it was told of when it was read first
        # Where no cell is missing, "drop" is no other than "error", which it may have been.
        try:
            made = table(path, missing="drop", **options)
        except ValueError as error:
            raise NotRebuilt(f"the table is refused by this version ({error})") from None
    if any(describe(made)[part] != description[part] for part in ("train", "test")):
        raise NotRebuilt(f"the table {path} is read otherwise by this version")
    return made
