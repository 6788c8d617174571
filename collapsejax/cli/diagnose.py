"""The command that judges stored results by each definition of model collapse."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

import tyro
import xarray as xr

from ..core.arguments import nearest
from ..results.dataset import line_dimensions
from ..results.diagnosis import profile
from ..store import datasets
from .flags import optional


@dataclasses.dataclass(frozen=True)
class Profile:
    """Judge results by the eight definitions of model collapse: yes, no or cannot tell, a table for each workflow.

    Where more was swept than numbers of samples, each combination has its own.

    Args:
        store: directory written by `collapsejax run --out` or `collapsejax sweep --out`.
        workflow: workflows to judge. Default: all.
        against: workflow whose last generation they are compared with. Default: the first generation of each.
        baseline: directory with results of that workflow. Default: the same store.
        loss: metric that is the risk. Default: test_loss, test_nll, test_mse, kl, mean_sq_error or sq_error.
    """

    store: tyro.conf.Positional[str]
    workflow: optional(list[str], "NAME [NAME ...]") = None
    against: optional(str, "NAME") = None
    baseline: optional(str, "STORE") = None
    loss: optional(str, "NAME") = None

    def run(self) -> None:
        result = datasets.open(self.store)
        baseline = result if self.baseline is None else datasets.open(self.baseline)
        if self.baseline is not None and self.against is None:
            raise ValueError(f"baseline={self.baseline}: say which of its workflows, with --against")
        if self.against is not None:
            _check_workflow(self.against, baseline)
        for name in self.workflow or []:
            _check_workflow(name, result)
        for cell in _cells(result):
            for name in self.workflow or result.workflow.values:
                other = (
                    None if self.against is None else baseline.sel(workflow=self.against).sel(_shared(cell, baseline))
                )
                judged = profile(result.sel(workflow=name).sel(cell), other, loss=self.loss)
                label = "".join(f"{dimension}={value}, " for dimension, value in cell.items())
                print(f"{label}{judged}\n")


def _check_workflow(name: str, dataset: xr.Dataset) -> None:
    known = [str(workflow) for workflow in dataset.workflow.values]
    if name not in known:
        raise ValueError(f"workflow {name!r}: is not there; {nearest(name, known)}")


def _cells(dataset: xr.Dataset) -> list[dict[str, Any]]:
    """Each combination of labels along what was swept beside workflows and numbers of samples."""
    names = [name for name in line_dimensions(dataset) if name != "num_samples"]
    return [dict(zip(names, labels, strict=True)) for labels in itertools.product(*(dataset[n].values for n in names))]


def _shared(cell: Mapping[str, Any], dataset: xr.Dataset) -> dict[str, Any]:
    """The labels of a cell along the dimensions that a dataset has."""
    return {name: label for name, label in cell.items() if name in dataset.dims}
