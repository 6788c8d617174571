"""Text as tokens of one byte, and back: characters of a small alphabet, or the bytes of UTF-8."""

from __future__ import annotations

import functools
from typing import ClassVar

import numpy as np

from ..core.pytree import Module, static

CHARACTERS = " abcdefghijklmnopqrstuvwxyz.,'-0"

_DIGITS = "0123456789"
# Single quotation marks, the latter of which is the apostrophe; hyphens and dashes.
_TYPEWRITTEN = dict.fromkeys("\u2018\u2019", "'") | dict.fromkeys("\u2010\u2011\u2013\u2014", "-")
_UNKNOWN = "\u0100"  # the first character that is no byte


class Characters(Module):
    """One token for each character of an alphabet, whose number is its place there.

    A character that is not there is read as its lower case, a digit as "0" if that is the alphabet's only digit, white
    space as a space, and a typographic apostrophe or dash as the typewriter's. Any other is unknown and becomes a
    space: names such as `read_file(path)` then fall into words. Of several spaces in a row the first is kept.

    Raises ValueError for an alphabet of less than 2 or more than 256 characters, or with one of them twice.
    """

    alphabet: str = static(default=CHARACTERS)

    name: ClassVar[str] = "characters"

    def __post_init__(self) -> None:
        if not 2 <= len(self.alphabet) <= 256:
            raise ValueError(f"alphabet: has {len(self.alphabet)} characters; tokens are bytes, so give 2 to 256")
        for character in self.alphabet:
            if self.alphabet.count(character) > 1:
                raise ValueError(f"alphabet: {character!r} is there twice; give each character once")

    def __str__(self) -> str:
        return f"{self.vocab_size} characters {self.alphabet!r}"

    @property
    def vocab_size(self) -> int:
        return len(self.alphabet)

    def encode(self, text: str) -> tuple[np.ndarray, int]:
        """Tokens (uint8) of a text, and how many of its characters were unknown."""
        known = text.translate(self._codes)
        num_unknown = known.count(_UNKNOWN)
        space = self.alphabet.find(" ")
        known = known.replace(_UNKNOWN, "" if space < 0 else chr(space))
        tokens = np.frombuffer(known.encode("latin-1"), np.uint8)
        first = np.ones(len(tokens), bool)
        first[1:] = (tokens[1:] != space) | (tokens[:-1] != space)
        return tokens[first], num_unknown

    def decode(self, tokens: np.ndarray) -> str:
        return "".join(self.alphabet[token] for token in np.asarray(tokens))

    @functools.cached_property
    def _codes(self) -> _Codes:
        return _Codes(self.alphabet)


class _Codes(dict):
    """For `str.translate`: the character whose number is a token, for each character that was met so far."""

    def __init__(self, alphabet: str) -> None:
        self._places = {character: chr(place) for place, character in enumerate(alphabet)}
        self._one_digit = [digit for digit in _DIGITS if digit in alphabet] == ["0"]

    def __missing__(self, number: int) -> str | None:
        character = chr(number)
        other = "0" if self._one_digit and character in _DIGITS else " " if character.isspace() else ""
        meant = (character, character.lower(), _TYPEWRITTEN.get(character), other)
        unknown = None if character.isspace() else _UNKNOWN  # None: left out, by an alphabet without a space
        self[number] = next((self._places[one] for one in meant if one in self._places), unknown)
        return self[number]


class Bytes(Module):
    """The bytes of UTF-8 as they are."""

    name: ClassVar[str] = "bytes"
    vocab_size: ClassVar[int] = 256

    def __str__(self) -> str:
        return "bytes of UTF-8"

    def encode(self, text: str) -> tuple[np.ndarray, int]:
        """Tokens (uint8) of a text, none of it unknown."""
        return np.frombuffer(text.encode(), np.uint8), 0

    def decode(self, tokens: np.ndarray) -> str:
        """Text; what is no whole character, as at the end of a row, becomes U+FFFD."""
        return bytes(np.asarray(tokens)).decode(errors="replace")
