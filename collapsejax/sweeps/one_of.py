"""One of several workflows, chosen while a program runs, so that they share its compilation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from ..core.base import Array, Dataset, Needs, Workflow
from ..loop import settled


class OneOf(Workflow):
    """The workflow that stands at `index` among `workflows`; the index may be traced, (), and vmapped.

    Its state holds that of each, and its capacity is one for each; only the chosen one works. What is selected has room
    for as much as any of them selects, with weight 0 where there is nothing. None of them may screen candidates.
    """

    workflows: tuple[Workflow, ...]
    index: Array

    name: ClassVar[str] = "one-of"

    @property
    def needs(self) -> Needs:
        return max(workflow.needs for workflow in self.workflows)

    @property
    def paddable(self) -> bool:
        return all(workflow.paddable or workflow.needs == Needs.SUMMARY for workflow in self.workflows)

    def check(self, num_samples: int) -> None:
        for workflow in self.workflows:
            workflow.check(num_samples)

    def capacity(self, num_samples: int, num_generations: int) -> tuple[int, ...]:
        return tuple(workflow.capacity(num_samples, num_generations) for workflow in self.workflows)

    def init(self, pool: tuple[Dataset, ...], real: Dataset) -> tuple[Any, ...]:
        return tuple(workflow.init(own, real) for workflow, own in zip(self.workflows, pool, strict=True))

    def update(self, key: Array, state: tuple[Any, ...], synthetic: Dataset, draw_real: Callable) -> tuple[Any, ...]:
        def updating(place: int) -> Callable:
            def update(key: Array, state: tuple[Any, ...], synthetic: Dataset) -> tuple[Any, ...]:
                own = settled(self.workflows[place].update(key, state[place], synthetic, draw_real))
                return (*state[:place], own, *state[place + 1 :])

            return update

        return self._chosen(updating, key, state, synthetic)

    def select(self, key: Array, state: tuple[Any, ...]) -> Dataset:
        shapes = [
            jax.eval_shape(workflow.select, key, own) for workflow, own in zip(self.workflows, state, strict=True)
        ]
        largest = jax.tree.map(lambda *leaves: max(leaves, key=lambda leaf: leaf.shape), *shapes)

        def selecting(place: int) -> Callable:
            def select(key: Array, state: tuple[Any, ...]) -> Dataset:
                return jax.tree.map(_with_room, self.workflows[place].select(key, state[place]), largest)

            return select

        return self._chosen(selecting, key, state)

    def _chosen(self, branch: Callable[[int], Callable], *operands: Any) -> Any:
        branches = [branch(place) for place in range(len(self.workflows))]
        return jax.lax.switch(jnp.asarray(self.index, jnp.int32), branches, *operands)


def _with_room(leaf: Array, like: jax.ShapeDtypeStruct) -> Array:
    """`leaf` with zeros behind it, as long as `like`."""
    if leaf.shape == like.shape:
        return leaf
    return jnp.pad(leaf, [(0, like.shape[0] - leaf.shape[0]), *[(0, 0)] * (leaf.ndim - 1)])


def alike(workflows: Sequence[Workflow]) -> list[Workflow]:
    """Each of `workflows` as one that differs from the others in traced values alone, which they may do already.

    Those that do share a place among the members of a `OneOf`, and so its branch of the program and its state.
    """
    kinds = [_kind(workflow) for workflow in workflows]
    members = dict(zip(reversed(kinds), reversed(workflows), strict=True))
    if len(members) == 1:
        return list(workflows)
    order = list(dict.fromkeys(kinds))
    return [
        OneOf(
            tuple(workflow if other == kind else members[other] for other in order),
            np.asarray(order.index(kind), np.int32),
        )
        for kind, workflow in zip(kinds, workflows, strict=True)
    ]


def _kind(workflow: Workflow) -> Any:
    """What is equal for workflows that differ in traced values alone."""
    shapes = tuple((jnp.shape(leaf), jnp.result_type(leaf)) for leaf in jax.tree.leaves(workflow))
    # Structures of classes that JAX itself registers compare equal, whatever their fields are.
    return type(workflow), jax.tree.structure(workflow), shapes
