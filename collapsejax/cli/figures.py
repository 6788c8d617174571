"""How commands draw curves: the flags for it, and exact curves by default."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr

    from ..plots.style import Figure


@dataclasses.dataclass(frozen=True)
class Look:
    """What figures look like.

    Args:
        no_exact: leave out the exact curves, which are drawn where they are known.
        split: draw a panel for each workflow; without, where lines are few, one panel has all of them.
        logx: draw iterations on a logarithmic axis.
        logy: draw metrics on logarithmic axes; without, those whose means span more than a decade and a half.
    """

    no_exact: bool = False
    split: bool = False
    logx: bool = False
    logy: bool = False

    def exact(self, dataset: xr.Dataset) -> xr.Dataset | None:
        """The exact curves of results; None where they are not wanted, or not known, of which a warning says why."""
        from ..sweeps.exact_curves import exact_curves

        if self.no_exact:
            return None
        try:
            return exact_curves(dataset)
        except ValueError as error:
            warnings.warn(f"the figure has no exact curves ({str(error).partition(';')[0]})", stacklevel=2)
            return None

    def curves(
        self,
        dataset: xr.Dataset,
        metrics: Sequence[str] | None,
        against: xr.Dataset | None = None,
        exact: xr.Dataset | None = None,
        width: str = "column",
    ) -> Figure:
        """The figure of results. The exact curves are found from what they say of themselves, unless they are given."""
        from .. import plots

        if exact is None:
            exact = self.exact(dataset)
        axes = dict(split=self.split or None, logx=self.logx, logy=self.logy or None, width=width)
        return plots.curves(dataset, metrics, exact=None if self.no_exact else exact, against=against, **axes)
