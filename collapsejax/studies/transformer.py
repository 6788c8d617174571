"""Small language models, trained anew in each generation: Kazdan et al. 2024, "Collapse or Thrive?", arXiv 2410.16713.

The paper pretrains transformers of 9 to 126 million parameters on TinyStories; here they have 27 thousand, and the
text is Python's own docstrings.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .. import sources
from ..tasks import Transformer
from .figures import metric_curves
from .findings import Finding, combined, exceeds, growth, order, rises
from .study import COLLAPSE_OR_THRIVE, Cost, Results, Study, Sweep

if TYPE_CHECKING:
    from ..plots.style import Figure

text = functools.cache(sources.text)  # which takes seconds to read


class TransformerStudy(Study):
    """Numbers of sequences, by the loss of held-out text."""

    name = "transformer"
    title = "Language models"
    citation = COLLAPSE_OR_THRIVE
    claim = "pretrained anew on synthetic text, models lose under replace, and hardly under accumulate"
    full_cost = Cost(num_seeds=100, seconds=12_000)
    quick_cost = Cost(num_seeds=2, seconds=90)
    takes_long = True
    form = "smaller than published: 27 thousand parameters, Python's docstrings instead of TinyStories"

    @property
    def parts(self) -> Mapping[str, Sweep]:
        """One sweep."""
        task = Transformer(text(), num_steps=150 if self.quick else 400)
        over = {"num_samples": (128,) if self.quick else (64, 256, 1024)}
        return {"text": Sweep(task, over, 5 if self.quick else 20)}

    def figures(self, results: Results) -> dict[str, Figure]:
        """Curves of the loss, and of what becomes of the diversity of the text."""
        return metric_curves(results, ["test_loss", "entropy", "distinct_ngrams"])

    def finding(self, results: Results) -> Finding:
        """How the loss of held-out text rose.

        Verified if it rose under replace, and under accumulate by less than half as much, each as `findings.exceeds`
        has it; falsified if one of these is.
        """
        grown = growth([result.dataset for result in results.values()], "test_loss", ratio=False)
        verdict = combined(exceeds(grown["replace"]), exceeds(grown["replace"] / 2, grown["accumulate"]))
        return Finding(order(grown), rises(grown, "nats a token"), verdict)
