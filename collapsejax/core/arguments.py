"""Checks of what a user gives: errors name the value and the fix."""

from __future__ import annotations

import numbers
from collections import Counter
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from .messages import nearest as nearest
from .messages import shown as shown

MOST = 2**31 - 1  # what JAX counts and indexes with is int32
MOST_FEATURES = 2**16  # of which the random numbers for a matrix have counters of 32 bits
WHOLE = 2**24  # up to which float32 counts one by one
_SMALLEST, _LARGEST = 1e-30, 1e30  # numbers that leave float32 some room
_LARGEST_SPREAD = 1e15  # whose square does so


def _power(number: float) -> str:
    return f"{number:g}".replace("e+", "e")


def check_count(name: str, value: Any, least: int = 1, most: int = MOST, why: str = "") -> None:
    """Raise ValueError unless `value` is an integer from `least` to `most`, beyond which it cannot be: `why`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ValueError(f"{name}={shown(value)}: must be a whole number")
    if value < least:
        raise ValueError(f"{name}={shown(value)}: must be at least {least}")
    if value > most:
        raise ValueError(f"{name}={shown(value)}: must be at most {most}{why and f', {why}'}")


def check_seed(value: Any) -> None:
    """Raise ValueError unless `value` can be the seed of a key: a whole number from 0 to 2**32 - 1."""
    check_count("seed", value, least=0, most=2**32 - 1)


def check_number(name: str, value: Any) -> None:
    """Raise ValueError unless `value` is a real number that a float can hold."""
    try:
        whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        number = np.asarray(float(value) if whole else value)
    except OverflowError:
        raise ValueError(f"{name}={shown(value)}: is beyond what a float can hold; use a smaller number") from None
    if number.ndim or not np.issubdtype(number.dtype, np.number) or np.iscomplexobj(number):
        raise ValueError(f"{name}={shown(value)}: must be a number")


def check_not_negative(name: str, value: Any, most: float = _LARGEST) -> None:
    """Raise ValueError unless `value` is a number from 0 to `most`."""
    check_number(name, value)
    if not 0 <= value < np.inf:
        raise ValueError(f"{name}={shown(value)}: must be a finite number of at least 0")
    if value > most:
        raise ValueError(f"{name}={shown(value)}: must be at most {_power(most)}, or float32 loses it")


def check_spread(name: str, value: Any) -> None:
    """Raise ValueError unless `value` is a number of at least 0 whose square is within float32's range."""
    check_not_negative(name, value, _LARGEST_SPREAD)


def check_positive(name: str, value: Any, most: float = _LARGEST) -> None:
    """Raise ValueError unless `value` is above zero and well within float32's range, at most `most`."""
    check_number(name, value)
    if not 0 < value < np.inf:
        raise ValueError(f"{name}={shown(value)}: must be a finite number above 0")
    if not _SMALLEST <= value <= most:
        raise ValueError(
            f"{name}={shown(value)}: must lie between {_SMALLEST:g} and {_power(most)}, or float32 loses it"
        )


def check_whole_float(name: str, value: int) -> None:
    """Raise ValueError for more rows than float32 can count one by one."""
    check_count(name, value, most=WHOLE, why="up to which float32 counts one by one")


def check_share(name: str, value: Any, *, zero: bool = True) -> None:
    """Raise ValueError unless `value` lies in [0, 1], or in (0, 1] without `zero`."""
    check_number(name, value)
    if not 0 <= value <= 1 or (value == 0 and not zero):
        raise ValueError(f"{name}={shown(value)}: must lie between 0 and 1{'' if zero else ', and above 0'}")


def checked_probs(probs: Any) -> np.ndarray:
    """Probabilities as float64 (K,).

    Raises ValueError unless they are one row of numbers that are at least 0 and sum to 1.
    """
    try:
        probs = np.asarray(probs, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"probs={probs!r}: give one row of numbers") from None
    if probs.ndim != 1 or not probs.size:
        raise ValueError(f"probs: shape {probs.shape}; give one row of numbers")
    if not (probs >= 0).all() or not abs(probs.sum() - 1) <= 1e-6:
        raise ValueError(f"probs: from {probs.min():g}, with sum {probs.sum():.9g}; must be at least 0 and sum to 1")
    return probs


def check_is(kind: type, name: str, value: Any) -> None:
    """Raise ValueError unless `value` is an instance of the base class `kind`, saying what it is instead."""
    if isinstance(value, kind):
        return
    wanted = f"an instance of a subclass of collapsejax.{kind.__name__}"
    if isinstance(value, type):
        raise ValueError(f"{name}: is the class {value.__name__}; make an instance, {value.__name__}(...)")
    if isinstance(value, str):
        raise ValueError(f"{name}={value!r}: is a name; give the {kind.__name__.lower()} itself, {wanted}")
    raise ValueError(f"{name}={value!r}: is a {type(value).__name__}; give {wanted}")


def check_list(name: str, values: Any) -> None:
    """Raise ValueError unless this is a list of at least one value: a sequence other than a text, or an array."""
    is_array = isinstance(values, np.ndarray | jax.Array) and values.ndim > 0
    if not is_array and (isinstance(values, str) or not isinstance(values, Sequence)):
        raise ValueError(f"{name}={values!r}: want a list of values")
    if not len(values):
        raise ValueError(f"{name}=[]: is empty; give at least one value")


def check_different(name: str, labels: Sequence[Any]) -> None:
    """Raise ValueError if a label is there twice."""
    (label, times), *_ = Counter(labels).most_common(1)
    if times > 1:
        raise ValueError(f"{name}: duplicate value {label}; give each value once")
