"""Configurations as JSON values and as short labels."""

from __future__ import annotations

import dataclasses
import hashlib
import types
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from .pytree import Module


def short_text(config: Any) -> str:
    """A task, workflow or source by its name and the fields that are not as they are by default."""
    changed, names = [], [field.name for field in dataclasses.fields(config)]
    for field in dataclasses.fields(config) if "name" not in names else ():
        value = getattr(config, field.name)
        if not (is_array(value) or value is None or value == field.default):
            changed.append(f"{field.name}={short_text(value) if dataclasses.is_dataclass(value) else value}")
    return f"{name_of(config)}({', '.join(changed)})" if changed else name_of(config)


def name_of(config: Any) -> str:
    """What a configuration is called: the `name` of a `Module`, else that of its class."""
    return config.name if isinstance(config, Module) else type(config).__name__


def fields_of(config: Any) -> Iterator[tuple[str, Any]]:
    """Names and values of the fields of a dataclass, in their order."""
    return ((field.name, getattr(config, field.name)) for field in dataclasses.fields(config))


def is_array(value: Any) -> bool:
    """Whether a value is an array, not a number."""
    return isinstance(value, np.ndarray | jax.Array) and value.ndim > 0


def describe(config: Any) -> Any:
    """A configuration as JSON values: a class by its `name` and fields, an array by its shape and a digest."""
    if dataclasses.is_dataclass(config):
        fields = {name: describe(value) for name, value in fields_of(config)}
        return {"name": name_of(config)} | fields
    if isinstance(config, Mapping):
        return {str(name): describe(value) for name, value in config.items()}
    if isinstance(config, list | tuple):
        return [describe(value) for value in config]
    if is_array(config):
        array = np.asarray(config)
        return {"shape": list(array.shape), "sha256": hashlib.sha256(array.tobytes()).hexdigest()}
    if isinstance(config, types.FunctionType | type):
        return f"{config.__module__}.{config.__qualname__}"
    if isinstance(config, np.ndarray | np.generic | jax.Array):
        return config.item()
    return repr(config) if callable(config) else config
