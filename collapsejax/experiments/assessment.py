"""The result of `assess`: in plain words, as a page, and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..results.verdict import Diagnosis
from . import plain_words
from .findings import Findings
from .fresh_needed import FreshNeeded
from .loss_growth import LossGrowth

if TYPE_CHECKING:
    from ..pages.parts import Page
    from ..plots.style import Figure


class Assessment(Findings):
    """What would become of data under model collapse; it prints in plain words.

    `families` has what becomes of each kind of model, `categories` of each column of them; `to_json` has every number.
    """

    def text(self) -> str:
        """What the numbers say, in plain words."""
        return plain_words.text(self)

    def __repr__(self) -> str:
        return self.text()

    def page(self, command: str) -> Page:
        """An HTML page of it, for `pages.html_of`; `command` repeats it."""
        from .assessment_page import assessment_page

        return assessment_page(self, command)

    def figure(self, model: str) -> Figure:
        """A figure of the growth of the loss of one kind of model, as "KDE". Raises ValueError if there is none."""
        from .assessment_page import growth_figure

        family = next((family for family in self.families if family.model == model), None)
        if family is None:
            raise ValueError(f"model={model!r}: must be one of {', '.join(family.model for family in self.families)}")
        return growth_figure(self, family)

    def to_json(self) -> dict[str, Any]:
        """Every number, as lists and dictionaries; infinite ones and those that are not numbers are None."""
        return _plain(self) | {"unknown": plain_words.unknown(self), "text": self.text()}


def _plain(value: Any) -> Any:
    if isinstance(value, FreshNeeded):
        return {name: _plain(getattr(value, name)) for name in (*_names(value), "num_fresh")} | {"words": repr(value)}
    if isinstance(value, Diagnosis):
        return {"title": value.title, "verdicts": [_plain(verdict._asdict()) for verdict in value]}
    if dataclasses.is_dataclass(value):
        return {name: _plain(getattr(value, name)) for name in _names(value)}
    if isinstance(value, LossGrowth):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, tuple | list | np.ndarray):
        return [_plain(one) for one in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def _names(value: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(value)]
