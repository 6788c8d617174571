"""The command that prints a script with which a shell completes commands, tasks and flags."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from typing import Annotated, Literal

import tyro


@dataclasses.dataclass(frozen=True)
class Completion:
    """Print a script with which a shell completes commands, tasks and flags.

    bash: collapsejax completion bash > ~/.local/share/bash-completion/completions/collapsejax

    zsh: collapsejax completion zsh > a file _collapsejax in a folder of $fpath

    fish: collapsejax completion fish > ~/.config/fish/completions/collapsejax.fish

    Args:
        shell: the shell.
    """

    shell: Annotated[
        Literal["bash", "zsh", "fish"],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="{bash,zsh,fish}", help_behavior_hint=""),
    ]

    def run(self) -> None:
        from .commands import COMMANDS, subcommands

        app = tyro.extras.SubcommandApp()
        for name, command in COMMANDS.items():
            if not command.of_task:
                app.command(name=name)(command.loaded_for())
                continue
            of_tasks = tyro.extras.SubcommandApp()
            of_tasks.__doc__ = command.about
            for task, kind in subcommands(command):
                of_tasks.command(name=task)(kind)
            app.command(name=name)(of_tasks)
        config = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff)
        with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.suppress(SystemExit):
            app.cli(prog="collapsejax", args=["--tyro-print-completion", self.shell], config=config)
        # bash completes no file by itself where a script has nothing to offer.
        print(printed.getvalue().replace("\ncomplete -F ", "\ncomplete -o default -F "), end="")
