"""Another task whose models are asked for rows in every generation, to see where these lie among real ones."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from ..core.arguments import check_count
from ..core.base import Array, Dataset, PyTree, Task, Values
from ..core.checks import check_task
from ..core.pytree import static
from ..numerics.threefry import fused
from .wrapper import Wrapper

_NUM_REAL = 1000  # rows that tell which densities real rows have
_NUM_TAIL = 50  # of these are the tail
_TIMES_NEARER = 2  # by how much a row is nearer to its mode than to others
_APART = 2**31 - 1  # folded into keys of the task: it splits them into few, and so draws what it draws without probes


class ProbedTruth(NamedTuple):
    """The task's own truth, and of many real rows the lowest log-density () and that below which their tail lies ().

    `tops` (k,) are the largest of their log-densities in each mode, None without modes.
    """

    truth: PyTree
    lowest: Array
    tail: Array
    tops: Array | None


class ProbedParams(NamedTuple):
    """The task's own parameters, and rows that the model wrote."""

    params: PyTree
    probes: Values


class Probed(Wrapper):
    """Another task, with metrics of where the rows of its models lie; all else is as without.

    Args:
        task: the task; its `log_density` must be known, and it may not be `long_running`.
        num_probes: rows drawn from each model for these metrics.

    Metrics: those of the task, and `tail_share`, the share of probes in the tail of the true law, where it has 5 % of
    its mass: of lower true density than all but 50 of 1000 real rows of a seed, though not than all of them;
    `improbable_share`, the share of lower density than each of these, 0.1 % for a model that is as good as the truth;
    and, for the sources blobs, moons and circles and others with a method `log_density_of_modes(real, values) ->
    (n, k)` for k equally likely modes, `entangled_share`, that of probes that are not at least twice as near to one
    mode as to any other, where the square of a distance is by how much a mode's log-density is below its largest.

    The density of moons takes far longer than an estimate from a few hundred rows.

    Raises ValueError for a num_probes below 1.
    """

    task: Task
    num_probes: int = static(default=200)

    name: ClassVar[str] = "probed"

    def __post_init__(self) -> None:
        check_task(self.task)
        check_count("num_probes", self.num_probes)

    def check(self, num_samples: int) -> None:
        if self.task.long_running or self.task.log_density is None:
            raise ValueError(
                f"task {self.task.name!r}: cannot be probed; that takes a true log-density, as of gaussian, blobs, or "
                "moons and circles with a noise of at least 0.01"
            )
        self.task.check(num_samples)

    def own_truth(self, truth: ProbedTruth) -> PyTree:
        return truth.truth

    def own_params(self, params: ProbedParams | None) -> PyTree | None:
        return params and params.params

    def init(self, key: Array, num_samples: int) -> tuple[ProbedTruth, ProbedParams | None]:
        truth, params = self.task.init(key, num_samples)
        real = self.task.sample_real(fused(jax.random.fold_in(key, _APART)), truth, _NUM_REAL)
        density, modes = self._log_densities(truth, real)
        ordered = jnp.sort(density)
        tops = None if modes is None else jnp.max(modes, axis=0)
        probed = ProbedTruth(truth, ordered[0], ordered[_NUM_TAIL], tops)
        if params is None:
            return probed, None
        like = jax.eval_shape(self.task.sample, key, truth, params, self.num_probes)
        return probed, ProbedParams(params, jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), like))

    def fit(self, key: Array, truth: ProbedTruth, train: Dataset, params: ProbedParams | None) -> ProbedParams:
        fitted = self.task.fit(key, truth.truth, train, self.own_params(params))
        k_probes = fused(jax.random.fold_in(key, _APART))
        return ProbedParams(fitted, self.task.sample(k_probes, truth.truth, fitted, self.num_probes))

    def evaluate(self, truth: ProbedTruth, params: ProbedParams) -> dict[str, Array]:
        density, modes = self._log_densities(truth.truth, params.probes)
        improbable = ~(density >= truth.lowest)  # also where rows have left float32's range
        shares = {
            "tail_share": jnp.mean(~improbable & (density < truth.tail)),
            "improbable_share": jnp.mean(improbable),
        }
        if modes is not None:
            nearest, next_ = jnp.sort(jnp.maximum(truth.tops[None, :] - modes, 0.0), axis=1)[:, :2].T
            shares["entangled_share"] = jnp.mean(~(next_ >= _TIMES_NEARER**2 * nearest))
        return self.task.evaluate(truth.truth, params.params) | shares

    def _log_densities(self, truth: PyTree, values: Values) -> tuple[Array, Array | None]:
        """True log-densities of rows, (n,), and in each mode (n, k), None without modes."""
        if self.task.log_density_of_modes is None:
            return self.task.log_density(truth, values), None
        modes = self.task.log_density_of_modes(truth, values)
        return jax.nn.logsumexp(modes, axis=1) - jnp.log(modes.shape[1]), modes
