"""How far the picture moves under each keypoint from frame to frame, by optical flow: steps that no detector has guessed.

A detector looks at every frame anew, so its keypoints tremble beside the body; the flow follows the body, but drifts. Together
they give positions that do neither, see `follow_motion`. The flow is Lucas and Kanade's, in a pyramid (Bouguet 2000).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.types import FloatArray, FrameStatus, ImageRGB, Pose, PoseTrack

_SIDE_PX: Final = 400
"""Longer side, at most, of the pictures in which motion is measured: the window around a person, reduced."""
_MIN_SIDES_PX: Final = (16, 64)
"""Shorter and longer side, at least: smaller ones are enlarged."""
_MARGIN: Final = 0.15
"""Around the keypoints, of the longer side of their box."""
_WINDOW_PX: Final = 17
"""Side of the square around a point that is looked for in the next frame; larger ones are steadier but lose fast hands."""
_LEVELS: Final = 3
"""Of the pyramid above the picture itself: each halves its sides."""
_ITERATIONS: Final = 10
_POINTS_PX: Final = 3.0 * np.array([(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)])
"""Around a keypoint: the median of their motions counts, if it is known for most of them."""
_MIN_CONTRAST: Final = 3.0
"""Least standard deviation of that square, in levels: in the middle of a plain shirt nothing tells about motion."""
_SURE: Final = 0.3
"""Confidence of keypoints that lie on the body."""
_MAX_DISAGREEMENT: Final = (0.5, 0.1)
"""Largest distance between a point and where the flow there and back leads, in px of these pictures, and of the step."""


@dataclass(frozen=True, eq=False)
class KeypointSteps:
    """by: float32 [T-1,K,2], the motion of each keypoint to the next frame, px of the frame. known: bool [T-1,K]."""

    by: FloatArray
    known: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.by.ndim != 3 or self.by.shape[2] != 2 or self.known.shape != self.by.shape[:2]:
            raise ValueError(f"steps must be [T-1,K,2], known ones [T-1,K]: got {self.by.shape} and {self.known.shape}")


class StepMeter:
    """Measures the steps of the keypoints of some people, one track each, from the frames of their video, given in order.

    Steps are unknown over cuts, where a keypoint is not sure or missing in the next frame, where the picture is plain, and
    where the flow back does not lead to where it came from.
    """

    def __init__(self, tracks: Sequence[PoseTrack]) -> None:
        self._tracks = tracks
        count, keypoints = len(tracks[0]), tracks[0].pose.xy.shape[1]
        self._by = np.zeros((len(tracks), max(count - 1, 0), keypoints, 2), np.float32)
        self._known = np.zeros(self._by.shape[:3], bool)
        self._previous: tuple[int, NDArray[np.uint8]] | None = None

    def take(self, index: int, image_rgb: ImageRGB) -> None:
        """Measure the steps to a frame from the one before, if that was taken."""
        gray = np.asarray(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY), np.uint8)
        before, self._previous = self._previous, (index, gray)
        if before is None or before[0] != index - 1 or index in self._tracks[0].cuts:
            return
        for i, track in enumerate(self._tracks):
            if _is_measured(track, index - 1) and _is_measured(track, index):
                self._measure(i, index, before[1], gray)

    def _measure(self, i: int, index: int, before: NDArray[np.uint8], gray: NDArray[np.uint8]) -> None:
        """The steps of one person, in the part of two pictures that shows them."""
        track = self._tracks[i]
        both = track.pose[index - 1 : index + 1]
        window = _window_around(both, gray.shape)
        if window is None:
            return
        first, second = (_resized(each[window]) for each in (before, gray))
        corner = np.array([window[1].start, window[0].start])
        scale = np.array(first.shape[::-1]) / (window[1].stop - window[1].start, window[0].stop - window[0].start)
        places = (both.xy[0].astype(np.float64) - corner + 0.5) * scale - 0.5
        visible = (both.confidence[0] > _SURE) & (both.confidence[1] > 0) & np.isfinite(places).all(axis=1)
        places[~visible] = 0
        steps, known = _steps(first, second, places)
        known &= visible & _is_textured(first, places)
        self._by[i, index - 1] = np.where(known[:, None], steps / scale, 0)
        self._known[i, index - 1] = known

    def steps(self) -> list[KeypointSteps]:
        """What was measured, of each track."""
        return [KeypointSteps(by, known) for by, known in zip(self._by, self._known, strict=True)]


def _is_measured(track: PoseTrack, index: int) -> bool:
    """Whether the person was found in a frame: one that was filled may show what hides them."""
    return bool(track.status[index] == FrameStatus.MEASURED)


def _window_around(pose: Pose, shape: tuple[int, int]) -> tuple[slice, slice] | None:
    """The rows and columns of a frame [h,w] that show the keypoints of all given poses; None if none is there."""
    places = pose.xy[(pose.confidence > 0) & np.isfinite(pose.xy).all(axis=-1)]
    if not len(places):
        return None
    low, high = places.min(axis=0), places.max(axis=0)
    margin = max(_MARGIN * float((high - low).max()), float(_MIN_SIDES_PX[0]))
    start = np.clip(np.floor(low - margin), 0, np.array(shape[::-1]) - 1).astype(int)
    stop = np.clip(np.ceil(high + margin) + 1, 1, shape[::-1]).astype(int)
    return slice(int(start[1]), int(stop[1])), slice(int(start[0]), int(stop[0]))


def _resized(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A window in the size in which motion is measured: a large one is reduced, a small one enlarged."""
    shorter, longer = _MIN_SIDES_PX
    scale = max(min(1.0, _SIDE_PX / max(gray.shape)), longer / max(gray.shape))
    size = [max(shorter, round(side * scale)) for side in gray.shape[::-1]]
    return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8)


