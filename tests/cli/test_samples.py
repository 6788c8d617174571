import json

import numpy as np
import pytest
import xarray as xr

import collapsejax as cj
from collapsejax.cli.main import main
from collapsejax.core.describe import describe
from collapsejax.sources.tokenizers import Bytes, Characters


def dataset_of(rows, from_source, dims=("workflow", "seed", "generation"), over=(), **coords):
    """Results with these text samples, axes (*dims, sample, position), and a metric."""
    sizes = dict(zip(dims, rows.shape, strict=False))
    loss = (dims, np.zeros(rows.shape[: len(dims)], np.float32))
    variables = {"test_loss": loss, "samples": ((*dims, "sample", "position"), rows)}
    coords = {"workflow": ["replace", "accumulate"][: sizes["workflow"]], **coords}
    # Texts in the dtype that zarr keeps as it is.
    coords = {
        name: (name, np.array(labels, np.dtypes.StringDType() if isinstance(labels[0], str) else None))
        for name, labels in coords.items()
    }
    task = {"name": "transformer", "source": from_source}
    return xr.Dataset(variables, coords, {"task": json.dumps(task), "over": json.dumps(dict(over))})


@pytest.fixture
def show(tmp_path, capsys):
    """What the command prints of a dataset, in lines of words."""

    def show(dataset, *arguments):
        path = tmp_path / f"store{len(list(tmp_path.iterdir()))}"
        cj.save(dataset, path)
        main(["samples", str(path), *arguments])
        out, _ = capsys.readouterr()
        return [line.split() for line in out.splitlines() if line.split()]

    return show


def words(*texts):
    """Rows of tokens, of equal length."""
    return np.stack([Characters().encode(text)[0] for text in texts])


TEXT = {"name": "text", "window": 4, "tokenizer": describe(Characters())}
TEXTS = np.zeros((2, 2, 12, 3, 4), np.uint8)  # workflows, seeds, generations
for place in np.ndindex(TEXTS.shape[:4]):
    TEXTS[place] = words("".join("abcdefghijklm"[number] for number in place))[0]


def test_texts_stand_side_by_side(show):
    lines = show(dataset_of(TEXTS, TEXT))
    assert lines[0] == ["generation", "replace", "accumulate"]
    shown = [line for line in lines if set(line[0]) != {"─"}][1:]
    assert [line[0] for line in shown[::3]] == ["0", "1", "4", "9", "11"]
    assert shown[:4] == [["0", "aaaa", "baaa"], ["aaab", "baab"], ["aaac", "baac"], ["1", "aaba", "baba"]]


def test_what_is_shown_can_be_chosen(show):
    options = ["--workflow", "accumulate", "--seed", "1", "--generations", "3", "11", "--num", "2"]
    lines = [line for line in show(dataset_of(TEXTS, TEXT), *options) if set(line[0]) != {"─"}]
    assert lines == [["generation", "accumulate"], ["3", "bbda"], ["bbdb"], ["11", "bbla"], ["bblb"]]


def test_long_rows_are_folded(show):
    source = TEXT | {"window": 60}
    lines = show(dataset_of(np.tile(TEXTS, 15), source), "--width", "40", "--generations", "0", "--num", "1")
    assert max(len(" ".join(line)) for line in lines) <= 40
    assert "".join(line[-2] for line in lines if set(line[-1]) == {"b", "a"}) == "a" * 60


def test_bytes_are_shown_and_terminals_left_alone(show):
    text = "é[red]\x1b[2J\n"
    rows = np.frombuffer(text.encode(), np.uint8)[None, None, None, None]
    source = {"name": "text", "window": rows.shape[-1], "tokenizer": describe(Bytes())}
    assert ["0", "é[red]·[2J·"] in show(dataset_of(rows, source), "--num", "1")


def test_other_samples_are_numbers(show):
    tokens = np.array([[0, 12, 3]], np.uint8)[None, None, None]
    assert ["0", "0", "12", "3"] in show(dataset_of(tokens, {"name": "markov", "window": 3}), "--num", "1")
    numbers = np.array([[0.25, -1e6]])[None, None, None]
    assert ["0", "0.25", "-1e+06"] in show(dataset_of(numbers, None), "--num", "1")


