"""How far a sweep has come, and a bar or lines that show it with the time elapsed and left."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

_SECONDS_BETWEEN_LINES = 10
_SILENT_SECONDS = 30  # after which a line says that the same is still being done, and for how long
_BAR = 12  # characters


class Progress(NamedTuple):
    """How far a sweep has come: what it is doing, and cells and seeds done of all; a seed counts in every cell.

    `begun` is how much of the other seeds is done, as a number of seeds: generations of those that are under way.
    `resumed` says that it was done before, and does not tell how fast this goes.
    """

    doing: str
    cells: int
    num_cells: int
    seeds: int
    num_seeds: int
    begun: float = 0.0
    resumed: bool = False


Report = Callable[[Progress], None]


@contextlib.contextmanager
def shown(progress: Report | bool | None) -> Iterator[Report]:
    """The report itself; with True a bar; with None a bar where stderr is a terminal or this is a notebook; else none.

    A bar is shown until the block ends.
    """
    notebook = "ipykernel" in sys.modules
    if callable(progress):
        yield progress
    elif progress is False or (progress is None and not (notebook or sys.stderr.isatty())):
        yield lambda progress: None
    elif notebook:
        with _in_notebook() as report:
            yield report
    else:
        with bar() as report:
            yield report


@contextlib.contextmanager
def bar() -> Iterator[Report]:
    """A report that shows a bar on stderr where that is a terminal, elsewhere lines, one in some seconds."""
    import rich.console

    console = rich.console.Console(stderr=True)
    with (_in_place if console.is_terminal else _in_lines)(console) as report:
        yield report


def status(progress: Progress, elapsed: float, left: float | None, width: int) -> str:
    """A line of at most `width` characters; what is being done is shortened first, and times never."""
    times = f"{clock(elapsed)} elapsed" + ("" if left is None else f", {clock(left)} left")
    counts = f"{progress.cells}/{progress.num_cells} cells"
    if progress.num_seeds:
        counts += f", {progress.seeds}/{progress.num_seeds} seeds"
    both = f"{times}; {counts}"
    if len(both) > width:
        return times
    room = width - len(both) - 2
    if room < 12:
        return both
    doing = progress.doing if len(progress.doing) <= room else f"{progress.doing[: room - 1]}…"
    return f"{both}; {doing}"


def clock(seconds: float) -> str:
    """Seconds as 0:05, 12:34 or 1:02:03."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class _Pace:
    """The time elapsed, and left where some seeds were done since the first report, at their pace."""

    def __init__(self) -> None:
        self._start = self._at = time.monotonic()
        self._before, self._done = None, 0.0

    def hear(self, progress: Progress) -> None:
        done = progress.seeds + progress.begun
        if self._before is None or progress.resumed:
            self._before, self._done, self._at = done, done, time.monotonic()
        if done > self._done:
            self._done, self._at = done, time.monotonic()

    def times(self, progress: Progress) -> tuple[float, float | None]:
        now = time.monotonic()
        more = self._done - (self._before or 0.0)
        if more <= 0:
            return now - self._start, None
        # As of the last seed that was done, less what has passed since; what takes longer than that is not known.
        left = (progress.num_seeds - self._done) * (self._at - self._start) / more - (now - self._at)
        return now - self._start, left if left > 0 else None


@contextlib.contextmanager
def _in_place(console: Any) -> Iterator[Report]:
    import rich.progress
    from rich.text import Text

    pace, latest = _Pace(), Progress("starting", 0, 0, 0, 0)

    class Status(rich.progress.ProgressColumn):
        """Refreshed ten times a second by a thread of its own, also while a program compiles."""

        max_refresh = None

        def render(self, task: Any) -> Text:
            del task
            line = status(latest, *pace.times(latest), width=max(console.width - _BAR - 2, 20))
            return Text(line, no_wrap=True, overflow="ellipsis")

    columns = (rich.progress.BarColumn(bar_width=_BAR), Status())
    with rich.progress.Progress(*columns, console=console) as bars:
        task = bars.add_task("", total=None)

        def report(progress: Progress) -> None:
            nonlocal latest
            latest = progress
            pace.hear(progress)
            bars.update(task, total=progress.num_seeds or None, completed=progress.seeds + progress.begun)

        yield report


@contextlib.contextmanager
def _in_lines(console: Any) -> Iterator[Report]:
    pace, lock = _Pace(), threading.Lock()
    latest, shown_at = None, 0.0

    def show() -> None:
        nonlocal shown_at
        shown_at = time.monotonic()
        times, counts, doing = status(latest, *pace.times(latest), width=10**6).split("; ", 2)
        console.print(f"{doing}: {counts}, {times}", highlight=False, soft_wrap=True, markup=False)

    def report(progress: Progress) -> None:
        nonlocal latest
        with lock:
            new = latest is None or progress.doing != latest.doing
            finished = progress.seeds == progress.num_seeds
            latest = progress
            pace.hear(progress)
            if new or finished or time.monotonic() > shown_at + _SECONDS_BETWEEN_LINES:
                show()

    def remind() -> None:
        with lock:
            if latest is not None and time.monotonic() > shown_at + _SILENT_SECONDS:
                show()

    with _every_second(remind):
        yield report


@contextlib.contextmanager
def _in_notebook() -> Iterator[Report]:
    """A line below the cell, from the second second on, which is empty in the end."""
    from IPython.display import display

    pace, latest, handle = _Pace(), None, None

    def report(progress: Progress) -> None:
        nonlocal latest
        latest = progress
        pace.hear(progress)

    def show() -> None:
        nonlocal handle
        if latest is not None:
            line = {"text/plain": status(latest, *pace.times(latest), width=100)}
            if handle is None:
                handle = display(line, raw=True, display_id=True)
            else:
                handle.update(line, raw=True)

    try:
        with _every_second(show):
            yield report
    finally:
        if handle is not None:
            handle.update({"text/plain": ""}, raw=True)


@contextlib.contextmanager
def _every_second(call: Callable[[], None]) -> Iterator[None]:
    """Call this once a second from a thread, also while a program compiles, until the block ends."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(1.0):
            call()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
