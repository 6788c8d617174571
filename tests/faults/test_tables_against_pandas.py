"""Any table of numbers and text, written in any usual way, is read as pandas reads it, or refused with a reason."""

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import collapsejax as cj

pytestmark = pytest.mark.faults

NUMBERS = st.one_of(
    st.integers(-(10**6), 10**6),
    st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 4)),
    st.floats(1e-9, 1e9).flatmap(lambda value: st.sampled_from([value, -value])),
)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=6)
CELLS = st.one_of(NUMBERS, st.just(None), TEXTS)
QUIET = dict(deadline=None, suppress_health_check=list(HealthCheck))


def read(path, reasons=("",), **options):
    """The table in a file, or None where it is refused for one of some reasons."""
    try:
        return cj.sources.table(path, **options)
    except ValueError as error:
        message = str(error)
    assert message.startswith(f"{path}: ")
    assert any(reason in message for reason in reasons), message
    return None


@st.composite
def frames(draw, cells):
    height, width = draw(st.integers(8, 30)), draw(st.integers(1, 4))
    columns = {f"c{place}": [draw(cells) for _ in range(height)] for place in range(width)}
    return pd.DataFrame(columns)


@settings(max_examples=150, **QUIET)
@given(frame=frames(NUMBERS), delimiter=st.sampled_from(",;\t|"), decimal=st.sampled_from(".,"), index=st.booleans())
def test_numbers(frame, delimiter, decimal, index, tmp_path_factory):
    path = tmp_path_factory.mktemp("t") / "t.csv"
    frame.to_csv(path, sep=delimiter, decimal=decimal, index=index)
    table = read(path, ["may be of decimals or of thousands", "float32 cannot follow"])
    if table is None:
        return
    wanted = pd.read_csv(io.StringIO(path.read_text()), sep=delimiter, decimal=decimal)[list(table.columns)]
    assert [name for name in frame.columns if name not in table.columns] == [name for name, _ in table.left_out if name]
    rows = np.concatenate([np.asarray(table.train, float), np.asarray(table.test, float)]) + np.array(table.offset)
    scale = np.maximum(wanted.std(ddof=0).to_numpy(), 1e-30)
    np.testing.assert_array_less(np.abs(rows.mean(axis=0) - wanted.mean().to_numpy()) / scale, 1e-4)
    np.testing.assert_allclose(rows.std(axis=0), wanted.std(ddof=0).to_numpy(), rtol=1e-4)


@settings(max_examples=150, **QUIET)
@given(frame=frames(CELLS), delimiter=st.sampled_from(",;\t|"))
def test_any_cells(frame, delimiter, tmp_path_factory):
    """Rows that are dropped are those in which pandas finds no number either; nothing raises but a ValueError."""
    path = tmp_path_factory.mktemp("t") / "t.csv"
    frame.to_csv(path, sep=delimiter, index=False)
    table = read(path, missing="drop", test_fraction=0.5)
    if table is None:
        return
    whole = pd.read_csv(path, sep=delimiter, dtype=str, keep_default_na=False)
    cells = whole[list(table.columns)].map(lambda cell: cell.strip().replace("\u2212", "-"))
    plain = cells.map(lambda cell: cell.isascii() and not set(cell) & set("_,' "))
    if plain.all(axis=None):
        numbers = cells.apply(pd.to_numeric, errors="coerce").replace([np.inf, -np.inf], np.nan).dropna()
        assert len(numbers) == table.train.shape[0] + table.num_held_out


@settings(max_examples=300, **QUIET)
@given(
    content=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace")))
)
def test_any_bytes(content, tmp_path_factory):
    for name in ("t.csv", "t.csv.gz", "t.npy", "t.xlsx"):
        path = tmp_path_factory.mktemp("t") / name
        path.write_bytes(content)
        read(path)
