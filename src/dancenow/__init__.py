"""dancenow: make the person in one video dance like the person in another video.

`prepare`, `train`, `transfer`, `run`, `export`, `detect_poses` and `evaluate` do from Python what the commands of the same
names do.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dancenow import compatibility

if TYPE_CHECKING:
    from dancenow.evaluation.evaluator import evaluate
    from dancenow.generators.onnx_export import export
    from dancenow.pipeline import run, train, transfer
    from dancenow.pose.pipeline import detect_poses
    from dancenow.subject.prepare import prepare

__version__ = "0.1.0"
__all__ = ["__version__", "detect_poses", "evaluate", "export", "prepare", "run", "train", "transfer"]

_HOME = {
    "prepare": "dancenow.subject.prepare",
    "train": "dancenow.pipeline",
    "transfer": "dancenow.pipeline",
    "run": "dancenow.pipeline",
    "detect_poses": "dancenow.pose.pipeline",
    "evaluate": "dancenow.evaluation.evaluator",
    "export": "dancenow.generators.onnx_export",
}


compatibility.install()


def __getattr__(name: str) -> Any:
    """Fetch the functions when they are first used: the command line and the types must not wait for torch."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
