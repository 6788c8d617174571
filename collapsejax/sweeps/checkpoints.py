"""Checkpoints of long runs: the latest states of the call that a process computes, kept by Orbax."""

from __future__ import annotations

import json
import logging
import shutil
import warnings
from pathlib import Path
from typing import Any

import jax

from ..store.checksums import differing, digests, read_json, write_json
from ..store.files import digest, writing
from ..store.provenance import provenance
from .program import Saved


class Checkpoints:
    """The checkpoints of the call that a process computes, in a folder of its own, which need not exist.

    Each is a step of Orbax's `CheckpointManager`, numbered by the generations done. A record beside it says which call
    it belongs to, and has the checksums of its files: what is damaged is not given to Orbax. The latest but one stays
    until the latest has its record.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def save(self, call: Any, saved: Saved) -> None:
        """Write the state of `call`, which is made of JSON values, in place of the checkpoint before the last.

        Raises:
            OSError: it cannot be written; the message names the store.
        """
        import orbax.checkpoint as ocp  # takes long to import, and only long-running tasks need it

        content, step = {"state": jax.tree.leaves(saved.state), "results": saved.results}, len(saved.results)
        with writing(self._path.parent.parent):
            try:
                with self._manager() as manager:
                    manager.save(step, args=ocp.args.StandardSave(content))
                    kept = manager.all_steps()
            except OSError:
                raise
            except Exception as error:  # Orbax and TensorStore have errors of their own for what the system refuses
                raise OSError(0, str(error).splitlines()[0]) from error
            write_json(self._record(step), {"call": _name(call), "files": digests(self._path / str(step))})
            for before in set(self._steps()).difference(kept):
                self._record(before).unlink(missing_ok=True)

    def restore(self, call: Any, like: Saved) -> Saved | None:
        """The state of `call` on the devices and in the shapes of `like`, or None without a whole checkpoint of it.

        Checkpoints of another call, as the one before, or of another version are deleted, and damaged ones with a
        warning.
        """
        import orbax.checkpoint as ocp

        damaged = False
        for step in reversed(self._steps()):
            record = read_json(self._record(step))
            if not record or differing(self._path / str(step), record["files"]):
                damaged = True
            elif record["call"] == _name(call):
                leaves, structure = jax.tree.flatten(like.state)
                shapes = {"state": leaves, "results": like.results * step}
                with self._manager(read_only=True) as manager:
                    content = manager.restore(step, args=ocp.args.StandardRestore(shapes))
                return Saved(jax.tree.unflatten(structure, content["state"]), content["results"])
        if damaged:
            warnings.warn(f"{self._path}: the checkpoint is incomplete or damaged, and is not used", stacklevel=2)
        self.clear()
        return None

    def _steps(self) -> list[int]:
        """The numbers of the checkpoints that are there, or have a record."""
        return sorted({int(path.stem) for path in self._path.glob("*") if path.stem.isdigit()})

    def _record(self, step: int) -> Path:
        return self._path / f"{step}.json"

    def clear(self) -> None:
        """Delete the checkpoint and its folder."""
        shutil.rmtree(self._path, ignore_errors=True)

    def _manager(self, **options: Any) -> Any:
        import orbax.checkpoint as ocp

        logging.getLogger("absl").setLevel(logging.CRITICAL)  # it logs what it writes, and what it cannot read
        settings = dict(max_to_keep=2, cleanup_tmp_directories=True, enable_async_checkpointing=False) | options
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
