"""Following one person from frame to frame, and finding the same one again after a loss.

The landmarks of a frame say where to look in the next, as MediaPipe does it; what MediaPipe lacks is the check that it is
still the same person: by looks, size and place, with a search that widens with the time since the last sighting.
"""

import math
from typing import Final

from dancenow.pose.blaze import BlazePose, Landmarks, Roi
from dancenow.pose.people import SAME_LOOK, Sighting, find_people, grid, is_person, look_of, similarity
from dancenow.types import FloatArray, Frame

_STILL_SAME_LOOK: Final = 0.75
"""Below this a tracked person has turned into somebody else; light and turning leave more than this."""
_LIKELY_SAME_LOOK: Final = 0.85
"""Enough for a person found where they were lost a moment ago."""
_LOST_AFTER_S: Final = 2.0
"""How long the place of a loss stays good evidence."""
_SEARCH_EVERY_S: Final = 0.2
"""A search of the whole picture costs many detections; nobody walks in faster than this matters."""
_GALLERY_SIZE: Final = 12


class Follower:
    """Gives, frame after frame, the landmarks of one person known by sightings, or None where that person is not seen."""

    def __init__(self, blaze: BlazePose, sightings: list[Sighting]) -> None:
        self._blaze = blaze
        self._looks = [s.look for s in sightings][-_GALLERY_SIZE:]
        self._size_px = max(s.landmarks.next_roi.size_px for s in sightings)
        self._last: Roi | None = None
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

    def _track(self, frame: Frame) -> Landmarks | None:
        """Look where the last frame's body says; once more if that place proves to be off, as it is at few frames a second."""
        assert self._last is not None
        landmarks = self._blaze.landmarks(frame.image_rgb, self._last)
        if landmarks.score > 0.2 and _moved(landmarks) > 0.15:
            landmarks = self._blaze.landmarks(frame.image_rgb, landmarks.next_roi)
        if not is_person(landmarks) or not 0.6 < landmarks.next_roi.size_px / self._last.size_px < 1.7:
            return None
        look = look_of(frame.image_rgb, landmarks.pose)
        alike = similarity(look, self._looks)
        if alike < _STILL_SAME_LOOK:
            return None
        if _STILL_SAME_LOOK + 0.05 < alike < SAME_LOOK and _moved(landmarks) < 0.05:
            self._remember(look)  # the person seen from another side: smooth motion says that it is the same
        return landmarks

    def _remember(self, look: FloatArray) -> None:
        if len(self._looks) < 2 * _GALLERY_SIZE:
            self._looks.append(look)

    def _search(self, frame: Frame, time_s: float) -> Landmarks | None:
        """Near the last place first, in a circle that grows; then, now and then, everywhere."""
        lost_s = time_s - self._last_s
        if self._last is not None and lost_s < _LOST_AFTER_S:
            reach_px = self._last.size_px * (1.5 + 1.5 * lost_s)
            near = [Roi(self._last.x_px, self._last.y_px, reach_px, 0.0)]
            for person in find_people(self._blaze, frame, near):
                if similarity(person.look, self._looks) > _LIKELY_SAME_LOOK and self._is_size_plausible(person):
                    return person.landmarks
        if time_s - self._searched_s < _SEARCH_EVERY_S:
            return None
        self._searched_s = time_s
        people = find_people(self._blaze, frame, grid(frame.image_rgb, 2 * self._size_px))
        best = max(people, key=lambda p: similarity(p.look, self._looks), default=None)
        if best is not None and similarity(best.look, self._looks) > SAME_LOOK:
            return best.landmarks
        return None

    def _is_size_plausible(self, person: Sighting) -> bool:
        return 0.5 < person.landmarks.next_roi.size_px / self._size_px < 2.0


def _moved(landmarks: Landmarks) -> float:
    """How far the body was found from where it was looked for, in parts of its size."""
    now, then = landmarks.next_roi, landmarks.roi
    return math.hypot(now.x_px - then.x_px, now.y_px - then.y_px) / then.size_px
