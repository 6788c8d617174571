r"""Exact mean curves of any workflow that does not look at its data: one linear recursion over batches.

Units: covariances in the true covariance S0, squared errors of means in tr S0. Batch i has n_i rows. Two kinds of
expectations over whole histories describe the batches, for a row x of batch i and the error e_i of that batch's mean:

$$q_i = E \, |x - \mu_0|^2, \qquad K_{ij} = E \, e_i \cdot e_j$$

A model is fitted to batches of weights w (per row, times n_i, normalized to sum 1). The expected squared error M of its
mean, the second moment Q of its data about mu0, and its fitted variance S are

$$M = w^\top K w, \qquad Q = \sum_i w_i q_i, \qquad S = Q - M$$

S is the second moment of the data about their own mean, divided by the total weight W; for a ddof it is multiplied by
W / (W - ddof). Given the model, a batch of m rows from it has independent rows of the fitted mean and of covariance S.
By the law of total variance

$$K_{\text{new},j} = (K w)_j, \qquad K_{\text{new},\text{new}} = M + \frac{S}{m}, \qquad q_{\text{new}} = M + S$$

A sampler that widens or narrows the fit has scale * S + added in place of S. A batch of m real rows has K_ii = 1 / m,
K_ij = 0 and q_i = 1. Training on s rows drawn without replacement from the N of a pool adds to M the error

$$C \left( \frac{1}{s} - \frac{1}{N} \right), \qquad C = \frac{N}{N - 1} (Q - M)$$

where C is the pool's variance divided by N - 1. The error is independent of all else given the pool, so (K w)_j and Q
stay. In one-parameter families whose variance is a quadratic function of the mean,

$$V(\mu) = V(\mu_0) + v_1 (\mu - \mu_0) + v_2 (\mu - \mu_0)^2$$

a mean without bias gives the model the expected variance V(mu0) (1 + v2 M), which takes the place of S.

Conditions: which rows are trained on, and with what weights, does not depend on their values; real rows are independent
(or drawn from a finite population) with a finite covariance; the fit has the mean and covariance of its training data;
and the sampler has those of the fit. Nothing needs to be Gaussian, nor of full rank.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Self

import numpy as np

from ..core.base import Dataset, Workflow


class NotLinear(Exception):
    """A workflow does with its data what the recursion over batches cannot follow."""


class Ledger(Dataset):
    """Symbolic data: which batches they consist of, with `draw` and `capacity` as rows have them.

    `numbers`, `rows`, `weights` (k,): number of each of k batches, its rows, and the weight of each of them. With
    `drawn`, the data are that many rows drawn without replacement from all those; `lot` tells draws apart.
    """

    numbers: np.ndarray
    rows: np.ndarray
    weights: np.ndarray
    drawn: int | None = None
    lot: object = None

    @classmethod
    def of(cls, number: int, rows: int) -> Self:
        """One batch of weight 1; without rows, no data."""
        size = slice(0, 1 if rows else 0)
        return cls(np.array([number])[size], np.array([rows])[size], np.ones(1)[size])

    @property
    def capacity(self) -> int:
        """Number of rows."""
        return int(self.rows.sum()) if self.drawn is None else self.drawn

    def empty(self, capacity: int) -> Self:
        del capacity  # a list needs no room
        return Ledger.of(0, 0)

    def clear(self) -> Self:
        return self.empty(0)

    def append(self, new: Self) -> Self:
        """Raises NotLinear where either is a draw, unless the other is empty."""
        if not (self.capacity and new.capacity):
            return self if self.capacity else new
        if self.drawn is not None or new.drawn is not None:
            raise NotLinear("it adds data to rows drawn without replacement, or such rows to data")
        pairs = ((self.numbers, new.numbers), (self.rows, new.rows), (self.weights, new.weights))
        return Ledger(*map(np.concatenate, pairs))

    def join(self, other: Self) -> Self:
        return self.append(other)

    def scale(self, weight: Any) -> Self:
        """Rows of weight 0 are no longer there."""
        weight = float(weight)
        return dataclasses.replace(self, weights=self.weights * weight) if weight else self.clear()

    def draw(self, key: Any, k: int) -> Self:
        """Raises NotLinear for draws from a draw, from unequal weights, or from data that contain a batch twice."""
        del key
        if k > self.capacity:
            raise ValueError(f"draw of {k} rows without replacement: there are {self.capacity}")
        if self.drawn is not None:
            raise NotLinear("it draws from rows that were themselves drawn without replacement")
        if len(np.unique(self.weights)) > 1:
            raise NotLinear("it draws from rows of unequal weights")
        if len(np.unique(self.numbers)) < len(self.numbers):
            raise NotLinear("it draws from data that contain a batch twice")
        return self if k == self.capacity else dataclasses.replace(self, drawn=k, lot=object())


class Moments(NamedTuple):
    """Expectations over seeds, each (G,): of the models of generations 0 ... G-1.

    `spread`: fitted variance, in units of the true one. `error`: squared error of the fitted mean, in the same units.
    `rows`: number of training rows of positive weight, which is not random.
    """

    spread: np.ndarray
    error: np.ndarray
    rows: np.ndarray


class _Fit(NamedTuple):
    """What a model passes on: M, S, and (K w)_j for every batch so far."""

    error: float
    spread: float
    link: np.ndarray


class _Batches:
    """The matrix K and the vector q, which grow by a batch at a time."""

    def __init__(self) -> None:
        self.count = 0
        self.products = np.zeros((16, 16))
        self.squares = np.zeros(16)

    def add(self, rows: int, error: float, square: float, link: np.ndarray | float) -> Ledger:
        """A batch whose mean has the squared error `error`, and `link` (count,) with the earlier ones."""
        number = self.count
        if number == len(self.squares):
            self.products = np.pad(self.products, (0, number))
            self.squares = np.pad(self.squares, (0, number))
        self.products[number, :number] = self.products[:number, number] = link
        self.products[number, number] = error
        self.squares[number] = square
        self.count += 1
        return Ledger.of(number, rows)

    def fit(self, data: Ledger, ddof: float, curvature: float | None) -> _Fit:
        weights = np.zeros(self.count)
        np.add.at(weights, data.numbers, data.weights * data.rows)
        total = weights.sum()
        weights /= total
        used = slice(data.numbers.min(), data.numbers.max() + 1)  # columns of K that are not needed are not read
        # Not a BLAS product: its threads gain nothing at this size, and on a busy machine cost seconds.
        link = np.einsum("ij,j->i", self.products[: self.count, used], weights[used])
        error = link @ weights
        square = weights @ self.squares[: self.count]
        if data.drawn is not None:
            pool = data.rows.sum()
            error += pool / (pool - 1) * (square - error) * (1 / data.drawn - 1 / pool)
            total *= data.drawn / pool
        if curvature is not None:
            return _Fit(error, 1 + curvature * error, link)
        if total <= ddof:
            raise ValueError(f"ddof={ddof}: the data of a model must weigh more, and weigh {total:g}")
        return _Fit(error, (square - error) * total / (total - ddof), link)


def follow(
    workflow: Workflow,
    sizes: Any,
    *,
    ddof: float = 0,
    curvature: float | None = None,
    blur: Callable[[int, int], tuple[float, float]] | None = None,
    real_error: Callable[[int], float] | None = None,
) -> Moments:
    """Mean curves of a workflow: its own methods are run on `Ledger`s.

    Args:
        workflow: any workflow; its keys are None.
        sizes: (G,) rows of the first real batch, and of the synthetic batches that follow: sizes[g] of them are drawn
            from the model of generation g - 1. Fresh real batches have as many rows unless the workflow says otherwise.
        ddof: scatters are divided by the total weight less this.
        curvature: v2 of a one-parameter family, whose model has the variance 1 + v2 * error.
        blur: (g, training rows of generation g) -> (scale, added); what is sampled from that model has the covariance
            scale * spread + added. Default (1, 0).
        real_error: m -> squared error of the mean of m fresh real rows. Default 1 / m; of a table of N rows, drawn
            without replacement, it is (1 / m - 1 / N) N / (N - 1), the table's covariance being the unit.

    Returns:
        Moments, each (G,).

    Raises:
        NotLinear: where the workflow looks at values, or does with its data what cannot be followed.
        ValueError: for sizes below 1, for a model without data, and for data that weigh no more than ddof.
    """
    sizes = np.asarray(sizes)
    if sizes.ndim != 1 or not np.issubdtype(sizes.dtype, np.integer) or (sizes < 1).any():
        raise ValueError(f"sizes={sizes}: want a whole number of rows, at least 1, for every generation")
    if workflow.screen is not None:
        raise NotLinear(f"{workflow.name}: it chooses rows by their values")
    batches, lots = _Batches(), set()
    moments = Moments(*np.zeros((3, len(sizes))))

    def draw_real(m: int) -> Ledger:
        return batches.add(m, 1 / m if real_error is None else real_error(m), 1.0, 0.0) if m else Ledger.of(0, 0)

    real = draw_real(int(sizes[0]))
    with _refusals_of(workflow):
        state = workflow.init(real.clear(), real)
    for g in range(len(sizes)):
        with _refusals_of(workflow):
            train = workflow.select(None, state)
            if not isinstance(train, Ledger):
                raise NotLinear(f"it selects a {type(train).__name__}, not data it was given")
            if train.lot in lots:
                raise NotLinear("it fits two models to one draw of rows")
        if not train.capacity:
            raise ValueError(f"workflow {workflow.name}: there are no data in generation {g}")
        if train.lot is not None:
            lots.add(train.lot)
        fit = batches.fit(train, ddof, curvature)
        for curve, value in zip(moments, (fit.spread, fit.error, train.capacity), strict=True):
            curve[g] = value
        if g + 1 == len(sizes):
            return moments
        m = int(sizes[g + 1])
        scale, added = (1.0, 0.0) if blur is None else blur(g, train.capacity)
        sampled = scale * fit.spread + added
        synthetic = batches.add(m, fit.error + sampled / m, fit.error + sampled, fit.link)
        with _refusals_of(workflow):
            state = workflow.update(
                None, state, synthetic, lambda key, rows=None, m=m: draw_real(m if rows is None else int(rows))
            )
    return moments


@contextlib.contextmanager
def _refusals_of(workflow: Workflow) -> Iterator[None]:
    """NotLinear, naming the workflow, for what it asks of a Ledger in vain."""
    try:
        yield
    except AttributeError as error:
        asked = f"it asks its data for {error.name!r}, and only weights of whole batches are known"
        raise NotLinear(f"{workflow.name}: {asked}") from error
    except (NotLinear, TypeError) as error:
        raise NotLinear(f"{workflow.name}: {error}") from error
