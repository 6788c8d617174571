from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import collapsejax as cj
from collapsejax.data.rows import Rows
from collapsejax.sweeps.one_of import OneOf, alike
from collapsejax.workflows import WORKFLOWS

SIZE = dict(num_samples=6, num_generations=5)
MEMBERS = {name: workflow for name, workflow in WORKFLOWS.items() if workflow.screen is None}


class Mean(cj.Task):
    """The mean of weighted rows, that of the truth being 1."""

    name = "mean"

    def init(self, key, num_samples):
        return (), None

    def sample_real(self, key, truth, n):
        return 1 + jax.random.normal(key, (n,))

    def fit(self, key, truth, train, params):
        return jnp.sum(train.weights * train.values) / jnp.sum(train.weights)

    def sample(self, key, truth, params, n):
        return params + jax.random.normal(key, (n,))

    def evaluate(self, truth, params):
        return {"mean": params}


TASK = Mean()
KEYS = cj.seed_keys(jax.random.key(3), 3)


@pytest.fixture(scope="module")
def alone():
    """The mean (workflows, S, G) under each member."""

    def one(workflow, key):
        return cj.run(key, TASK, workflow, **SIZE).metrics["mean"]

    each = lambda: jnp.stack([jax.vmap(partial(one, workflow))(KEYS) for workflow in MEMBERS.values()])
    return np.array(jax.jit(each)())


@pytest.mark.parametrize("mapped", [jax.lax.map, lambda one, xs: jax.vmap(one)(xs)], ids=["in turn", "in step"])
def test_one_of_several_is_that_one(alone, mapped):
    """As in sweeps on a CPU, and on an accelerator, where all of them work in every lane."""
    members = tuple(MEMBERS.values())

    def one(lane):
        return cj.run(lane[1], TASK, OneOf(members, lane[0]), **SIZE).metrics["mean"]

    lanes = jnp.repeat(jnp.arange(len(members)), len(KEYS)), jnp.tile(KEYS, len(members))
    chosen = np.array(jax.jit(lambda: mapped(one, lanes))()).reshape(alone.shape)
    for own, name in zip(chosen, MEMBERS, strict=True):
        errors = [np.abs(own - wanted).max() for wanted in alone]
        assert errors[list(MEMBERS).index(name)] < 1e-5, name
        assert sum(error > 1e-3 for error in errors) == len(MEMBERS) - 1, name  # another one would show


def test_what_is_selected_has_room_for_the_largest():
    workflow = OneOf((cj.Replace(), cj.Accumulate()), jnp.int32(0))
    real = Rows.of({"x": jnp.arange(6.0).reshape(3, 2), "y": jnp.arange(3)})
    pool = jax.tree.map(real.empty, workflow.capacity(3, 4))
    selected = workflow.select(jax.random.key(0), workflow.init(pool, real))
    assert selected.capacity == 12
    np.testing.assert_array_equal(selected.weights, [1] * 3 + [0] * 9)
    np.testing.assert_array_equal(selected.values["x"][:3], real.values["x"])
    assert selected.count == 3


def test_only_the_chosen_one_works():
    workflow = OneOf((cj.Replace(), cj.Accumulate()), jnp.int32(1))
    first, second = Rows.of(jnp.zeros(2)), Rows.of(jnp.ones(2))
    state = workflow.init(jax.tree.map(first.empty, workflow.capacity(2, 2)), first)
    replaced, grown = workflow.update(jax.random.key(0), state, second, None)
    np.testing.assert_array_equal(replaced.values, [0, 0])
    np.testing.assert_array_equal(grown.values, [0, 0, 1, 1])


def test_needs_and_checks_are_those_of_the_members():
    assert OneOf((cj.Replace(), cj.Accumulate()), 0).needs == cj.Needs.SUMMARY
    assert OneOf((cj.Replace(), cj.AccumulateSubsample()), 0).needs == cj.Needs.DRAWS
    assert OneOf((cj.Replace(), cj.AccumulateSubsample()), 0).paddable
    assert not OneOf((cj.Replace(), cj.Selected()), 0).paddable
    with pytest.raises(ValueError, match=r"real_weight=2\.0"):
        OneOf((cj.Replace(), cj.Weighted(2.0)), 0).check(5)


def test_workflows_that_are_alike_stay_as_they_are():
    weights = [cj.Weighted(0.1), cj.Weighted(0.2)]
    assert alike(weights) == weights


def test_workflows_of_a_kind_share_a_place():
    """So that many weights are one branch, and one state."""
    given = [cj.Replace(), cj.Weighted(0.1), cj.Window(2), cj.Weighted(0.2), cj.Window(3), cj.Replace()]
    chosen = alike(given)
    assert [int(one.index) for one in chosen] == [0, 1, 2, 1, 3, 0]
    assert [one.workflows[int(one.index)] for one in chosen] == given
    assert len({jax.tree.structure(one) for one in chosen}) == 1
