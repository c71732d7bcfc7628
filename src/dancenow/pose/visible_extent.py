"""How much of a body a video shows: full, from the knees up, from the waist up, or head and shoulders; over time, not by frame.

A detector also gives keypoints that lie outside of the frame or behind a table. They are guesses: a foot that is never seen
is no ground contact, and a network that was trained on guessed legs paints stumps. Here they are recognized and removed.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.body_statistics import MIN_CONFIDENCE, MIN_FEET
from dancenow.skeleton import INDEX
from dancenow.types import FrameStatus, Pose, PoseTrack

BEYOND_FRAME: Final = 0.02
"""A keypoint this far outside of the frame, as a fraction of its longer side, is still measured: a toe on the edge."""


def _both(*names: str) -> tuple[int, ...]:
    return tuple(INDEX[f"{side}_{name}"] for name in names for side in ("right", "left"))


PARTS: Final[dict[str, tuple[int, ...]]] = {
    "head": (INDEX["nose"], *_both("eye", "ear")),
    "hips": _both("hip"),
    "knees": _both("knee"),
    "feet": _both("ankle", "heel", "toe"),
}
"""Keypoints of the parts that a frame cuts off or a table hides, from the top down."""
_DOWNWARDS: Final = ("hips", "knees", "feet")


class Extent(IntEnum):
    """What of a body is shown, from the head down."""

    HEAD_AND_SHOULDERS = 0
    WAIST_UP = 1
    KNEES_UP = 2
    FULL = 3

    @property
    def words(self) -> str:
        """As a user would say it: the person is seen ..."""
        return ("only as head and shoulders", "only from the waist up", "only from the knees up", "as a whole")[self]


@dataclass(frozen=True)
class VisibleExtent:
    """The extent of a body over a whole track. shown: for each of `PARTS`, the fraction of the measured frames that show it."""

    shown: dict[str, float]

    def shows(self, part: str) -> bool:
        """Whether a part is seen often enough to be measured and learned."""
        return self.shown[part] >= MIN_FEET

    @property
    def extent(self) -> Extent:
        """How far down the body is shown: to its lowest visible part, since a long skirt hides knees above feet."""
        below = [self.shows(part) for part in _DOWNWARDS]
        return Extent(max((number for number, shown in enumerate(below, start=1) if shown), default=0))

    @property
    def hidden(self) -> list[int]:
        """The keypoints of the parts that are cut off or covered throughout."""
        parts = [*(() if self.shows("head") else ("head",)), *_DOWNWARDS[self.extent :]]
        return sorted(index for part in parts for index in PARTS[part])


def visible_extent(track: PoseTrack) -> VisibleExtent:
    """What a track shows of the body, by the confidence of its keypoints: `drop_unseen` has removed guesses beyond the frame.

    A part is shown in a frame if any of its keypoints is, on either side: a leg may hide the other. Where nobody is measured,
    nothing is known to be hidden.
    """
    return _extent(track, np.ones(track.pose.confidence.shape, bool))


def drop_unseen(track: PoseTrack) -> PoseTrack:
    """The track, in px of the frames it was measured in, without guesses: confidence 0 for parts that it never shows, and for
    legs outside of the frame that the detector is not sure of. The track itself where nothing is guessed.
    """
    beyond, confidence = beyond_frame(track), track.pose.confidence.copy()
    confidence[:, _extent(track, ~beyond).hidden] = 0
    legs = np.zeros(confidence.shape[1], bool)
    legs[[*PARTS["knees"], *PARTS["feet"]]] = True
    confidence[beyond & (confidence < MIN_CONFIDENCE) & legs] = 0
    if (confidence == track.pose.confidence).all():
        return track
    return replace(track, pose=Pose(track.pose.xy, confidence, track.pose.depth))


def _extent(track: PoseTrack, possible: NDArray[np.bool_]) -> VisibleExtent:
    """possible: bool [T,K], keypoints that can be seen."""
    frames = track.status == FrameStatus.MEASURED
    if not frames.any():
        return VisibleExtent(dict.fromkeys(PARTS, 1.0))
    measured = (possible & (track.pose.confidence >= MIN_CONFIDENCE))[frames]
    return VisibleExtent({part: float(measured[:, list(PARTS[part])].any(axis=1).mean()) for part in PARTS})


def beyond_frame(track: PoseTrack) -> NDArray[np.bool_]:
    """bool [T,K]: keypoints that the frame cuts off: outside of it, not only on its edge."""
    if not track.is_bounded:
        return np.zeros(track.pose.confidence.shape, bool)
    margin = BEYOND_FRAME * max(track.width_px, track.height_px)
    size = np.array([track.width_px, track.height_px])
    return np.asarray(((track.pose.xy < -margin) | (track.pose.xy > size - 1 + margin)).any(axis=-1))
