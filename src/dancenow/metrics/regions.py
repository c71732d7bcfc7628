"""Regions of a frame for evaluation: the whole frame, the person's box, and the face's box.

Boxes come from the reference's keypoints, so that two results are evaluated on the same pixels, as the cropped results of
Everybody Dance Now (Chan et al., 2019) are.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dancenow.skeleton import HEAD_KEYPOINTS, INDEX
from dancenow.types import Pose

MIN_CONFIDENCE: Final = 0.3
"""Keypoints below this confidence are ignored."""
PERSON_MARGIN_FRACTION: Final = 0.1
"""Fraction of the box's longer side, on every side: hair, hands and soles lie outside the keypoints."""
MIN_SIDE_PX: Final = 16
"""Smaller boxes are too small to evaluate."""


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels, left <= x < right and top <= y < bottom, inside its frame."""

    left: int
    top: int
    right: int
    bottom: int

    def crop(self, image: NDArray[Any]) -> NDArray[Any]:
        """The part of [H,W,...] inside the box; a view."""
        return image[self.top : self.bottom, self.left : self.right]

    def union(self, other: "Box") -> "Box":
        """The smallest box around both."""
        low = min(self.left, other.left), min(self.top, other.top)
        return Box(*low, max(self.right, other.right), max(self.bottom, other.bottom))


def frame_box(width_px: int, height_px: int) -> Box:
    """The box of the whole frame."""
    return Box(0, 0, width_px, height_px)


def person_box(pose: Pose, width_px: int, height_px: int) -> Box | None:
    """Bounding box of a pose's keypoints [K] with a margin of a tenth, clipped to the frame; None if nobody is detected."""
    seen = pose.confidence >= MIN_CONFIDENCE
    if seen.sum() < 3:
        return None
    low, high = pose.xy[seen].min(axis=0), pose.xy[seen].max(axis=0)
    margin_px = PERSON_MARGIN_FRACTION * float((high - low).max())
    return _clip_to_frame(low - margin_px, high + margin_px, width_px, height_px)


def face_box(pose: Pose, width_px: int, height_px: int) -> Box | None:
    """A square around the head keypoints of a pose [K], clipped to the frame; None where fewer than two are detected.

    Its side is 1.3 times the distance from nose to neck or 2.2 times the spread of eyes, ears and nose, whichever is larger:
    the first works for turned heads, the second for lowered ones.
    """
    seen = [i for i in HEAD_KEYPOINTS if pose.confidence[i] >= MIN_CONFIDENCE]
    if len(seen) < 2:
        return None
    points = pose.xy[seen]
    side_px = 2.2 * float(np.ptp(points, axis=0).max())
    nose, neck = INDEX["nose"], INDEX["neck"]
    if min(pose.confidence[nose], pose.confidence[neck]) >= MIN_CONFIDENCE:
        side_px = max(side_px, 1.3 * float(np.linalg.norm(pose.xy[nose] - pose.xy[neck])))
    center = (points.min(axis=0) + points.max(axis=0)) / 2
    return _clip_to_frame(center - side_px / 2, center + side_px / 2, width_px, height_px)


def _clip_to_frame(low: NDArray[np.float32], high: NDArray[np.float32], width_px: int, height_px: int) -> Box | None:
    left, top = np.floor(np.clip(low, 0, [width_px, height_px])).astype(int).tolist()
    right, bottom = np.ceil(np.clip(high + 1, 0, [width_px, height_px])).astype(int).tolist()
    if min(right - left, bottom - top) < MIN_SIDE_PX:
        return None
    return Box(left, top, right, bottom)
