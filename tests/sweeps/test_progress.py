"""What is shown of how far a sweep has come: times are never cut, and go on while a program compiles."""

import io
import sys
import time
import types

import pytest
import rich.console
from small import Small

import collapsejax as cj
from collapsejax.sweeps import progress
from collapsejax.sweeps.progress import Progress, shown, status

LONG = Progress("compiling accumulate-subsample, weighted, dim=3 (12 cells)", 3, 120, 40_000, 10_000_000)
SIZE = dict(num_samples=4, num_generations=2, num_seeds=3)


@pytest.mark.parametrize("width", [30, 40, 66, 80, 120])
def test_times_are_never_cut(width):
    line = status(LONG, 3725.0, 59.6, width)
    assert len(line) <= width
    assert line.startswith("1:02:05 elapsed, 1:00 left")
    assert ("compiling" in line) == (width >= 80)
    assert "left" not in status(LONG, 5.0, None, width)


class Clock:
    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)

    def hear(self, pace, seconds, seeds, begun=0.0, resumed=False):
        self.now += seconds
        pace.hear(Progress("", 0, 1, seeds, 10, begun, resumed))
        return pace.times(Progress("", 0, 1, seeds, 10))


def test_time_left_is_at_the_pace_of_this_run(monkeypatch):
    clock = Clock(monkeypatch)
    pace = progress._Pace()
    assert clock.hear(pace, 0, 2) == (0, None)  # two seeds were there before
    assert clock.hear(pace, 8, 4) == (8, 24)  # two in 8 seconds, six are left
    assert clock.hear(pace, 4, 4) == (12, 20)
    assert clock.hear(pace, 21, 4) == (33, None)  # it takes longer than that


def test_generations_count_unless_they_were_resumed(monkeypatch):
    clock = Clock(monkeypatch)
    pace = progress._Pace()
    assert clock.hear(pace, 0, 0) == (0, None)
    assert clock.hear(pace, 1, 0, begun=4.0, resumed=True) == (1, None)
    assert clock.hear(pace, 1, 0, begun=5.0) == (2, 10)


def test_lines_go_on_while_nothing_is_heard(monkeypatch):
    monkeypatch.setattr(progress, "_SILENT_SECONDS", 0.5)
    console = rich.console.Console(file=io.StringIO(), width=80)
    with progress._in_lines(console) as report:
        report(Progress("compiling replace", 0, 1, 0, 3))
        time.sleep(2.2)
    lines = console.file.getvalue().splitlines()
    assert lines[0] == "compiling replace: 0/1 cells, 0/3 seeds, 0:00 elapsed"
    assert lines[-1] != lines[0]
    assert lines[-1].startswith("compiling replace: 0/1 cells")


def test_a_bar_fits_a_terminal():
    console = rich.console.Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    with progress._in_place(console) as report:
        report(LONG)
        report(LONG._replace(seeds=50_000))
    lines = [line.strip("\r\x1b[2K") for line in console.file.getvalue().splitlines() if "elapsed" in line]
    assert lines
    assert any("left" in line for line in lines)


@pytest.mark.parametrize(
    ("asked", "terminal", "there"), [(True, False, True), (None, False, False), (False, True, False)]
)
def test_python_shows_one_where_there_is_a_terminal(asked, terminal, there, key, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    cj.sweep(Small(), ["replace"], **SIZE, key=key, progress=asked)
    assert ("1/1 cells, 3/3 seeds" in capsys.readouterr().err) == there


def test_a_notebook_shows_a_line_that_goes(monkeypatch):
    shows = []

    class Handle:
        def update(self, data, raw):
            shows.append(data["text/plain"])

    def display(data, raw, display_id):
        shows.append(data["text/plain"])
        return Handle()

    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setitem(sys.modules, "IPython.display", display_module := types.ModuleType("IPython.display"))
    display_module.display = display
    with shown(None) as report:
        report(LONG)
        time.sleep(2.5)
    assert len(shows) >= 2
    assert "elapsed" in shows[0]
    assert shows[-1] == ""


def test_a_function_is_called():
    heard = []
    with shown(heard.append) as report:
        report(LONG)
    assert heard == [LONG]
