"""Settings of tasks, sources and workflows, read from the source texts of their classes and functions.

Flags and help texts come from here. Nothing is imported for them: JAX alone would take longer than all else does.
`schema` has the same settings of the classes themselves.
"""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import docstring_parser

REQUIRED = inspect.Parameter.empty
_PACKAGE = Path(__file__).parents[1]
_SCALARS = {"int": int, "float": float, "str": str, "bool": bool, "Path": str}
_MODULES = ("Source", "SequenceSource", "Workflow")
# Of commands and specifications only, by the class.
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "KDE": {"source": "moons", "bandwidth": 0.1},
    "Categorical": {"probs": "uniform"},
    "Transformer": {"source": "text"},
}


class Setting(NamedTuple):
    """One setting.

    Attributes:
        kinds: types of its values: int, float, str, bool, lists of these, and `Source`, `SequenceSource` or `Workflow`,
            in `declared` their names.
        default: its value where none is given, or `REQUIRED`; of a workflow its name.
        help: its part of the docstring, in one line.
    """

    kinds: tuple[Any, ...]
    default: Any
    help: str


class Maker(NamedTuple):
    """A class or function that makes a task, a source or a workflow.

    Attributes:
        name: what commands call it.
        about: the first paragraph of its docstring.
        settings: by name.
        is_class: whether its settings are fields, which can be swept.
        constants: class attributes that are numbers, texts, True or False.
    """

    name: str
    about: str
    settings: dict[str, Setting]
    is_class: bool
    constants: dict[str, Any]


@functools.cache
def table(package: str, variable: str) -> dict[str, Maker]:
    """The makers that a dictionary in a package has, by name and in its order."""
    module = _PACKAGE / package / "__init__.py"
    for node in _parsed(module).body:
        if isinstance(node, ast.Assign) and [target.id for target in node.targets] == [variable]:
            names = [one.id for one in ast.walk(node.value) if isinstance(one, ast.Name)]
            imported = _imported(module)
            return {maker.name: maker for maker in (_maker(*imported[name]) for name in names if name in imported)}
    raise LookupError(f"{module}: has no {variable}")


def maker(module: str, name: str) -> Maker:
    """The class or function of that name in a module, as "cli/info.py"."""
    return _maker(_PACKAGE / module, name)


def about(module: str, name: str) -> str:
    """The first paragraph of the docstring of a class or function."""
    return _about(_definition(_PACKAGE / module, name))


def literal(module: str, variable: str) -> Any:
    """The value of a variable of a module, which is written there as it is."""
    return next(
        ast.literal_eval(node.value)
        for node in _parsed(_PACKAGE / module).body
        if isinstance(node, ast.Assign) and [target.id for target in node.targets] == [variable]
    )


def tasks() -> dict[str, Maker]:
    """All tasks with a command."""
    return table("tasks", "TASKS")


def workflows() -> dict[str, Maker]:
    """All workflows that have a name for commands."""
    return table("workflows", "WORKFLOWS")


def sources() -> dict[str, dict[str, Maker]]:
    """All sources: by `Source` and `SequenceSource` those of that kind."""
    rows = {**table("sources", "SHAPES"), "table": maker("sources/table.py", "table")}
    return {"Source": rows, "SequenceSource": table("sources", "SEQUENCES")}


def studies() -> list[Maker]:
    """All published studies, in their order."""
    folder = _PACKAGE / "studies"
    tuples = (node for node in _parsed(folder / "catalogue.py").body if isinstance(node, ast.AnnAssign))
    listed = next(node.value.elts for node in tuples if node.target.id == "STUDIES")
    return [_maker(folder / f"{study.value.id}.py", study.attr) for study in listed]


@functools.cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def _imported(module: Path) -> dict[str, tuple[Path, str]]:
    """Names that a module imports from those beside it, with the file of each and its name there."""
    return {
        alias.asname or alias.name: (module.parent / f"{node.module}.py", alias.name)
        for node in _parsed(module).body
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    }


@functools.cache
def _maker(path: Path, name: str) -> Maker:
    node = _definition(path, name)
    text = ast.get_docstring(node) or ""
    parameters = docstring_parser.parse(text, docstring_parser.DocstringStyle.GOOGLE).params
    helps = {one.arg_name: " ".join((one.description or "").split()) for one in parameters}
    is_class = isinstance(node, ast.ClassDef)
    known, constants = DEFAULTS.get(name, {}), dict(_constants(node)) if is_class else {}
    settings = {
        field: Setting((*dict.fromkeys(_kinds(hint)),), known.get(field, _default(path, value)), helps.get(field, ""))
        for field, hint, value in (_fields(node) if is_class else _arguments(node))
    }
    return Maker(constants.get("name", name), _about(node), settings, is_class, constants)


def _definition(path: Path, name: str) -> ast.ClassDef | ast.FunctionDef:
    kinds = ast.ClassDef | ast.FunctionDef
    return next(node for node in _parsed(path).body if isinstance(node, kinds) and node.name == name)


def _about(node: ast.ClassDef | ast.FunctionDef) -> str:
    return " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split())


def _constants(node: ast.ClassDef) -> Iterator[tuple[str, Any]]:
    for one in node.body:
        if isinstance(one, ast.Assign | ast.AnnAssign) and isinstance(one.value, ast.Constant):
            targets = one.targets if isinstance(one, ast.Assign) else [one.target]
            yield targets[0].id, one.value.value


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr, ast.expr | None]]:
    """Names, annotations and defaults of the fields of a dataclass."""
    for one in node.body:
        if isinstance(one, ast.AnnAssign) and not ast.unparse(one.annotation).startswith("ClassVar"):
            yield one.target.id, one.annotation, one.value


def _arguments(node: ast.FunctionDef) -> Iterator[tuple[str, ast.expr, ast.expr | None]]:
    """Names, annotations and defaults of the arguments of a function."""
    places = node.args.args
    defaults = [None] * (len(places) - len(node.args.defaults)) + node.args.defaults
    for argument, default in zip([*places, *node.args.kwonlyargs], [*defaults, *node.args.kw_defaults], strict=True):
        yield argument.arg, argument.annotation, default


def _kinds(hint: ast.expr) -> Iterator[Any]:
    """The types in an annotation that values of specifications can have."""
    if isinstance(hint, ast.BinOp):
        yield from _kinds(hint.left)
        yield from _kinds(hint.right)
    elif isinstance(hint, ast.Name) and hint.id in _SCALARS:
        yield _SCALARS[hint.id]
    elif isinstance(hint, ast.Name) and hint.id in _MODULES:
        yield hint.id
    elif isinstance(hint, ast.Subscript) and ast.unparse(hint.value) in ("list", "Sequence"):
        yield from (list[kind] for kind in _kinds(hint.slice))


def _default(path: Path, value: ast.expr | None) -> Any:
    """A literal, also within `static(default=...)`; of an instance the name that its class has for commands."""
    if isinstance(value, ast.Call):
        called = ast.unparse(value.func)
        if called != "static":
            return _maker(*_imported(path).get(called, (path, called))).name
        value = next((word.value for word in value.keywords if word.arg == "default"), None)
    return REQUIRED if value is None else ast.literal_eval(value)
