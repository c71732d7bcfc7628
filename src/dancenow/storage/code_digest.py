"""Which of the package's code and weights a measurement depends on, as a digest: a module and all that it imports.

Comments and formatting do not count, nor which Python reads the code; nor does code that only shows figures.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

import dancenow
from dancenow import assets

_UNMEASURED: Final = ("cli.", "bench.page", "bench.sections.", "bench.tables", "report.")
"""Modules that no figure depends on, with their folders."""
_PACKAGE: Final = dancenow.__name__


@cache
def code_digest(module: str = "") -> str:
    """Of the named module, the package's modules that it imports, directly or not, and the weights that they read.

    module: its full name. Without one, or for a module of elsewhere, of the whole package.
    """
    paths = _paths()
    names = _reached(module, paths) if module in paths else set(paths)
    measured = sorted(name for name in names if not f"{name.removeprefix(_PACKAGE + '.')}.".startswith(_UNMEASURED))
    digest, weights = hashlib.sha256(), set()
    for name in measured:
        tree = ast.parse(paths[name].read_bytes())
        digest.update(name.encode())
        digest.update(_words(tree).encode())
        weights |= set(_weights(tree))
    for path in sorted(weights):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _paths() -> dict[str, Path]:
    """Every module of the package and its file."""
    root = Path(str(resources.files(dancenow)))
    parts = {path: path.relative_to(root).with_suffix("").parts for path in root.rglob("*.py")}
    return {".".join((_PACKAGE, *(p for p in names if p != "__init__"))): path for path, names in parts.items()}


def _reached(module: str, paths: dict[str, Path]) -> set[str]:
    """The module, those that it imports, those that these import, and the packages that they lie in."""
    reached: set[str] = set()
    ahead = [module]
    while ahead:
        name = ahead.pop()
        if name in reached or name not in paths:
            continue
        reached.add(name)
        ahead.append(name.rpartition(".")[0])
        ahead.extend(_imported(ast.parse(paths[name].read_bytes())))
    return reached


def _imported(tree: ast.AST) -> Iterator[str]:
    """What may be a module: of `import a.b`, `from a import b` and `import_module("a.b")`, wherever they stand."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield module
                yield from (f"{module}.{each.name}" for each in names)
            case ast.Call(func=ast.Name("import_module") | ast.Attribute(attr="import_module"), args=[ast.Constant(str(name))]):
                yield name


def _weights(tree: ast.AST) -> Iterator[Path]:
    """Files that come with the package and are imported by their names in `assets`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == assets.__name__:
            yield from (getattr(assets, each.name) for each in node.names)


def _words(node: object) -> str:
    """A syntax tree in words. As `ast.dump`, which is not used because every few Pythons add fields to it: what is empty is
    left out."""
    if isinstance(node, ast.AST):
        parts = [(name, getattr(node, name, None)) for name in node._fields]
        return f"{type(node).__name__}({','.join(f'{name}={_words(part)}' for name, part in parts if part not in (None, []))})"
    if isinstance(node, list):
        return f"[{','.join(_words(each) for each in node)}]"
    return repr(node)