def _steps(
    first: NDArray[np.uint8], second: NDArray[np.uint8], places: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The motion [N,2] between two pictures at some places [N,2], and where it is known [N]."""
    points = (places[:, None] + _POINTS_PX).reshape(-1, 1, 2).astype(np.float32)
    there, found = _tracked(first, second, points)
    back, returned = _tracked(second, first, there)
    step, off = (there - points)[:, 0], np.linalg.norm((back - points)[:, 0], axis=1)
    fixed, share = _MAX_DISAGREEMENT
    agree = (found & returned & (off < fixed + share * np.linalg.norm(step, axis=1))).reshape(len(places), -1)
    count = agree.sum(axis=1)
    known = np.asarray(2 * count > agree.shape[1], bool)
    # The median of those that are known: the others are sorted to the end.
    ordered = np.sort(np.where(agree[..., None], step.reshape(*agree.shape, 2), np.inf), axis=1)
    middle = np.stack([np.maximum(count - 1, 0) // 2, count // 2], axis=1).clip(max=agree.shape[1] - 1)
    median = np.take_along_axis(ordered, middle[..., None], axis=1).mean(axis=1, dtype=np.float64)
    return np.where(known[:, None], median, 0), known


def _tracked(
    first: NDArray[np.uint8], second: NDArray[np.uint8], points: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Where points [N,1,2] of one picture are in another, and which were found [N]."""
    guess = points.copy()  # not used, but OpenCV's type hints ask for it
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        first, second, points, guess, winSize=(_WINDOW_PX, _WINDOW_PX), maxLevel=_LEVELS,
        criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _ITERATIONS, 0.03),
    )  # fmt: skip
    return np.asarray(there, np.float32), np.asarray(found[:, 0] > 0, bool)


def _is_textured(gray: NDArray[np.uint8], places: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether a picture has some contrast around each place [N,2]."""
    reach = np.arange(_WINDOW_PX) - _WINDOW_PX // 2
    x, y = np.rint(places).astype(np.int64).T
    rows, columns = np.clip(y[:, None] + reach, 0, gray.shape[0] - 1), np.clip(x[:, None] + reach, 0, gray.shape[1] - 1)
    return np.asarray(gray[rows[:, :, None], columns[:, None]].std(axis=(1, 2), dtype=np.float32) > _MIN_CONTRAST, bool)
