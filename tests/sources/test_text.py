import dataclasses
import json
import platform

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import collapsejax as cj
from collapsejax.core.describe import describe
from collapsejax.sources.corpus import MOST_BYTES, read
from collapsejax.sources.tokenizers import CHARACTERS, Bytes, Characters

WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"]


def prose(seed, num_words=400):
    """Words in an order of their own, a paragraph every 50."""
    words = np.random.default_rng(seed).choice(WORDS, num_words)
    return "\n\n".join(" ".join(words[first : first + 50]) for first in range(0, num_words, 50))


@pytest.fixture
def folder(tmp_path):
    """Twelve files of prose, one of them in a folder of its own."""
    (tmp_path / "texts" / "inner").mkdir(parents=True)
    for number in range(12):
        name = f"inner/{number}.md" if number == 7 else f"{number}.txt"
        (tmp_path / "texts" / name).write_text(prose(number))
    return tmp_path / "texts"


@pytest.fixture(scope="module")
def library():
    return cj.sources.text()


def parts(source):
    return [source.train, source.validation, source.test]


def rows_of(part):
    return {bytes(row) for row in np.asarray(part)}


@pytest.mark.parametrize("tokenizer", [Characters(), Characters("ABC abc\n\u00e9\u4e16"), Bytes()])
def test_decoding_gives_the_text_back(tokenizer):
    text = {Characters: tokenizer.alphabet * 2 if tokenizer.name == "characters" else ""}.get(type(tokenizer))
    text = text or "Any text: \u00e9, \u4e16, \U0001f600\r\n\tand \x00."
    tokens, num_unknown = tokenizer.encode(text)
    assert (tokens.dtype, num_unknown) == (np.uint8, 0)
    assert tokens.max() < tokenizer.vocab_size
    assert tokenizer.decode(tokens) == text


@pytest.mark.parametrize(
    ("alphabet", "text", "meant", "num_unknown"),
    [
        (CHARACTERS, "Read_FILE(path)\n\n\t  twice", "read file path twice", 3),
        (CHARACTERS, "In 1984, \u2018it\u2019s\u2019 \u2014 so.", "in 0000, 'it's' - so.", 0),
        (CHARACTERS, "caf\u00e9 \U0001f600!", "caf ", 3),
        (CHARACTERS, "", "", 0),
        ("ab\n", "A b\n\nc\ta", "ab\n\na", 1),
        ("01a ", "a 01 27", "a 01 ", 2),
        ("aA ", "aA bB", "aA ", 2),
        (" \u0131i", "\u0130\u0131I", " \u0131i", 1),
    ],
)
def test_characters_are_reduced_to_an_alphabet(alphabet, text, meant, num_unknown):
    tokenizer = Characters(alphabet)
    tokens, unknown = tokenizer.encode(text)
    assert (tokenizer.decode(tokens), unknown) == (meant, num_unknown)


def test_bytes_cut_in_two_are_marked():
    assert Bytes().decode(np.frombuffer("\u00e9".encode()[:1], np.uint8)) == "\ufffd"


def test_the_standard_library_is_english(library):
    """Letters come as often as in English; docstrings that every Python has are there, once."""
    texts = "|".join(library.decode(np.asarray(part).ravel()) for part in parts(library))
    assert texts.count("serialize obj to a json formatted str .") == 1
    assert texts.count("return the size of a file, reported by os.stat") == 1
    assert (library.vocab_size, library.window) == (32, 32)
    assert library.num_tokens > 10**6
    assert 0 < library.num_unknown < 0.05 * library.num_tokens
    frequency = np.bincount(np.asarray(library.train).ravel(), minlength=32) / library.train.size
    assert [CHARACTERS[token] for token in np.argsort(-frequency)[:3]] == [" ", "e", "t"]
    assert -(frequency * np.log(frequency)).sum() == pytest.approx(2.95, abs=0.1)


