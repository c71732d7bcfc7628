"""dancenow: the person in one video dances what the dancer in another video dances.

`prepare`, `train`, `transfer`, `run`, `export`, `detect_poses` and `evaluate` do from Python what the commands of the same
names do.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dancenow.data.subject import prepare
    from dancenow.evaluation import evaluate
    from dancenow.pipeline import run, train, transfer
    from dancenow.portable import export
    from dancenow.pose.detect import detect_poses

__version__ = "0.1.0"
__all__ = ["__version__", "detect_poses", "evaluate", "export", "prepare", "run", "train", "transfer"]

_HOME = {
    "prepare": "dancenow.data.subject",
    "train": "dancenow.pipeline",
    "transfer": "dancenow.pipeline",
    "run": "dancenow.pipeline",
    "detect_poses": "dancenow.pose.detect",
    "evaluate": "dancenow.evaluation",
    "export": "dancenow.portable",
}


def __getattr__(name: str) -> Any:
    """Fetch the functions when they are first used: the command line and the types must not wait for torch."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
