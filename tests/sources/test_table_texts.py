"""Tables as people have them: read right, or refused with the reason."""

import gzip
import importlib
import math

import jax
import numpy as np
import pandas as pd
import pytest

import collapsejax as cj
from collapsejax.sources.cells import is_missing, number
from collapsejax.sources.table_files import read_texts

ROWS = ((1.5, 2.25), (-3.0, 1234.5), (0.5, 7.0), (2.0, 0.125), (9.0, -1.0))


def values(table):
    """All rows of a table, in the order of the first column, as in its file."""
    rows = np.concatenate([np.asarray(table.train, float), np.asarray(table.test, float)]) + np.array(table.offset)
    return rows[np.argsort(rows[:, 0])]


def lines(delimiter, written, head="a{}b", row="{}"):
    return (
        "\n".join([head.replace("{}", delimiter), *(row.format(delimiter.join(map(written, r))) for r in ROWS)]) + "\n"
    )


comma = lambda value: str(value).replace(".", ",")
german = lambda value: f"{value:,.3f}".translate(str.maketrans(",.", ".,"))
TEXTS = {
    "commas": lines(",", str),
    "semicolons and decimal commas": lines(";", comma),
    "decimal commas and thousands": lines(";", german),
    "thousands in quotes": lines(",", lambda value: f'"{value:,.3f}"'),
    "thousands apart by a space": lines(";", lambda value: f"{value:,.3f}".replace(",", "\u202f")),
    "tabs": lines("\t", str),
    "vertical bars": lines("|", str),
    "spaces": lines("   ", str),
    "names with commas": lines(";", comma, head="a, s{}b, A").replace("a, s", "a").replace("b, A", "b"),
    "sep": "sep=;\n" + lines(";", comma),
    "preamble": "Measured 2020\n\nStation: X\n" + lines(",", str),
    "a padded preamble": "Measured 2020;\n;\nStation: X;\n" + lines(";", comma),
    "comments": "# one, two, three\n" + lines(",", str).replace("\n0.5", "\n# a remark\n0.5"),
    "names in a comment": "# " + lines(",", str),
    "blank ends": lines(",", str) + ",\n,\n\n",
    "delimiters at the ends": lines(",", str, row="{},"),
    "names of rows": "\n".join(f"r{n} {line}" if n else line for n, line in enumerate(lines(" ", str).splitlines())),
    "a row index": "\n".join(f"{n - 1 if n else ''},{line}" for n, line in enumerate(lines(",", str).splitlines())),
    "Unicode's minus": lines(",", lambda value: str(value).replace("-", "\u2212")),
    "old line ends": lines(",", str).replace("\n", "\r"),
    "a column of text": lines(",", str, head="a{}b,c", row="{},x;y"),
}


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_usual_texts(kind, encoding, tmp_path):
    (tmp_path / "t.csv").write_bytes(TEXTS[kind].encode(encoding))
    table = cj.sources.table(tmp_path / "t.csv")
    assert table.columns == ("a", "b")
    np.testing.assert_allclose(values(table), sorted(ROWS), rtol=1e-6)
    unusual = {
        "preamble": "3 lines before",
        "a row index": "numbers the rows",
        "a column of text": "holds text, as 'x;y'",
    }
    assert unusual.get(kind, "") in str(table)
    assert bool(table.left_out) == (kind in ("a row index", "a column of text", "names of rows"))


def test_names_with_the_other_delimiter(tmp_path):
    for text in (
        "Time, s;Current, A\n1,5;2,25\n3,5;4,5\n2,5;1,0\n",
        "Time; s,Current; A\n1.5,2.25\n3.5,4.5\n2.5,1.0\n",
    ):
        (tmp_path / "t.csv").write_text(text)
        table = cj.sources.table(tmp_path / "t.csv", test_fraction=0.34)
        assert [name[:4] for name in table.columns] == ["Time", "Curr"]
        np.testing.assert_allclose(values(table), [(1.5, 2.25), (2.5, 1.0), (3.5, 4.5)])


