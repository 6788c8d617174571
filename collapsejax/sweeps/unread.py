"""One generation of an experiment, traced once, which tells what of the truth it reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import jaxpr_as_fun

from ..core.base import Array, PyTree
from ..loop import Experiment, Running
from .cells import outputs


class TracedGeneration:
    """A generation of one seed as a function of those leaves of the truth that it reads.

    For the others nothing that makes them is computed: a verifier's model, say, where nothing is verified.

    Args:
        experiment: `(values, cell) -> Experiment`, `values` being what differs between cells.
        values: such values, or their shapes.
        key: of any seed.
    """

    def __init__(self, experiment: Callable[[Any, Array], Experiment], values: Any, key: Array) -> None:
        def begin(values: Any, key: Array) -> Running:
            return experiment(values, jnp.int32(0)).begin(key)

        def generation(truth: PyTree, values: Any, cell: Array, running: Running) -> tuple[Running, dict[str, Array]]:
            running, result = experiment(values, cell).advance(running._replace(truth=truth), 1)
            return running._replace(truth=None), outputs(jax.tree.map(lambda leaf: leaf[0], result))

        running = jax.eval_shape(begin, values, key)
        arguments = (running.truth, values, jax.ShapeDtypeStruct((), jnp.int32), running._replace(truth=None))
        jaxpr, shapes = jax.make_jaxpr(generation, return_shape=True)(*arguments)
        self._evaluate, self._structure = jaxpr_as_fun(jaxpr), jax.tree.structure(shapes)
        uses = [jaxpr.jaxpr.outvars, *(equation.invars for equation in jaxpr.eqns)]
        read = {id(variable) for variables in uses for variable in variables}
        truth = jax.tree.leaves(running.truth)
        is_key = lambda leaf: jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        self._unread = [
            None if id(variable) in read or is_key(leaf) else leaf
            for variable, leaf in zip(jaxpr.jaxpr.invars[: len(truth)], truth, strict=True)
        ]

    def read(self, truth: PyTree) -> list[Array]:
        """The leaves of a truth that generations read."""
        leaves = zip(jax.tree.leaves(truth), self._unread, strict=True)
        return [leaf for leaf, unread in leaves if unread is None]

    def __call__(
        self, read: list[Array], values: Any, cell: Array, running: Running
    ) -> tuple[Running, dict[str, Array]]:
        """The next generation: the seed behind it, without the truth, and its metrics and text samples by name."""
        given = iter(read)
        truth = [next(given) if leaf is None else jnp.zeros(leaf.shape, leaf.dtype) for leaf in self._unread]
        leaves = self._evaluate(*jax.tree.leaves((truth, values, cell, running)))
        return jax.tree.unflatten(self._structure, leaves)
