"""The fields of a specification of a sweep, each of which has a flag."""

from __future__ import annotations

import dataclasses

from . import declared
from .flags import WORKFLOWS_HELP, optional


@dataclasses.dataclass(frozen=True)
class Specification:
    """Fields of the file; a flag replaces what that says.

    Args:
        task: what is fitted.
        num_samples: rows of real data, and rows that each model generates (n); several make a dimension.
        num_generations: models fitted one after the other (G).
        num_seeds: independent repetitions (S); may grow later.
        seed: root of all randomness. Default 0.
        keep: seeds, every number; or summary, statistics over the seeds. Default: seeds.
        chunk: seeds that are computed and stored together. Default: as memory suggests.
        rows: draw rows even where the exact law of their summary is known.
    """

    task: optional(str, "TASK", f"one of {', '.join(declared.tasks())}") = None
    workflow: optional(list[str], "NAME [NAME ...]", WORKFLOWS_HELP) = None
    num_samples: optional(list[int], "INT [INT ...]") = None
    num_generations: optional(int, "INT") = None
    num_seeds: optional(int, "INT") = None
    seed: optional(int, "INT") = None
    keep: optional(str, "{seeds,summary}") = None
    chunk: optional(int, "INT") = None
    rows: bool = False
