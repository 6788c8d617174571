"""The README's Python runs as it stands."""

import re
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_python_blocks_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert (tmp_path / "g.png").stat().st_size > 1000


def test_test_command_is_the_one_that_ci_runs():
    command = re.search(r"\.venv/bin/python (-m pytest .*)", README).group(1)
    assert command.replace("-m pytest", "-m pytest -q") in (Path(__file__).parent.parent / ".ci" / "run").read_text()
