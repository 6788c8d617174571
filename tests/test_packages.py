"""What is installed, and what is handed on as source."""

import tarfile
import zipfile
from pathlib import Path

import pytest

import collapsejax

ROOT = Path(__file__).parents[1]
DATA = {
    path.relative_to(ROOT).as_posix()
    for folder in ("pages/templates", "guide")
    for path in Path(collapsejax.__file__).parent.joinpath(folder).iterdir()
    if path.suffix in (".html", ".css", ".md")
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Names of the files in the wheel and in the source distribution."""
    sdist = pytest.importorskip("hatchling.builders.sdist", reason="hatchling, which builds packages, is not installed")
    from hatchling.builders.wheel import WheelBuilder

    folder = str(tmp_path_factory.mktemp("built"))
    (wheel,), (source,) = (list(kind(str(ROOT)).build(directory=folder)) for kind in (WheelBuilder, sdist.SdistBuilder))
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    return set(zipfile.ZipFile(wheel).namelist()), names


def test_templates_and_guide_are_in_both(built):
    assert {f"collapsejax/pages/templates/{name}" for name in ("page.html", "parts.html", "page.css")} <= DATA
    wheel, source = built
    assert wheel >= DATA
    assert source >= DATA


def test_tests_are_in_the_source_alone(built):
    wheel, source = built
    assert "tests/test_packages.py" in source
    assert not [name for name in wheel if name.startswith("tests/")]
