"""Subclassing a base class is all that a task, workflow, source or dataset takes, and mistakes in it are named."""

import abc
import ast
import dataclasses
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import collapsejax as cj
from collapsejax.core.pytree import Module

PACKAGE = Path(cj.__file__).parent
SIZE = dict(num_samples=6, num_generations=2)


class Scaled(Module):
    """A number, a compile-time number, and one more number."""

    value: float
    power: int = cj.static(default=2)
    shift: float = 0.0


def test_a_subclass_is_a_frozen_dataclass():
    config = Scaled(3.0, shift=1.0)
    assert config == Scaled(3.0, 2, 1.0)
    assert repr(config) == "Scaled(value=3.0, power=2, shift=1.0)"
    assert dataclasses.replace(config, power=3) == Scaled(3.0, 3, 1.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.value = 4.0


def test_a_subclass_is_a_pytree_whose_static_fields_choose_the_program():
    traces = []

    @jax.jit
    def evaluate(config):
        traces.append(config.power)
        return config.value**config.power + config.shift

    assert jax.tree.leaves(Scaled(3.0, 2, 1.0)) == [3.0, 1.0]
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(Scaled(3.0))]
    assert paths == [".value", ".shift"]
    assert [float(evaluate(config)) for config in (Scaled(3.0), Scaled(4.0), Scaled(3.0, 3))] == [9, 16, 27]
    assert traces == [2, 3]
    doubled = jax.tree.map(lambda leaf: 2 * leaf, Scaled(3.0, 5, 1.0))
    assert doubled == Scaled(6.0, 5, 2.0)


def test_a_class_is_called_what_it_says_or_by_its_own_name():
    class Named(Scaled):
        name = "named"

    class Inherits(Named):
        pass

    class Chosen(Module):
        name: str

    assert [Scaled.name, Named.name, Inherits.name] == ["Scaled", "named", "Inherits"]
    assert Chosen("as given").name == "as given"


def test_fields_keep_their_order_where_they_override_attributes_of_the_base():
    class Letters(cj.SequenceSource):
        order: int
        window: int = 5
        vocab_size: int = 3
        num_validation: int = 1

        sample = sample_test = sample_validation = lambda self, key, real, n: jnp.zeros((n, 5))

    assert [field.name for field in dataclasses.fields(Letters)] == ["order", "window", "vocab_size", "num_validation"]
    assert Letters(1, 7) == Letters(order=1, window=7)


BASES = (cj.Task, cj.Workflow, cj.Source, cj.SequenceSource, cj.Dataset)


def subclass(base, members):
    """A class with these methods, and whatever attributes are required."""
    namespace = dict.fromkeys(members, lambda self, *arguments: None)
    return abc.ABCMeta("Partial", (base,), namespace | dict.fromkeys(base.required, 2))


@pytest.mark.parametrize(
    ("base", "missing"),
    [(base, method) for base in BASES for method in sorted(base.__abstractmethods__)],
    ids=lambda part: part if isinstance(part, str) else part.__name__,
)
def test_a_class_that_lacks_a_method_cannot_be_instantiated(base, missing):
    assert isinstance(subclass(base, base.__abstractmethods__)(), base)
    with pytest.raises(TypeError, match=rf"abstract class Partial .*\b{missing}\b"):
        subclass(base, base.__abstractmethods__ - {missing})()


@pytest.mark.parametrize(("base", "missing"), [(base, name) for base in BASES for name in base.required])
def test_a_class_that_lacks_a_required_attribute_is_refused_where_it_is_defined(base, missing):
    given = dict.fromkeys(set(base.required) - {missing}, 2)
    with pytest.raises(TypeError, match=f"class Partial: lacks `{missing}`; give it as a field or an attribute"):
        abc.ABCMeta("Partial", (base,), given)