def test_packed_and_latin(tmp_path):
    text = lines(",", str, head="gr\u00f6\u00dfe{}b").encode("latin-1")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text))
    table = cj.sources.table(tmp_path / "t.csv.gz")
    assert table.columns == ("gr\u00f6\u00dfe", "b")
    assert "was read as Latin-1" in str(table)
    (tmp_path / "t.csv.gz").write_bytes(text)
    with pytest.raises(ValueError, match=r"not a \.gz file"):
        cj.sources.table(tmp_path / "t.csv.gz")


@pytest.mark.parametrize(("suffix", "package"), [(".parquet", "pyarrow"), (".xlsx", "openpyxl")])
def test_frames(suffix, package, tmp_path, monkeypatch):
    path = tmp_path / f"t{suffix}"
    reader = f"read_{'parquet' if suffix == '.parquet' else 'excel'}"
    path.write_bytes(b"")
    with monkeypatch.context() as without:
        without.setattr(pd, reader, lambda path: importlib.import_module("a_package_that_is_not_installed"))
        with pytest.raises(ValueError, match=f"{package}: pip install it"):
            cj.sources.table(path)
    frame = pd.DataFrame(ROWS, columns=["a", "b"]).assign(c="x")
    frame.loc[1, "b"] = np.nan
    monkeypatch.setattr(pd, reader, lambda path: frame)
    with pytest.raises(ValueError, match=r"column 'b' .*1 missing, the first in row"):
        cj.sources.table(path)
    table = cj.sources.table(path, missing="drop")
    assert (table.columns, len(values(table))) == (("a", "b"), 4)


@pytest.mark.parametrize("cell", ["", " ", "-", ".", "#N/A", "<NA>", "NULL", "n/a", "NaN", "\u2014", "?", "#DIV/0!"])
def test_missing_cells_are_recognized(cell, tmp_path):
    assert is_missing(cell)
    (tmp_path / "t.csv").write_text(lines(",", str).replace("1234.5", cell))
    with pytest.raises(ValueError, match=r"column 'b' .*\(1 missing, the first in line 3\); .* drop 1 of 5 rows"):
        cj.sources.table(tmp_path / "t.csv")
    table = cj.sources.table(tmp_path / "t.csv", missing="drop")
    np.testing.assert_allclose(values(table), sorted(row for row in ROWS if row[0] != -3.0), rtol=1e-6)
    assert "1 of 5 rows without a number in a used column were dropped (" in str(table)
    assert cj.sources.table(tmp_path / "t.csv", columns=["a"]).train.shape == (4, 1)


@pytest.mark.parametrize(
    "cell",
    ["2_0", "\u0661\u0662", "1.2.3", "3%", "$3", "0x10", "inf", "1e999", "1d5", "12,34,5", "1 23", "NaN1", "--3"],
)
def test_text_is_no_number(cell, tmp_path):
    assert number(cell) is None
    (tmp_path / "t.csv").write_text(lines(";", str).replace("1234.5", cell))
    with pytest.raises(ValueError, match=r"column 'b' .*\(1 no finite number, the first '.*' in line 3\)"):
        cj.sources.table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("cell", "mark", "value"),
    [
        (" 1.5 ", ".", 1.5), ("1,5", ",", 1.5), ("+.5e-3", ".", 5e-4), ("5.", ".", 5.0), ("1.234", ",", 1234.0),
        ("1,234.5", ".", 1234.5), ("1'234", ".", 1234.0), ("1\u00a0234\u00a0567", ",", 1234567.0),
        ("\u22123", ".", -3.0),
    ],
)  # fmt: skip
def test_numbers(cell, mark, value):
    assert number(cell, mark) == value


