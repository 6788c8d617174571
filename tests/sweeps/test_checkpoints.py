import warnings

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from damage import flip_a_byte
from jax.sharding import SingleDeviceSharding

from collapsejax.sweeps.checkpoints import Checkpoints
from collapsejax.sweeps.program import Saved

CALL = ["fingerprint", [[0, 4]], [1, 4, 4]]
STATE = {"key": jax.random.split(jax.random.key(3, impl="rbg"), 4), "mean": jnp.arange(4.0)}
RESULT = {"error": np.arange(4.0), "text": np.arange(8, dtype=np.uint8).reshape(4, 2)}


def shape_of(leaf, sharding=None):
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)


DEVICE = SingleDeviceSharding(jax.devices()[0])
LIKE = Saved(jax.tree.map(lambda leaf: shape_of(leaf, DEVICE), STATE), [jax.tree.map(shape_of, RESULT)])


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store" / "running" / "0"


@pytest.fixture
def checkpoints(folder):
    """Checkpoints after three generations."""
    checkpoints = Checkpoints(folder)
    assert checkpoints.restore(CALL, LIKE) is None
    for done in (1, 2, 3):
        checkpoints.save(CALL, Saved(STATE, [RESULT] * done))
    return checkpoints


def test_the_last_state_is_restored_with_its_keys(checkpoints, folder):
    assert {path.name for path in folder.iterdir()} == {"2", "2.json", "3", "3.json"}
    found = checkpoints.restore(CALL, LIKE)
    assert jax.random.key_impl(found.state["key"]) == "rbg"
    data = lambda state: state | {"key": jax.random.key_data(state["key"])}
    chex.assert_trees_all_equal((data(found.state), found.results), (data(STATE), [RESULT] * 3))
    assert found.state["mean"].sharding == DEVICE


def test_what_a_killed_process_left_is_removed(checkpoints, folder):
    (folder / "4.orbax-checkpoint-tmp").mkdir()
    assert len(checkpoints.restore(CALL, LIKE).results) == 3
    checkpoints.save(CALL, Saved(STATE, [RESULT] * 4))
    assert {path.name for path in folder.iterdir()} == {"3", "3.json", "4", "4.json"}
    checkpoints.clear()
    assert not folder.exists()


def test_the_last_but_one_is_used_where_the_last_is_damaged_or_has_no_record(checkpoints, folder):
    flip_a_byte(next(file for file in (folder / "3").rglob("*") if file.is_file() and file.stat().st_size > 20))
    assert len(checkpoints.restore(CALL, LIKE).results) == 2
    (folder / "3.json").unlink()
    assert len(checkpoints.restore(CALL, LIKE).results) == 2


@pytest.mark.parametrize("changed", ["call", "versions", "records"])
def test_any_other_checkpoint_is_not_used(checkpoints, folder, monkeypatch, changed):
    call = ["fingerprint", [[0, 5]], [1, 4, 4]] if changed == "call" else CALL
    if changed == "versions":
        monkeypatch.setattr("collapsejax.sweeps.checkpoints.provenance", lambda: {"version_jax": "0"})
    if changed == "records":
        for record in folder.glob("*.json"):
            flip_a_byte(record)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert checkpoints.restore(call, LIKE) is None
    assert ["the checkpoint is incomplete or damaged" in str(one.message) for one in said] == [True] * (
        changed == "records"
    )
    assert not folder.exists()
    checkpoints.save(call, Saved(STATE, [RESULT]))  # fewer generations than there were
    assert len(checkpoints.restore(call, LIKE).results) == 1


def test_a_refusal_names_the_store(folder):
    folder.parent.parent.mkdir()
    folder.parent.touch()  # a file where a folder must be made
    with pytest.raises(OSError, match=r"store: writing failed \(.+\); all that was complete stays"):
        Checkpoints(folder).save(CALL, Saved(STATE, [RESULT]))
