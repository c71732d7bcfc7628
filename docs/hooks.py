"""Pages of the documentation site that are made at build time: the API reference, the model cards and the pages from the root.

The reference is read from the package tree, so a moved or new module needs no edit here. mkdocs calls `on_nav`, `on_files` and
`on_page_markdown`, see https://www.mkdocs.org/user-guide/plugins/.
"""

import ast
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "dancenow"
NO_REFERENCE = ("assets", "cli", "research")
"""Folders without an API reference: the command line has --help, research code is no public interface."""
LINKED_PAGES = ("glossary.md", "architecture.md", "how-it-works.md")
FROM_ROOT = {"contributing.md": ROOT / "CONTRIBUTING.md", "changelog.md": ROOT / "CHANGELOG.md"}


def on_config(config: Any) -> Any:
    """Add the generated pages to the navigation, before mkdocs checks it."""
    for entry in config.nav:
        if "Reference" in entry:
            entry["Reference"] += [
                {"Public functions": "reference/api.md"},
                {"Protocols": "reference/protocols.md"},
                *({title: f"reference/{name}.md"} for name, title in _sections()),
                {"Model cards": [{card.stem: f"models/{card.name}"} for card in _cards()]},
            ]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages and the files that pages link to."""
    from mkdocs.structure.files import File

    def add(uri: str, content: str) -> None:
        files.append(File.generated(config, uri, content=content))

    add("reference/index.md", _index())
    add("reference/api.md", _public_functions())
    add("reference/protocols.md", _protocols())
    for name, title in _sections():
        add(f"reference/{name}.md", _section(name, title))
    for uri, path in FROM_ROOT.items():
        add(uri, path.read_text("utf-8"))
    for card in _cards():
        add(f"models/{card.name}", card.read_text("utf-8"))
    for result in sorted((ROOT / "benchmarks").glob("*.json")):
        files.append(File.generated(config, f"results/{result.name}", abs_src_path=str(result)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Link names of the code to the reference, and files of the repository to their copies on the site."""
    up = "../" * page.file.src_uri.count("/")

    def moved(match: re.Match[str]) -> str:
        path = match[1].lstrip("./")
        if path.startswith("docs/"):
            return f"]({up}{path.removeprefix('docs/')})"
        if path.startswith("benchmarks/") and path.endswith(".json"):
            return f"]({up}results/{Path(path).name})"
        if path.startswith("src/dancenow/assets/"):
            return f"]({up}models/{Path(path).name})"
        if path.startswith("src/dancenow/") and path.endswith(".py"):
            return f"]({up}reference/{_page_of(PACKAGE.parent / path.removeprefix('src/'))})"
        root_pages = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "README.md": "index.md"}
        return f"]({up}{root_pages[path]})" if path in root_pages else match[0]

    if page.file.src_uri == "architecture.md":
        markdown = markdown.replace("<!-- folders -->", _folders_table())
    if page.file.src_uri in LINKED_PAGES or page.file.src_uri.startswith("how-to/"):
        markdown = _linked_names(markdown)
    return re.sub(r"\]\(((?:\.\./)*(?:docs|benchmarks|src|[A-Z]+\.md)[^)#]*)(?=[)#])\)?", moved, markdown)


