"""How far the picture moves under each keypoint from frame to frame, by optical flow: steps that no detector has guessed.

A detector looks at every frame anew, so its keypoints tremble beside the body; the flow follows the body, but drifts. Together
they give positions that do neither, see `follow_motion`.
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
_FINEST_SCALE: Final = 1
"""Of the pyramid: half of the pictures' size. Coarser flow loses thin arms in fast moves; finer costs three times as much."""
_RADIUS: Final = 0.005
"""Half the side of the square around a keypoint whose median motion counts, of the longer side."""
_TEXTURE_PX: Final = 17
_MIN_CONTRAST: Final = 3.0
"""Side of the square around a keypoint that must have some contrast, and its least standard deviation, in levels."""
_SURE: Final = 0.3
"""Confidence of keypoints that lie on the body."""
_MAX_DISAGREEMENT: Final = (0.5, 0.1)
"""Largest distance between a place and where the flow there and back leads, in px of these pictures, and of the step."""


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

    Steps are unknown over cuts, where a keypoint is sure in neither frame or missing in one, where the picture is plain, and
    where the flow back does not lead to where it came from.
    """

    def __init__(self, tracks: Sequence[PoseTrack]) -> None:
        self._tracks = tracks
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
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
        self._flow.setFinestScale(_FINEST_SCALE)  # which a picture that is too small would change
        there, back = (
            np.asarray(self._flow.calc(*pair, np.zeros((*first.shape, 2), np.float32)), np.float32)
            for pair in ((first, second), (second, first))
        )
        corner = np.array([window[1].start, window[0].start])
        scale = np.array(first.shape[::-1]) / (window[1].stop - window[1].start, window[0].stop - window[0].start)
        places = (both.xy.astype(np.float64) - corner + 0.5) * scale - 0.5
        steps = np.stack([_steps(there, back, places[0]), -_steps(back, there, places[1])])
        textured = np.stack([_is_textured(*each) for each in ((first, places[0]), (second, places[1]))])
        known = np.isfinite(steps[..., 0]) & textured & (both.confidence > _SURE) & (both.confidence > 0).all(axis=0)
        count = known.sum(axis=0)
        total = np.where(known[..., None], steps, 0).sum(axis=0)
        self._by[i, index - 1] = total / np.maximum(count, 1)[:, None] / scale
        self._known[i, index - 1] = count > 0

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


def _steps(there: FloatArray, back: FloatArray, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """The motion [N,2] at some places [N,2]; NaN where the way back does not lead there. there, back: flows [H,W,2]."""
    step = _median_around(there, places)
    off = np.linalg.norm(step + _median_around(back, places + step), axis=1)
    fixed, share = _MAX_DISAGREEMENT
    step[~(off < fixed + share * np.linalg.norm(step, axis=1))] = np.nan
    return step


def _is_textured(gray: NDArray[np.uint8], places: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether a picture tells about motion around each place [N,2]: in the middle of a plain shirt the flow stands still."""
    image, size = gray.astype(np.float32), (_TEXTURE_PX, _TEXTURE_PX)
    variance = cv2.blur(image * image, size) - np.square(cv2.blur(image, size))
    x, y = np.rint(np.nan_to_num(places)).astype(np.int64).T
    height, width = gray.shape
    return np.asarray(variance[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)] > _MIN_CONTRAST**2)


def _median_around(flow: FloatArray, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median motion around each place [N,2]; NaN outside of the picture."""
    height, width = flow.shape[:2]
    inside = np.asarray(np.isfinite(places).all(axis=1), bool)
    x, y = np.rint(np.where(inside[:, None], places, 0)).astype(np.int64).T
    inside &= (x >= 0) & (x < width) & (y >= 0) & (y < height)
    radius = max(1, round(_RADIUS * max(height, width)))
    offset = np.arange(-radius, radius + 1)
    rows, columns = np.clip(y[:, None] + offset, 0, height - 1), np.clip(x[:, None] + offset, 0, width - 1)
    around = flow[rows[:, :, None], columns[:, None]].reshape(len(places), -1, 2)
    return np.where(inside[:, None], np.median(around, axis=1), np.nan)
