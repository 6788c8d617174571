"""The command that diagnoses model collapse in stored results."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .flags import optional, positional

if TYPE_CHECKING:
    import xarray as xr


@dataclasses.dataclass(frozen=True)
class Diagnose:
    """Judge results by the eight definitions of model collapse: yes, no or cannot tell, one table for each workflow.

    Where other values than numbers of samples were swept, there is a table for each combination of them.

    Args:
        store: directory written by `collapsejax run --out` or `collapsejax sweep --out`.
        workflow: workflows to judge. Default: all.
        against: workflow whose last generation is the baseline. Default: the first generation of each workflow.
        baseline: directory with results of the workflow given by --against. Default: the same store.
        loss: metric that is the risk. Default: test_loss, test_nll, test_mse, kl, mean_sq_error or sq_error.
        json: print verdicts as JSON.
    """

    store: positional("STORE")
    workflow: optional(list[str], "NAME [NAME ...]") = None
    against: optional(str, "NAME") = None
    baseline: optional(str, "STORE") = None
    loss: optional(str, "NAME") = None
    json: bool = False

    def run(self) -> None:
        from ..results.dataset import check_workflow
        from ..results.diagnosis import diagnose
        from ..store import datasets
        from . import output

        result = datasets.open(self.store)
        baseline = result if self.baseline is None else datasets.open(self.baseline)
        if self.baseline is not None and self.against is None:
            raise ValueError(f"baseline={self.baseline}: choose one of its workflows with --against")
        if self.against is not None:
            check_workflow(self.against, baseline)
        for name in self.workflow or []:
            check_workflow(name, result)
        found = []
        for cell in _cells(result):
            for name in self.workflow or result.workflow.values:
                other = None
                if self.against is not None:
                    other = baseline.sel(workflow=self.against).sel(_shared(cell, baseline))
                diagnosis = diagnose(result.sel(workflow=name).sel(cell), other, loss=self.loss)
                found.append((dict(cell, workflow=str(name)), diagnosis))
        if self.json:
            output.print_json([cell | {"verdicts": [one._asdict() for one in found]} for cell, found in found])
            return
        for cell, diagnosis in found:
            label = "".join(f"{name}={value}, " for name, value in cell.items() if name != "workflow")
            print(f"{label}{diagnosis.table(output.width())}\n")


def _cells(dataset: xr.Dataset) -> list[dict[str, Any]]:
    """Each combination of swept values other than workflows and numbers of samples."""
    from ..results.dataset import line_dimensions

    names = [name for name in line_dimensions(dataset) if name != "num_samples"]
    return [dict(zip(names, labels, strict=True)) for labels in itertools.product(*(dataset[n].values for n in names))]


def _shared(cell: Mapping[str, Any], dataset: xr.Dataset) -> dict[str, Any]:
    """The swept values of a cell along those dimensions that a dataset has."""
    return {name: label for name, label in cell.items() if name in dataset.dims}
