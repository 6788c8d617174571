"""Tasks: families of models. A file each; they know nothing of one another."""

from .gaussian import Gaussian
from .kde import KDE

TASKS = {task.name: task for task in (Gaussian, KDE)}
