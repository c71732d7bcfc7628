"""Track one person from frame to frame, and find the same person again after a loss.

The landmarks of a frame give the search region of the next, as in MediaPipe. Unlike MediaPipe, the tracker checks that it is
still the same person, by appearance, size and position, with a search that widens with the time since the last detection.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.detectors.base import Landmarks, PoseDetector
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.pose.tracking.others_elsewhere import OthersElsewhere
from dancenow.pose.tracking.reidentification import (
    SAME_APPEARANCE,
    SAME_APPEARANCE_LATER,
    Detection,
    PersonSelection,
    appearance_of,
    find_people,
    is_person,
    parts_of_others,
    search_windows,
    similarity,
)
from dancenow.skeleton import INDEX
from dancenow.types import FloatArray, Frame, Pose

_STILL_SAME_APPEARANCE: Final = 0.75
"""Similarity below which the tracker has moved to another person; a change of light or a turn leaves more than this."""
_LIKELY_SAME_APPEARANCE: Final = 0.85
"""Similarity that is enough for a person found where they were lost a moment ago."""
_JUST_LOST_S, _NEAR = 0.6, 0.75
"""Whoever turns over, and is alone where they were a moment ago, need look no more alike than one who is followed. Distance in
sides of the region of the body."""
_SURE_AFTER: Final = 3
"""Frames in a row in which somebody looked more like another person, seen elsewhere, after which that look is learned."""
_TURNED_COS: Final = 0.8
"""Cosine of a body's tilt below which it is looked for in pictures turned like it, too: the detector finds upright people."""
_LOST_AFTER_S: Final = 2.0
"""How long the position of the loss is good evidence."""
_MAY_HAVE_LEFT_S: Final = 4.0
"""A person not detected for longer may have left, and the next one to come may be another person."""
_SEARCH_EVERY_S: Final = 0.2
"""A search of the whole image costs many detections, and nobody walks in so fast that it matters."""
_GALLERY_SIZE: Final = 12
_FOUND_MARGIN: Final = 0.1
"""Similarity by which somebody who is found must be nearer to the person than to others, in parts where these differ."""
_MUST_DIFFER: Final = 0.15
"""Similarity by which a new appearance must be nearer to the person than to others: two who cross are not learned as one."""


def _both(*names: str) -> list[int]:
    return [INDEX[f"{side}_{name}"] for name in names for side in ("right", "left")]


_TORSO: Final = 1
_KEYPOINTS_OF_PART: Final[tuple[list[int], ...]] = (
    [INDEX["nose"], *_both("eye", "ear")],
    [],
    _both("knee"),
    _both("ankle", "heel", "toe"),
    _both("wrist", "thumb", "index", "pinky"),
)
"""Keypoints at the end of each part of an appearance: head, torso (without which nobody is there), thighs, shins, forearms."""


