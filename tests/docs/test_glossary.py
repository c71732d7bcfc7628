"""Every name of the code that the documentation mentions exists."""

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from dancenow.cli.main import COMMANDS

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = sorted(f"how-to/{path.name}" for path in (DOCS / "how-to").glob("*.md"))
CARDS = sorted(f"../src/dancenow/assets/{path.name}" for path in (DOCS.parent / "src" / "dancenow" / "assets").glob("*.md"))
ROOT = ("../README.md", "../CONTRIBUTING.md")
PAGES = ("glossary.md", "architecture.md", "how-it-works.md", "index.md", "tutorial.md", *GUIDES, *CARDS, *ROOT)
FOLDERS = {path.parent.name for path in (DOCS.parent / "src" / "dancenow").glob("*/__init__.py")}
MODULES = {path.stem for path in (DOCS.parent / "src" / "dancenow").glob("*.py")}


def _code_names(page: str) -> Iterator[str]:
    """The dotted names, commands and options in the code of a page."""
    text = (DOCS / page).read_text("utf-8")
    spans = re.findall(r"`([^`\n]+)`", text)
    blocks = [*re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL), *re.findall(r"^ {4,}\S.*", text, re.MULTILINE)]
    for span in spans:
        first = span.removeprefix("dancenow.").split(".")[0]
        is_file = span.endswith((".py", ".md", ".toml"))
        if re.fullmatch(r"\w+(\.\w+)+", span) and first in FOLDERS | MODULES and not is_file:
            yield span
    for line in (line.strip() for code in (*spans, *blocks) for line in code.splitlines()):
        if line.startswith(("dancenow ", "--")):
            yield from re.findall(r"^dancenow [a-z]+|(?<![\w-])--[a-z][a-z-]+", line)


def _options() -> set[str]:
    """The options of every command, and those that the command line itself has."""
    options = {"--debug", "--help", "--version"}
    for command in COMMANDS:
        parameters = inspect.signature(getattr(import_module(f"dancenow.cli.{command}"), command)).parameters
        options |= {f"--{name.replace('_', '-')}" for name in parameters}
    return options


def _exists(name: str) -> bool:
    """Whether `dancenow.` + name can be imported, as a module or as an attribute of one."""
    parts = name.removeprefix("dancenow.").split(".")
    for split in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(["dancenow", *parts[:split]]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[split:]:
            if not hasattr(found, attribute):
                return False
            found = getattr(found, attribute)
        return True
    return False


@pytest.mark.parametrize("page", PAGES)
def test_every_code_name_in_the_documentation_exists(page: str) -> None:
    options = _options()
    missing = []
    for name in _code_names(page):
        if name.startswith("--"):
            found = name in options or name.replace("--no-", "--") in options
        elif name.startswith("dancenow "):
            found = name.split()[1] in COMMANDS
        else:
            found = _exists(name)
        if not found:
            missing.append(name)
    assert not missing


def test_the_glossary_names_code_for_nearly_every_term() -> None:
    assert sum(not name.startswith("--") for name in _code_names("glossary.md")) > 50
