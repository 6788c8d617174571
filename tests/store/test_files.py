import pytest

from collapsejax.store.files import figure_place, make_folder, save_figure


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
    assert path.read_text() == f"{suffix}: second"
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
    assert [path.read_text() for path in tmp_path.iterdir()] == ["png: first"]


def test_places_that_no_figure_can_have_are_refused_on_entering(tmp_path):
    (tmp_path / "folder.png").mkdir()
    for name, error, message in (
        ("a.txt", ValueError, "a figure's name ends in"),
        ("folder.png", ValueError, "is a folder"),
        ("nowhere/a.png", FileNotFoundError, "there is no folder"),
    ):
        with pytest.raises(error, match=message), figure_place(tmp_path / name):
            pytest.fail("the place was entered")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


def test_folders(tmp_path):
    for _ in range(2):
        make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "c").write_text("")
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "c")
