"""The structure of the package: few top-level modules, no research code in the product, short files and functions."""

import ast
import subprocess
import sys
from pathlib import Path

import dancenow

ROOT = Path(dancenow.__file__).parent
MAX_TOP_LEVEL_MODULES = 12
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


def test_there_are_few_modules_at_the_top_level() -> None:
    modules = [path.name for path in ROOT.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MAX_TOP_LEVEL_MODULES, modules


def test_the_product_loads_no_research_code() -> None:
    program = "import sys, dancenow.pipeline; print(*sorted(name for name in sys.modules if name.startswith('dancenow.')))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "dancenow.generators.train_model" in loaded
    assert [name for name in loaded if name.startswith(("dancenow.research", "dancenow.cli"))] == []


def test_test_files_have_different_names() -> None:
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_the_pipeline_fits_on_one_page() -> None:
    assert len((ROOT / "pipeline.py").read_text("utf-8").splitlines()) <= 200


def test_files_and_functions_are_of_readable_length() -> None:
    for path in ROOT.rglob("*.py"):
        text = path.read_text("utf-8")
        assert len(text.splitlines()) <= MAX_FILE_LINES, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                length = node.end_lineno - node.lineno + 1 - _docstring_lines(node)
                assert length <= MAX_FUNCTION_LINES, f"{path}: {node.name} has {length} lines"


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return (first.end_lineno or first.lineno) - first.lineno + 1
    return 0
