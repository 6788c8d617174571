"""What becomes of a column of categories: exact, as a categorical model of each column alone."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from ..tasks import Categorical
from ..theory import curve, outcomes
from ..workflows import Accumulate, AccumulateSubsample, Replace

_FEWEST_CELLS = 5  # of a category in the mean, for a column of categories
_MOST_CATEGORIES = 200
_RARE = 0.5  # probability of being lost by the last generation


@dataclasses.dataclass(frozen=True)
class Categories:
    """A column of categories whose models are fitted, generation after generation, to what earlier ones wrote.

    Attributes:
        name: of the column.
        labels, shares: the categories, the most frequent first, and their shares of the cells.
        num_cells: cells that are not missing.
        survivors: by workflow, the expected number of categories that are left, (G,).
        entropy: by workflow, the expected entropy of the model (nats), (G,), where it is known.
        survival: under replace, the probability that each category is left, (G, K).
    """

    name: str
    labels: tuple[str, ...]
    shares: tuple[float, ...]
    num_cells: int
    survivors: Mapping[str, np.ndarray]
    entropy: Mapping[str, np.ndarray]
    survival: np.ndarray

    def lost(self) -> list[str]:
        """The categories that are more likely lost than not by the last generation under replace, the rarest first."""
        return [label for label, left in zip(self.labels, self.survival[-1], strict=True) if left < _RARE][::-1]


def categories(name: str, cells: Sequence[str], *, num_samples: int, num_generations: int) -> Categories | str:
    """The categories of a column, given its cells that are not missing; or why the column is none of categories."""
    counts = Counter(cells).most_common()
    if len(counts) < 2:
        return "has one category only"
    if len(counts) > min(_MOST_CATEGORIES, len(cells) // _FEWEST_CELLS):
        example = f"as {counts[0][0]!r}"
        return f"has {len(counts)} different texts in {len(cells)} cells, {example}, too many for a model of categories"
    labels, numbers = zip(*counts, strict=True)
    shares = np.array(numbers) / len(cells)
    task, size = Categorical(len(shares), shares), dict(num_samples=num_samples, num_generations=num_generations)
    survivors, entropy = {}, {}
    for workflow in (Replace(), Accumulate(), AccumulateSubsample()):
        known = curve(task, workflow, **size)
        if "num_extinct" in known:
            survivors[workflow.name] = len(shares) - known["num_extinct"]
        if "entropy" in known:
            entropy[workflow.name] = known["entropy"]
    survival = outcomes.replace_survival(shares, **size)
    return Categories(name, labels, tuple(shares.tolist()), len(cells), survivors, entropy, survival)
