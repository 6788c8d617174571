"""The list of commands; a command's module is imported only where that command is run or asked about."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from . import declared


class Command(NamedTuple):
    """A command.

    Attributes:
        place: its module and its class there.
        examples: lines that its help text ends with.
        of_task: whether a task is named behind it, for each of which its class makes a command by its method `of`.
        of_arguments: whether its flags depend on its arguments, for which its class makes them by its method `asked`.
    """

    place: tuple[str, str]
    examples: tuple[str, ...]
    of_task: bool = False
    of_arguments: bool = False

    @property
    def about(self) -> str:
        """What it does, in a sentence."""
        module, name = self.place
        return declared.about(f"cli/{module}.py", name)

    def load(self) -> Any:
        """Its class, whose instances have a method `run`."""
        module, name = self.place
        return getattr(importlib.import_module(f".{module}", __package__), name)

    def loaded_for(self, arguments: Sequence[str] = ()) -> Any:
        """Its class with the flags that go with some arguments, or with all that it has."""
        kind = self.load()
        return kind.asked(arguments) if self.of_arguments else kind


def subcommands(command: Command) -> Iterator[tuple[str, Any]]:
    """By task the classes that a command has for it."""
    kind = command.load()
    return ((task, kind.of(task)) for task in declared.tasks())


COMMANDS = {
    "run": Command(
        ("run", "Run"),
        (
            "collapsejax run gaussian --dim 10 --num-samples 100 --num-seeds 1000",
            "collapsejax run kde --source table --path flowers.csv --out flowers.zarr",
        ),
        of_task=True,
    ),
    "sweep": Command(
        ("sweep", "Sweep"),
        (
            "collapsejax sweep --task gaussian --dim 1 3 --workflow replace accumulate --num-samples 10 100 "
            "--num-generations 50 --num-seeds 1000 --out g",
            "collapsejax sweep spec.toml --out g --dry-run",
            "collapsejax sweep --task gaussian --help",
        ),
        of_arguments=True,
    ),
    "assess": Command(
        ("assess", "Assess"),
        (
            "collapsejax assess customers.csv --html customers.html",
            "collapsejax assess letters/ --num-generations 8",
        ),
    ),
    "synthetic-value": Command(
        ("synthetic_value", "SyntheticValue"),
        ("collapsejax synthetic-value gaussian --dim 3 --num-real 10 100 --num-synthetic 10 100 1000",),
        of_task=True,
    ),
    "info": Command(("info", "Info"), ("collapsejax info g.zarr",)),
    "plot": Command(("plot", "Plot"), ("collapsejax plot g.zarr --metric trace_ratio --out g.png",)),
    "diagnose": Command(
        ("diagnose", "Diagnose"),
        ("collapsejax diagnose g.zarr", "collapsejax diagnose g.zarr --workflow replace --against accumulate"),
    ),
    "export": Command(("export", "Export"), ("collapsejax export g.zarr --csv g.csv",)),
    "samples": Command(("samples", "Samples"), ("collapsejax samples t.zarr --generations 0 9 --num 2",)),
    "report": Command(("report", "Report"), ("collapsejax report g.zarr --out g.html",)),
    "validate": Command(("validate", "Validate"), ("collapsejax validate --only kde --num-seeds 10000",)),
    "reproduce": Command(("reproduce", "Reproduce"), ("collapsejax reproduce --quick",)),
    "completion": Command(("completion", "Completion"), ("collapsejax completion fish",)),
}