def _linked_names(markdown: str) -> str:
    """Link names of the code, such as `pose.pipeline.PosePipeline`, to the reference, where it has them."""
    folders = "|".join(name for name, _ in _sections() if name != "dancenow")
    modules = "|".join(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")
    pattern = rf"(?<![\[`])`(?:dancenow\.)?((?:{folders}|{modules})(?:\.\w+)+)`(?!`)"

    def link(match: re.Match[str]) -> str:
        shown = match[1].replace(".", ".<wbr>")
        return f'<autoref identifier="dancenow.{match[1]}" optional><code>{shown}</code></autoref>'

    return re.sub(pattern, link, markdown)


def _folders_table() -> str:
    """The folders of the package with the first sentence of each."""
    rows = []
    for path in sorted(PACKAGE.glob("*/__init__.py")):
        name = path.parent.name
        shown = f"`{name}/`" if name in NO_REFERENCE else f"[`{name}/`](reference/{name}.md)"
        rows.append(f"| {shown} | {_summary(path)} |")
    return "\n".join(["| folder | what is in it |", "|---|---|", *rows])


def _modules(folder: Path) -> list[Path]:
    """The public modules of a folder and of those below it."""
    return sorted(path for path in folder.rglob("*.py") if path.stem != "__init__" and not path.stem.startswith("_"))


def _sections() -> list[tuple[str, str]]:
    """Page name and title: one page for each folder of the package, and one for the modules beside them."""
    folders = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py") if path.parent.name not in NO_REFERENCE)
    return [("dancenow", "dancenow"), *((name, f"dancenow.{name}") for name in folders)]


def _page_of(path: Path) -> str:
    inside = path.relative_to(PACKAGE).parts
    return f"{inside[0]}.md" if len(inside) > 1 and inside[0] not in NO_REFERENCE else "dancenow.md"


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


def _summary(path: Path) -> str:
    """The first sentence of a module's docstring."""
    doc = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return re.split(r"(?<=\.)\s", " ".join(doc.split("\n\n")[0].split()))[0]


def _section(name: str, title: str) -> str:
    folder = PACKAGE if name == "dancenow" else PACKAGE / name
    modules = [path for path in PACKAGE.glob("*.py") if path.stem != "__init__"] if folder == PACKAGE else _modules(folder)
    about = _summary(folder / "__init__.py")
    lines = [f"# {title}", "", about, ""]
    for path in sorted(modules):
        label = ".".join(path.relative_to(folder).with_suffix("").parts)
        options = ("heading_level: 2", "show_root_full_path: true", f"toc_label: {label}")
        lines += [f"::: {_dotted(path)}", "    options:", *(f"      {option}" for option in options), ""]
    return "\n".join(lines)


def _index() -> str:
    rows = [f"| [`{title}`]({name}.md) | {_summary(_folder(name) / '__init__.py')} |" for name, title in _sections()]
    return "\n".join(
        [
            "# Reference",
            "",
            "Made from the docstrings of the code. Start with the [public functions](api.md). The [protocols](protocols.md)",
            "are what you implement to add a part.",
            "",
            "| folder | what is in it |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def _folder(name: str) -> Path:
    return PACKAGE if name == "dancenow" else PACKAGE / name


def _public_functions() -> str:
    """The functions that `dancenow` itself offers, from its `__all__`."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    homes = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dancenow")
        for alias in node.names
    }
    public = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    intro = ["# Public functions", "", "`from dancenow import prepare, train, transfer` and so on.", ""]
    options = "\n    options:\n      heading_level: 2\n      skip_local_inventory: true\n"
    return "\n".join(intro + [f"::: {homes[name]}{options}" for name in public if name in homes])


def _protocols() -> str:
    """Every public `Protocol` class of the package, wherever it is."""
    found = []
    for path in _modules(PACKAGE):
        if path.relative_to(PACKAGE).parts[0] in NO_REFERENCE:
            continue
        for node in ast.parse(path.read_text("utf-8")).body:
            if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
                continue
            if any("Protocol" in ast.unparse(base) for base in node.bases):
                about = (ast.get_docstring(node) or "").split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
                found.append(f"| [`{node.name}`][{_dotted(path)}.{node.name}] | `{_dotted(path)}` | {about} |")
    intro = "What a part of the system must offer. A class that has these methods fits; it inherits from nothing."
    return "\n".join(["# Protocols", "", intro, "", "| protocol | module | what it is |", "|---|---|---|", *found, ""])


def _cards() -> list[Path]:
    return sorted((PACKAGE / "assets").glob("*.md"))
