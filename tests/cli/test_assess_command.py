import json
import re

import pytest
from assessments import made_up

from collapsejax.cli.main import main


@pytest.fixture
def asked(monkeypatch):
    """What `assess` is asked for; it returns a made-up assessment."""
    calls = []

    def assess(file, **options):
        calls.append((file, options))
        return made_up()

    monkeypatch.setattr("collapsejax.experiments.assess.assess", assess)
    return calls


def test_text_json_and_page(asked, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["assess", "people.csv", "--fresh", "0", "0.3", "--tolerance", "0.2", "--json", "p.json", "--html", "p.html"])
    ((file, options),) = asked
    assert file == "people.csv"
    assert (options["fresh"], options["tolerance"], options["num_seeds"]) == ((0, 0.3), 0.2, None)
    assert capsys.readouterr().out == f"{made_up().text()}\nwrote p.json\nwrote p.html\n"
    numbers = json.loads((tmp_path / "p.json").read_text())
    page = (tmp_path / "p.html").read_text()
    command = "collapsejax assess people.csv --fresh 0.0 0.3 --tolerance 0.2 --json p.json --html p.html"
    assert command in re.sub(r"<[^>]+>", "", page)
    assert f"{numbers['families'][0]['needed']['share']:.0%}".replace("%", " %") in page
    main(["assess", "people.csv", "--json", "p.json", "--html", "p.html"])  # older ones are replaced


def test_a_page_that_fails_takes_neither_text_nor_numbers_with_it(asked, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def full(page):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("collapsejax.pages.html_of", full)
    with pytest.raises(SystemExit):
        main(["assess", "people.csv", "--json", "p.json", "--html", "p.html"])
    told = capsys.readouterr()
    assert made_up().text() in told.out
    assert "No space left" in told.err
    assert json.loads((tmp_path / "p.json").read_text())
    assert not (tmp_path / "p.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--json", "numbers.txt"], "json=numbers.txt"),
        (["--html", "page.md"], ".html"),
        (["--seed", "-1"], "seed=-1"),
    ],
)
def test_places_are_checked_before_anything_runs(asked, arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        main(["assess", "people.csv", *arguments])
    assert message in capsys.readouterr().err
    assert not asked


def test_a_missing_file_is_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["assess", str(tmp_path / "none.csv"), "--no-compilation-cache"])
    (line,) = capsys.readouterr().err.splitlines()
    assert "no such file" in line
