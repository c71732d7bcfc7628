"""Which other people a detection cannot show, because they are seen elsewhere in the same frame.

Light changes how somebody looks: a man before the sky is dark, and on the lawn he is bright, and may then resemble the woman
who walks past more than himself. He is not her while she is seen elsewhere and resembles herself more than he does.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from dancenow.pose.detectors.base import PoseDetector
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.pose.tracking.reidentification import (
    SAME_APPEARANCE,
    Detection,
    find_people,
    overlap,
    search_windows,
    similarity,
)
from dancenow.types import FloatArray, Frame, Pose

_LOOK_EVERY_S: Final = 0.2
"""The whole image is searched at most that often; in between, others are looked for where they were."""
_KNOWN_S: Final = 1.0
"""How long the place where somebody was is a good one to look at."""
_REACH: Final = 1.5
"""Side of that place, in sides of the region of the body."""
_REMEMBERED: Final = 8
"""How many looks of somebody are kept, the latest first."""


@dataclass(frozen=True, eq=False)
class Seen:
    """Somebody in a frame, and how they looked there and in the frames before: at the edge of the image they look different."""

    now: Detection
    looks: tuple[FloatArray, ...]

    def likeness(self, looks: Sequence[FloatArray]) -> float:
        """Similarity to one of `looks`, at their most similar."""
        return max(similarity(each, looks) for each in self.looks)


@dataclass(frozen=True, eq=False)
class Lookalikes:
    """How one other person looks, or several in one costume. count: how many of them were seen in one frame at most."""

    looks: list[FloatArray]
    count: int


class OthersElsewhere:
    """Finds the other people of a video, given detections of them, and remembers where they were."""

    def __init__(self, detector: PoseDetector, others: Sequence[Detection]) -> None:
        self._detector = detector
        self._groups = group_lookalikes(others)
        self.start_shot()

    def start_shot(self) -> None:
        """Forget where people were, as a new shot begins."""
        self._seen: list[Seen] = []
        self._found: list[Seen] = []
        self._looked_s, self._found_in = -math.inf, -1

    def without_them(self, frame: Frame, shown: Pose, appearance: FloatArray, own: Sequence[FloatArray]) -> list[FloatArray]:
        """The looks of others that a detection may show: `shown` in this frame, with this appearance. own: looks of the person.

        Looks are left out if everybody who has them is seen in another place, see `left_over`.
        """
        elsewhere = [each for each in self._people(frame) if not overlap(each.now.landmarks.pose, shown)]
        return left_over(self._groups, appearance, elsewhere, own)

    def _people(self, frame: Frame) -> list[Seen]:
        """Everybody found in this frame in the places where people were, or in the whole image."""
        if frame.index == self._found_in:
            return self._found
        time_s = float(frame.time_s)
        if abs(time_s - self._looked_s) >= _LOOK_EVERY_S:
            self._looked_s = time_s
            windows = search_windows(frame.image_rgb, min(frame.image_rgb.shape[:2]))
        else:
            windows = [_place_of(each.now) for each in self._seen]
        known = [each for each in self._seen if abs(time_s - each.now.time_s) < _KNOWN_S]
        self._found = [_remember(each, known) for each in find_people(self._detector, frame, windows)]
        self._found_in = frame.index
        self._seen = [each for each in known if not any(_is_same_body(each, new) for new in self._found)] + self._found
        return self._found


def _remember(person: Detection, known: Sequence[Seen]) -> Seen:
    """Somebody detected, with the looks of who was there a moment ago, if that was one person alone."""
    before = [each for each in known if overlap(each.now.landmarks.pose, person.landmarks.pose)]
    kept = before[0].looks if len(before) == 1 else ()
    return Seen(person, (person.appearance, *kept)[:_REMEMBERED])


def _is_same_body(one: Seen, other: Seen) -> bool:
    return overlap(one.now.landmarks.pose, other.now.landmarks.pose)


def group_lookalikes(others: Sequence[Detection]) -> list[Lookalikes]:
    """Detections of other people in groups that look alike, each to another one of its group."""
    groups: list[list[Detection]] = []
    for each in others:
        alike = [group for group in groups if similarity(each.appearance, _looks(group)) >= SAME_APPEARANCE]
        groups = [group for group in groups if group not in alike]
        groups.append([each, *(member for group in alike for member in group)])
    return [Lookalikes(_looks(group), max(Counter(each.frame for each in group).values())) for group in groups]


def left_over(
    groups: Iterable[Lookalikes], appearance: FloatArray, elsewhere: Iterable[Seen], own: Sequence[FloatArray]
) -> list[FloatArray]:
    """The looks of the groups that `appearance` may be one of: those of which not all members are `elsewhere`.

    Somebody elsewhere is one of a group if they look more like it than `appearance` does, and more than like the person, `own`.
    """
    others = [(each, similarity(each.now.appearance, own)) for each in elsewhere]
    left: list[FloatArray] = []
    for group in groups:
        least = similarity(appearance, group.looks)
        members = sum(each.likeness(group.looks) > max(least, like_own) for each, like_own in others)
        if members < group.count:
            left += group.looks
    return left


def _looks(group: Sequence[Detection]) -> list[FloatArray]:
    return [each.appearance for each in group]


def _place_of(person: Detection) -> RotatedRect:
    region = person.landmarks.next_roi
    return RotatedRect(region.x_px, region.y_px, _REACH * region.size_px, 0.0)
