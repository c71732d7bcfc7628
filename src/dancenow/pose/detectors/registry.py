"""The pose detectors by name. A new detector is a class that implements `PoseDetector` and one entry here."""

from collections.abc import Callable
from typing import Final

from dancenow.errors import OptionError
from dancenow.pose.detectors.base import PoseDetector
from dancenow.progress import ProgressCallback, ignore_progress


def _blazepose(on_progress: ProgressCallback) -> PoseDetector:
    from dancenow.pose.detectors.blazepose import BlazePose

    return BlazePose(on_progress=on_progress)


def _blazepose_4crops(on_progress: ProgressCallback) -> PoseDetector:
    from dancenow.pose.detectors.blazepose import BlazePose

    return BlazePose(on_progress=on_progress, num_crops=4)


DEFAULT_DETECTOR: Final = "blazepose"
DETECTORS: Final[dict[str, Callable[[ProgressCallback], PoseDetector]]] = {
    "blazepose": _blazepose,
    "blazepose-4crops": _blazepose_4crops,
}
"""Name -> factory; the callback reports the download of weights."""


def create_detector(name: str = DEFAULT_DETECTOR, on_progress: ProgressCallback = ignore_progress) -> PoseDetector:
    """A new detector.

    Raises:
        OptionError: there is no detector of that name.
    """
    if name not in DETECTORS:
        raise OptionError(f"there is no pose detector {name}; choose one of: {', '.join(DETECTORS)}.")
    return DETECTORS[name](on_progress)
