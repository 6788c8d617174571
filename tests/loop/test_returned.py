"""What is said of tasks and workflows of one's own whose methods return something else than they should."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import Small

import collapsejax as cj

SIZE = dict(num_samples=4, num_generations=3)


class Kept(cj.Workflow):
    """All batches, in a pool."""

    room: float = cj.static(default=1.0)

    def capacity(self, num_samples, num_generations):
        return int(self.room * num_samples * num_generations)

    def init(self, pool, real):
        return pool.append(real)

    def update(self, key, state, synthetic, draw_real):
        return state.append(synthetic)

    def select(self, key, state):
        return state


def changed(base, method, function):
    return type("Odd", (base,), {method: function})()


TASKS = {
    "init": (lambda self, key, n: jnp.asarray(1.0), TypeError, "init returns .*; return two values, the truth"),
    "sample_real": (
        lambda self, key, truth, n: jnp.zeros(()),
        ValueError,
        r"sample_real returns an array of shape \(\)",
    ),
    "sample": (
        lambda self, key, truth, params, n: jnp.zeros(n + 1),
        ValueError,
        r"sample returns an array of shape \(5,\) for n = 4 rows; return \(4, ...\)",
    ),
}
WORKFLOWS = [
    ("update", lambda self, key, state, new, draw: None, "update returns PyTreeDef.*and the state before is"),
    (
        "update",
        lambda self, key, state, new, draw: state.join(new),
        r"update returns float32\[20\] as its part .values",
    ),
    ("select", lambda self, key, state: (state,), "select returns a tuple; return data, as Rows or a summary"),
]


@pytest.mark.parametrize("method", TASKS)
def test_methods_of_tasks(method, key):
    function, error, message = TASKS[method]
    with pytest.raises(error, match=message):
        cj.run(key, changed(Small, method, function), Kept(), **SIZE)


def test_rows_are_no_number(key):
    with pytest.raises(ValueError, match=r"sample_real returns an array of shape \(\) for n = 4"):
        cj.run(key, changed(Small, "sample_real", lambda self, key, truth, n: 1.0), Kept(), **SIZE)


@pytest.mark.parametrize(("method", "function", "message"), WORKFLOWS)
def test_methods_of_workflows(method, function, message, key):
    with pytest.raises(TypeError, match=message):
        cj.run(key, Small(), changed(Kept, method, function), **SIZE)


def test_an_error_says_in_which_method_it_was_raised_and_what_to_do_about_traced_fields(key):
    class Deciding(Kept):
        memory: float = 0.5

        def update(self, key, state, synthetic, draw_real):
            return state.append(synthetic) if self.memory > 0.3 else state

    with pytest.raises(jax.errors.TracerBoolConversionError) as raised:
        cj.run_seeds(cj.seed_keys(key, 2), Small(), Deciding(), **SIZE)
    where, fix = raised.value.__notes__[:2]
    assert where == "(raised in the method update of workflow 'Deciding')"
    assert "cj.static(" in fix


def test_fields_that_jax_can_neither_trace_nor_compare(key):
    class Named(Kept):
        kind: str = "mle"

    class Listed(Kept):
        kinds: list = cj.static(default=())

    with pytest.raises(ValueError, match=r"workflow 'Named': field 'kind' is 'mle', .*; declare it by cj.static\(\)"):
        cj.run(key, Small(), Named(), **SIZE)
    for kinds in ([1], {}, np.ones(3)):
        with pytest.raises(ValueError, match=r"workflow 'Listed': field 'kinds' is a \w+, .*; give a tuple"):
            cj.run(key, Small(), Listed(kinds=kinds), **SIZE)


@pytest.mark.parametrize("room", [0.3, 0.6, 0.9])
def test_a_pool_that_overflows_gives_no_numbers(room, key):
    """Rows that do not fit would else be lost without a word."""
    sizes = dict(num_samples=10, num_generations=6)
    whole = cj.run_seeds(cj.seed_keys(key, 3), Small(), Kept(), **sizes).metrics["error"]
    assert np.isfinite(whole).all()
    short = cj.run_seeds(cj.seed_keys(key, 3), Small(), Kept(room=room), **sizes).metrics["error"]
    fits = int(room * 7)
    np.testing.assert_allclose(short[:, :fits], whole[:, :fits], rtol=1e-5, atol=1e-6)
    assert np.isnan(short[:, fits:]).all()
