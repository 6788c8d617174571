"""Simulate model collapse: generative models fitted, generation after generation, to what earlier models generated.

.. include:: guide/index.md
"""

import importlib

# Names by the modules that they are in, which are imported at their first use: JAX alone takes longer than a help text
# of the command line may.
_PLACES = {
    **dict.fromkeys(("Task", "Workflow", "Source", "SequenceSource", "Dataset", "Needs", "ExactLaw"), "core.base"),
    "static": "core.pytree",
    "fused": "numerics.threefry",
    **dict.fromkeys(("run", "run_seeds", "seed_keys", "Result"), "loop"),
    **dict.fromkeys(("Gaussian", "KDE", "LinearRegression", "Categorical", "ExponentialFamily"), "tasks"),
    **dict.fromkeys(("Transformer", "Probed"), "tasks"),
    **dict.fromkeys(("Replace", "Accumulate", "AccumulateSubsample", "FreshData", "Augment"), "workflows"),
    **dict.fromkeys(("Weighted", "Window", "Selected"), "workflows"),
}
# Of grids and their results.
_LATER = {
    "Execution": "sweeps.execution",
    "assess": "experiments.assess",
    "diagnose": "results.diagnosis",
    "exact_curves": "sweeps.exact_curves",
    "fresh_needed": "experiments.fresh_needed",
    "open": "store.datasets",
    "save": "store.datasets",
    "summarize": "results.dataset",
    "summary": "sweeps.summary",
    "sweep": "sweeps.run",
    "synthetic_value": "experiments.synthetic_value",
    "until_collapse": "experiments.collapse_time",
    "validate": "validation.pair",
    "value_table": "experiments.synthetic_value",
}
_PACKAGES = ("guide", "plots", "sources", "theory")

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
    if name in _PACKAGES:
        value = importlib.import_module(f".{name}", __name__)
    elif place := (_PLACES | _LATER).get(name):
        value = getattr(importlib.import_module(f".{place}", __name__), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})
