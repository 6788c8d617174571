"""Flags of the command line, made from the library's own dataclasses."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, get_args, get_type_hints

import tyro

from ..core.base import SequenceSource, Source
from ..sources import make
from ..tasks import TASKS


def optional(kind: Any, metavar: str) -> Any:
    """The type of a flag that may be left out, which its help text explains."""
    return Annotated[kind | None, tyro.conf.arg(metavar=metavar, help_behavior_hint="")]


@dataclasses.dataclass(frozen=True)
class SourceFlags:
    """The real data.

    Args:
        source: gaussian, blobs, moons, circles, swiss_roll, or table for a file of your own. Default: N(0, sigma2 I)
            for a Gaussian, moons for a KDE.
        path: table: CSV file with the names of its columns in the first line, or NPY file.
        columns: table: names of the columns to use. Default: all numeric ones.
        standardize: table: give every column mean 0 and variance 1. Default False.
        test_fraction: table: share of the rows held out. Default 0.2.
        split_seed: table: which rows are held out. Default 0.
        noise: moons, circles, swiss_roll: standard deviation of the noise. Default 0.05.
        factor: circles: radius of the inner circle. Default 0.8.
        shared_centres: blobs: train and held-out rows share their centres; False is the published form. Default True.
    """

    source: optional(str, "NAME") = None
    path: optional(str, "FILE") = None
    columns: optional(list[str], "NAME [NAME ...]") = None
    standardize: optional(bool, "{True,False}") = None
    test_fraction: optional(float, "FLOAT") = None
    split_seed: optional(int, "INT") = None
    noise: optional(float, "FLOAT") = None
    factor: optional(float, "FLOAT") = None
    shared_centres: optional(bool, "{True,False}") = None

    def make(self, default: str | None = None, **more: Any) -> Source | None:
        """The source that the flags describe; None where they describe none and there is no default."""
        return _make(vars(self) | more, default)


@dataclasses.dataclass(frozen=True)
class GaussianSourceFlags:
    """Only for --source gaussian.

    Args:
        dim: features of a row. Default 1.
        sigma2: their variance. Default 1.
    """

    dim: optional(int, "INT") = None
    sigma2: optional(float, "FLOAT") = None


@dataclasses.dataclass(frozen=True)
class SequenceSourceFlags:
    """The real data.

    Args:
        source: text, or markov for sequences whose law is known. Default: text.
        test_fraction: text: share of the documents held out. Default 0.1.
        split_seed: text: which documents are held out. Default 0.
    """

    source: optional(str, "NAME") = None
    test_fraction: optional(float, "FLOAT") = None
    split_seed: optional(int, "INT") = None

    def make(self, **more: Any) -> SequenceSource:
        """The source that the flags describe."""
        return _make(vars(self) | more, "text")


@dataclasses.dataclass(frozen=True)
class SequenceFlags:
    """Of the sources text and markov only.

    Args:
        corpus: text: a file of your own (.txt, .md or .jsonl), or a folder of such. Default: the docstrings of Python's
            standard library.
        field: text: of the lines of .jsonl files, the field that holds the text.
        tokenizer: text: characters, of a small alphabet, or bytes. Default: characters.
        alphabet: text: the characters to keep. Default: space, a to z, .,'- and 0 for any digit.
        validation_fraction: text: share of the documents that is set aside for validation. Default 0.1.
        window: tokens of a row. Default 32.
        order: markov: symbols that the next one depends on. Default 2.
        vocab: markov: different symbols. Default 8.
        concentration: markov: of the Dirichlet law of the rows of the table. Default 0.3.
    """

    corpus: optional(str, "{FILE,FOLDER}") = None
    field: optional(str, "NAME") = None
    tokenizer: optional(str, "{characters,bytes}") = None
    alphabet: optional(str, "CHARACTERS") = None
    validation_fraction: optional(float, "FLOAT") = None
    window: optional(int, "INT") = None
    order: optional(int, "INT") = None
    vocab: optional(int, "INT") = None
    concentration: optional(float, "FLOAT") = None


# Names of the settings of sources.
SETTINGS = {field.name for flags in (SourceFlags, SequenceFlags) for field in dataclasses.fields(flags)} - {"source"}


def _make(options: dict[str, Any], default: str | None) -> Source | SequenceSource | None:
    name = options.pop("source") or default
    given = {option: value for option, value in options.items() if value is not None}
    if name is None:
        if given:
            raise ValueError(f"{next(iter(given))}: belongs to a source of real data; name one with --source")
        return None
    return make(name, **given)


def task_flags(task: type, **changed: tuple[Any, Any]) -> type:
    """The fields of a task other than its source, as a dataclass with the task's own documentation.

    `changed` gives (type, default) of fields whose own cannot come from a command line.
    """
    hints = get_type_hints(task)
    fields = []
    for field in dataclasses.fields(task):
        if field.name != "source":
            kind, default = changed.get(field.name, (hints[field.name], field.default))
            fields.append((field.name, kind, dataclasses.field(default=default)))
    return dataclasses.make_dataclass(f"{task.__name__}Flags", fields, namespace={"__doc__": task.__doc__})


_KINDS = (int, float, str, bool)


def _sweep_flags() -> type:
    """Every field of every task, as a flag that takes several values, and the settings of sources."""
    flags: dict[str, tuple[set[type], list[str]]] = {}
    for name, task in TASKS.items():
        hints = get_type_hints(task)
        for field in dataclasses.fields(task):
            kinds, tasks = flags.setdefault(field.name, (set(), []))
            kinds |= {kind for kind in (hints[field.name], *get_args(hints[field.name])) if kind in _KINDS}
            tasks.append(name)
    del flags["source"]
    fields = [("source", optional(list[str], "NAME [NAME ...]"), dataclasses.field(default=None))]
    for name, (kinds, tasks) in flags.items():
        kind = list[float | str] if {float, str} <= kinds else list[next(iter(kinds))]
        about = f"{', '.join(tasks)}: as in `collapsejax run {tasks[0]} --help`."
        argument = tyro.conf.arg(metavar="VALUE [VALUE ...]", help_behavior_hint="", help=about)
        fields.append((name, Annotated[kind | None, argument], dataclasses.field(default=None)))
    hints = get_type_hints(SourceFlags, include_extras=True)
    fields += [
        (field.name, hints[field.name], dataclasses.field(default=None))
        for field in dataclasses.fields(SourceFlags)
        if field.name != "source"
    ]
    doc = "Fields of the task; several values make a dimension." + SourceFlags.__doc__.split(".", 1)[1]
    return dataclasses.make_dataclass("SweepTaskFlags", fields, namespace={"__doc__": doc})


SweepTaskFlags = _sweep_flags()
