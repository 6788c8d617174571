"""Help texts of the command line, as wide as the terminal."""

from __future__ import annotations

import inspect
import shutil
import textwrap
from collections.abc import Sequence
from typing import Any

from . import declared
from .commands import COMMANDS

_ABOUT = "Simulate model collapse: models fitted, generation after generation, to what earlier models generated."


def overview() -> str:
    """What `collapsejax --help` shows."""
    lines = _listed({name: command.about for name, command in COMMANDS.items()})
    examples = _examples([COMMANDS["run"].examples[0], "collapsejax run gaussian --help", "collapsejax --version"])
    return f"usage: collapsejax COMMAND ...\n\n{wrapped(_ABOUT)}\n\n{lines}\n\n{examples}"


def tasks(name: str, about: str, examples: Sequence[str]) -> str:
    """What the help of a command shows that has one of its own for each task."""
    lines = _listed({task.name: task.about for task in declared.tasks().values()})
    last = _examples([*examples, f"collapsejax {name} gaussian --help"])
    return f"usage: collapsejax {name} TASK ...\n\n{wrapped(about)}\n\n{lines}\n\n{last}"


def description(kind: Any, examples: Sequence[str]) -> str:
    """The docstring of a command without its arguments, and commands to try."""
    text = inspect.cleandoc(kind.__doc__).partition("Args:")[0].strip()
    paragraphs = [wrapped(" ".join(paragraph.split())) for paragraph in text.split("\n\n")]
    return "\n\n".join([*paragraphs, _examples(examples)])


def wrapped(text: str, indent: str = "", columns: int | None = None) -> str:
    """A text in lines as wide as the terminal, or as so many columns; words stay whole."""
    whole = dict(break_long_words=False, break_on_hyphens=False)
    return textwrap.fill(text, columns or _columns(), subsequent_indent=indent, **whole)


def _listed(texts: dict[str, str]) -> str:
    """Names and what is said of each, in two columns."""
    width = max(map(len, texts)) + 4
    return "\n".join(wrapped(f"  {name}".ljust(width) + text, " " * width) for name, text in texts.items())


def _examples(lines: Sequence[str]) -> str:
    """Commands to try; what is longer than a line goes on behind a backslash."""
    ends = [" \\\n".join(wrapped(f"  {line}", " " * 6, _columns() - 2).splitlines()) for line in lines]
    return "\n".join(["Examples:" if len(lines) > 1 else "Example:", *ends])


def _columns() -> int:
    return max(min(shutil.get_terminal_size().columns, 120), 40)
