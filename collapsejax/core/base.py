"""The base classes that meet in the loop: tasks, workflows, sources of real data, and datasets.

Axis letters used everywhere: S seeds, G generations, n rows drawn per generation, d features of a row,
C rows of room in a buffer, m held-out rows, L tokens of a sequence.
"""

import enum
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Self

import jax

from .pytree import Module

# In the order of the reference.
__all__ = ["Task", "Workflow", "Source", "SequenceSource", "RealData", "Dataset", "Needs", "ExactLaw"]  # noqa: RUF022

Array = jax.Array
PyTree = Any
Values = PyTree  # rows of data: a pytree of arrays that share their leading axis


class Needs(enum.IntEnum):
    """What a workflow needs of its data, and what a task's summaries offer."""

    SUMMARY = 0  # the five methods of a `Dataset`
    DRAWS = 1  # `draw` and `capacity` as well
    ROWS = 2  # the values of rows


class Dataset(Module):
    """A training set: a weighted collection of rows, or a summary of one that can be merged.

    Summaries that can be subsampled (`Needs.DRAWS`) also have `capacity`, the number of their rows (), and
    `draw(key, k) -> Dataset`, k of them without replacement.
    """

    @abstractmethod
    def empty(self, capacity: int) -> Self:
        """The same kind without data, with room for `capacity` rows; a summary needs none and ignores it."""

    @abstractmethod
    def clear(self) -> Self:
        """The same room without data."""

    @abstractmethod
    def append(self, new: Self) -> Self:
        """The data of both, `new` added into the room of this."""

    @abstractmethod
    def join(self, other: Self) -> Self:
        """The union as a new value: rows C1 + C2, summaries merged."""

    @abstractmethod
    def scale(self, weight: Array) -> Self:
        """The same rows, the weight of each multiplied by `weight`."""

    def grow(self, new: Self) -> Self:
        """`append(new)`, where `new` was drawn from the model that was fitted to exactly this.

        A summary may make use of that. Default: `append`.
        """
        return self.append(new)

    def settled(self) -> Self:
        """The data as the loop carries them to the next generation: without what holds for one generation only.

        Default: as they are.
        """
        return self


class RealData(Module):
    """Base class of `Source` and `SequenceSource`: a distribution of real rows, or a table of them.

    The attributes have defaults, which may be overridden.

    Attributes:
        num_held_out: held-out rows there are; None where their number is not limited.
        paddable: whether a row that is drawn does not depend on how many are. False for rows that are drawn without
            replacement.
        read_from_file: whether the fields tell what was read, so that another value of one changes no row.
    """

    num_held_out: ClassVar[int | None] = None
    paddable: ClassVar[bool] = False
    read_from_file: ClassVar[bool] = False
    required = ()

    def check(self, num_samples: int) -> None:
        """Raise ValueError for parameters out of range, or if there are fewer than `num_samples` rows."""
        del num_samples

    def init(self, key: Array) -> PyTree:
        """What is fixed for one seed, such as the places of clusters. Default: nothing, ()."""
        del key
        return ()

    @abstractmethod
    def sample(self, key: Array, real: PyTree, n: int) -> Array:
        """Rows to fit to, (n, ...); `real` is what `init` gave."""

    @abstractmethod
    def sample_test(self, key: Array, real: PyTree, n: int) -> Array:
        """Held-out rows, (n, ...)."""


class Source(RealData):
    """Real data whose rows are d numbers: subclass it, with a field or attribute `dim` (d).

    The attributes have defaults, which may be overridden.

    Attributes:
        dependent_columns: names of columns that make the covariance singular.
        standard_deviations: of columns by name, where a bandwidth may not suit their units.
        log_density: method `(real, values (n, d)) -> (n,)`, in nats, of what `sample` draws from; None where it is not
            known.
        log_density_of_modes: method `(real, values (n, d)) -> (n, k)`, for k equally likely modes; None without modes.
    """

    required = ("dim",)

    dim: ClassVar[int]
    dependent_columns: ClassVar[tuple[str, ...]] = ()
    standard_deviations: ClassVar[Mapping[str, float]] = {}
    log_density: ClassVar[Callable[[PyTree, Array], Array] | None] = None
    log_density_of_modes: ClassVar[Callable[[PyTree, Array], Array] | None] = None

    @abstractmethod
    def moments(self, real: PyTree) -> tuple[Array, Array]:
        """Exact mean (d,) and covariance (d, d) of what `sample` draws from."""


