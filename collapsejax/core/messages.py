"""Parts of error messages; nothing heavy is imported, so that the command line can use them at once."""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Iterable
from typing import Any

_LONGEST = 60  # characters of a value in a message


def shown(value: Any) -> str:
    """A value as a message shows it: shortened where it is long."""
    if isinstance(value, int) and not -(10**_LONGEST) < value < 10**_LONGEST:  # Python writes no more than 4300 digits
        return f"about {'-' if value < 0 else ''}2**{value.bit_length()}"
    text = str(value) if isinstance(value, numbers.Number) else repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"


def nearest(name: str, known: Iterable[str]) -> str:
    """How to say which of the `known` names was meant by `name`."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(map(repr, known))}"
