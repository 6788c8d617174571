"""One pair of a task and a workflow, simulated and compared with its exact curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from .. import theory
from ..core.arguments import check_count
from ..core.base import Array, Task, Workflow
from ..loop.memory import metric_names
from ..results.metrics import check_metrics
from ..sweeps.execution import Execution
from ..sweeps.progress import Report
from ..sweeps.run import sweep
from ..sweeps.summary import summary
from ..workflows import find

if TYPE_CHECKING:
    import pandas as pd


_Z = 5.0  # of an error that is found
_SKEWNESS = 0.5  # of means that are compared; at 1, correct curves of products of gamma variables had |z| above 5


def validate(
    task: Task,
    workflow: Workflow | str,
    *,
    num_samples: int,
    num_generations: int,
    num_seeds: int,
    key: Array,
    exact: Mapping[str, Sequence[float]] | None = None,
    rows: bool = False,
    execution: Execution | None = None,
    progress: Report | bool | None = None,
) -> pd.DataFrame:
    """Z-scores of simulated means against exact ones, for one task and workflow, also of one's own.

    Args:
        task: what is fitted.
        workflow: the data it is fitted to; a workflow or its name.
        num_samples: rows of a batch (n).
        num_generations: models fitted (G).
        num_seeds: seeds (S), 100 or more.
        key: the root of all randomness.
        exact: by metric the means to compare with, (G,). Default: `theory.curve`.
        rows: draw rows even where the law of their summary is known, which tests that law too.
        execution: as in `sweep`.
        progress: as in `sweep`.

    Returns:
        A frame with a row for each metric and iteration: metric, iteration, mean, standard_error, exact, z = (mean -
        exact) / standard_error, and detectable, by which share a curve must be wrong for |z| to be 5 on average
        (infinite where it is 0). From the generation on in which few seeds carry a mean it is left out, by
        `theory.informative` and, of curves that are given, by `theory.informative_by_seeds`; and so is what all seeds
        have exactly. Of correct curves |z| is below 5. Iterations share their seeds, so the root mean square is about 1
        only over many pairs.

    Raises:
        ValueError: as `sweep`; for curves of metrics that are none, or of another length; where no mean is known,
            saying why; and where nothing is left to compare.
    """
    workflow = find(workflow) if isinstance(workflow, str) else workflow
    check_count("num_seeds", num_seeds, least=100)
    sizes = dict(num_samples=num_samples, num_generations=num_generations)
    curves = theory.curve(task, workflow, **sizes) if exact is None else exact
    if exact is not None and not (isinstance(exact, Mapping) and exact):
        raise ValueError("exact: is no mapping, or empty; give means by metric, {name: (G,)}, or leave it out")
    if not curves:
        name, reason = next(iter(theory.why_unknown(task, workflow, **sizes).items()))
        raise ValueError(f"exact: no mean of this task is known ({name}: {reason}); give curves of your own")
    known = _labelled(curves, num_generations)
    check_metrics(list(known), metric_names(task, workflow, **sizes, rows=rows))
    options = dict(rows=rows, execution=execution, progress=progress, keep="summary")
    data = sweep(task, [workflow], **sizes, num_seeds=num_seeds, key=key, **options)
    table = summary(data[list(known)], known)
    last = theory.informative(task, workflow, **sizes, num_seeds=num_seeds)
    worth = {name: np.arange(num_generations) <= end for name, end in last.items()}
    worth |= {name: _worth_by_seeds(data[name]) for name in known if name not in worth}
    is_worth = [worth[name][iteration - 1] for name, iteration in zip(table.metric, table.iteration, strict=True)]
    table = table[np.isfinite(table.exact) & table.z.notna() & np.array(is_worth)]
    if table.empty:
        raise ValueError(
            f"num_seeds={num_seeds}: few seeds carry the mean of {', '.join(known)} from the first iteration on, or "
            "all have the exact one, so there is nothing to compare; use more seeds, or more rows"
        )
    table = table.assign(detectable=_Z * table.standard_error / table.exact.abs())
    return table[["metric", "iteration", "mean", "standard_error", "exact", "z", "detectable"]].reset_index(drop=True)


def _worth_by_seeds(variable: xr.DataArray) -> np.ndarray:
    return theory.informative_by_seeds(variable.squeeze("workflow"), skewness=_SKEWNESS).values


def _labelled(curves: Mapping[str, Sequence[float]], num_generations: int) -> xr.Dataset:
    for name, curve in curves.items():
        if np.shape(curve) != (num_generations,):
            raise ValueError(f"exact[{name!r}]: has shape {np.shape(curve)}; give {num_generations} means")
    variables = {name: ("generation", np.asarray(curve, float)) for name, curve in curves.items()}
    return xr.Dataset(variables, {"generation": np.arange(num_generations)})
