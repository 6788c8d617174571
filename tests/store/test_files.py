import contextlib
import json

import matplotlib.pyplot as plt
import pytest

from collapsejax.store.figures import figure_place, save_figure
from collapsejax.store.files import checked_place, finish_stages, locked, make_folder
from collapsejax.store.marks import is_ours, write_marked


class Drawing:
    """Something that is saved as a figure is."""

    def __init__(self, text):
        self._text = text

    def savefig(self, path, *, format):
        path.write_text(f"{format}: {self._text}")


class Broken:
    def savefig(self, path, *, format):
        path.write_text("half of it")
        raise OSError("no space left")


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_figures_are_saved_in_the_format_of_their_name(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    save_figure(Drawing("first"), path)
    save_figure(Drawing("second"), str(path))
    assert path.read_bytes().startswith(f"{suffix}: second".encode())
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_figure_that_was_there(tmp_path):
    save_figure(Drawing("first"), tmp_path / "a.png")
    with pytest.raises(OSError, match="no space left"):
        save_figure(Broken(), tmp_path / "a.png")

    def interrupted():
        with figure_place(tmp_path / "a.png") as place:
            place.save(Drawing("second"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    (left,) = tmp_path.iterdir()
    assert b"png: first" in left.read_bytes()


def test_places_that_no_figure_can_have_are_refused_on_entering(tmp_path):
    (tmp_path / "folder.png").mkdir()
    for name, error, message in (
        ("a.txt", ValueError, "a figure's name ends in"),
        ("folder.png", ValueError, "not as this program left it"),
        ("nowhere/a.png", FileNotFoundError, "there is no folder"),
    ):
        with pytest.raises(error, match=message), figure_place(tmp_path / name):
            pytest.fail("the place was entered")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_figures_of_others_are_not_replaced(tmp_path, suffix):
    """One that was changed is another's, and so is one that the same library drew."""
    figure, path = plt.figure(), tmp_path / f"a.{suffix}"
    figure.savefig(path)
    drawn = path.read_bytes()
    with pytest.raises(ValueError, match="not as this program left it"):
        save_figure(figure, path)
    assert path.read_bytes() == drawn
    path.unlink()
    for _ in range(2):
        save_figure(figure, path)
    if suffix == "png":
        assert plt.imread(path).ndim == 3
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not as this program left it"):
        save_figure(figure, path)
    assert path.read_bytes() == content


def test_marks(tmp_path):
    """What is marked stays what it is, and is known until it is changed."""
    content = json.dumps({"a": [1, 2]}, indent=1).encode()
    for name, text in (("a.json", content), ("a.md", b"# Title\n"), ("a.pdf", b"%PDF\n%%EOF\n")):
        path = tmp_path / name
        for _ in range(2):
            write_marked(path, text)
        assert is_ours(path)
        path.write_bytes(path.read_bytes().replace(b"a", b"b", 1))
        assert not is_ours(path)
        with pytest.raises(ValueError, match="not as this program left it"):
            write_marked(path, text)
    write_marked(tmp_path / "b.json", content)
    assert json.loads((tmp_path / "b.json").read_text())["a"] == [1, 2]


@pytest.mark.parametrize("name", ["", "a\0b", "link", "loop", "dangling"])
def test_places_that_are_refused(tmp_path, name):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    path = name and f"{tmp_path}/{name}"
    with pytest.raises(ValueError, match="is a link" if name.isalpha() else "is no name"):
        checked_place(path)


def test_folders(tmp_path):
    for _ in range(2):
        make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "c").write_text("")
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "c")


def stage(folder, *parts):
    """What a killed process leaves beside `folder / "s"`."""
    scratch = folder / ".s.abcd_123.partial"
    scratch.mkdir(parents=True)
    (scratch / ".lock").touch()
    for part in parts:
        (scratch / part).mkdir()
        (scratch / part / "whose").write_text(part)
    return scratch


def ours(part):
    return (part / "whose").read_text() in ("new", "old")


def test_what_a_killed_process_left_is_deleted(tmp_path):
    (tmp_path / "s").mkdir()
    for parts in ((), ("new",), ("old",), ("new", "old")):
        stage(tmp_path, *parts)
        finish_stages(tmp_path / "s", ours)
        assert [path.name for path in tmp_path.iterdir()] == ["s"], parts


def test_what_was_complete_takes_its_place(tmp_path):
    stage(tmp_path, "new", "old")
    finish_stages(tmp_path / "s", ours)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    assert (tmp_path / "s" / "whose").read_text() == "new"


@pytest.mark.parametrize("spoil", ["file", "content", "no lock", "held", "link"])
def test_what_may_be_of_others_stays(spoil, tmp_path):
    scratch = stage(tmp_path / "there", "new", "old")
    (tmp_path / "there" / "s").mkdir()
    if spoil == "file":
        (scratch / "notes.txt").touch()
    elif spoil == "content":
        (scratch / "old" / "whose").write_text("mine")
    elif spoil == "no lock":
        (scratch / ".lock").unlink()
    elif spoil == "link":
        scratch.rename(tmp_path / "elsewhere")
        scratch.symlink_to(tmp_path / "elsewhere")
    with locked(scratch / ".lock") if spoil == "held" else contextlib.nullcontext():
        finish_stages(tmp_path / "there" / "s", ours)
    assert (scratch / "new" / "whose").exists()
    assert (scratch / "old" / "whose").exists()
