"""Which of the package's code and weights a result depends on, as a digest: some modules and everything that they import.

Comments, formatting, docstrings, error messages and the Python version do not count; nor does code that no result depends
on, such as the command line and the reports. What a source file contains is kept in the cache folder by path, time and size.
"""

import ast
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

import dancenow
from dancenow import assets
from dancenow.errors import UserError
from dancenow.storage.atomic_io import cache_dir, complete_or_absent, sha256_of

STAGE: Final = "code"
_WITHOUT_EFFECT: Final = (
    "cli", "report", "web", "compatibility", "errors", "execution", "prefetch", "progress", "provenance.consent",
    "provenance.content_credentials", "provenance.content_marking", "provenance.signing", "research.bench.page",
    "research.bench.sections", "research.bench.tables", "storage.atomic_io", "storage.cache", "storage.checkpoint",
    "storage.code_digest", "storage.file_names", "storage.locks", "storage.unfinished",
)  # fmt: skip
"""Modules and packages that no result depends on. They are not followed, either."""


@dataclass(frozen=True)
class _Source:
    """A file of the package. code: digest of its syntax tree; imports: possible modules; weights: names in `assets`."""

    modified_ns: int
    size: int
    code: str
    imports: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()


@cache
def code_digest(*modules: str, through_registries: bool = True) -> str:
    """The digest of some modules of the package, the modules that they import, directly or not, and the weights they read.

    Args:
        modules: full names; one of another package must have been imported. Without one the whole package counts.
        through_registries: False leaves out modules called `registry`: an entry that is added to one changes no result of the
            others, if the caller names the modules that it chose.
    """
    index = CodeIndex(Path(str(resources.files(dancenow))), dancenow.__name__)
    return index.digest(modules, through_registries)


class CodeIndex:
    """The source files of a package, parsed only if they have changed since they were last seen."""

    def __init__(self, root: Path, package: str) -> None:
        self._root, self._package = root, package
        self._paths = dict(_modules(root, package))
        self._sources: dict[str, _Source] = {}
        self._is_changed = False

    def digest(self, modules: Iterable[str], through_registries: bool = True) -> str:
        """See `code_digest`."""
        self._load()
        roots = set(modules)
        for name in roots - set(self._paths):  # a detector or family of another package, or of a test
            if file := getattr(sys.modules.get(name), "__file__", None):
                self._paths[name] = Path(file)
        if not roots or not roots <= set(self._paths):
            roots = set(self._paths)
        digest, weights = hashlib.sha256(), set[str]()
        for name in sorted(self._reached(roots, through_registries)):
            source = self._source(self._paths[name])
            digest.update(f"{name} {source.code}\n".encode())
            weights |= set(source.weights)
        for path in (Path(getattr(assets, weight)) for weight in sorted(weights)):
            if path.is_file():  # some weights need not be there
                digest.update(self._source(path).code.encode())
        self._save()
        return digest.hexdigest()[:16]

    def _reached(self, roots: set[str], through_registries: bool) -> set[str]:
        """The roots, the modules that they import, those that these import, and the packages that they lie in."""
        reached: set[str] = set()
        waiting = [*roots]
        while waiting:
            name = waiting.pop()
            if name in reached or name not in self._paths:
                continue
            if name not in roots and self._is_without_effect(name, through_registries):
                continue
            reached.add(name)
            waiting.append(name.rpartition(".")[0])
            waiting.extend(self._source(self._paths[name]).imports)
        return reached

    def _is_without_effect(self, name: str, through_registries: bool) -> bool:
        if name == self._package or (not through_registries and name.endswith(".registry")):
            return True  # the package's own module holds its version, and where its functions live
        inside = f"{name.removeprefix(self._package + '.')}."
        return any(inside.startswith(f"{each}.") for each in _WITHOUT_EFFECT)

    def _source(self, path: Path) -> _Source:
        key, info = str(path), path.stat()
        known = self._sources.get(key)
        if known is None or (known.modified_ns, known.size) != (info.st_mtime_ns, info.st_size):
            known = _read(path, info.st_mtime_ns, info.st_size)
            self._sources[key], self._is_changed = known, True
        return known

    def _file(self) -> Path:
        """The index of this copy of the package, by this version of the parser."""
        own = Path(__file__).stat()
        name = hashlib.sha256(f"{self._root.absolute()} {own.st_mtime_ns} {own.st_size}".encode()).hexdigest()[:24]
        return cache_dir(STAGE) / f"{name}.json"

    def _load(self) -> None:
        try:
            kept = json.loads(self._file().read_text("utf-8"))
            self._sources = {key: _Source(**{**each, "imports": tuple(each["imports"])}) for key, each in kept.items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, UserError):
            self._sources = {}  # absent or damaged: everything is parsed again

    def _save(self) -> None:
        if not self._is_changed:
            return
        content: dict[str, Any] = {key: asdict(each) for key, each in self._sources.items()}
        try:
            with complete_or_absent(self._file()) as temporary:
                temporary.write_text(json.dumps(content), "utf-8")
        except UserError:
            return  # a cache that cannot be written is reported by what has to be kept there


def _modules(root: Path, package: str) -> Iterator[tuple[str, Path]]:
    """Every module of the package and its file."""
    for folder, _, files in os.walk(root):
        parts = Path(folder).relative_to(root).parts
        for file in files:
            if file.endswith(".py"):
                names = (package, *parts, file.removesuffix(".py"))
                yield ".".join(name for name in names if name != "__init__"), Path(folder) / file


def _read(path: Path, modified_ns: int, size: int) -> _Source:
    if path.suffix != ".py":
        return _Source(modified_ns, size, sha256_of(path))
    tree = _WithoutTypeChecking().visit(ast.parse(path.read_bytes()))
    code = hashlib.sha256(_words(tree).encode()).hexdigest()
    return _Source(modified_ns, size, code, tuple(sorted(set(_imported(tree)))), tuple(sorted(set(_weights(tree)))))


class _WithoutTypeChecking(ast.NodeTransformer):
    """Takes out what only type checkers read."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:  # the name is ast's
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return node.orelse
        return self.generic_visit(node)


def _imported(tree: ast.AST) -> Iterator[str]:
    """Names that may be modules, in `import a.b`, `from a import b` and `import_module("a.b")` anywhere in the file."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield module
                yield from (f"{module}.{each.name}" for each in names)
            case ast.Call(func=ast.Name("import_module") | ast.Attribute(attr="import_module"), args=[ast.Constant(str(name))]):
                yield name


def _weights(tree: ast.AST) -> Iterator[str]:
    """Files that come with the package and are imported by their names in `assets`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == assets.__name__:
            yield from (each.name for each in node.names)


def _words(node: object) -> str:
    """A syntax tree in words, without docstrings and without the arguments of what is raised.

    As `ast.dump`, which is not used because every few Pythons add fields to it: what is empty is left out.
    """
    match node:
        case ast.Expr(value=ast.Constant(value=str())):
            return ""
        case ast.Raise(exc=ast.Call(func=raised)):
            return f"Raise({_words(raised)})"
        case ast.AST():
            parts = [(name, getattr(node, name, None)) for name in node._fields]
            return (
                f"{type(node).__name__}({','.join(f'{name}={_words(part)}' for name, part in parts if part not in (None, []))})"
            )
        case list():
            return f"[{','.join(filter(None, map(_words, node)))}]"
    return repr(node)
