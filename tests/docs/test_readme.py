"""The README's Python runs as it stands, and the command line knows its commands."""

import re
import shlex
from pathlib import Path

import pytest

from collapsejax.cli import main as cli

README = (Path(__file__).parents[2] / "README.md").read_text()


BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize("block", [BLOCKS[0], *(pytest.param(block, marks=pytest.mark.slow) for block in BLOCKS[1:])])
def test_python_blocks_run(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {})
    figures = re.findall(r'savefig\("(.*?)"\)', block)
    assert all((tmp_path / name).stat().st_size > 1000 for name in figures)


def test_all_python_blocks_are_found():
    assert len(BLOCKS) == 6
    assert "collapse.png" in BLOCKS[0]


def test_test_command_is_the_one_that_ci_runs():
    command = re.search(r"\.venv/bin/python (-m pytest .*)", README).group(1)
    assert command.replace("-m pytest", "-m pytest -q") in (Path(__file__).parents[2] / ".ci" / "run").read_text()


def commands(text):
    """What follows `collapsejax` in each command of the text's shell blocks, and in lines of code within sentences."""
    blocks = re.findall(r"```(?:bash|sh|console)\n(.*?)```", text, flags=re.DOTALL)
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += [code for code in re.findall(r"`([^`]+)`", prose) if code.startswith("collapsejax ")]
    found = []
    for line in lines:
        words = shlex.split(line, comments=True)
        for place, word in enumerate(words):
            starts = place == 0 or words[place - 1] in {"&&", "||", "|", ";", "srun"}
            if starts and re.fullmatch(r"(.*/bin/)?collapsejax", word):
                rest = words[place + 1 :]
                end = next((k for k, other in enumerate(rest) if other in {"&&", "||", "|", ";"}), len(rest))
                found.append(rest[:end])
    return found


COMMANDS = commands(README)


def is_understood(arguments):
    """Whether the parser makes a command of these; nothing is run."""
    try:
        cli._parse(arguments)
    except SystemExit as leaving:  # --help leaves, too
        return not leaving.code
    return True


def test_commands_are_found():
    text = """```bash\nsrun a/bin/collapsejax run kde \\\n  --out k  # here\nls && collapsejax info k && ls\n```
    as `collapsejax plot
    k` does, unlike `collapsejax.theory`"""
    assert commands(text) == [["run", "kde", "--out", "k"], ["info", "k"], ["plot", "k"]]
    assert len(COMMANDS) >= 10


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_commands_are_understood(arguments, capsys):
    assert is_understood(arguments), capsys.readouterr().err


def test_a_command_that_is_not_understood_is_seen():
    assert not is_understood(["run", "gaussian", "--num-sample", "10"])
    assert not is_understood(["rum", "gaussian"])
