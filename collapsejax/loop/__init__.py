"""The loop over generations: of one seed, and of many at once."""

from .experiment import Experiment, Result, Running, settled
from .seeds import COMPILER_OPTIONS, as_array, prepared, run, run_seeds, seed_keys, simulate

__all__ = [
    "COMPILER_OPTIONS",
    "Experiment",
    "Result",
    "Running",
    "as_array",
    "prepared",
    "run",
    "run_seeds",
    "seed_keys",
    "settled",
    "simulate",
]
