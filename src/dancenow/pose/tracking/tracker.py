"""Following one person from frame to frame, and finding the same one again after a loss.

The landmarks of a frame say where to look in the next, as MediaPipe does it; what MediaPipe lacks is the check that it is
still the same person: by looks, size and place, with a search that widens with the time since the last sighting.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Final

from dancenow.pose.detectors.base import Landmarks, PoseDetector
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.pose.tracking.reidentification import (
    SAME_LOOK,
    SAME_LOOK_LATER,
    Detection,
    PersonSelection,
    find_people,
    grid,
    is_person,
    look_of,
    similarity,
)
from dancenow.types import FloatArray, Frame

_STILL_SAME_LOOK: Final = 0.75
"""Below this a tracked person has turned into somebody else; light and turning leave more than this."""
_LIKELY_SAME_LOOK: Final = 0.85
"""Enough for a person found where they were lost a moment ago."""
_LOST_AFTER_S: Final = 2.0
"""How long the place of a loss stays good evidence."""
_MAY_HAVE_LEFT_S: Final = 4.0
"""A person not seen for longer may have left, and whoever comes may be another."""
_SEARCH_EVERY_S: Final = 0.2
"""A search of the whole picture costs many detections; nobody walks in faster than this matters."""
_GALLERY_SIZE: Final = 12


class PersonTracker:
    """Gives, frame after frame, the landmarks of one person of the cast, or None where that person is not seen."""

    def __init__(self, detector: PoseDetector, cast: PersonSelection) -> None:
        self._detector = detector
        self._looks = [s.look for s in cast.dancer]
        self._known_s = [s.time_s for s in cast.dancer]
        self._others = [s.look for s in cast.others]
        self._room_for_looks = _GALLERY_SIZE
        self._size_px = max(s.landmarks.next_roi.size_px for s in cast.dancer)
        self._last: RotatedRect | None = None
        self._last_s = -math.inf
        self._searched_s = -math.inf
        self._tracking = False

    def step(self, frame: Frame) -> Landmarks | None:
        """The person in this frame; frames must come in their order."""
        time_s = float(frame.time_s)
        found = self._track(frame) if self._tracking and self._last else None
        if found is None:
            found = self._search(frame, time_s)
        self._tracking = found is not None
        if found is not None:
            self._last, self._last_s, self._size_px = found.next_roi, time_s, found.next_roi.size_px
        return found

    def back(self, frames: Iterable[Frame], found: Landmarks) -> Iterator[Landmarks]:
        """The person in frames before the one in which they were found, latest first, for as long as motion leads to them."""
        here = self._last
        self._last = found.next_roi
        for frame in frames:
            before = self._track(frame)
            if before is None:
                break
            self._last = before.next_roi
            yield before
        self._last = here

    def _track(self, frame: Frame) -> Landmarks | None:
        """Look where the last frame's body says; once more if that place proves to be off, as it is at few frames a second."""
        assert self._last is not None
        landmarks = self._detector.landmarks(frame.image_rgb, self._last)
        if landmarks.score > 0.2 and _moved(landmarks) > 0.15:
            landmarks = self._detector.landmarks(frame.image_rgb, landmarks.next_roi)
        if not is_person(landmarks, frame.image_rgb) or not 0.6 < landmarks.next_roi.size_px / self._last.size_px < 1.7:
            return None
        look = look_of(frame.image_rgb, landmarks.pose)
        alike = similarity(look, self._looks)
        if alike < _STILL_SAME_LOOK or self._is_other(look, alike):
            return None
        if alike < SAME_LOOK and _moved(landmarks) < 0.05 and self._room_for_looks > 0:
            # The person from another side, or in another light: that the motion is smooth says that it is the same.
            self._looks.append(look)
            self._room_for_looks -= 1
        return landmarks

    def _is_other(self, look: FloatArray, alike: float) -> bool:
        """Whether it is rather somebody who was seen beside the dancer."""
        return similarity(look, self._others) > max(alike, SAME_LOOK)

    def _search(self, frame: Frame, time_s: float) -> Landmarks | None:
        """Near the last place first, in a circle that grows; then, now and then, everywhere."""
        lost_s = time_s - self._last_s
        if self._last is not None and lost_s < _LOST_AFTER_S:
            reach_px = self._last.size_px * (1.5 + 1.5 * lost_s)
            near = [RotatedRect(self._last.x_px, self._last.y_px, reach_px, 0.0)]
            found = self._best(find_people(self._detector, frame, near), _LIKELY_SAME_LOOK)
            if found is not None and 0.5 < found.next_roi.size_px / self._size_px < 2.0:
                return found
        if time_s - self._searched_s < _SEARCH_EVERY_S:
            return None
        self._searched_s = time_s
        is_about = min(abs(time_s - known_s) for known_s in [*self._known_s, self._last_s]) < _MAY_HAVE_LEFT_S
        people = find_people(self._detector, frame, grid(frame.image_rgb, 2 * self._size_px))
        return self._best(people, SAME_LOOK if is_about else SAME_LOOK_LATER)

    def _best(self, people: list[Detection], min_alike: float) -> Landmarks | None:
        """Whoever of these people looks most like the dancer, if it is enough and more than like anybody else."""
        scored = [(similarity(p.look, self._looks), p) for p in people]
        scored = [(alike, p) for alike, p in scored if alike > min_alike and similarity(p.look, self._others) < alike]
        return max(scored, key=lambda pair: pair[0])[1].landmarks if scored else None


def _moved(landmarks: Landmarks) -> float:
    """How far the body was found from where it was looked for, in parts of its size."""
    now, then = landmarks.next_roi, landmarks.roi
    return math.hypot(now.x_px - then.x_px, now.y_px - then.y_px) / then.size_px
