"""Checkpoints of long runs: the latest state of the call that a process computes, kept by Orbax."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core.base import PyTree
from ..store.files import digest, writing
from ..store.provenance import provenance
from .program import Saved


class Checkpoints:
    """The checkpoint of the call that a process computes, in a folder of its own, which need not exist.

    It is a step of Orbax's `CheckpointManager`, numbered by the generations done. Its metadata say which call it
    belongs to, and have a digest of its arrays, since Orbax does not notice every change of its files.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def save(self, call: Any, saved: Saved) -> None:
        """Write the state of `call`, which is made of JSON values, in place of the checkpoint before it.

        Raises:
            OSError: it cannot be written; the message names the store.
        """
        import orbax.checkpoint as ocp  # takes long to import, and only long-running tasks need it

        content = {"state": jax.tree.leaves(saved.state), "results": saved.results}
        labels = {"call": _name(call), "digest": _digest(content)}
        with writing(self._path.parent.parent):
            try:
                with self._manager() as manager:
                    manager.save(len(saved.results), args=ocp.args.StandardSave(content), custom_metadata=labels)
            except OSError:
                raise
            except Exception as error:  # Orbax and TensorStore have errors of their own for what the system refuses
                raise OSError(0, str(error).splitlines()[0]) from error

    def restore(self, call: Any, like: Saved) -> Saved | None:
        """The state of `call` on the devices and in the shapes of `like`, or None without a whole checkpoint of it.

        A checkpoint of another call or version, or a damaged one, is deleted.
        """
        if self._path.exists():
            with contextlib.suppress(Exception):  # whatever reading a damaged file may raise
                if saved := self._restored(call, like):
                    return saved
            self.clear()
        return None

    def clear(self) -> None:
        """Delete the checkpoint and its folder."""
        shutil.rmtree(self._path, ignore_errors=True)

    def _restored(self, call: Any, like: Saved) -> Saved | None:
        import orbax.checkpoint as ocp

        with self._manager(read_only=True) as manager:
            step = manager.latest_step()
            if step is None:
                return None
            labels = manager.metadata(step).custom_metadata
            if labels["call"] != _name(call):
                return None
            leaves, structure = jax.tree.flatten(like.state)
            shapes = {"state": leaves, "results": like.results * step}
            content = manager.restore(step, args=ocp.args.StandardRestore(shapes))
        if labels["digest"] != _digest(content):
            return None
        return Saved(jax.tree.unflatten(structure, content["state"]), content["results"])

    def _manager(self, **options: Any) -> Any:
        import orbax.checkpoint as ocp

        logging.getLogger("absl").setLevel(logging.ERROR)  # it logs what it writes, and how fast
        settings = dict(max_to_keep=1, cleanup_tmp_directories=True, enable_async_checkpointing=False) | options
        return ocp.CheckpointManager(self._path.absolute(), options=ocp.CheckpointManagerOptions(**settings))


def clear_all(folder: Path) -> None:
    """Delete the checkpoints of all processes, which are in folders named by their numbers."""
    for inner in folder.iterdir():
        if inner.name.isdigit() and not inner.is_symlink():
            shutil.rmtree(inner, ignore_errors=True)


def _name(call: Any) -> str:
    """A digest of the call and of the versions that compute it: only the same program can continue it."""
    versions = {name: version for name, version in provenance().items() if name.startswith("version_")}
    return digest(json.dumps([call, versions], sort_keys=True).encode())


def _digest(content: PyTree) -> str:
    """The SHA-256 digest of arrays, of typed keys that of their data."""
    whole = hashlib.sha256()
    for leaf in jax.tree.leaves(content):
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        whole.update(np.asarray(jax.random.key_data(leaf) if is_key else leaf).tobytes())
    return whole.hexdigest()
