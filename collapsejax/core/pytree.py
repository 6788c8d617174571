"""Frozen dataclasses that JAX can trace."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, TypeVar, dataclass_transform

import jax

T = TypeVar("T")


def static(**kwargs: Any) -> Any:
    """A dataclass field that is part of the compiled program's identity: ints, strings, callables."""
    return dataclasses.field(metadata={"static": True}, **kwargs)


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, static))
def pytree(cls: type[T]) -> type[T]:
    """Make `cls` a frozen dataclass that JAX can trace through; fields made with `static()` stay Python values.

    A list in a field stands for several values, of which `sweep` makes objects with one value each: `__post_init__`
    is left to those.
    """
    validate = cls.__dict__.get("__post_init__")
    if validate is not None:
        cls.__post_init__ = lambda self: None if listed_fields(self) else validate(self)
    cls = dataclasses.dataclass(frozen=True)(cls)
    names = [field.name for field in dataclasses.fields(cls)]
    statics = [field.name for field in dataclasses.fields(cls) if field.metadata.get("static")]
    traced = [name for name in names if name not in statics]

    def flatten(config: T) -> tuple[list[Any], tuple]:
        return [getattr(config, name) for name in traced], tuple(getattr(config, name) for name in statics)

    def flatten_with_keys(config: T) -> tuple[list[tuple], tuple]:
        leaves, static_values = flatten(config)
        return list(zip(map(jax.tree_util.GetAttrKey, traced), leaves, strict=True)), static_values

    def unflatten(static_values: tuple, leaves: Iterable[Any]) -> T:
        return cls(**dict(zip(traced, leaves, strict=True)), **dict(zip(statics, static_values, strict=True)))

    # Not `register_dataclass`: to JAX 0.10 two classes made by it with equal static values have equal structures, and
    # now and then, when their hashes meet, the program compiled for one of them is run for the other.
    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
    return cls


def listed_fields(config: Any) -> list[tuple[str, ...]]:
    """Paths of the fields of a dataclass, and of dataclasses in its fields, that hold lists."""
    paths = []
    for field in dataclasses.fields(config) if dataclasses.is_dataclass(config) else ():
        value = getattr(config, field.name)
        inner = [()] if isinstance(value, list) else listed_fields(value)
        paths += [(field.name, *path) for path in inner]
    return paths
