"""Frozen dataclasses that JAX can trace: subclassing `Module` makes one."""

from __future__ import annotations

import abc
import dataclasses
import inspect
from collections.abc import Iterable
from typing import Any, ClassVar, Self, dataclass_transform

import jax


def static(**kwargs: Any) -> Any:
    """A dataclass field that is part of the compiled program's identity: whole numbers, texts, callables."""
    return dataclasses.field(metadata={"static": True}, **kwargs)


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, static))
class Module(abc.ABC):
    """Base class of configurations and data. A subclass is a frozen dataclass and a JAX pytree; nothing is decorated.

    Fields are leaves, which JAX traces; fields made with `static()` stay Python values, and another value of one
    compiles another program. `name` is what a class is called in results and on the command line: by default that of
    the class.

    Raises TypeError where a subclass lacks one of the attributes in `required`, naming it; and where a class is
    instantiated that lacks an abstract method, naming that.
    """

    name: ClassVar[str]
    required: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "name" not in cls.__dict__ and "name" not in inspect.get_annotations(cls):
            cls.name = cls.__name__
        dataclasses.dataclass(frozen=True)(cls)
        names = [field.name for field in dataclasses.fields(cls)]
        # Without the class attributes: a field that overrides one would else stand where the base class has that.
        cls.__dataclass_fields__ = {name: cls.__dataclass_fields__[name] for name in names}
        if "required" not in cls.__dict__:
            for attribute in cls.required:
                if attribute not in names and attribute not in dir(cls):
                    raise TypeError(f"class {cls.__name__}: lacks `{attribute}`; give it as a field or an attribute")
        statics = [field.name for field in dataclasses.fields(cls) if field.metadata.get("static")]
        traced = [name for name in names if name not in statics]

        def flatten(config: Self) -> tuple[list[Any], tuple]:
            return [getattr(config, name) for name in traced], tuple(getattr(config, name) for name in statics)

        def flatten_with_keys(config: Self) -> tuple[list[tuple], tuple]:
            leaves, static_values = flatten(config)
            return list(zip(map(jax.tree_util.GetAttrKey, traced), leaves, strict=True)), static_values

        def unflatten(static_values: tuple, leaves: Iterable[Any]) -> Self:
            return cls(**dict(zip(traced, leaves, strict=True)), **dict(zip(statics, static_values, strict=True)))

        # Not `register_dataclass`: to JAX 0.10 two classes made by it with equal static values have equal structures,
        # and now and then, when their hashes meet, the program compiled for one of them is run for the other.
        jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