def test_a_required_attribute_may_be_a_property_a_field_or_a_class_attribute():
    class Ring(cj.Source):
        dim = property(lambda self: 2)

    class Letters(cj.SequenceSource):
        vocab_size: int = 2
        window = 3

    assert (Ring.required, Letters.required) == (("dim",), ("vocab_size", "window"))


class Coin(cj.Task):
    """A coin whose `evaluate` returns what it is told to."""

    metrics: object = cj.static(default=None)

    name = "coin"

    def init(self, key, num_samples):
        return (), None

    def sample_real(self, key, truth, n):
        return jax.random.bernoulli(key, 0.5, (n,)).astype(float)

    def fit(self, key, truth, train, params):
        return jnp.mean(train.values)

    def sample(self, key, truth, params, n):
        return jax.random.bernoulli(key, params, (n,)).astype(float)

    def evaluate(self, truth, params):
        return {"heads": params} if self.metrics is None else self.metrics(params)


class Duck:
    """Has a task's and a workflow's methods, and no base class."""

    name = "duck"
    init = sample_real = fit = sample = evaluate = capacity = update = select = lambda self, *arguments: None

    def __repr__(self):
        return "Duck()"


CALLS = {
    "run": lambda task, workflow: cj.run(jax.random.key(0), task, workflow, **SIZE),
    "run_seeds": lambda task, workflow: cj.run_seeds(cj.seed_keys(jax.random.key(0), 2), task, workflow, **SIZE),
    "sweep": lambda task, workflow: cj.sweep(task, [workflow], **SIZE, num_seeds=2, key=jax.random.key(0)),
}
MISUSES = {
    "swapped": (cj.Replace(), Coin(), "task=Replace(): is a workflow; the task comes first, then the workflow"),
    "two tasks": (Coin(), Coin(), "workflow=Coin(metrics=None): is a task; the task comes first, then the workflow"),
    "task's class": (Coin, cj.Replace(), "task: is the class Coin; make an instance, Coin(...)"),
    "workflow's class": (Coin(), cj.Replace, "workflow: is the class Replace; make an instance, Replace(...)"),
    "task's name": ("coin", cj.Replace(), "task='coin': is a name; give the task itself, an instance of a subclass of"),
    "no task": (None, cj.Replace(), "task=None: is a NoneType; give an instance of a subclass of collapsejax.Task"),
    "duck for a task": (Duck(), cj.Replace(), "task=Duck(): is a Duck; give an instance of a subclass of collapsejax"),
    "duck for a workflow": (Coin(), Duck(), "workflow=Duck(): is a Duck; give an instance of a subclass of collapse"),
}
METRICS = {
    "a number": (lambda heads: heads, r"returns a \w+; return a dict of scalars by name"),
    "a tuple": (lambda heads: (heads,), "returns a tuple; return a dict of scalars by name"),
    "nothing": (lambda heads: {}, "returns an empty dict; return at least one metric"),
    "a slash": (lambda heads: {"a/b": heads}, "returns a metric named 'a/b'; use a text without a slash or a leading"),
    "a dot": (lambda heads: {".heads": heads}, "returns a metric named '.heads'; use a text without a slash or a lead"),
    "no name": (lambda heads: {"": heads}, "returns a metric named ''; use a text"),
    "a number for a name": (lambda heads: {3: heads}, "returns a metric named 3; use a text"),
    "an array": (lambda heads: {"heads": heads[None]}, r"returns 'heads' of shape \(1,\); metrics are scalars \(\)"),
    "None": (lambda heads: {"heads": None}, "returns 'heads', a NoneType; metrics are scalars"),
    "a text": (lambda heads: {"heads": "often"}, "returns 'heads', a str; metrics are scalars"),
}


@pytest.mark.parametrize("call", list(CALLS))
@pytest.mark.parametrize("name", list(MISUSES))
def test_arguments_of_another_kind_are_named(name, call):
    task, workflow, message = MISUSES[name]
    with pytest.raises(ValueError, match=re.escape(message)):
        CALLS[call](task, workflow)