def test_swept_sources_are_decoded_by_their_own(show):
    """Rows of shorter windows have room behind them."""
    sources = [TEXT | {"window": 2}, {"name": "text", "window": 3, "tokenizer": describe(Characters("xyz"))}]
    rows = np.array([[1, 2, 0], [2, 1, 0]], np.uint8).reshape(2, 1, 1, 1, 1, 3)
    dims, over = ("source", "workflow", "seed", "generation"), {"source": sources}
    data = dataset_of(rows, TEXT, dims, over, source=["short", "long"])
    lines = [line for line in show(data, "--num", "1") if set(line[0]) != {"─"}]
    assert lines[0] == ["source=short:"]
    assert lines[2] == ["0", "ab"]
    assert lines[3] == ["source=long:"]
    assert lines[5] == ["0", "zyx"]
    dims = ("window", "workflow", "seed", "generation")
    data = dataset_of(rows, TEXT, dims, {"source.window": [2, 3]}, window=[2, 3])
    assert [line[1] for line in show(data, "--num", "1") if line[0] == "0"] == ["ab", "ba"]


def test_generations_that_are_missing_are_named(show):
    data = dataset_of(TEXTS, TEXT)
    data.test_loss[1, :, 4:] = np.nan
    lines = show(data, "--generations", "3", "4", "--num", "1")
    assert ["3", "aada", "bada"] in lines
    assert ["4", "aaea", "not", "there", "yet"] in lines


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workflow", "replac"], "workflow 'replac': is not in the results; did you mean 'replace'?"),
        (["--seed", "2"], "seed=2: is not in the results; the last is 1"),
        (["--seed", "-1"], "seed=-1: must be at least 0"),
        (["--generations", "0", "12"], "generations=12: is not in the results; the last is 11"),
        (["--num", "4"], "num=4: each generation has 3 samples; use at most that"),
        (["--num", "0"], "num=0: must be at least 1"),
        (["--width", "5"], "width=5: must be at least 20"),
    ],
)
def test_mistakes_are_one_line(arguments, message, tmp_path, capsys):
    cj.save(dataset_of(TEXTS, TEXT), tmp_path / "store")
    with pytest.raises(SystemExit):
        main(["samples", str(tmp_path / "store"), *arguments])
    assert capsys.readouterr().err == f"collapsejax: {message}\n"


def test_stores_without_samples_say_how_to_get_them(tmp_path, capsys):
    path, without = tmp_path / "store", dataset_of(TEXTS, TEXT).drop_vars("samples")
    for dataset, message in (
        (without, "there are no text samples; `collapsejax run transformer --out`"),
        (None, "there is no such store; check the path"),
    ):
        if dataset is None:
            path = tmp_path / "nothing"
        else:
            cj.save(dataset, path)
        with pytest.raises(SystemExit):
            main(["samples", str(path)])
        assert capsys.readouterr().err.startswith(f"collapsejax: {path}: {message}")


def test_real_text_is_above_generation_0(show, tmp_path):
    corpus, letters = tmp_path / "corpus.jsonl", np.array(list("abcdefghijklmnopqrstuvwxyz"))
    documents = ["".join(letters[np.random.default_rng(k).integers(26, size=40)]) for k in range(30)]
    corpus.write_text("".join(json.dumps({"text": document}) + "\n" for document in documents))
    source = cj.sources.text(corpus, field="text", window=4)
    lines = show(dataset_of(TEXTS, describe(source)), "--generations", "0", "--num", "2")
    place = lines.index(next(line for line in lines if line[:2] == ["real", "text"]))
    assert place < next(number for number, line in enumerate(lines) if line[0] == "0")
    windows = {source.decode(row) for row in np.asarray(source.train)}
    assert {*lines[place][2:]} < windows
    assert not any(line[0] == "real" for line in show(dataset_of(TEXTS, describe(source)), "--generations", "1"))
    corpus.write_text('{"text": "something else, which is not what it was"}\n' * 40)
    assert not any(line[0] == "real" for line in show(dataset_of(TEXTS, describe(source))))
