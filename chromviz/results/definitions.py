"""The source code behind a function: every definition that it can reach, read without running it.

Modules are parsed, not imported. A definition is a function, class or assignment at the top of a
module; it depends on the definitions whose names it uses, in its own module or imported from
another. Comments, docstrings, type annotations and the texts of errors do not count.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

#: The name that stands for all definitions of a module.
ALL = "*"
# What a module does when it is imported, apart from its definitions; the data files beside it.
_BODY, _DATA = "", "data files"
_SHARED = {"site-packages", "dist-packages"}


class Place(NamedTuple):
    """A definition: its module, and its qualified name there or :data:`ALL`."""

    module: str
    name: str


@dataclass(frozen=True)
class _Module:
    """A parsed module: its definitions, and what the names that it imports stand for."""

    name: str
    file: Path
    definitions: dict[str, list[ast.AST]] = field(default_factory=dict)
    imports: dict[str, Place] = field(default_factory=dict)


def reach(roots: Iterable[Place], apart_from: Collection[str] = ()) -> str:
    """Return a SHA-256 over definitions and all that they use, apart from some modules."""
    return _reach(tuple(roots), tuple(apart_from))


@cache
def _reach(roots: tuple[Place, ...], apart_from: tuple[str, ...]) -> str:
    found: dict[Place, str] = {}
    left_out: dict[str, bool] = {}
    waiting = list(roots)
    while waiting:
        place = waiting.pop()
        if place in found:
            continue
        if place.module not in left_out:
            inside = f"{place.module}."
            left_out[place.module] = any(inside.startswith(f"{one}.") for one in apart_from)
        if not left_out[place.module]:
            found[place], uses = _line(place)
            waiting += uses
    return hashlib.sha256("\n".join(sorted(found.values())).encode()).hexdigest()


@cache
def _line(place: Place) -> tuple[str, frozenset[Place]]:
    """Return a definition in one line, and the definitions that it uses directly."""
    digest, uses = _definition(place)
    # Where a name leads belongs to the code: an import may change and the definition not.
    return f"{place.module}:{place.name} {digest} {sorted(uses)}", uses


def is_readable(module: str) -> bool:
    """Return whether the source of a module can be read."""
    return _parse(module) is not None


def forget() -> None:
    """Read sources again when they are next needed, as after a change in a running session."""
    for cached in (_reach, _line, _definition, _parse, _follows, _home):
        cached.cache_clear()


@cache
def _definition(place: Place) -> tuple[str, frozenset[Place]]:
    """Return the hash of one definition, and the definitions that it uses directly."""
    module = _parse(place.module)
    if module is None:  # built in, compiled or gone: only its name is known
        return "", frozenset()
    if place.name == _DATA:
        return _hash_data(module.file.parent), frozenset()
    if place.name == ALL:
        every = (Place(place.module, name) for name in (*module.definitions, *module.imports))
        return "", frozenset(every)
    if place.name in module.imports and place.name not in module.definitions:
        return "", frozenset(_lead(module.imports[place.name], (), place.module))
    nodes = list(_nodes(module, place.name))
    if not nodes and place.name != _BODY:
        return "", frozenset([Place(place.module, ALL)])
    inner = dict(module.imports)
    for node in nodes:
        inner |= _imports(ast.walk(node), module)
    # The body of a script is what runs, not what a function in it needs.
    has_body = _BODY in module.definitions and place.module != "__main__"
    uses = {Place(place.module, _BODY)} if has_body else set()
    for name in set().union(*map(_names, nodes)):
        first, *rest = name.split(".")
        if first in inner:
            uses.update(_lead(inner[first], rest, place.module))
        elif first in module.definitions:
            uses.add(Place(place.module, first))
    read = {package for node in nodes for package in _packages_read(node)}
    uses |= {Place(package, _DATA) for package in read if _follows(place.module, package)}
    text = "\n".join(map(ast.unparse, nodes))
    return hashlib.sha256(text.encode()).hexdigest(), frozenset(uses - {place})


def _nodes(module: _Module, name: str) -> Iterator[ast.AST]:
    """Return the syntax of a definition; of a nested function, its own part of the whole."""
    outer, *inner = name.split(".<locals>.")
    nodes = module.definitions.get(outer.partition(".")[0], [])
    for step in inner:
        wanted = step.partition(".")[0]
        nested = [
            child
            for node in nodes
            for child in ast.walk(node)
            if (wanted == "<lambda>" and isinstance(child, ast.Lambda))
            or getattr(child, "name", None) == wanted
        ]
        nodes = nested or nodes
    yield from nodes


def _names(node: ast.AST) -> set[str]:
    """Return the names that code uses, with the attributes that follow them: ``np.linalg.norm``."""
    names = set()
    waiting = [node]
    while waiting:
        inner = one = waiting.pop()
        attributes: list[str] = []
        while isinstance(inner, ast.Attribute):
            attributes.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            names.add(".".join([inner.id, *reversed(attributes)]))
        else:
            waiting += [*ast.iter_child_nodes(inner), *getattr(one, "types", ())]
    return names


def _packages_read(node: ast.AST) -> Iterator[str]:
    """Return the packages whose data files code reads, by ``resources.files("package")``."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "files" and call.args:
            package = getattr(call.args[0], "value", None)
            if isinstance(package, str):
                yield package


