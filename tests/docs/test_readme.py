"""The README and the guide: their Python runs as it stands, and the command line knows their commands."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import test_imports

from collapsejax.cli import main as cli
from collapsejax.cli import spec

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
GUIDE = sorted((ROOT / "collapsejax" / "guide").glob("*.md"))
BENCHMARKS = (ROOT / "benchmarks" / "README.md").read_text()
PAGES = {"README.md": README, **{path.name: path.read_text() for path in GUIDE}}


def blocks(text):
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


BLOCKS = [
    pytest.param(
        name, block, id=f"{name}-{number}", marks=[] if (name, number) == ("README.md", 0) else pytest.mark.slow
    )
    for name, text in PAGES.items()
    for number, block in enumerate(blocks(text))
]


@pytest.mark.parametrize(("name", "block"), BLOCKS)
def test_python_blocks_run(name, block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, name, "exec"), {})
    figures = re.findall(r'savefig\("(.*?)"\)', block)
    assert all((tmp_path / figure).stat().st_size > 1000 for figure in figures)


def test_python_blocks_are_found():
    assert "class Exponential(cj.Task)" in blocks(README)[0]
    assert len(BLOCKS) >= 10


def test_readme_is_short():
    assert len(README.splitlines()) <= 180


def test_test_command_is_the_one_that_ci_runs():
    command = re.search(r"\.venv/bin/python (-m pytest .*)", README).group(1)
    assert command.replace("-m pytest", "-m pytest -q") in (ROOT / ".ci" / "run").read_text()


def test_setup_commands_are_lines_that_need_no_others():
    setup = [line for line in README.splitlines() if line.startswith("python3 -m venv")]
    assert len(setup) == 2
    assert all(" && .venv/bin/pip install -e " in line for line in setup)


def test_speed_rows_are_those_of_the_benchmarks():
    rows = [line.removesuffix(" |") for line in section("Speed").splitlines() if line.startswith("| ")]
    assert len(rows) == 5  # headings, their rule, and three rows
    assert [row for row in rows if not re.search(f"^{re.escape(row)} ", BENCHMARKS, flags=re.MULTILINE)] == []


def section(title):
    return README.split(f"## {title}")[1].split("\n## ")[0]


def test_architecture_has_every_package():
    places = re.findall(r"^(\w+)(?:/|\.py) ", section("Architecture"), flags=re.MULTILINE)
    assert {*places} == {part for line in test_imports.ORDER for part in line} - {"__init__", "__main__"}
    assert len(places) == len({*places})


def test_import_rule_is_the_one_that_is_tested():
    rule = re.search(r"`(core < .*?)`", section("Architecture"), flags=re.DOTALL).group(1)
    order = [{*re.findall(r"\w+", part)} for part in rule.split("<")]
    assert order == [line for line in test_imports.ORDER if "__init__" not in line]


def test_links_to_files_lead_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#([^)]*))?\)", README)
    assert len(links) >= 10
    for path, anchor in links:
        assert (ROOT / path).exists()
        assert not anchor or anchor in anchors((ROOT / path).read_text())


def anchors(text):
    """What GitHub and pdoc make of the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_readme_and_index_link_to_every_page():
    pages = {path.name: path.read_text() for path in GUIDE if path.name != "index.md"}
    assert [name for name in pages if f"collapsejax/guide/{name}" not in README] == []
    linked = re.findall(r"\(collapsejax/guide\.html#([\w-]+)\)", PAGES["index.md"])
    titles = [anchors(text.splitlines()[0]).pop() for text in pages.values()]
    assert sorted(linked) == sorted(titles)


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
                end = next((k for k, other in enumerate(rest) if other in {"&&", "||", "|", ";", ">"}), len(rest))
                found.append(rest[:end])
    return found


COMMANDS = [
    pytest.param(arguments, id=f"{name}-{' '.join(arguments)}")
    for name, text in {**PAGES, "benchmarks": BENCHMARKS}.items()
    for arguments in commands(text)
]


def is_understood(arguments):
    """Whether the parser makes a command of these; nothing is run."""
    try:
        cli._parse(arguments)
    except SystemExit as leaving:  # --help leaves, too
        return not leaving.code
    return True


def test_specifications_are_understood():
    specifications = [
        text for page in PAGES.values() for text in re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)
    ]
    assert specifications
    for text in specifications:
        assert set(spec.arguments(tomllib.loads(text))["over"]) >= {"dim", "num_samples", "weighted.real_weight"}


def test_commands_are_found():
    text = """```bash\nsrun a/bin/collapsejax run kde \\\n  --out k  # here\nls && collapsejax info k && ls\n```
    as `collapsejax plot
    k` does, unlike `collapsejax.theory`"""
    assert commands(text) == [["run", "kde", "--out", "k"], ["info", "k"], ["plot", "k"]]
    assert len(COMMANDS) >= 20


@pytest.mark.parametrize("arguments", COMMANDS)
def test_commands_are_understood(arguments, capsys):
    assert is_understood(arguments), capsys.readouterr().err


def test_a_command_that_is_not_understood_is_seen():
    assert not is_understood(["run", "gaussian", "--num-sample", "10"])
    assert not is_understood(["rum", "gaussian"])
