"""The command line: what is typed becomes a command and is run; a mistake becomes one line on stderr."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any, NoReturn

import jax
import tyro
from tyro.extras import SubcommandApp

from ..tasks import TASKS
from . import compilation_cache
from .assess import Assess
from .diagnose import Diagnose
from .info import Info
from .plot import Plot
from .report import Report
from .reproduce import Reproduce
from .run import run_command
from .samples import Samples
from .signals import Ended, raise_ended
from .sweep import Sweep
from .validate import Validate

_LONGEST_LINE = 2000  # characters of an error
_OUT_OF_MEMORY = "out of memory; use a smaller num_samples, num_generations or num_seeds"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; leaves with exit code 2 and one line on stderr where the user has made a mistake."""
    try:
        command = _parse(arguments)
        with warnings.catch_warnings():
            warnings.showwarning = partial(_show_warning, set())
            command.run()
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads what is shown
        _stop_showing()
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        _stop_showing()
        # Files that are written have a name in their errors, or say that they are a store.
        nameless = error.errno is not None and error.filename is None
        where = "what is shown, or a figure, could not be written; what is complete stays"
        _fail(f"{error.strerror}: {where}" if nameless else str(error))
    except ValueError as error:
        _fail(str(error))
    except MemoryError:
        _fail(_OUT_OF_MEMORY)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        _fail(_OUT_OF_MEMORY)
    except KeyboardInterrupt as interrupt:
        state = str(interrupt) or "results are written whole or not at all"
        what, number = (
            ("terminated", interrupt.number) if isinstance(interrupt, Ended) else ("interrupted", signal.SIGINT)
        )
        print(f"collapsejax: {what}; {state}", file=sys.stderr)
        sys.exit(128 + number)


def main_of_process() -> None:
    """`main`, after which the process ends. An interrupt ends it at once: Python would wait for its threads.

    SIGTERM and SIGHUP do what Ctrl-C does, unless they are ignored, as under nohup.
    """
    raise_ended()
    with contextlib.suppress(AttributeError):  # of what is no text file
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        main()
    except SystemExit as leaving:
        if isinstance(leaving.code, int) and leaving.code > 128:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(leaving.code)  # all that takes time is compilations for nobody
        raise


def _stop_showing() -> None:
    """Have nothing more go to stdout if it takes no more: Python would try, and complain, as the process ends."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parse(arguments: Sequence[str] | None) -> Any:
    run, app = SubcommandApp(), SubcommandApp()
    for name, task in TASKS.items():
        run.command(name=name)(run_command(task))
    run.__doc__ = "Simulate generations of models, each fitted to data that earlier ones generated."
    app.command(name="run")(run)
    app.command(name="sweep")(Sweep)
    app.command(name="assess")(Assess)
    app.command(name="info")(Info)
    app.command(name="plot")(Plot)
    app.command(name="diagnose")(Diagnose)
    app.command(name="samples")(Samples)
    app.command(name="report")(Report)
    app.command(name="validate")(Validate)
    app.command(name="reproduce")(Reproduce)
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return app.cli(
                prog="collapsejax",
                description="Simulate model collapse. See collapsejax run --help, collapsejax run gaussian --help.",
                args=arguments,
                config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
            )
    except SystemExit as leaving:
        if leaving.code:
            _fail(_one_line(complaint.getvalue()))
        sys.stdout.flush()
        raise


def _one_line(box: str) -> str:
    """What tyro's framed message says first, and its suggestion, without the frame and the help text it repeats."""
    paragraphs = [[]]
    for line in box.splitlines()[1:]:  # the first line is a title
        line = line.strip("│╰╯ ")
        if line.strip("─-"):
            paragraphs[-1].append(line)
        elif paragraphs[-1]:
            paragraphs.append([])
    parts = [" ".join(" ".join(paragraph).split()) for paragraph in paragraphs]
    hints = [part for part in parts[1:] if part.startswith(("Perhaps you meant", "Available subcommands"))]
    return "; ".join([parts[0].rstrip(".:"), *hints[:1]]) + "; see --help"


def _show_warning(shown: set[str], message: Warning | str, *where: Any, **options: Any) -> None:
    """Each text once: Python forgets what it has shown wherever warnings are caught meanwhile."""
    del where, options
    if str(message) not in shown:
        print(f"collapsejax: {message}", file=sys.stderr)
    shown.add(str(message))
    compilation_cache.mend(str(message))


def _fail(message: str) -> NoReturn:
    line = " ".join(message.encode(errors="backslashreplace").decode().split())
    if len(line) > _LONGEST_LINE:  # the cause is in front, the fix behind
        line = f"{line[: _LONGEST_LINE // 2]} ... {line[-_LONGEST_LINE // 2 :]}"
    with contextlib.suppress(OSError):
        print(f"collapsejax: {line}", file=sys.stderr)
    sys.exit(2)
