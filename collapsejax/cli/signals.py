"""Signals that ask the process to end: what is complete is kept, and what is partial goes."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from ..sweeps.progress import Progress, Report

_came: list[int] = []  # SIGTERM and SIGHUP; where one interrupts a callback of JAX, its exception is lost


class Ended(KeyboardInterrupt):
    """SIGTERM or SIGHUP, whose `number` it is, has asked the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def raise_ended() -> None:
    """Have SIGTERM and SIGHUP raise `Ended`, unless they are ignored, as under nohup."""
    for name in {"SIGTERM", "SIGHUP"} & signal.Signals.__members__.keys():  # Windows has no SIGHUP
        if signal.getsignal(signal.Signals[name]) != signal.SIG_IGN:
            signal.signal(signal.Signals[name], _end)


def _end(number: int, frame: Any) -> NoReturn:
    del frame
    _came.append(number)
    raise Ended(number)


def stopping(report: Report) -> Report:
    """A report that raises `Ended` after a signal that nothing has heard."""

    def reporting(progress: Progress) -> None:
        report(progress)
        if _came:
            raise Ended(_came[-1])

    return reporting


@contextlib.contextmanager
def resumable(out: str) -> Iterator[None]:
    """Have a KeyboardInterrupt from the block say that the store `out` has what is complete."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        interrupt.args = (f"what is complete is in {out}; the same command again goes on",)
        raise


@contextlib.contextmanager
def stopping_between_chunks(report: Report, out: str) -> Iterator[Report]:
    """A report that raises KeyboardInterrupt after the chunk during which Ctrl-C came; a second one comes at once."""
    asked = threading.Event()

    def ask(number: int, frame: Any) -> None:
        del number, frame
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        print("stopping after the chunk in flight; Ctrl-C again stops at once", file=sys.stderr)

    def reporting(progress: Progress) -> None:
        stopping(report)(progress)
        if asked.is_set():
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, ask)
    try:
        with resumable(out):
            yield reporting
    finally:
        signal.signal(signal.SIGINT, before)