REFUSED = {
    "alice,30\nbob,25\ncarol,41\n": "line 1 calls columns of numbers 30; put a line with the names",
    "a,2019\nb,2011\nc,2012\n": "line 1 calls columns of numbers 2019",
    'a;b\n"1,234";x\n"2,345";y\n"3,456";z\n': "column 'a' holds '1,234', whose mark may be of decimals or of thousands",
    "a;b\n1.234;0,5\n2.345;0,25\n3.456;1,75\n": "column 'a' holds '1.234', whose mark may be",
    "a,b\n1,2\n3,4,5\n6,7\n": "line 3 has 3 fields and line 1 has 2",
    "a,b\n1,3%\n2,4%\n3,5%\n": "",
    "a,,c\n1,,3\n4,5,6\n7,8,9\n": "",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_can_be_read_in_two_ways_is_refused(text, tmp_path):
    (tmp_path / "t.csv").write_text(text)
    if REFUSED[text]:
        with pytest.raises(ValueError, match=REFUSED[text]):
            cj.sources.table(tmp_path / "t.csv", test_fraction=0.34)
    else:
        table = cj.sources.table(tmp_path / "t.csv", test_fraction=0.34)
        assert table.left_out == ((("b", "holds text, as '3%'"),) if "%" in text else (("", "has no name"),))


def test_years_as_names_go_on_working(tmp_path):
    for text in (
        "country,2019,2020\nx,1,2\ny,3,4\nz,5,6\n",
        "country,2018,2019,2020\nx,1500,1600,1700\ny,1800,1900,1950\nz,1,2,3\n",
        ",0,1\n0,1.5,2\n1,3,4\n2,5,6\n",
    ):
        (tmp_path / "t.csv").write_text(text)
        assert cj.sources.table(tmp_path / "t.csv", test_fraction=0.34).columns == tuple(
            text.splitlines()[0].split(",")[1:]
        )


def test_columns_of_an_array_by_number(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(20.0).reshape(10, 2))
    assert cj.sources.table(tmp_path / "a.npy", columns=[1]).columns == ("1",)
    with pytest.raises(ValueError, match="missing='skip': must be 'error' or 'drop'"):
        cj.sources.table(tmp_path / "a.npy", missing="skip")


def test_a_column_far_from_0_loses_no_precision(tmp_path):
    """The held-out loss of an estimate is that of the same column about 0."""
    near = np.random.default_rng(7).normal(0, 1.2, 400).round(3)
    losses = []
    for shift in (0, 1e5, 1.7e9):
        (tmp_path / "t.csv").write_text("a\n" + "".join(f"{value + shift:.3f}\n" for value in near))
        table = cj.sources.table(tmp_path / "t.csv")
        np.testing.assert_allclose(values(table)[:, 0] - shift, np.sort(near), atol=1e-6 if shift < 1e6 else 1e-3)
        size = dict(num_samples=100, num_generations=2, num_seeds=4, key=jax.random.key(0))
        losses.append(cj.sweep(cj.KDE(table, 0.3), ["replace"], **size).test_nll.values)
    np.testing.assert_allclose(losses[1], losses[0], atol=1e-4)
    np.testing.assert_allclose(losses[2], losses[0], atol=1e-3)


@pytest.mark.parametrize("value", [0.0, 0.83, 1e20, -7.0])
def test_a_constant_feature_has_no_scaled_bandwidth(value, tmp_path):
    rows = np.random.default_rng(7).normal(size=40)
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{row},{value}\n" for row in rows))
    table = cj.sources.table(tmp_path / "t.csv")
    size = dict(num_samples=20, num_generations=2, num_seeds=2, key=jax.random.key(0))
    for rule in ("scott-scaled", "silverman-scaled"):
        loss = cj.sweep(cj.KDE(table, rule), ["replace"], **size).test_nll.values
        assert np.all(loss == math.inf)


def test_a_missing_cell_that_begins_as_a_comment_does_is_none(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n#N/A,3\n4,5\n#VALUE!,4\n7,8\n2,2\n")
    with pytest.raises(ValueError, match=r"column 'a' has cells without a number.*2 missing, the first in line 3"):
        cj.sources.table(path)


def test_lines_that_are_left_out_as_comments_are_told(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('name,b,c\n"plain",2,1\n# a remark\n"#1 of all",3,3\n"x",5,2\n"y",4,4\n"z",9,9\n')
    source = cj.sources.table(path)
    assert "2 lines that begin as comments do were skipped, the first is line 3" in str(source)


def test_texts_of_columns(tmp_path):
    """The cells of columns of text that are there; a column of numbers with a few words is none."""
    path = tmp_path / "people.csv"
    path.write_text("name,age,home\nAnn,30,city\nBob,?,\nEve,old,village\nJoe,41,n/a\n")
    assert read_texts(path) == {"name": ["Ann", "Bob", "Eve", "Joe"], "home": ["city", "village"]}
