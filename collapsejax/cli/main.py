"""The command line: what is typed becomes a command and is run; invalid input becomes one line on stderr."""

from __future__ import annotations

import contextlib
import contextvars
import difflib
import gc
import io
import itertools
import os
import re
import signal
import sys
import warnings
from collections.abc import Iterable, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NoReturn

from . import declared, help_texts
from .commands import COMMANDS

_LONGEST_LINE = 2000  # characters of an error
_OUT_OF_MEMORY = "out of memory; use a smaller num_samples, num_generations or num_seeds"
_HELP = ("-h", "--help")
_FRAME = ("", " ", "╭", "│", "╰")  # what lines begin with that are as wide as they may be
# What Python says of a text that makes no number.
_TOLD = {
    r"invalid literal for int\(\) with base 10": "is no whole number",
    "could not convert string to float": "is no number",
}


def main(arguments: Sequence[str] | None = None, *, alone: bool = False) -> None:
    """Run the command line; leaves with exit code 2 and one line on stderr where the input is invalid.

    Args:
        arguments: what is typed. Default: of this process.
        alone: nothing but the command runs in this process.
    """
    try:
        command = _parse(sys.argv[1:] if arguments is None else arguments)
        if alone:
            _collect_rarely(command)
        with warnings.catch_warnings():
            warnings.showwarning = partial(_show_warning, set())
            # Programs are kept for this command, not for what its process does later.
            contextvars.copy_context().run(command.run)
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
    except RuntimeError as error:  # JAX's is one
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        _fail(_OUT_OF_MEMORY)
    except KeyboardInterrupt as interrupt:
        from .signals import Ended

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
    from .signals import raise_ended

    raise_ended()
    gc.disable()  # while modules are imported, which stay
    with contextlib.suppress(AttributeError):  # of what is no text file
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        main(alone=True)
    except SystemExit as leaving:
        if isinstance(leaving.code, int) and leaving.code > 128:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(leaving.code)  # all that takes time is compilations for nobody
        raise


def _collect_rarely(command: Any) -> None:
    """Have the garbage collector pass over modules, and look seldom: it took a fifth of a short command's time."""
    from .compilation_cache import Compiles

    if isinstance(command, Compiles):
        from ..sweeps import run  # noqa: F401  (and with it JAX and xarray)

    gc.freeze()
    gc.set_threshold(50_000, 10, 10)
    gc.enable()


def _stop_showing() -> None:
    """Have nothing more go to stdout if it takes no more: Python would try, and complain, as the process ends."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parse(arguments: Sequence[str]) -> Any:
    """The command that arguments make. Leaves where they ask for help, or make none."""
    name, *rest = arguments or ["--help"]
    if name in _HELP:
        _show(help_texts.overview())
    if name == "--version":
        _show(f"collapsejax {_version()}")
    if name not in COMMANDS:
        _fail(f"{name}: there is no such command; {_meant(name, COMMANDS)}; see collapsejax --help")
    command, path = COMMANDS[name], f"collapsejax {name}"
    if not command.of_task:
        return _made(command.loaded_for(rest), path, command.examples, rest)
    task, *rest = rest or [""]
    if task in _HELP:
        _show(help_texts.tasks(name, command.about, command.examples))
    if task not in declared.tasks():
        known = f"name a task, one of {', '.join(declared.tasks())}"
        what = f"{name} {task}: there is no such task; {_meant(task, declared.tasks())}" if task else f"{name}: {known}"
        _fail(f"{what}; see {path} --help")
    examples = [f"{path} {task} --num-seeds 20 --out {task}.zarr"]
    return _made(command.load().of(task), f"{path} {task}", examples, rest)


def _made(kind: Any, path: str, examples: Sequence[str], arguments: Sequence[str]) -> Any:
    """The command of this class with these arguments; leaves with its help text, or with what is wrong with them."""
    import tyro

    told, complaint = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(complaint):
            return tyro.cli(
                kind,
                prog=path,
                description=help_texts.description(kind, examples),
                args=arguments,
                config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
            )
    except SystemExit as leaving:
        if leaving.code:
            _fail(f"{_one_line(complaint.getvalue())}; see {path} --help")
        lines = told.getvalue().splitlines()
        _show("\n".join(line if line[:1] in _FRAME else help_texts.wrapped(line) for line in lines))


def _show(text: str) -> NoReturn:
    print(text)
    sys.stdout.flush()
    sys.exit(0)


def _version() -> str:
    try:
        return version("collapsejax")
    except PackageNotFoundError:
        return "(not installed)"


def _meant(name: str, known: Iterable[str]) -> str:
    """The nearest of the known names, or all of them."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"


def _one_line(box: str) -> str:
    """What tyro's framed message says, in a line: the flag, the value and what is wrong, or what was meant."""
    lines = [line.strip("│╰╯ ") for line in box.splitlines()[1:]]  # the first line is a title
    is_text = lambda line: line.strip("─-")  # else part of the frame
    first = " ".join(itertools.takewhile(is_text, itertools.dropwhile(lambda line: not is_text(line), lines)))
    if unknown := re.match(r"Unrecognized options: ([^,]+)", first):
        known = [line.split()[0] for line in lines if re.match("--[a-z]", line)]
        if not unknown[1].startswith("-"):
            return f"{unknown[1]}: no flag or argument takes this value"
        return f"{unknown[1]}: there is no such flag" + (f"; did you mean {known[0]}?" if known else "")
    if missing := re.match(r"Missing value for argument '(?:--)?(.*?)'", first):
        return f"{missing[1]}: needs a value"
    if missing := re.match(r"Missing from .*?: (\S+)", first):
        return f"{missing[1]} is missing"
    if wrong := re.match(r"invalid choice ('.*?') for argument '--(\S+)'\. Expected one of \((.*)\)", first):
        return f"{wrong[2].replace('-', '_')}: {wrong[1]} is none of {wrong[3].rstrip(',')}"
    for kind, told in _TOLD.items():
        if wrong := re.match(rf"Error parsing --(\S+): {kind}: (.*)", first):
            return f"{wrong[1].replace('-', '_')}: {wrong[2]} {told}"
    return re.sub(r"^Error parsing --(\S+):", lambda flag: f"{flag[1].replace('-', '_')}:", first)


def _show_warning(shown: set[str], message: Warning | str, *where: Any, **options: Any) -> None:
    """Each text once: Python forgets what it has shown wherever warnings are caught meanwhile."""
    del where, options
    if str(message) not in shown:
        print(f"collapsejax: {message}", file=sys.stderr)
    shown.add(str(message))
    from . import compilation_cache

    compilation_cache.mend(str(message))


def _fail(message: str) -> NoReturn:
    line = " ".join(message.encode(errors="backslashreplace").decode().split())
    if len(line) > _LONGEST_LINE:  # the cause is in front, the fix behind
        line = f"{line[: _LONGEST_LINE // 2]} ... {line[-_LONGEST_LINE // 2 :]}"
    with contextlib.suppress(OSError):
        print(f"collapsejax: {line}", file=sys.stderr)
    sys.exit(2)
