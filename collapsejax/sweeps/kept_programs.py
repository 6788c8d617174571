"""Compiled programs of earlier runs, and what their plans looked up, found by what they are made from.

A run that repeats one traces nothing.

JAX's own cache finds a program by its text, which takes longer to make than the rest of a repeated command.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import hashlib
import json
import os
import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache
from jax.experimental.serialize_executable import deserialize_and_load, serialize

from ..loop import COMPILER_OPTIONS
from ..store.files import digest, write_whole
from ..store.provenance import installed_version

_FOLDER: contextvars.ContextVar[Path | None] = contextvars.ContextVar("folder", default=None)
# Settings that a `with` block changes, in its thread alone, and that a program depends on.
_SET_IN_A_BLOCK = ("jax_enable_x64", "jax_default_matmul_precision", "jax_threefry_partitionable", "jax_debug_nans")
_PACKAGES = ("jax", "jaxlib", "numpy", "flax", "optax")
_DIGEST_BYTES = 32
MadeFrom = Callable[[], Any]
_ONE_AT_A_TIME = threading.Lock()


def keep_in(folder: Path) -> None:
    """Have programs kept in a folder that is there, and taken from it, within this `contextvars` context.

    Whoever can write to the folder decides what is executed.
    """
    _FOLDER.set(folder)


def found_or_compiled(
    made_from: MadeFrom, lower: Callable[[], jax.stages.Lowered], devices: Sequence[jax.Device]
) -> jax.stages.Compiled:
    """The program that was kept of `made_from`; else what `lower` gives is compiled, and kept.

    Args:
        made_from: gives JSON values that together with this package, its dependencies, JAX's settings and the devices
            say all that the program depends on; None where they cannot.
        lower: makes the program.
        devices: that it runs on.
    """
    path = _place("program", made_from, devices)
    if path is None:
        return lower().compile(COMPILER_OPTIONS)
    if (found := _found(path, devices)) is not None:
        return found
    with _without_jax_cache():
        compiled = lower().compile(COMPILER_OPTIONS)
    _keep(path, compiled)
    return compiled


def remembered(made_from: MadeFrom, find: Callable[[], Any]) -> Any:
    """The JSON value that an earlier run found; else the one that `find` gives now.

    Args:
        made_from: as of `found_or_compiled`, of what the value depends on.
        find: finds it.
    """
    path = _place("value", made_from, jax.local_devices())
    if path is None:
        return find()
    if (content := _read(path)) is not None:
        return json.loads(content)
    value = find()
    _write(path, json.dumps(value).encode())
    return value


def _place(kind: str, made_from: MadeFrom, devices: Sequence[jax.Device]) -> Path | None:
    """The file of what is made from that, in the folder of this context; None where there is none."""
    folder = _FOLDER.get()
    if folder is None or (told := made_from()) is None:
        return None
    name = digest(json.dumps([told, _surroundings(devices)], sort_keys=True).encode())
    return folder / f"{name}-{kind}-cache"


@contextlib.contextmanager
def _without_jax_cache() -> Iterator[None]:
    """Programs that JAX reads from its cache, written again, lack functions, and fail when they are called."""
    with _ONE_AT_A_TIME:
        before = jax.config.jax_enable_compilation_cache
        jax.config.update("jax_enable_compilation_cache", False)
        compilation_cache.reset_cache()  # else JAX, which has looked at the setting, does not look again
        try:
            yield
        finally:
            jax.config.update("jax_enable_compilation_cache", before)
            compilation_cache.reset_cache()


def _found(path: Path, devices: Sequence[jax.Device]) -> jax.stages.Compiled | None:
    try:
        program = _read(path)
        return program and deserialize_and_load(*pickle.loads(program), execution_devices=devices)
    except jax.errors.JaxRuntimeError:
        return None


def _keep(path: Path, compiled: jax.stages.Compiled) -> None:
    try:
        program = pickle.dumps(serialize(compiled))
    except (ValueError, jax.errors.JaxRuntimeError):  # of a platform that cannot
        return
    _write(path, program)


def _read(path: Path) -> bytes | None:
    """What was written to a file; None where it is not there, or is cut short, by a full disk for example."""
    try:
        written = path.read_bytes()
    except OSError:
        return None
    checksum, content = written[:_DIGEST_BYTES], written[_DIGEST_BYTES:]
    return content if hashlib.sha256(content).digest() == checksum else None


def _write(path: Path, content: bytes) -> None:
    with contextlib.suppress(OSError, ValueError):  # no room
        write_whole(path, hashlib.sha256(content).digest() + content)


def _surroundings(devices: Sequence[jax.Device]) -> list[Any]:
    """What else a program depends on, as JSON values."""
    settings = {name: repr(value) for name, value in jax.config.values.items()}
    settings |= {name: repr(getattr(jax.config, name)) for name in _SET_IN_A_BLOCK}
    kinds = [[device.id, device.platform, device.device_kind, device.client.platform_version] for device in devices]
    versions = [installed_version(package) for package in _PACKAGES]
    return [_digest_of_sources(), versions, settings, os.environ.get("XLA_FLAGS", ""), COMPILER_OPTIONS, kinds]


@functools.cache
def _digest_of_sources() -> str:
    root = Path(__file__).parents[1]
    files = sorted(root.rglob("*.py"))
    return digest(b"\0".join(str(file.relative_to(root)).encode() + file.read_bytes() for file in files))
