"""The vocabulary of the library: configuration classes and the three protocols that meet in the loop.

Axis letters used everywhere: S seeds, G generations, n rows drawn per generation, d features of a row,
C rows of room in a buffer, m held-out rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol, Self

import jax

Array = jax.Array
PyTree = Any
Values = PyTree  # rows of data: a pytree of arrays that share their leading axis


class Dataset(Protocol):
    """What a workflow may do with data: a weighted collection of rows, or a summary of one that can be merged."""

    def empty(self, capacity: int) -> Self:
        """Same kind, no data, room for `capacity` rows (a summary needs none and ignores it)."""

    def clear(self) -> Self:
        """Forget the data, keep the room."""

    def append(self, new: Self) -> Self:
        """Add `new` into the room."""

    def join(self, other: Self) -> Self:
        """The union as a new value: rows C1 + C2, summaries merged."""

    def scale(self, weight: Array) -> Self:
        """Multiply every row's weight."""


class Source(Protocol):
    """Real data: a distribution, or a table of rows.

    Optional: `num_held_out`, the number of held-out rows where it is limited; `dependent`, names of columns that make
    the covariance singular; `spreads`, standard deviations by the names of columns, if it has units that a bandwidth
    may not suit; `log_density(real, values) -> (n,)`, of what `sample` draws from; `paddable = True`, if a row that is
    drawn does not depend on how many are.
    """

    dim: int

    def check(self, num_samples: int) -> None:
        """Raise ValueError for parameters that make no sense or more rows than there are."""

    def init(self, key: Array) -> PyTree:
        """What is fixed for one seed, such as the places of clusters; () where nothing is."""

    def sample(self, key: Array, real: PyTree, n: int) -> Array:
        """Draw n rows to fit to, (n, d)."""

    def sample_test(self, key: Array, real: PyTree, n: int) -> Array:
        """Draw n held-out rows, (n, d)."""

    def moments(self, real: PyTree) -> tuple[Array, Array]:
        """Exact mean (d,) and covariance (d, d) of what `sample` draws from."""


class SequenceSource(Protocol):
    """Real data whose rows are L = `window` tokens, numbers below `vocab_size` <= 256. Optional: `num_held_out`,
    `num_validation` and `paddable`, as in `Source`; `decode(row) -> str`; `entropy_rate(real) -> ()` (nats);
    `log_prob(real, tokens) -> (n, L)`, exact, in nats, of each of `tokens` (n, L) given those before it.
    """

    vocab_size: int
    window: int

    def check(self, num_samples: int) -> None:
        """As in `Source`."""

    def init(self, key: Array) -> PyTree:
        """What is fixed for one seed, such as a table of transition probabilities; () where nothing is."""

    def sample(self, key: Array, real: PyTree, n: int) -> Array:
        """Draw n rows to fit to, (n, L) uint8."""

    def sample_test(self, key: Array, real: PyTree, n: int) -> Array:
        """Draw n held-out rows, (n, L) uint8."""

    def sample_validation(self, key: Array, real: PyTree, n: int) -> Array:
        """Draw n rows to choose settings by, (n, L) uint8, which are in neither of the other parts."""


class Task(Protocol):
    """A family of models and the real distribution that the first of them is fitted to.

    Some methods are optional. `sample_summary(key, truth, params, n) -> Dataset` draws
    `summarize(truth, rows of sample(...))` from its exact law, without drawing rows. Likewise
    `sample_real_summary(key, truth, n) -> Dataset` for real data: a task that has both accepts a traced `n`, so
    one compilation serves every number of samples; None in its place says that this law is not known.
    `paddable = True` says that rows of weight 0 behind the others make no difference, and that a row that is drawn does
    not depend on how many are: sweeps then share programs between numbers of samples. `drawable = True` says that these
    summaries have `draw` and `capacity`, as rows do. `log_density(truth, values) -> (n,)` is that of the real
    distribution. `at(generation) -> Task` is the task as it is in one generation, where it changes.
    `check(num_samples)` raises ValueError for values that make no sense, before anything is compiled.
    `costly = True` says that programs take long to compile and generations long to run: in sweeps workflows then share
    a program, and each generation is stored as it finishes; on a CPU seeds run in turn. `specimens(truth, params) ->
    (k, L)` gives a few rows of the fitted model, numbers to look at, which sweeps keep for every seed and generation.
    `validation_loss(key, truth, params) -> ()` is the loss to choose settings by, on rows that the key draws, which are
    neither for training nor for tests; None in its place says that there are no such rows.

    Keys are JAX's own. `collapsejax.fused` makes of one a key with the same random bits, which `jax.random` then draws
    up to ten times as fast on a CPU.
    """

    name: ClassVar[str]

    def init(self, key: Array, num_samples: int) -> tuple[PyTree, PyTree | None]:
        """All that is fixed for one seed (`truth`), and the parameters a warm start begins from, or None."""

    def sample_real(self, key: Array, truth: PyTree, n: int) -> Values:
        """Draw n rows of real data, leading axis n."""

    def summarize(self, truth: PyTree, rows: Dataset) -> Dataset:
        """What `fit` needs to know of `rows`: a summary, or the rows themselves."""

    def fit(self, key: Array, truth: PyTree, train: Dataset, params: PyTree | None) -> PyTree:
        """The model fitted to `train`; `params` is the previous fit where `init` gave one, else None."""

    def sample(self, key: Array, truth: PyTree, params: PyTree, n: int) -> Values:
        """Draw n rows from the fitted model: the structure and dtypes of `sample_real`."""

    def evaluate(self, truth: PyTree, params: PyTree) -> dict[str, Array]:
        """Scalar metrics of the fitted model, deterministic."""


class Workflow(Protocol):
    """Which data the next model is fitted to.

    Optional: `check(num_samples)`, as in a task. `only_draws = True`, where rows are needed for nothing but `draw` and
    `capacity`, so that summaries that have these will do. `paddable = True`, as in a task.
    `num_candidates(num_samples) -> int`, rows that the model is to propose, with `screen(key, candidates, score, n) ->
    Rows`, which makes them the n rows that are used; `score(values)` gives the true log-density of each.
    """

    name: ClassVar[str]
    needs_rows: ClassVar[bool]  # True only if it calls `draw` or looks at rows

    def capacity(self, num_samples: int, num_generations: int) -> int:
        """Rows of room that the pool needs for `num_generations` batches of `num_samples` rows, real data included."""

    def init(self, pool: Dataset, real: Dataset) -> PyTree:
        """The state before generation 0: `pool` is empty and has the room asked for, `real` the first real batch."""

    def update(self, key: Array, state: PyTree, synthetic: Dataset, draw_real: Callable[..., Dataset]) -> PyTree:
        """The state after a model produced `synthetic`.

        `draw_real(key, m)` gives m fresh rows of real data, and without m as many as `synthetic` has.
        """

    def select(self, key: Array, state: PyTree) -> Dataset:
        """What the next model is fitted to."""
