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


_SMALL = 1000  # numbers of an array that are recorded


def own_classes(config: Any) -> dict[str, str]:
    """The classes in a configuration that are not this package's: module and name, by what they are called."""
    library = __name__.partition(".")[0]
    kinds = [(name_of(part), type(part)) for part in _parts(config) if _is_config(part)]
    return {
        name: f"{kind.__module__}.{kind.__qualname__}"
        for name, kind in kinds
        if kind.__module__.partition(".")[0] != library
    }


def is_all_told(config: Any) -> bool:
    """Whether `describe` tells all that a configuration computes: it has no class or function but this package's."""
    told = (bool, int, float, complex, str, bytes, types.NoneType, np.ndarray, np.generic, jax.Array)
    plain = (*told, Mapping, list, tuple)
    return not own_classes(config) and all(_is_config(part) or isinstance(part, plain) for part in _parts(config))


def small_arrays(config: Any) -> dict[str, dict[str, Any]]:
    """The numbers of the short arrays in a configuration, as JSON values, by the digest that describes them."""
    arrays = [np.asarray(part) for part in _parts(config) if is_array(part)]
    return {
        describe(array)["sha256"]: {"dtype": str(array.dtype), "values": array.tolist()}
        for array in arrays
        if array.size <= _SMALL and array.dtype.kind in "biuf"
    }


def _is_config(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _parts(config: Any) -> Iterator[Any]:
    """A configuration and all that is in it, however deep."""
    yield config
    if _is_config(config):
        inner = [value for _, value in fields_of(config)]
    elif isinstance(config, Mapping):
        inner = list(config.values())
    else:
        inner = config if isinstance(config, list | tuple) else []
    for part in inner:
        yield from _parts(part)


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