def test_it_says_what_it_is(library, folder):
    assert f"docstrings of Python {platform.python_version()}: {library.num_documents} documents" in str(library)
    assert f"32 characters {CHARACTERS!r}; {library.num_unknown} unknown" in str(library)
    for part in parts(library):
        assert str(len(part)) in str(library)
    assert "bytes of UTF-8; 0 unknown" in str(cj.sources.text(folder, tokenizer="bytes"))
    known = json.loads(json.dumps(describe(library)))
    for name in ("corpus", "python", "num_documents", "num_tokens", "num_unknown", "sha256", "window"):
        assert known[name] == getattr(library, name)
    assert known["tokenizer"] == {"name": "characters", "alphabet": CHARACTERS}
    assert {"ast.py", "email/message.py"} <= set(known["files"])
    assert len(known["files"]) == library.num_documents
    assert not any(name.startswith(("test/", "idlelib/")) for name in known["files"])
    assert cj.sources.text(folder).files is None


def test_parts_share_no_document_and_no_window(folder):
    """Every window is from a document of its part, and there as often as it is."""
    window = 40
    source = cj.sources.text(folder, window=window, test_fraction=0.25, validation_fraction=0.2)
    of_document = {}
    for document, piece in read(folder, None):
        tokens, _ = source.tokenizer.encode(piece)
        of_document[document] = rows_of(tokens[: len(tokens) // window * window].reshape(-1, window))
    assert len(of_document) == source.num_documents == 12
    of_part = [{document for document, rows in of_document.items() if rows & rows_of(part)} for part in parts(source)]
    assert [len(documents) for documents in of_part] == [7, 2, 3]
    assert set.union(*of_part) == set(range(12))
    for part, documents in zip(parts(source), of_part, strict=True):
        assert rows_of(part) == set.union(*(of_document[document] for document in documents))
    assert source.decode(source.train[0]) in " ".join(prose(number).replace("\n\n", " ") for number in range(12))


def test_held_out_windows_that_are_not_unseen_are_left_out(tmp_path):
    """Ten documents begin alike; four have the same window behind that."""
    same = [b"x" * 8, b"y" * 8]
    for number in range(10):
        second = same[1] if number < 4 else bytes([97 + number]) * 8
        (tmp_path / f"{number}.txt").write_bytes(same[0] + second + bytes([65 + number]) * 8)
    source = cj.sources.text(tmp_path, tokenizer="bytes", window=8, test_fraction=0.3, validation_fraction=0.3)
    train, validation, test = map(rows_of, parts(source))
    assert train.isdisjoint(validation | test)
    assert validation.isdisjoint(test)
    assert same[0] in train
    assert same[1] in train | validation
    assert len(train | validation | test) == 1 + 1 + 6 + 10


@pytest.mark.parametrize("window", [7, 100])
def test_windows_follow_one_another(tmp_path, window):
    """Each of three parts is one document, but for what is left behind its last window."""
    texts = [bytes(np.random.default_rng(number).integers(33, 127, 250).tolist()) for number in range(3)]
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.txt").write_bytes(text)
    source = cj.sources.text(tmp_path, tokenizer="bytes", window=window)
    whole = 250 // window * window
    assert {bytes(np.asarray(part).ravel()) for part in parts(source)} == {text[:whole] for text in texts}
    with pytest.raises(ValueError, match=r"no window for tests is left that the other parts do not have as well"):
        cj.sources.text(tmp_path, tokenizer="bytes", window=1)


def test_the_split_is_determined(folder):
    first, second, other = (cj.sources.text(folder, split_seed=seed) for seed in (0, 0, 1))
    for a, b in zip(parts(first), parts(second), strict=True):
        np.testing.assert_array_equal(a, b)
    assert jax.tree.structure(first) == jax.tree.structure(second)
    assert rows_of(first.test) != rows_of(other.test)
    assert first.sha256 == other.sha256
    assert cj.sources.text(folder, window=16).sha256 == first.sha256
    (folder / "0.txt").write_text(prose(0).replace("alpha", "alphb", 1))
    assert cj.sources.text(folder).sha256 != first.sha256


def test_rows_are_drawn_without_replacement(folder, key):
    """Of numbered windows n are different ones, other ones for another key; and each part has a method of its own."""
    source = cj.sources.text(folder, window=20)
    size = len(source.train)
    first = {"train": 0, "validation": size, "test": 2 * size}
    numbered = dataclasses.replace(
        source, **{part: start + jnp.arange(len(getattr(source, part)))[:, None] for part, start in first.items()}
    )
    draw = jax.jit(lambda source, key: (source.sample(key, (), 9), source.sample_validation(key, (), 9)))
    (train, validation), (others, _) = draw(numbered, key), draw(numbered, jax.random.key(0))
    assert len(np.unique(train)) == 9
    assert train.max() < size
    assert len(np.unique(others)) == 9
    assert set(np.ravel(train)) != set(np.ravel(others))
    assert len(np.unique(validation)) == 9
    assert size <= validation.min() <= validation.max() < size + source.num_validation
    everything = jax.jit(lambda source, key: source.sample_test(key, (), source.num_held_out))(numbered, key)
    assert set(np.ravel(everything)) == {*range(2 * size, 2 * size + source.num_held_out)}
    assert source.train.dtype == source.validation.dtype == source.test.dtype == np.uint8
    with pytest.raises(ValueError, match=rf"num_samples={size + 1}: .* has {size} windows of 20 .* use at most {size}"):
        source.sample(key, (), size + 1)


@pytest.mark.parametrize("ending", ["\n\n", "\r\n\r\n", "\n", " ", ""])
def test_a_lone_file_is_split_into_documents(tmp_path, ending):
    """At ends of paragraphs if it has any; nothing is lost, also of characters that two reads share."""
    text = "\ufeff" + "".join(f"{number:04d} \u4e16\u754c" * 20 + ending for number in range(60))
    (tmp_path / "one.txt").write_bytes(text.encode())
    pieces = list(read(tmp_path / "one.txt", None))
    assert "".join(piece for _, piece in pieces).rstrip() == text[1:].rstrip()
    assert [document for document, _ in pieces] == list(range(len(pieces)))
    size = len(text.encode())
    assert size / 1024 / 2 < len(pieces) <= size / 1024 + 2
    if ending:
        assert all(piece.startswith(ending) for _, piece in pieces[1:])
    assert len(list(read(tmp_path, None))) == len(pieces)


def test_a_long_file_among_others_is_one_document_read_in_pieces(tmp_path):
    (tmp_path / "a.txt").write_text("long text\n" * 50_000)
    (tmp_path / "b.txt").write_text("short")
    pieces = list(read(tmp_path, None))
    assert {document for document, _ in pieces[:-1]} == {0}
    assert pieces[-1] == (1, "short")
    assert max(len(piece) for _, piece in pieces) <= 2 * 2**16


def test_lines_of_jsonl_are_documents(tmp_path):
    lines = [json.dumps({"id": number, "text": prose(number)}) for number in range(5)]
    (tmp_path / "a.jsonl").write_text("\ufeff" + "\n\n".join(lines) + '\n{"text": "\\ud800"}\n{"text": " "}\n')
    found = list(read(tmp_path / "a.jsonl", "text"))
    assert found == [*((number, prose(number)) for number in range(5)), (5, "?")]
    source = cj.sources.make("text", corpus=str(tmp_path), field="text", window=20)
    assert (source.num_documents, source.field) == (6, "text")


BAD_FILES = [
    ("a.txt", b"", {}, r"a\.txt: the file is empty"),
    ("a.txt", b" \n\n ", {}, r"a\.txt: holds nothing but white space"),
    ("a.csv", b"a,b", {}, r"a\.csv: want a file of \.txt, \.md, \.jsonl, or a folder of such"),
    ("a.txt", b"x" * 2000 + b"\xff\xfe", {}, r"a\.txt: byte 2000 is not UTF-8"),
    ("a.txt", b"x" * 2047 + b"\xc3", {}, r"a\.txt: byte 2047 is not UTF-8 \(unexpected end"),
    ("a.md", b"\xc3\xa9" * 3000 + b"\xe4\xb8(", {}, r"a\.md: byte 6000 is not UTF-8"),
    ("a.txt", b"plain", dict(field="text"), r"field='text': is for \.jsonl files, and .*a\.txt is or has none"),
    ("a.txt", b"word " * 1000, dict(window=5000), r"window=5000: longer than any text in .*\(\d+ tokens\)"),
    ("a.txt", b"word " * 300, {}, "2 documents have a whole window; .* 2 are taken, which leaves none to fit to"),
    ("a.jsonl", b'{"body": "x", "id": 1}', {}, r"field: say which field .* it has 'body', 'id'"),
    ("a.jsonl", b'{"text": "x"}\n{"body": "x"}', dict(field="text"), r"line 2 has no field 'text'; there are 'body'"),
    ("a.jsonl", b'{"text": "x"}\n{"texts": "x"}', dict(field="text"), "line 2 .* did you mean 'texts'"),
    ("a.jsonl", b"{}", dict(field="text"), "line 1 has no field 'text'; it has none"),
    ("a.jsonl", b'{"text": "x"}\n\n{"text": 5}', dict(field="text"), "line 3: field 'text' is 5; put a text there"),
    ("a.jsonl", b'{"text": "x"}\n{"text": ', dict(field="text"), r"line 2 is not JSON \(Expecting value"),
    ("a.jsonl", b'["text"]', dict(field="text"), "line 1 is no JSON object; want one such as"),
    ("a.jsonl", b"[" * 10**5, dict(field="text"), "line 1 is not JSON"),
    ("a.jsonl", b'{"text": "x"}\n{"text": "\xff"}', dict(field="text"), r"a\.jsonl: byte 24 is not UTF-8"),
]


@pytest.mark.parametrize(("name", "content", "options", "message"), BAD_FILES)
def test_bad_files(tmp_path, name, content, options, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        cj.sources.text(tmp_path / name, **options)


def test_bad_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing: there is no such file or folder; check the path"):
        cj.sources.text(tmp_path / "missing")
    with pytest.raises(ValueError, match=r"there is no file of \.txt, \.md, \.jsonl in this folder"):
        cj.sources.text(tmp_path)
    (tmp_path / "a.txt").touch()
    with pytest.raises(ValueError, match="its files are empty"):
        cj.sources.text(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(tokenizer="chars"), "tokenizer='chars': there is none; did you mean 'characters'"),
        (dict(tokenizer="bytes", alphabet="ab"), "alphabet='ab': is for the tokenizer 'characters'"),
        (dict(alphabet="".join(map(chr, range(257)))), "has 257 characters; tokens are bytes, so give 2 to 256"),
        (dict(alphabet="a"), "has 1 characters"),
        (dict(alphabet="aba"), "'a' is there twice"),
        (dict(window=0), "window=0: must be at least 1"),
        (dict(split_seed=-1), "split_seed=-1: must be at least 0"),
        (dict(test_fraction=0.0), "test_fraction=0.0: must lie between 0 and 1"),
        (dict(validation_fraction=1.0), "validation_fraction=1.0: must lie between 0 and 1"),
        (dict(validation_fraction=np.nan), "validation_fraction=nan"),
        (dict(validation_fraction=0.6, test_fraction=0.5), "12 documents have a whole window; .* 13 are taken"),
        (dict(corpus="stdlib", field="text"), "field='text': is for .jsonl files"),
    ],
)
def test_bad_options(folder, options, message):
    with pytest.raises(ValueError, match=message):
        cj.sources.text(**{"corpus": folder, **options})


def test_a_huge_file_is_refused_unread(tmp_path, monkeypatch):
    """5 GB without a block on the disk; and a folder whose files are too large only together."""
    with (tmp_path / "huge.txt").open("wb") as file:
        file.truncate(5 * 10**9)
    monkeypatch.setattr("pathlib.Path.open", None)
    with pytest.raises(ValueError, match=r"huge\.txt: 4,768 MiB of text, and at most 256 MiB are read; give a part"):
        cj.sources.text(tmp_path / "huge.txt")
    (tmp_path / "both").mkdir()
    for name in ("a.txt", "b.md"):
        with open(tmp_path / "both" / name, "wb") as file:
            file.truncate(MOST_BYTES // 2 + 1)
    with pytest.raises(ValueError, match="both: 256 MiB of text"):
        cj.sources.text(tmp_path / "both")


@pytest.mark.parametrize("make", [lambda source: cj.Gaussian(source=source), lambda source: cj.KDE(source, 0.5)])
def test_tasks_of_features_refuse_sequences(folder, make):
    for source in (cj.sources.text(folder), cj.sources.markov()):
        with pytest.raises(ValueError, match=f"source '{source.name}': gives sequences; choose one of rows"):
            make(source)
