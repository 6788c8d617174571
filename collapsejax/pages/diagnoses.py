"""The diagnosis of results, as a table and a sentence."""

from __future__ import annotations

import xarray as xr

from ..results.diagnosis import diagnose
from ..results.verdict import Diagnosis, Verdict
from .parts import Bullets, Table, with_error


def diagnoses(dataset: xr.Dataset) -> dict[str, Diagnosis]:
    """The diagnosis of each workflow, of results without dimensions other than `num_samples`.

    Empty where nothing can be judged, as without a known loss.
    """
    try:
        return {str(name): diagnose(dataset.sel(workflow=name)) for name in dataset.workflow.values}
    except ValueError:
        return {}


def diagnosis_table(of: dict[str, Diagnosis], caption: str) -> list[Table | Bullets]:
    """A row for each definition of collapse, with the verdict and the statistic of each workflow.

    Definitions that no workflow is judged by follow as a list, with what they need.
    """
    first = next(iter(of.values()))
    judged = [one for one in first if any(it[one.definition].statistic is not None for it in of.values())]
    rows = [
        [verdict.definition, *(_judged(diagnosis[verdict.definition]) for diagnosis in of.values()), verdict.about]
        for verdict in judged
    ]
    needs: dict[str, list[str]] = {}
    for verdict in first:
        if verdict not in judged:
            needs.setdefault(verdict.about, []).append(verdict.definition)
    left_out = [f"Not judged: {', '.join(names)}: {about}." for about, names in needs.items()]
    table = [Table(["definition", *of, "statistic"], rows, caption)] if rows else []
    return [*table, *([Bullets(left_out)] if left_out else [])]


def _judged(verdict: Verdict) -> str:
    if verdict.statistic is None:
        return verdict.verdict
    return f"{verdict.verdict} ({with_error(verdict.statistic, verdict.standard_error)})"
