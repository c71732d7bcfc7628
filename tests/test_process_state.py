"""Library code does not change the state of the process: only the command line, workers and scripts own theirs."""

import ast
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import dancenow

PROCESS_WIDE = {
    "os": {"umask", "dup2", "chdir", "putenv", "nice"},
    "signal": {"signal"},
    "torch": {"set_num_threads", "set_num_interop_threads", "set_default_dtype", "use_deterministic_algorithms"},
    "cv2": {"setNumThreads"},
    "warnings": {"simplefilter", "filterwarnings"},
    "locale": {"setlocale"},
}
OWN_PROCESS = ("cli/", "research/recipes/")
ALLOWED = {
    ("execution.py", "os.dup2"),  # `closed_stderr`, which only programs use that own their process
    ("networks/onnx.py", "warnings.simplefilter"),  # torch's exporter warns; restored when it is done
    ("batch/ray_engine.py", "os.environ"),  # Ray reads its settings from there, in this process and in its own
    ("batch/ray_engine.py", "signal.signal"),  # puts back the handler that Ray replaces
    ("web/server.py", "os.environ"),  # gradio as well; the server's process is its own
    ("web/server.py", "signal.signal"),
    ("research/dataset/make.py", "signal.signal"),  # in worker processes
    ("research/dataset/make.py", "cv2.setNumThreads"),
    ("research/dataset/make.py", "os.environ"),
    ("research/robustness/places.py", "os.dup2"),  # in the processes that are disturbed
    ("research/robustness/places.py", "os.environ"),
}


def changes(tree: ast.AST) -> Iterator[str]:
    """Calls and assignments that change the process."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(module), attr=name)) if name in PROCESS_WIDE.get(module, ()):
                yield f"{module}.{name}"
            case ast.Call(func=ast.Attribute(value=ast.Attribute(value=ast.Name("os"), attr="environ"), attr=name)) if (
                name != "get"
            ):
                yield "os.environ"
            case ast.Subscript(value=ast.Attribute(value=ast.Name("os"), attr="environ"), ctx=ast.Store() | ast.Del()):
                yield "os.environ"
            case ast.Attribute(value=ast.Name("sys"), attr="stderr" | "stdout" as name, ctx=ast.Store()):
                yield f"sys.{name}"


def test_only_programs_change_the_state_of_their_process() -> None:
    root = Path(str(resources.files(dancenow)))
    found = {
        (name, change)
        for path in root.rglob("*.py")
        if not (name := path.relative_to(root).as_posix()).startswith(OWN_PROCESS)
        for change in changes(ast.parse(path.read_text("utf-8")))
    }
    assert found - ALLOWED == set()
    assert ALLOWED - found == set(), "what is no longer needed is no longer allowed"
