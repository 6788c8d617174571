"""The guide: one page per topic, written in Markdown beside this file.

.. include:: sweeps.md
.. include:: your_own.md
.. include:: exactness.md
.. include:: numerics.md
.. include:: diagnosis.md
.. include:: studies.md
.. include:: language_models.md
.. include:: reproducibility.md
.. include:: clusters.md
.. include:: speed.md
"""

__all__: list[str] = []
