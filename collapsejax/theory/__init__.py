"""Exact curves, limits and leading orders of model collapse, in float64 and without simulation.

`curve`, `why_unknown`, `limit`, `asymptote`, `variance` and `informative` take a task and a workflow. The formulas
themselves are in `recursion`, `closed_forms`, `mixing`, `wishart`, `fresh`, `regression`, `outcomes`, `ranks`,
`bandwidths` and `exponential_families`.
"""

from . import (
    bandwidths,
    closed_forms,
    exponential_families,
    fresh,
    mixing,
    outcomes,
    ranks,
    recursion,
    regression,
    wishart,
)
from .curves import curve, why_unknown
from .limits import asymptote, limit
from .precision import informative, informative_by_seeds, trusted, variance

__all__ = [
    "asymptote",
    "bandwidths",
    "closed_forms",
    "curve",
    "exponential_families",
    "fresh",
    "informative",
    "informative_by_seeds",
    "limit",
    "mixing",
    "outcomes",
    "ranks",
    "recursion",
    "regression",
    "trusted",
    "variance",
    "why_unknown",
    "wishart",
]
