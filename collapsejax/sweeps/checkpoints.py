"""Checkpoints of long runs: the latest state of the call that a process is at, kept by Orbax."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core.base import PyTree
from ..store.files import writing
from ..store.manifest import digest
from ..store.provenance import provenance
from .program import Saved


class Checkpoints:
    """The folder of a process, which need not be there, for the call that it is at: one checkpoint, or none."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def save(self, call: Any, saved: Saved) -> None:
        """Keep the state of a call, JSON values, in place of what was kept before. Raises OSError where it cannot."""
        leaves, results = _plain(saved.state), saved.results
        content = {"state": leaves, "results": results, "digest": _digest((leaves, results))}
        name = f"{_name(call)}-{len(results)}"
        with writing(self._path.parent.parent):
            self._path.mkdir(parents=True, exist_ok=True)
            checkpointer = self._checkpointer()
            try:
                # A killed process has left half of it there.
                shutil.rmtree(self._path / name, ignore_errors=True)
                checkpointer.save(self._path.absolute() / name, content)
                checkpointer.wait_until_finished()
            except OSError:
                raise
            except Exception as error:  # Orbax and TensorStore have errors of their own for what the system refuses
                raise OSError(0, str(error).splitlines()[0]) from error
        self._sweep_out(name)

    def restore(self, call: Any, like: Saved) -> Saved | None:
        """What was kept of this call, on the devices and in the shapes of `like`; None where it is not there, whole."""
        found = {}
        for folder in self._path.glob(f"{_name(call)}-*"):
            if number := re.fullmatch(r"\d+", folder.name.rpartition("-")[2]):
                found[int(number[0])] = folder
        for number, folder in sorted(found.items(), reverse=True):
            if saved := self._restored(folder, number, like):
                return saved
        self._sweep_out()
        return None

    def clear(self) -> None:
        """Forget the call."""
        shutil.rmtree(self._path, ignore_errors=True)

    def _restored(self, folder: Path, number: int, like: Saved) -> Saved | None:
        shapes = jax.tree.map(lambda leaf: leaf.update(sharding=None), like)
        shapes = {"state": jax.eval_shape(_key_data, shapes.state), "results": shapes.results * number}
        try:
            content = self._checkpointer().restore(
                folder.absolute(), shapes | {"digest": jax.ShapeDtypeStruct((32,), np.uint8)}
            )
            content = jax.tree.map(np.asarray, content)
            state, results = content["state"], content["results"]
            if not np.array_equal(content["digest"], _digest((state, results))):
                return None
        except Exception:  # whatever reading a damaged file may raise
            return None
        leaves, structure = jax.tree.flatten(like.state)
        leaves = [jax.device_put(_like(leaf, want), want.sharding) for leaf, want in zip(state, leaves, strict=True)]
        return Saved(jax.tree.unflatten(structure, leaves), results)

    def _checkpointer(self) -> Any:
        import orbax.checkpoint as ocp  # takes long to import, and only long-running tasks need it

        logging.getLogger("absl").setLevel(logging.ERROR)  # of what it writes, and how fast
        # Processes of a sweep do not wait for one another.
        process = jax.process_index()
        alone = ocp.options.MultiprocessingOptions(
            primary_host=process, active_processes={process}, barrier_sync_key_prefix=str(process)
        )
        return ocp.StandardCheckpointer(multiprocessing_options=alone)

    def _sweep_out(self, but: str | None = None) -> None:
        for leftover in self._path.glob("*"):
            if leftover.name != but:
                shutil.rmtree(leftover, ignore_errors=True)


def _name(call: Any) -> str:
    """What is done, and by which versions: only the same program can carry it on."""
    versions = {name: version for name, version in provenance().items() if name.startswith("version_")}
    return digest(json.dumps([call, versions], sort_keys=True).encode())[:32]


def _key_data(tree: PyTree) -> list[Any]:
    is_key = lambda leaf: jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return [jax.random.key_data(leaf) if is_key(leaf) else leaf for leaf in jax.tree.leaves(tree)]


def _plain(tree: PyTree) -> list[np.ndarray]:
    """The leaves as arrays of numbers on the host."""
    return [np.array(leaf) for leaf in jax.device_get(_key_data(tree))]


def _like(leaf: np.ndarray, want: jax.ShapeDtypeStruct) -> Any:
    if not jnp.issubdtype(want.dtype, jax.dtypes.prng_key):
        return leaf
    kinds = []
    jax.eval_shape(lambda key: kinds.append(jax.random.key_impl(key)), want)  # which wants an array
    return jax.random.wrap_key_data(leaf, impl=kinds[0])


def _digest(content: PyTree) -> np.ndarray:
    """A checksum (32,) of arrays: Orbax does not notice every change of its files."""
    whole = hashlib.sha256()
    for leaf in jax.tree.leaves(content):
        whole.update(np.ascontiguousarray(leaf).tobytes())
    return np.frombuffer(whole.digest(), np.uint8)