class SequenceSource(RealData):
    """Real data whose rows are L tokens (uint8): subclass it, with `vocab_size` (at most 256) and `window` (L).

    The attributes have defaults, which may be overridden.

    Attributes:
        num_validation: validation rows there are; None where their number is not limited.
        decode: method `(row (L,)) -> str`; None where tokens are no text.
        log_prob: method `(real, tokens (n, L)) -> (n, L)`, the exact log-probability in nats of each token given those
            before it; None where it is not known.
    """

    required = ("vocab_size", "window")

    vocab_size: ClassVar[int]
    window: ClassVar[int]
    num_validation: ClassVar[int | None] = None
    decode: ClassVar[Callable[[Array], str] | None] = None
    log_prob: ClassVar[Callable[[PyTree, Array], Array] | None] = None

    @abstractmethod
    def sample_validation(self, key: Array, real: PyTree, n: int) -> Array:
        """Rows to choose settings by, (n, L), which are in neither of the other parts."""


class ExactLaw(NamedTuple):
    """Draws of `summarize(truth, rows)` from its exact law, without drawing rows.

    Attributes:
        synthetic: `(key, truth, params, n) -> Dataset`, for the rows of `Task.sample`.
        real: `(key, truth, n) -> Dataset`, for those of `Task.sample_real`; None where that law is not known. With both
            `n` may be traced, so one program serves every number of samples.
        one_size: whether it is the law only where all batches of a seed have the same number of rows, because batches
            of other numbers depend on one another in ways that it leaves out. Elsewhere rows are drawn.
    """

    synthetic: Callable[[Array, PyTree, PyTree, Any], Dataset]
    real: Callable[[Array, PyTree, Any], Dataset] | None = None
    one_size: bool = False


