"""Tasks: families of models. A file each; they know nothing of one another."""

from .categorical import Categorical
from .exponential_family import ExponentialFamily
from .gaussian import Gaussian
from .kde import KDE
from .probed import Probed
from .regression import LinearRegression
from .transformer import Transformer

TASKS = {task.name: task for task in (Gaussian, KDE, LinearRegression, Categorical, ExponentialFamily, Transformer)}

__all__ = [
    "KDE",
    "TASKS",
    "Categorical",
    "ExponentialFamily",
    "Gaussian",
    "LinearRegression",
    "Probed",
    "Transformer",
]
