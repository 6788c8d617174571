"""The list of all studies, and how to find some of them by name."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.arguments import nearest
from . import discrete, gaussian, kde, real_share, regression, transformer, value
from .study import Study

STUDIES: tuple[type[Study], ...] = (
    gaussian.GaussianStudy,
    kde.KDEStudy,
    kde.BandwidthStudy,
    kde.EstimatedBandwidthStudy,
    regression.RegressionStudy,
    discrete.DiscreteStudy,
    transformer.TransformerStudy,
    value.ValueStudy,
    real_share.RealShareStudy,
)


def find(names: Sequence[str], *, quick: bool, published: bool) -> list[Study]:
    """The studies of these names, or without a name all that do not take long, in the order of the list.

    Args:
        names: of studies.
        quick: coarse grids and few seeds.
        published: with the known errors of the published protocol.

    Raises ValueError for a name that no study has.
    """
    known = [study.name for study in STUDIES]
    for name in names:
        if name not in known:
            raise ValueError(f"study {name!r}: there is none; {nearest(name, known)}")
    chosen = [study for study in STUDIES if (study.name in names if names else not study.takes_long)]
    return [study(quick, published) for study in chosen]
