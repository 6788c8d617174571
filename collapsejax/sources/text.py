"""Real text: windows of the standard library's docstrings, or of the user's own files, split by document."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import ClassVar

import jax.numpy as jnp
import numpy as np

from ..core.arguments import check_count, nearest
from ..core.base import Array, SequenceSource
from ..core.pytree import static
from ..numerics.subsets import subset
from .corpus import read, stdlib
from .tokenizers import Bytes, Characters

_TOKENIZERS = {tokenizer.name: tokenizer for tokenizer in (Characters, Bytes)}
_TOGETHER = 2**16  # windows that are compared with held-out ones at a time


class Text(SequenceSource):
    """Windows of text as rows of tokens; made by `text`.

    `train` (N, L), `validation` (M', L) and `test` (M, L) are the three parts. `sha256` is of all tokens of the corpus,
    whose number is `num_tokens`; `num_unknown` characters were not in the alphabet. `python` is the version whose
    standard library the text is from, and `files` are the names of the files there.
    """

    train: Array
    validation: Array
    test: Array
    corpus: str = static()
    python: str | None = static()
    files: tuple[str, ...] | None = static()
    field: str | None = static()
    tokenizer: Characters | Bytes = static()
    window: int = static()
    test_fraction: float = static()
    validation_fraction: float = static()
    split_seed: int = static()
    num_documents: int = static()
    num_tokens: int = static()
    num_unknown: int = static()
    sha256: str = static()

    name: ClassVar[str] = "text"
    read_from_file: ClassVar[bool] = True

    def __repr__(self) -> str:
        return f"text({self.corpus!r})"

    def __str__(self) -> str:
        origin = self.corpus if self.python is None else f"docstrings of Python {self.python}"
        parts = f"{len(self.train)} to fit to, {self.num_validation} for validation, {self.num_held_out} held out"
        return (
            f"{origin}: {self.num_documents} documents, {self.num_tokens} tokens ({self.tokenizer}; "
            f"{self.num_unknown} unknown); windows of {self.window}: {parts}"
        )

    @property
    def vocab_size(self) -> int:
        return self.tokenizer.vocab_size

    @property
    def num_held_out(self) -> int:
        return self.test.shape[0]

    @property
    def num_validation(self) -> int:
        return self.validation.shape[0]

    def check(self, num_samples: int) -> None:
        available = self.train.shape[0]
        if num_samples > available:
            raise ValueError(
                f"num_samples={num_samples}: {self.corpus} has {available} windows of {self.window} tokens to fit to; "
                f"use at most {available}, or a shorter window"
            )

    def sample(self, key: Array, real: tuple[()], n: int) -> Array:
        """Draw n different windows of the training part. Raises ValueError if there are fewer."""
        del real
        self.check(n)
        return self.train[subset(key, self.train.shape[0], n)]

    def sample_test(self, key: Array, real: tuple[()], n: int) -> Array:
        """Draw n different held-out windows."""
        del real
        return self.test[subset(key, self.num_held_out, n)]

    def sample_validation(self, key: Array, real: tuple[()], n: int) -> Array:
        """Draw n different windows of the part for validation."""
        del real
        return self.validation[subset(key, self.num_validation, n)]

    def decode(self, row: Array) -> str:
        """A row of tokens as text."""
        return self.tokenizer.decode(row)


def text(
    corpus: str | Path = "stdlib",
    *,
    tokenizer: str = "characters",
    alphabet: str | None = None,
    window: int = 32,
    field: str | None = None,
    test_fraction: float = 0.1,
    validation_fraction: float = 0.1,
    split_seed: int = 0,
) -> Text:
    """Cut text into windows of tokens that do not overlap, the rest of a document being dropped.

    Documents are split into three parts, so that held-out text is unseen. A held-out window that the training part has
    as well, word for word, is left out; and so is one for the test that is for validation.

    Args:
        corpus: "stdlib", the docstrings of the standard library of this Python, a file of which is a document; or the
            path of a .txt, .md or .jsonl file or of a folder of such, whose files are documents, as are lines of
            .jsonl. A single .txt or .md file is split into documents at ends of paragraphs. At most 2^28 bytes, of
            which about three times as many are held.
        tokenizer: "characters" of an alphabet, to which others are reduced, or "bytes" of UTF-8.
        alphabet: characters to keep. Default: space, a to z, `.,'-` and 0, which stands for every digit.
        window: tokens of a row (L).
        field: of the lines of .jsonl files, the field that holds the text.
        test_fraction: share of the documents that are held out for tests.
        validation_fraction: share of the documents for validation, as to choose settings of a training by.
        split_seed: which documents are held out, and which are for validation.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: for a corpus that is empty, too large, not UTF-8 or not JSON (file and place are named), an
            alphabet that makes no sense, a window longer than the text, and fractions that leave a part empty.
    """
    if tokenizer not in _TOKENIZERS:
        raise ValueError(f"tokenizer={tokenizer!r}: there is none; {nearest(tokenizer, _TOKENIZERS)}")
    if alphabet is not None and tokenizer != "characters":
        raise ValueError(f"alphabet={alphabet!r}: is for the tokenizer 'characters', not {tokenizer!r}; leave it out")
    tokens_of = Bytes() if tokenizer == "bytes" else Characters() if alphabet is None else Characters(alphabet)
    check_count("window", window)
    check_count("split_seed", split_seed, least=0)
    for name, share in (("test_fraction", test_fraction), ("validation_fraction", validation_fraction)):
        if not 0 < share < 1:
            raise ValueError(f"{name}={share}: must lie between 0 and 1")
    if corpus == "stdlib" and field is not None:
        raise ValueError(f"field={field!r}: is for .jsonl files; leave it out")
    pieces = stdlib() if corpus == "stdlib" else read(Path(corpus), field)
    rows, owners, documents, counts = _windows(str(corpus), pieces, tokens_of, window)
    shares = test_fraction, validation_fraction
    test, validation, train = _split(str(corpus), rows, owners, shares, np.random.default_rng(split_seed))
    return Text(
        train=jnp.asarray(train),
        validation=jnp.asarray(validation),
        test=jnp.asarray(test),
        corpus=str(corpus),
        python=platform.python_version() if corpus == "stdlib" else None,
        files=tuple(documents) if corpus == "stdlib" else None,
        field=field,
        tokenizer=tokens_of,
        window=int(window),
        num_documents=len(documents),
        test_fraction=test_fraction,
        validation_fraction=validation_fraction,
        split_seed=int(split_seed),
        **counts,
    )


def _windows(
    corpus: str, pieces: Iterable[tuple[Hashable, str]], tokenizer: Characters | Bytes, window: int
) -> tuple[np.ndarray, np.ndarray, list[Hashable], dict]:
    """Windows (N, L) of a corpus, the place (N,) of the document that each is from, all documents, and counts."""
    kept, windows_of, digest = bytearray(), {}, hashlib.sha256()
    num_tokens = num_unknown = longest = 0
    for document, piece in pieces:
        tokens, unknown = tokenizer.encode(piece)
        whole = len(tokens) // window
        kept += tokens[: whole * window].tobytes()
        windows_of[document] = windows_of.get(document, 0) + whole
        digest.update(tokens)
        num_tokens, num_unknown, longest = num_tokens + len(tokens), num_unknown + unknown, max(longest, len(tokens))
    if not windows_of:
        raise ValueError(f"{corpus}: holds nothing but white space; there is no text")
    if not kept:
        raise ValueError(f"window={window}: longer than any text in {corpus} ({longest} tokens); use at most that")
    owners = np.repeat(np.arange(len(windows_of), dtype=np.int32), list(windows_of.values()))
    counts = dict(num_tokens=num_tokens, num_unknown=num_unknown, sha256=digest.hexdigest())
    return np.frombuffer(kept, np.uint8).reshape(-1, window), owners, list(windows_of), counts


def _split(
    corpus: str, rows: np.ndarray, owners: np.ndarray, shares: tuple[float, float], rng: np.random.Generator
) -> list[np.ndarray]:
    """Windows of the first two parts, which have these shares of the documents and at least one each, and the rest."""
    documents = rng.permutation(np.unique(owners))
    sizes = [max(1, round(share * len(documents))) for share in shares]
    if sum(sizes) >= len(documents):
        raise ValueError(
            f"{corpus}: {len(documents)} documents have a whole window; for validation and tests {sum(sizes)} are "
            "taken, which leaves none to fit to; use a shorter window, smaller fractions or more text"
        )
    part = np.zeros(owners.max() + 1, np.int8)
    for number, chosen in enumerate(np.split(documents, np.cumsum(sizes))):
        part[chosen] = number
    test, validation, train = (rows[part[owners] == number] for number in range(3))
    validation = _without(validation, train)
    test = _without(_without(test, train), validation)
    for name, windows in (("tests", test), ("validation", validation)):
        if not len(windows):
            raise ValueError(
                f"{corpus}: no window for {name} is left that the other parts do not have as well; use a longer "
                "window, larger fractions or more text"
            )
    return [test, validation, train]


def _without(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The rows that are not among the others. Memory grows with the former alone."""
    there = rows.view(f"V{rows.shape[1]}")[:, 0].tolist()
    left = set(there)
    for first in range(0, len(others), _TOGETHER):
        left.difference_update(others[first : first + _TOGETHER].view(f"V{rows.shape[1]}")[:, 0].tolist())
    return rows[np.array([row in left for row in there], bool)]
