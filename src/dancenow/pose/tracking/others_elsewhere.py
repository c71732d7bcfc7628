"""Which other people a detection cannot show, because they are seen elsewhere in the same frame.

Light changes how somebody looks: a man before the sky is dark, and on the lawn he is bright, and may then resemble the woman
who walks past more than himself. He is not her while she is seen elsewhere and resembles herself more than he does.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final

from dancenow.pose.detectors.base import PoseDetector
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.pose.tracking.reidentification import Detection, find_people, overlap, search_windows, similarity
from dancenow.skeleton import INDEX
from dancenow.types import FloatArray, Frame, Pose

_HIPS: Final = [INDEX["right_hip"], INDEX["left_hip"]]
_LOOK_EVERY_S: Final = 0.2
"""The whole image is searched at most that often; in between, others are looked for where they were."""
_KNOWN_S: Final = 1.0
"""How long the place where somebody was tells where they are."""
_SIDES_PER_S: Final = 1.5
"""How fast somebody moves, in sides of the region of the body: a fast run."""
_SAME_PLACE: Final = 0.5
"""Distance, in the same unit, below which two detections may be one body."""
_REACH: Final = 1.5
"""Side of that place, in sides of the region of the body."""


class OthersElsewhere:
    """Finds the other people of a video, given how they look, and remembers where they were."""

    def __init__(self, detector: PoseDetector, looks: Sequence[FloatArray]) -> None:
        self._detector = detector
        self._looks = looks
        self._seen: list[Detection] = []
        self._looked_s = -math.inf

    def without_them(self, frame: Frame, shown: Pose, appearance: FloatArray, own: Sequence[FloatArray]) -> list[FloatArray]:
        """The looks of others that a detection may show: `shown` in this frame, with this appearance. own: looks of the person.

        A look is left out if somebody in another place has it more than the detection does, and has it more than the person's.
        """
        seen = [each for each in self._people(frame) if not overlap(each.landmarks.pose, shown)]
        elsewhere = [each for each in seen if _is_elsewhere(each, shown, abs(float(frame.time_s) - each.time_s))]
        return left_over(self._looks, appearance, elsewhere, own)

    def _people(self, frame: Frame) -> list[Detection]:
        """Everybody found in the places where people were, or in the whole image; and who was there a moment ago."""
        time_s = float(frame.time_s)
        if abs(time_s - self._looked_s) >= _LOOK_EVERY_S:
            self._looked_s = time_s
            side_px = min(frame.image_rgb.shape[:2])
            windows = search_windows(frame.image_rgb, side_px)
        else:
            windows = [_place_of(each) for each in self._seen if abs(time_s - each.time_s) < _KNOWN_S]
        found = find_people(self._detector, frame, windows)
        known = [each for each in self._seen if not any(overlap(each.landmarks.pose, new.landmarks.pose) for new in found)]
        self._seen = [each for each in known if abs(time_s - each.time_s) < _KNOWN_S] + found
        return self._seen


def left_over(
    looks: Iterable[FloatArray], appearance: FloatArray, elsewhere: Iterable[Detection], own: Sequence[FloatArray]
) -> list[FloatArray]:
    """The looks that nobody `elsewhere` has more than `appearance` does; who looks most like the person, `own`, has none."""
    others = [each.appearance for each in elsewhere]
    return [
        look
        for look in looks
        if not any(similarity(each, [look]) > max(similarity(appearance, [look]), similarity(each, own)) for each in others)
    ]


def _is_elsewhere(person: Detection, shown: Pose, ago_s: float) -> bool:
    """Whether somebody who was seen `ago_s` before, apart from `shown`, cannot be there now."""
    region = person.landmarks.next_roi
    x_px, y_px = shown.xy[_HIPS].mean(axis=0)
    far_px = math.hypot(x_px - region.x_px, y_px - region.y_px)
    return ago_s == 0 or far_px > (_SAME_PLACE + _SIDES_PER_S * ago_s) * region.size_px


def _place_of(person: Detection) -> RotatedRect:
    region = person.landmarks.next_roi
    return RotatedRect(region.x_px, region.y_px, _REACH * region.size_px, 0.0)