@pytest.mark.parametrize("call", ["run", "run_seeds"])
def test_a_workflow_by_its_name_is_for_sweeps(call):
    with pytest.raises(ValueError, match="workflow='replace': is a name; give the workflow itself, an instance of"):
        CALLS[call](Coin(), "replace")


@pytest.mark.parametrize("call", list(CALLS))
@pytest.mark.parametrize("name", list(METRICS))
def test_what_evaluate_may_not_return_is_named(name, call):
    metrics, message = METRICS[name]
    with pytest.raises(ValueError, match=f"task 'coin': evaluate {message}"):
        CALLS[call](Coin(metrics), cj.Replace())


def test_what_evaluate_may_return_is_any_scalar():
    """Python's numbers, NumPy's and JAX's, of any kind."""
    metrics = lambda heads: {"a": 1, "b": 2.5, "c": np.float64(3), "d": heads > 0, "e": heads}
    result = cj.run(jax.random.key(0), Coin(metrics), cj.Replace(), **SIZE)
    assert list(result.metrics) == ["a", "b", "c", "d", "e"]
    assert all(values.shape == (2,) for values in result.metrics.values())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: cj.Gaussian(source="moons"),
            "source='moons': is a name; give the source itself, as collapsejax",
        ),
        (
            lambda: cj.KDE("moons", 0.3),
            "source='moons': is a name; give the source itself, as collapsejax",
        ),
        (
            lambda: cj.Transformer("text"),
            "source='text': is a name; give the source itself, as collapsejax",
        ),
        (lambda: cj.KDE(cj.sources.moons, 0.3), "source: is the class Moons; make an instance, Moons(...)"),
        (lambda: cj.KDE(cj.sources.markov(), 0.3), "source 'markov': gives sequences; choose one of rows, such as"),
        (lambda: cj.Gaussian(source=cj.sources.markov()), "source 'markov': gives sequences; choose one of rows"),
        (lambda: cj.Transformer(cj.sources.moons()), "source 'moons': gives no sequences; choose text or markov"),
        (lambda: cj.KDE(np.zeros((5, 2)), 0.3), "is a ndarray; give an instance of a subclass of collapsejax.Source"),
        (lambda: cj.Selected("replace"), "inner='replace': is a name; give the workflow itself"),
        (lambda: cj.Probed("gaussian"), "task='gaussian': is a name; give the task itself"),
        (lambda: cj.Probed(cj.Replace()), "task=Replace(): is a workflow; the task comes first"),
    ],
)
def test_parts_of_another_kind_are_named(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


# Where alone an object is asked what it has, and why it cannot be known beforehand.
PROBES = {
    "cli/devices.py: hasattr(os, 'sched_getaffinity')": "not on every operating system",
    "experiments/value_checks.py: hasattr(value, 'item')": "a number of Python's, NumPy's or JAX's",
    "sources/corpus.py: getattr(node, block, ())": "which blocks a statement has depends on its kind, in Python's ast",
}


def probes(text):
    """`hasattr`, and `getattr` of a name that is written out or with a default, as a source text has them."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            literal = len(node.args) > 1 and isinstance(node.args[1], ast.Constant)
            if node.func.id == "hasattr" or (node.func.id == "getattr" and (literal or len(node.args) > 2)):
                yield ast.unparse(node)


def test_probes_are_found():
    text = "x = hasattr(a, b) or getattr(a.b, 'c')(getattr(a, n)) or getattr(a, n, None)"
    assert set(probes(text)) == {"hasattr(a, b)", "getattr(a.b, 'c')", "getattr(a, n, None)"}


def test_no_object_is_asked_what_it_has():
    """A member is there, or it is None where the base class says so."""
    files = PACKAGE.rglob("*.py")
    found = {f"{path.relative_to(PACKAGE).as_posix()}: {probe}" for path in files for probe in probes(path.read_text())}
    assert found <= set(PROBES)
