"""Simulate model collapse: generative models fitted, generation after generation, to what earlier models generated.

.. include:: guide/index.md
"""

import importlib

from . import sources
from .core.base import Dataset, ExactLaw, Needs, SequenceSource, Source, Task, Workflow
from .core.pytree import static
from .loop import Result, run, run_seeds, seed_keys
from .numerics.threefry import fused
from .tasks import KDE, Categorical, ExponentialFamily, Gaussian, LinearRegression, Probed, Transformer
from .workflows import Accumulate, AccumulateSubsample, Augment, FreshData, Replace, Selected, Weighted, Window

# Names whose modules are slow to import (xarray, matplotlib, scipy): resolved at their first use.
_LATER = {
    "Execution": "sweeps.execution",
    "assess": "experiments.assess",
    "diagnose": "results.diagnosis",
    "exact_curves": "sweeps.exact_curves",
    "fresh_needed": "experiments.fresh_needed",
    "open": "store.datasets",
    "save": "store.datasets",
    "summarize": "results.dataset",
    "sweep": "sweeps.run",
    "synthetic_value": "experiments.synthetic_value",
    "until_collapse": "experiments.collapse_time",
    "value_table": "experiments.synthetic_value",
}
_LATER_PACKAGES = ("guide", "plots", "theory")

# In the order of the reference: base classes, the loop, tasks, workflows, grids and their results.
__all__ = [
    "guide",
    "Task",
    "Workflow",
    "Source",
    "SequenceSource",
    "Dataset",
    "Needs",
    "ExactLaw",
    "static",
    "fused",
    "run",
    "run_seeds",
    "seed_keys",
    "Result",
    "Gaussian",
    "KDE",
    "LinearRegression",
    "Categorical",
    "ExponentialFamily",
    "Transformer",
    "Probed",
    "Replace",
    "Accumulate",
    "AccumulateSubsample",
    "FreshData",
    "Augment",
    "Weighted",
    "Window",
    "Selected",
    *_LATER,
    "sources",
    "plots",
    "theory",
]


def __getattr__(name: str):
    if name in _LATER:
        value = getattr(importlib.import_module(f".{_LATER[name]}", __name__), name)
    elif name in _LATER_PACKAGES:
        value = importlib.import_module(f".{name}", __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value
