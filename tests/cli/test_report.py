import re

import pytest
from small import Small

import collapsejax as cj
from collapsejax.cli.main import main


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Stores of a sweep while it grows, of one at once, and of statistics."""
    import jax

    folder = tmp_path_factory.mktemp("stores")
    sizes = dict(num_samples=4, num_generations=3, key=jax.random.key(0))
    sweep = lambda name, **options: cj.sweep(Small(), ["replace", "accumulate"], **sizes | options)
    sweep("grown", num_seeds=6, out=folder / "grown.zarr", execution=cj.Execution(chunk=3))
    cj.save(sweep("saved", num_seeds=6), folder / "saved.zarr")
    sweep("summary", num_seeds=6, keep="summary", out=folder / "summary.zarr")
    return folder


@pytest.mark.parametrize("name", ["grown", "saved", "summary"])
def test_the_page_of_a_store(stores, tmp_path, capsys, name):
    out = tmp_path / "page.html"
    main(["report", str(stores / f"{name}.zarr"), "--out", str(out)])
    assert capsys.readouterr().out == f"wrote {out}\n"
    page = out.read_text()
    assert "<title>Small under replace and accumulate</title>" in page
    assert page.count("<svg") == 2
    assert "own class" in page or "No exact means" in page
    words = re.sub("<[^>]+>", "", page)
    assert f"collapsejax report {stores / f'{name}.zarr'}" in words
    main(["report", str(stores / f"{name}.zarr"), "--out", str(out)])
    assert out.read_text() == page


def test_what_is_missing_is_said(stores, tmp_path, capsys):
    records = sorted((stores / "grown.zarr" / "records").glob("*-1.json"))
    content = records[0].read_bytes()
    records[0].unlink()
    try:
        main(["report", str(stores / "grown.zarr"), "--out", str(tmp_path / "page.html")])
    finally:
        records[0].write_bytes(content)
    assert "1 of 4 shards are missing" in capsys.readouterr().err
    assert "1 of 4 shards are missing" in (tmp_path / "page.html").read_text()


def test_errors_are_one_line(stores, tmp_path, capsys):
    (tmp_path / "mine.html").write_text("mine")
    for words in (
        [str(tmp_path / "no.zarr")],
        [str(stores / "saved.zarr"), "--out", str(tmp_path / "mine.html")],
        [str(stores / "saved.zarr"), "--out", str(tmp_path / "page.png")],
    ):
        with pytest.raises(SystemExit) as leaving:
            main(["report", *words])
        assert leaving.value.code == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert (tmp_path / "mine.html").read_text() == "mine"


def test_pages_and_figures_have_the_whole_name_of_their_store(stores, tmp_path):
    for name in ("run-0.1", "run-0.2.zarr"):
        cj.save(cj.open(stores / "saved.zarr").load(), tmp_path / name)
        main(["report", str(tmp_path / name)])
        main(["plot", str(tmp_path / name), "--no-exact"])
    written = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert written == {"run-0.1.html", "run-0.1.png", "run-0.2.html", "run-0.2.png"}


def test_of_a_selection_its_seeds_are_told(stores, tmp_path):
    cj.save(cj.open(stores / "saved.zarr").load().isel(seed=slice(4)), tmp_path / "few.zarr")
    main(["report", str(tmp_path / "few.zarr")])
    assert "repeated independently 4 times" in (tmp_path / "few.html").read_text()
