"""Workflows: which data the next model is fitted to."""

from __future__ import annotations

import ast
import dataclasses
import warnings
from typing import Any

from ..core.arguments import nearest, shown
from ..core.base import Workflow
from .mixed import Augment, FreshData, Weighted
from .selected import Selected
from .self_consuming import Accumulate, AccumulateSubsample, Replace, Window

# Those of the published experiments first, in the order of their figures.
PUBLISHED = ("replace", "accumulate-subsample", "accumulate")
WORKFLOWS = {
    workflow.name: workflow
    for workflow in (
        *(Replace(), AccumulateSubsample(), Accumulate()),
        *(FreshData(), Augment(), Weighted(), Window(), Selected()),
    )
}

_LONGEST = 500  # characters of a workflow with its settings


def find(text: str) -> Workflow:
    """The workflow that a text names, as "replace", or with settings, as "weighted(real_weight=0.6)".

    Raises ValueError, naming the nearest, if there is no such workflow or setting, and for values that are no numbers.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"workflow {text[:20]!r}...: {len(text)} characters; use at most {_LONGEST}")
    name, bracket, settings = text.partition("(")
    if name not in WORKFLOWS:
        raise ValueError(f"workflow {text!r}: there is none; {nearest(name, WORKFLOWS)}")
    fields = [field.name for field in dataclasses.fields(WORKFLOWS[name])]
    try:
        with warnings.catch_warnings(action="ignore"):  # of Python, about odd code
            call = ast.parse(f"f{bracket}{settings}", mode="eval").body
        given = {word.arg: _value(word.value) for word in call.keywords} if bracket else {}
        if bracket and (call.args or None in given or len(given) < len(call.keywords)):
            raise SyntaxError
    except (ValueError, SyntaxError, AttributeError, RecursionError, MemoryError):  # the last two of deep nesting
        known = ", ".join(f"{field}=..." for field in fields)
        raise ValueError(f"workflow {text!r}: write its settings as {name}({known})") from None
    for setting, value in given.items():
        if setting not in fields:
            hint = nearest(setting, fields) if fields else "it has none"
            raise ValueError(f"workflow {text!r}: there is no setting {setting!r}; {hint}")
        if setting == "inner":
            given[setting] = find(str(value))
        elif not isinstance(value, int | float):
            raise ValueError(f"workflow {text!r}: {setting}={shown(value)} is no number")
    return dataclasses.replace(WORKFLOWS[name], **given)


def _value(node: ast.expr) -> Any:
    """A number, or the name of a workflow, whose hyphens are minus signs to Python."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node).replace(" ", "")
