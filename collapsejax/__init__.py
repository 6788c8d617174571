"""Simulate model collapse: generative models fitted, generation after generation, to what earlier models generated."""

import importlib

from . import sources
from .core.pytree import pytree, static
from .loop import Result, run, run_seeds, seed_keys
from .numerics.threefry import fused
from .tasks import KDE, Categorical, ExponentialFamily, Gaussian, LinearRegression, Probed, Transformer
from .workflows import Accumulate, AccumulateSubsample, Augment, FreshData, Replace, Selected, Weighted, Window

# Names from modules that are slow to import (xarray, matplotlib, scipy), resolved when they are first asked for.
_LATER = {
    "exact_curves": "exact",
    "open": "store",
    "plots": "plots",
    "profile": "profiles",
    "save": "store",
    "summarize": "results",
    "sweep": "sweeps",
    "synthetic_value": "value",
    "theory": "theory",
    "until_collapse": "fixation",
    "value_table": "value",
}

__all__ = [
    "KDE",
    "Accumulate",
    "AccumulateSubsample",
    "Augment",
    "Categorical",
    "ExponentialFamily",
    "FreshData",
    "Gaussian",
    "LinearRegression",
    "Probed",
    "Replace",
    "Result",
    "Selected",
    "Transformer",
    "Weighted",
    "Window",
    "fused",
    "pytree",
    "run",
    "run_seeds",
    "seed_keys",
    "sources",
    "static",
    *_LATER,
]


def __getattr__(name: str):
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f".{_LATER[name]}", __name__)
    value = module if name == _LATER[name] and not hasattr(module, name) else getattr(module, name)
    globals()[name] = value
    return value
