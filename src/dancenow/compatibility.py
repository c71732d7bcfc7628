"""Names of version 0.1 that have changed: they keep working for one version, with a `DeprecationWarning`.

`renamed.json` holds the table: old module -> new module, and per old module old name -> new dotted name. A finder on
`sys.meta_path` serves modules that have moved; modules that are still in their place get a `__getattr__` for old names.
"""

import functools
import importlib.abc
import importlib.machinery
import importlib.util
import json
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module, resources
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


@functools.cache
def table() -> tuple[Mapping[str, str | None], Mapping[str, Mapping[str, str]]]:
    """The moved modules (old -> new, None for a package that is gone), and per old module its moved names.

    A moved name is given as old name -> new dotted name.
    """
    content = json.loads((resources.files("dancenow") / "renamed.json").read_text("utf-8"))
    return content["modules"], content["names"]


def install() -> None:
    """Serve old module and attribute names in this process; a second call changes nothing."""
    if not any(isinstance(finder, _RenamedFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _RenamedFinder())


class _RenamedFinder(importlib.abc.MetaPathFinder):
    """Finds modules under their old names, and adds old names to modules that kept theirs."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith("dancenow."):
            return None
        modules, names = table()
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None:
            if fullname not in modules:
                return None
            return importlib.machinery.ModuleSpec(fullname, _MovedLoader(fullname, modules[fullname]), is_package=True)
        if fullname in names and spec.loader is not None:
            spec.loader = _PatchedLoader(spec.loader)
        return spec


class _MovedLoader(importlib.abc.Loader):
    """Makes a module whose attributes are those of the module that it became."""

    def __init__(self, old: str, new: str | None) -> None:
        self._old, self._new = old, new

    def exec_module(self, module: ModuleType) -> None:
        if self._new is not None:
            _warn(self._old, self._new)
        vars(module)["__getattr__"] = functools.partial(_lookup, self._old, self._new)


class _PatchedLoader(importlib.abc.Loader):
    """Loads a module as its own loader does, then lets it answer for names that left it."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        own: Callable[[str], Any] | None = vars(module).get("__getattr__")
        vars(module)["__getattr__"] = functools.partial(_lookup, module.__name__, None, own=own)


def _lookup(old: str, new: str | None, name: str, own: Callable[[str], Any] | None = None) -> Any:
    """The object that `name` of the module `old` has become."""
    moved = table()[1].get(old, {}).get(name)
    if moved is not None:
        _warn(f"{old}.{name}", moved)
        module, _, attribute = moved.rpartition(".")
        return getattr(import_module(module), attribute)
    if own is not None:
        return own(name)
    if new is None or name.startswith("__"):
        raise AttributeError(f"module {old!r} has no attribute {name!r}")
    return getattr(import_module(new), name)


def _warn(old: str, new: str) -> None:
    warnings.warn(f"{old} is now {new}; the old name goes in the next version", DeprecationWarning, stacklevel=3)


def renamed_keywords(**new_names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function take keyword arguments under their old names, too: `@renamed_keywords(listen="on_progress")`."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            for old, new in new_names.items():
                if old in kwargs:
                    warnings.warn(
                        f"the argument {old} of {function.__name__} is now {new}; the old name goes in the next version",
                        DeprecationWarning,
                        stacklevel=2,
                    )
                    kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return wrapper

    return decorate