def _hash_data(folder: Path) -> str:
    """Return a SHA-256 over the files below a package's folder that are not code."""
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".py" and _belongs_to(path, folder)
    )
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _belongs_to(path: Path, folder: Path) -> bool:
    """Return whether a file is data of the package in a folder, and not of one below it."""
    between = path.relative_to(folder).parents[:-1]
    return "__pycache__" not in path.parts and not any(
        (folder / one / "__init__.py").is_file() for one in between
    )


class _Plain(ast.NodeTransformer):
    """Removes what determines no result: docstrings, types of arguments, texts of errors.

    The types are kept as ``types``: the code of a class counts where an instance is passed.
    """

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.types, node.returns = [node.returns] * bool(node.returns), None  # type: ignore[attr-defined]
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.types, node.annotation = [node.annotation] * bool(node.annotation), None  # type: ignore[attr-defined]
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return ast.copy_location(ast.Raise(None, None), node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if text else self.generic_visit(node)


@cache
def _parse(name: str) -> _Module | None:
    """Read a module; None if there is no source."""
    file = _file(name)
    if file is None:
        return None
    try:
        tree = _Plain().visit(ast.parse(file.read_bytes()))
    except (OSError, SyntaxError, ValueError):
        return None
    module = _Module(name, file)
    for node in tree.body:
        defined = _defined(node)
        if not defined:
            module.imports.update(_imports(ast.walk(node), module))
        if isinstance(node, (ast.Import, ast.ImportFrom)) or _only_for_types(node):
            continue
        for one in defined or [_BODY]:
            module.definitions.setdefault(one, []).append(node)
    return module


def _only_for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"


def _defined(node: ast.stmt) -> list[str]:
    """Return the names that a statement at the top of a module defines."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return []
    inner = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
    stored = [
        child.id
        for child in ast.walk(node)
        if not inner and isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store)
    ]
    return [*stored, *(name for child in inner for name in _defined(child))]


def _imports(nodes: Iterable[ast.AST], module: _Module) -> dict[str, Place]:
    """Return what imported names stand for: a module (named :data:`ALL`) or a name in one."""
    found = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                whole = alias.asname is not None
                name = alias.name if whole else alias.name.partition(".")[0]
                found[alias.asname or name] = Place(name, ALL)
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                up = module.name.split(".")
                base = up[: len(up) - node.level + (module.file.name == "__init__.py")]
                source = ".".join([*base, *filter(None, [source])])
            for alias in node.names:
                found[alias.asname or alias.name] = Place(source, alias.name)
    return found


def _lead(target: Place, attributes: Iterable[str], importer: str) -> Iterator[Place]:
    """Return where an imported name with attributes leads, if that is code to be followed."""
    module, name = target
    path = [name, *attributes] if name != ALL else list(attributes)
    if not _follows(importer, module):
        yield Place(f"library {module}", ".".join(path))
        return
    while path and is_readable(f"{module}.{path[0]}") and not _has(module, path[0]):
        module = f"{module}.{path.pop(0)}"
    yield Place(module, path[0] if path else ALL)


def _has(module: str, name: str) -> bool:
    parsed = _parse(module)
    return parsed is not None and (name in parsed.definitions or name in parsed.imports)


@cache
def _follows(importer: str, target: str) -> bool:
    """Return whether code of one module that another uses counts: chromviz's, or the user's own."""
    one, other = importer.partition(".")[0], target.partition(".")[0]
    if other in ("chromviz", one):
        return True
    if other in sys.stdlib_module_names:
        return False
    home = _home(other)
    return home is not None and home.name not in _SHARED and home == _home(one)


@cache
def _home(top: str) -> Path | None:
    """Return the folder that holds a top-level module or package."""
    file = _file(top)
    if file is None:
        return None
    return file.parents[1] if file.name == "__init__.py" else file.parent


def _file(module: str) -> Path | None:
    """Return the source file of a module, without importing it."""
    top, *rest = module.split(".")
    if top == "__main__":
        file = getattr(sys.modules["__main__"], "__file__", None)
        return Path(file) if file else None
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.origin:
        return None
    place = Path(spec.origin)
    if rest:
        if not spec.submodule_search_locations:
            return None
        place = place.parent.joinpath(*rest[:-1], f"{rest[-1]}.py")
        if not place.is_file():
            place = place.with_suffix("") / "__init__.py"
    return place if place.suffix == ".py" and place.is_file() else None
