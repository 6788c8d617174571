"""Exact curves, limits and leading orders of model collapse, in float64 and without simulation.

`curve`, `limit`, `asymptote`, `variance` and `informative` take a task and a workflow. The formulas themselves are in
`engine`, `closed_forms`, `mixing`, `wishart`, `fresh`, `regression`, `outcomes`, `kernels` and `families`.
"""

from . import closed_forms, engine, families, fresh, kernels, mixing, outcomes, regression, wishart
from .curves import curve
from .limits import asymptote, limit
from .precision import informative, trusted, variance

__all__ = [
    "asymptote",
    "closed_forms",
    "curve",
    "engine",
    "families",
    "fresh",
    "informative",
    "kernels",
    "limit",
    "mixing",
    "outcomes",
    "regression",
    "trusted",
    "variance",
    "wishart",
]