class PersonTracker:
    """Follows the selected person: for each frame their landmarks, or None where they are not found."""

    def __init__(self, detector: PoseDetector, selection: PersonSelection, *, meets_strangers: bool = False) -> None:
        """meets_strangers: the video was not looked through before, so anybody may come whom `selection` does not have."""
        self._detector = detector
        self._gallery = [s.appearance for s in selection.person]
        self._known_s = [s.time_s for s in selection.person]
        self._others = [s.appearance for s in selection.others]
        self._elsewhere = OthersElsewhere(detector, selection.others)
        self._meets_strangers = meets_strangers
        self._doubted_frames = 0
        self._free_in_gallery = _GALLERY_SIZE
        self._size_px = max(s.landmarks.next_roi.size_px for s in selection.person)
        self._last: RotatedRect | None = None
        self._last_s = -math.inf
        self._searched_s = -math.inf
        self._tracking = False

    def start_shot(self) -> None:
        """Forget where the person was, as a new shot begins; they are known by their appearance alone."""
        self._last, self._tracking, self._searched_s, self._last_s = None, False, -math.inf, -math.inf
        self._doubted_frames = 0
        self._elsewhere.start_shot()

    def step(self, frame: Frame) -> Landmarks | None:
        """Find the person in this frame; frames must come in order."""
        time_s = float(frame.time_s)
        found = self._track(frame) if self._tracking and self._last else None
        if found is None:
            found = self._search(frame, time_s)
        self._tracking = found is not None
        if found is not None:
            self._last, self._last_s, self._size_px = found.next_roi, time_s, found.next_roi.size_px
        return found

    def track_backwards(self, frames: Iterable[Frame], found: Landmarks) -> Iterator[Landmarks]:
        """Follow the person from where they were `found` through earlier frames, latest first, until they are lost."""
        last = self._last
        self._last = found.next_roi
        for frame in frames:
            before = self._track(frame)
            if before is None:
                break
            self._last = before.next_roi
            yield before
        self._last = last

    def _track(self, frame: Frame) -> Landmarks | None:
        """Search the last frame's region; search again if the body is off its center, as happens at low frame rates."""
        assert self._last is not None
        landmarks = self._detector.landmarks(frame.image_rgb, self._last)
        if landmarks.score > 0.2 and _moved(landmarks) > 0.15:
            landmarks = self._detector.landmarks(frame.image_rgb, landmarks.next_roi)
        if not is_person(landmarks, frame.image_rgb) or not 0.6 < landmarks.next_roi.size_px / self._last.size_px < 1.7:
            return None
        appearance = appearance_of(frame.image_rgb, landmarks.pose)
        likeness = similarity(appearance, self._gallery)
        others: Sequence[FloatArray] = self._others
        self._doubted_frames += 1
        if not self._is_other(appearance, likeness, others):
            self._doubted_frames = 0
        else:
            others = self._elsewhere.without_them(frame, landmarks.pose, appearance, self._gallery)
            if self._is_other(appearance, likeness, others):
                return None
        foreign = parts_of_others(appearance, self._gallery, others)
        seen = ~foreign
        if similarity(appearance[seen], (known[seen] for known in self._gallery)) < _STILL_SAME_APPEARANCE:
            return None
        is_sure = not 0 < self._doubted_frames < _SURE_AFTER
        is_apart = is_sure and similarity(appearance, others) < likeness - _MUST_DIFFER
        if likeness < SAME_APPEARANCE and _moved(landmarks) < 0.05 and is_apart and self._free_in_gallery > 0:
            # The person from another side, or in other light: smooth motion shows that it is the same person.
            self._gallery.append(appearance)
            self._free_in_gallery -= 1
        return _without(landmarks, foreign)

    def _is_other(self, appearance: FloatArray, likeness: float, others: Sequence[FloatArray]) -> bool:
        """Whether it is more likely one of the other people in the video, who look like `others`."""
        foreign = parts_of_others(appearance, self._gallery, others)
        return bool(foreign[_TORSO]) or similarity(appearance, others) > max(likeness, SAME_APPEARANCE)

    def _search(self, frame: Frame, time_s: float) -> Landmarks | None:
        """Search a growing region around the last position first; then, at intervals, the whole image."""
        found = self._search_near(frame, time_s - self._last_s)
        if found is not None:
            return found
        if time_s - self._searched_s < _SEARCH_EVERY_S:
            return None
        self._searched_s = time_s
        is_about = min(abs(time_s - known_s) for known_s in [*self._known_s, self._last_s]) < _MAY_HAVE_LEFT_S
        people = find_people(self._detector, frame, search_windows(frame.image_rgb, 2 * self._size_px))
        return self._best(frame, people, SAME_APPEARANCE if is_about else SAME_APPEARANCE_LATER)

    def _search_near(self, frame: Frame, lost_s: float) -> Landmarks | None:
        """Search around the last position, `lost_s` after it; a body that was tilted there, in turned pictures, too."""
        if self._last is None or lost_s >= _LOST_AFTER_S:
            return None
        reach_px = self._last.size_px * (1.5 + 1.5 * lost_s)
        turns = _turns_of(self._last)
        near = [RotatedRect(self._last.x_px, self._last.y_px, reach_px, turn) for turn in turns]
        people = find_people(self._detector, frame, near)
        found = self._best(frame, people, _LIKELY_SAME_APPEARANCE)
        if found is None and len(turns) > 1 and lost_s < _JUST_LOST_S and not self._meets_strangers:
            there = [each for each in people if _apart(each.landmarks.next_roi, self._last) < _NEAR]
            found = self._best(frame, there, _STILL_SAME_APPEARANCE) if len(there) == 1 else None
        return found if found is not None and 0.5 < found.next_roi.size_px / self._size_px < 2.0 else None

    def _best(self, frame: Frame, people: list[Detection], min_likeness: float) -> Landmarks | None:
        """The one of these people most similar to the person, if similar enough and less similar to anybody else."""
        scored = ((similarity(each.appearance, self._gallery), each) for each in people)
        likely = sorted((pair for pair in scored if pair[0] > min_likeness), key=lambda pair: -pair[0])
        for likeness, person in likely:
            foreign = self._foreign_parts(person, likeness, self._others)
            if foreign is None:
                others = self._elsewhere.without_them(frame, person.landmarks.pose, person.appearance, self._gallery)
                foreign = self._foreign_parts(person, likeness, others)
            if foreign is not None:
                return _without(person.landmarks, foreign)
        return None

    def _foreign_parts(self, found: Detection, likeness: float, others: Sequence[FloatArray]) -> NDArray[np.bool_] | None:
        """Which parts of somebody found show one of `others`, as in `parts_of_others`; None if they are one of them."""
        if similarity(found.appearance, others) >= likeness:
            return None
        foreign = parts_of_others(found.appearance, self._gallery, others, _FOUND_MARGIN)
        return None if foreign[_TORSO] else foreign


def _without(landmarks: Landmarks, foreign: NDArray[np.bool_]) -> Landmarks:
    """The landmarks with confidence 0 for the parts of the appearance that show somebody else."""
    hidden = [index for part, indices in enumerate(_KEYPOINTS_OF_PART) if foreign[part] for index in indices]
    if not hidden:
        return landmarks
    confidence = landmarks.pose.confidence.copy()
    confidence[hidden] = 0
    return replace(landmarks, pose=Pose(landmarks.pose.xy, confidence, landmarks.pose.depth))


def _turns_of(region: RotatedRect) -> list[float]:
    """Angles of the pictures in which a body is looked for: upright; if it was tilted, first like it and in quarter turns."""
    if math.cos(region.angle_rad) >= _TURNED_COS:
        return [0.0]
    return [*(region.angle_rad + quarter * math.pi / 2 for quarter in (0, 1, -1, 2)), 0.0]


def _apart(one: RotatedRect, other: RotatedRect) -> float:
    """Distance of two regions, in sides of the second."""
    return math.hypot(one.x_px - other.x_px, one.y_px - other.y_px) / other.size_px


def _moved(landmarks: Landmarks) -> float:
    """Distance from the searched region's center to that of the body found, as a fraction of its size."""
    return _apart(landmarks.next_roi, landmarks.roi)
