import json

import pytest

from collapsejax.studies.findings import Number
from collapsejax.studies.index import Record, read, render, write_index

RECORD = Record(
    study="gaussian",
    title="Gaussians",
    citation="Somebody 2024",
    claim="the paper's words",
    form="as published",
    num_seeds=3,
    found="this run's words",
    verdict="open",
    numbers=[Number("a | b", 1.25, 0.5, 1.0), Number("c", 2.0, 0.25)],
    figures=["one", "two"],
    folder="gaussian-quick",
    seconds=12.3,
)


def record(**changed):
    return Record(**(vars(RECORD) | changed))


def test_index():
    lines = render([record(study="value", folder="value"), RECORD, record(folder="gaussian")]).splitlines()
    assert lines[2] == "| study | claim | this run found | verdict | the number behind it | seconds |"
    assert [line.partition("]")[0] for line in lines[4:7]] == ["| [gaussian", "| [gaussian-quick", "| [value"]
    words = "the paper's words | this run's words | open | a \\| b: 1.25 ± 0.5 (exact 1) | 12 |"
    assert lines[5] == f"| [gaussian-quick](#gaussian-quick) | {words}"
    for line in (
        "## gaussian-quick",
        "Gaussians, 3 seeds; as published.",
        "- Claim (Somebody 2024): the paper's words.",
        "- This run found: this run's words.",
        "- Verdict: open.",
        "| a \\| b | 1.25 ± 0.5 | 1 | +0.5 |",
        "| c | 2 ± 0.25 |  |  |",
        "![two](gaussian-quick/two.png)",
    ):
        assert line in lines


def test_what_is_read_is_what_was_written(tmp_path):
    RECORD.write(tmp_path)
    assert read(tmp_path) == RECORD
    assert json.loads((tmp_path / "finding.json").read_text())["numbers"][0]["z"] == 0.5


@pytest.mark.parametrize("content", [None, "no JSON", "[]", '{"study": "gaussian"}', '{"numbers": [{"se": 1}]}'])
def test_what_is_no_record_is_left_out(tmp_path, content):
    for name in ("broken", "whole"):
        (tmp_path / name).mkdir()
    RECORD.write(tmp_path / "whole")
    if content is not None:
        (tmp_path / "broken" / "finding.json").write_text(content)
    assert read(tmp_path / "broken") is None
    assert write_index(tmp_path).read_text().startswith(render([RECORD]))
