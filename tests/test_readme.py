"""The README's Python runs as it stands, and the command line knows its commands."""

import re
import shlex
from pathlib import Path

import pytest

from collapsejax import cli

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_python_blocks_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 6
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert (tmp_path / "g.png").stat().st_size > 1000


def test_test_command_is_the_one_that_ci_runs():
    command = re.search(r"\.venv/bin/python (-m pytest .*)", README).group(1)
    assert command.replace("-m pytest", "-m pytest -q") in (Path(__file__).parent.parent / ".ci" / "run").read_text()


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
