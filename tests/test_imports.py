"""Who may import whom, and where heavy packages, the terminal and the disk are used."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import collapsejax

PACKAGE = Path(collapsejax.__file__).parent

# A package imports those of earlier lines only; those on one line do not know one another.
ORDER = [
    {"core"},
    {"numerics"},
    {"data", "sources"},
    {"workflows", "language", "loop", "results"},
    {"tasks", "store"},
    {"theory"},
    {"sweeps", "plots"},
    {"pages"},
    {"experiments", "validation", "guide"},
    {"studies"},
    {"cli"},
    {"__init__", "__main__"},
]

# Where alone these packages are imported.
HEAVY = {
    "flax": ("language/", "tasks/transformer.py"),
    "optax": ("language/", "tasks/transformer.py"),
    "orbax": ("sweeps/checkpoints.py",),
    "matplotlib": ("plots/", "studies/"),
    "jinja2": ("pages/",),
}

# Where alone these functions and methods are called.
WRITING = ("write_text", "write_bytes", "mkdir", "unlink", "rmtree", "replace_file", "mkdtemp", "to_zarr")
CALLS = {
    "print": ("cli/", "guide/exactness.py"),
    **dict.fromkeys(WRITING, ("store/", "sweeps/checkpoints.py", "cli/compilation_cache.py")),
    "savefig": ("store/", "plots/"),  # there into memory, for notebooks
}


def files():
    return sorted(PACKAGE.rglob("*.py"))


def place(path):
    return path.relative_to(PACKAGE).as_posix()


def rank(part):
    return next(number for number, parts in enumerate(ORDER) if part in parts)


def module_name(path):
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path) for path in files()}


def imports_of(path, text=None):
    """Dotted names of the package's own modules that a file imports, anywhere in it."""
    package = path.relative_to(PACKAGE).parent.parts
    for node in ast.walk(ast.parse(path.read_text() if text is None else text)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*package[: len(package) - node.level + 1], *(node.module.split(".") if node.module else [])]
            for alias in node.names:
                whole = ".".join([*base, alias.name])
                yield whole if whole in MODULES else ".".join(base)


def foreign_imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.partition(".")[0]


def calls_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield getattr(node.func, "attr", None) or getattr(node.func, "id", None)


def upward(path, text=None):
    """The imports of a file that the order forbids."""
    own = place(path).removesuffix(".py").partition("/")[0]
    parts = (name.partition(".")[0] for name in imports_of(path, text))
    return [part for part in parts if part not in ("", own) and rank(part) >= rank(own)]


@pytest.mark.parametrize("path", files(), ids=place)
def test_imports_lower_packages_only(path):
    assert upward(path) == []


def test_an_upward_import_is_seen():
    path = PACKAGE / "tasks" / "kde.py"
    assert upward(path, "from ..sweeps.plan import Plan") == ["sweeps"]
    assert upward(path, "def f():\n    from ..store import files") == ["store"]
    assert upward(path, "from ..core.base import Array\nfrom .kernels import KERNELS") == []


def test_imports_inside_packages_have_no_cycles():
    graph = {module_name(path): {*imports_of(path)} - {module_name(path)} for path in files()}
    list(graphlib.TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("package", HEAVY)
def test_heavy_packages_are_imported_where_they_are_needed(package):
    importing = [place(path) for path in files() if package in foreign_imports_of(path)]
    assert importing
    assert [name for name in importing if not name.startswith(HEAVY[package])] == []


@pytest.mark.parametrize("function", CALLS)
def test_terminal_and_disk_are_written_in_their_places(function):
    calling = [place(path) for path in files() if function in calls_of(path)]
    assert [name for name in calling if not name.startswith(CALLS[function])] == []


def test_import_stays_light():
    heavy = ("flax", "optax", "orbax", "matplotlib", "xarray", "rich", "scipy", "zarr", "jinja2")
    code = f"import sys, collapsejax; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_public_names_are_there_in_any_order():
    """Also after the modules that hold the late ones were imported by something else."""
    code = (
        "import collapsejax as cj, collapsejax.cli.main, collapsejax.plots; "
        "modules = ('guide', 'sources', 'plots', 'theory'); "
        "print([n for n in cj.__all__ if not callable(getattr(cj, n)) and n not in modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
