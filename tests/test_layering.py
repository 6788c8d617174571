import ast
import subprocess
import sys
from pathlib import Path

import collapsejax

PACKAGE = Path(collapsejax.__file__).parent

LEVELS = [
    {"base", "arguments"},
    {"threefry", "lanes", "elementary", "checks", "devices", "compilation_cache", "ahead"},
    {"factors", "rng"},
    {"counts", "row_factors"},
    {"datasets", "sources"},
    {"kernel_sums", "moments"},
    {"kernels", "language"},
    {"workflows", "tasks", "experiment"},
    {"loop", "files", "states", "theory"},
    {"grid", "summaries", "fixation"},
    {"results", "exact", "studies", "cells", "manifest", "presets", "value_checks", "value_programs"},
    {"programs", "grouping", "specimens", "verdicts", "findings", "figure_style", "report"},
    {"elastic", "arrays", "figure_forms", "long_programs", "profiles"},
    {"shards", "checkpoints", "memory", "plots"},
    {"store", "plan", "spec", "validation", "long_runs"},
    {"sweeps", "flags"},
    {"console", "value"},
    {"conclusions", "study_figures"},
    {"reproduction"},
    {"commands", "sweep_commands", "validate_command", "samples_command", "reproduce_command", "profile_command"},
    {"cli"},
    {"__main__", "__init__"},
]

# Of what the files of a folder may import from one another; those of other folders import nothing there.
INNER_LEVELS = {
    "language": [{"layers", "ngrams"}, {"decoder"}, {"training", "decoding"}],
    "theory": [
        {"engine", "closed_forms", "mixing", "wishart", "fresh", "families", "regression", "outcomes", "bandwidths"},
        {"curves"},
        {"limits", "precision", "shares"},
    ],
    "sources": [{"shapes", "table_files", "markov", "corpus", "tokenizers"}, {"table", "text"}],
}


def level(part, levels=LEVELS):
    return next(height for height, parts in enumerate(levels) if part in parts)


def imports_of(path):
    """(part of the package, file) that `path` imports, folders counting as one part."""
    package = path.relative_to(PACKAGE).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from ((*base, *name.split(".")) for name in names)


def test_files_import_lower_layers_only():
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        for imported in imports_of(path):
            if imported[0] == parts[0]:
                inner = INNER_LEVELS.get(parts[0])
                assert parts[-1] == "__init__" or inner, f"{path} imports {imported} from its own layer"
                if parts[-1] != "__init__":
                    assert level(imported[1], inner) < level(parts[1], inner), f"{path} imports {imported}"
            else:
                assert level(imported[0]) < level(parts[0]), f"{path} imports {imported}"


def test_layering_check_sees_imports():
    assert ("plan",) in set(imports_of(PACKAGE / "sweeps.py"))
    assert ("base",) in set(imports_of(PACKAGE / "tasks" / "kde.py"))


def test_import_stays_light():
    heavy = ("flax", "optax", "orbax", "matplotlib", "xarray", "rich")
    code = f"import sys, collapsejax; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_public_names_are_there_in_any_order():
    """Also after the modules that hold the late ones were imported by something else."""
    code = (
        "import collapsejax as cj, collapsejax.cli, collapsejax.plots; "
        "print([n for n in cj.__all__ if not callable(getattr(cj, n)) and n not in ('sources', 'plots', 'theory')])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
