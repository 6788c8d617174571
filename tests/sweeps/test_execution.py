import jax
import numpy as np
import pytest

import collapsejax as cj


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(chunk=0), "chunk=0: must be at least 1"),
        (dict(chunk=2.5), "chunk=2.5: must be a whole number"),
        (dict(devices=[]), r"devices=\[\]: give at least one device, or leave it out for all"),
        (dict(devices=2), r"devices=2: want a list of devices, such as jax.devices\(\)\[:2\]"),
        (dict(devices="cpu"), "devices='cpu': want a list of devices"),
        (dict(devices=["cpu"]), r"devices: 'cpu' is no device; give those of jax.devices\(\)"),
        (dict(share=(2, 2)), r"share=\(2, 2\): want \(i, N\) with 0 <= i < N"),
        (dict(share=(-1, 2)), r"share=\(-1, 2\): want"),
        (dict(share=(0, 0)), r"share=\(0, 0\): want"),
        (dict(share=1), r"share=1: want \(i, N\)"),
        (dict(share=(1,)), r"share=\(1,\): want \(i, N\)"),
        (dict(share=(0.5, 2)), r"share=\(0.5, 2\): want \(i, N\)"),
    ],
)
def test_what_cannot_be_executed_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        cj.Execution(**given)


def test_defaults_are_all_devices_and_the_share_of_this_process():
    assert cj.Execution().chosen_devices() == tuple(jax.devices())
    assert cj.Execution().chosen_share() == (0, 1)
    chosen = cj.Execution(chunk=np.int64(3), devices=np.array(jax.devices()[:1]), share=(1, 3))
    assert chosen.chosen_devices() == tuple(jax.devices()[:1])
    assert chosen.chosen_share() == (1, 3)