class Task(Module):
    """A family of models, and the real distribution that the first of them is fitted to. Subclass it.

    Keys are JAX's own. `collapsejax.fused` makes of one a key with the same random bits, which `jax.random` then draws
    up to ten times as fast on a CPU.

    The attributes have defaults; a class attribute, a method or a property overrides them.

    Attributes:
        offers: `Needs.DRAWS` if summaries have `draw` and `capacity`, as rows do.
        paddable: whether rows of weight 0 behind the others make no difference, and a row that is drawn does not
            depend on how many are. Sweeps then share programs between numbers of samples.
        long_running: whether programs take long to compile and generations long to run. In sweeps workflows then share
            a program, each generation is stored as it finishes, and on a CPU seeds run in turn.
        exact_law: an `ExactLaw`; None where none is known.
        log_density: method `(truth, values) -> (n,)`, the true log-density in nats; None where it is not known.
        log_density_of_modes: method `(truth, values) -> (n, k)`, for k equally likely modes; None without modes.
        validation_loss: method `(key, truth, params) -> ()`, the loss to choose settings by, on rows that the key draws
            and that are neither for training nor for tests; None where there are no such rows.
        text_samples: method `(truth, params) -> (k, L)`, a few rows of the fitted model to look at, which sweeps keep
            for every seed and generation; None where none are kept.
    """

    offers: ClassVar[Needs] = Needs.SUMMARY
    paddable: ClassVar[bool] = False
    long_running: ClassVar[bool] = False
    exact_law: ClassVar[ExactLaw | None] = None
    log_density: ClassVar[Callable[[PyTree, Values], Array] | None] = None
    log_density_of_modes: ClassVar[Callable[[PyTree, Values], Array] | None] = None
    validation_loss: ClassVar[Callable[[Array, PyTree, PyTree], Array] | None] = None
    text_samples: ClassVar[Callable[[PyTree, PyTree], Array] | None] = None

    def check(self, num_samples: int) -> None:
        """Raise ValueError for values out of range, before anything is compiled. Default: accepts all."""
        del num_samples

    def at(self, generation: Array) -> Self:
        """The task as it is in one generation, a traced number (). Default: the same in all."""
        del generation
        return self

    @abstractmethod
    def init(self, key: Array, num_samples: int) -> tuple[PyTree, PyTree | None]:
        """All that is fixed for one seed (`truth`), and the parameters that a warm start begins from, or None."""

    @abstractmethod
    def sample_real(self, key: Array, truth: PyTree, n: int) -> Values:
        """Rows of real data: a pytree of arrays (n, ...)."""

    def summarize(self, truth: PyTree, rows: Dataset) -> Dataset:
        """What `fit` needs of `rows`: a summary that can be merged. Default: the rows themselves."""
        del truth
        return rows

    @abstractmethod
    def fit(self, key: Array, truth: PyTree, train: Dataset, params: PyTree | None) -> PyTree:
        """The model fitted to `train`; `params` is the previous fit where `init` gave one, else None."""

    @abstractmethod
    def sample(self, key: Array, truth: PyTree, params: PyTree, n: int) -> Values:
        """Rows from the fitted model, with the structure, shapes and dtypes of `sample_real`."""

    @abstractmethod
    def evaluate(self, truth: PyTree, params: PyTree) -> dict[str, Array]:
        """Metrics of the fitted model by name, scalars (), deterministic."""


class Workflow(Module):
    """Which data the next model is fitted to. Subclass it.

    The attributes have defaults, which may be overridden.

    Attributes:
        needs: what it needs of its data. `Needs.ROWS` where it looks at rows, `Needs.DRAWS` where it subsamples them.
        own_sizes: whether it asks `draw_real` for a number of rows of its own.
        paddable: as in `Task`; where it needs no more than summaries, all workflows are.
        screen: method `(key, candidates, score, n) -> Rows`, which makes of the rows that a model proposes the n that
            are used; `score(values) -> (n,)` is the true log-density. None where all are used.
    """

    needs: ClassVar[Needs] = Needs.SUMMARY
    own_sizes: ClassVar[bool] = False
    paddable: ClassVar[bool] = False
    screen: ClassVar[Callable[[Array, Dataset, Callable, int], Dataset] | None] = None

    def check(self, num_samples: int) -> None:
        """Raise ValueError for values out of range, before anything is compiled. Default: accepts all."""
        del num_samples

    def num_candidates(self, num_samples: int) -> int:
        """Rows that the model proposes for a batch of `num_samples`. Default: as many."""
        return num_samples

    @abstractmethod
    def capacity(self, num_samples: int, num_generations: int) -> int:
        """Rows of room that the pool needs for `num_generations` batches of `num_samples` rows, real data included.

        Rows that are appended beyond it make all that is fitted to them NaN. A state that never grows, as of the latest
        batches, may be made of the batches themselves, by `real.clear()` and `join`, and need no pool.
        """

    @abstractmethod
    def init(self, pool: Dataset, real: Dataset) -> PyTree:
        """The state before generation 0: `pool` is empty and has the room asked for, `real` the first real batch."""

    @abstractmethod
    def update(self, key: Array, state: PyTree, synthetic: Dataset, draw_real: Callable[..., Dataset]) -> PyTree:
        """The state after a model produced `synthetic`.

        `draw_real(key, m)` gives m fresh rows of real data, and without m as many as `synthetic` has. Where it is
        called with an m, `own_sizes` is True.
        """

    @abstractmethod
    def select(self, key: Array, state: PyTree) -> Dataset:
        """What the next model is fitted to."""
