"""Confidence of keypoints that are rendered: of interpolated ones restored, of limbs that something hid raised."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.filtering.local_regression import blocks
from dancenow.skeleton import INDEX
from dancenow.types import FloatArray, FrameStatus, Pose, PoseTrack

FILLED_CONFIDENCE: Final = 0.5
"""Confidence of an interpolated keypoint, relative to its neighbors in time."""
_KNOWN_FROM: Final = 0.3
"""Confidence from which a place is known well enough to show the limb there; below it shrinks in proportion."""
_TRUNK_AND_HEAD: Final = ("nose", "neck", "shoulder", "hip", "eye", "ear")
_LIMB_POINTS: Final = [index for name, index in INDEX.items() if not name.endswith(_TRUNK_AND_HEAD)]


def restore_filled_confidence(track: PoseTrack) -> PoseTrack:
    """The track with FILLED frames as confident as their neighbors.

    A generator is trained on MEASURED frames alone, and never sees a whole pose at half its confidence.
    """
    return _changed(track, _restore)


def show_hidden_limbs(track: PoseTrack) -> PoseTrack:
    """The track with arms and legs as confident as if nothing hid them.

    A detector is unsure of a foot behind a ball or behind the other leg. A generator has learned that it is then not to be
    seen, and shows a stump; but what is before the dancer in the source is not before the target, and which limb is in front
    of which the depth tells.
    """
    return _changed(track, _show_limbs)


def confidence_for_rendering(track: PoseTrack) -> PoseTrack:
    """Both, for a few frames at a time."""
    return _changed(track, _restore, _show_limbs)


def _changed(track: PoseTrack, *changes: Callable[[FloatArray, NDArray[np.bool_]], None]) -> PoseTrack:
    """The track with changed confidence. changes: of confidence [n,K], in place, given which frames [n] are FILLED."""
    confidence = track.pose.confidence.copy()
    for frames in blocks(len(confidence)):
        for change in changes:
            change(confidence[frames], track.status[frames] == FrameStatus.FILLED)
    return replace(track, pose=Pose(track.pose.xy, confidence, track.pose.depth))


def _restore(confidence: FloatArray, filled: NDArray[np.bool_]) -> None:
    np.minimum(confidence, np.float32(1), out=confidence)
    confidence[filled] = np.minimum(confidence[filled] / np.float32(FILLED_CONFIDENCE), np.float32(1))


def _show_limbs(confidence: FloatArray, _filled: NDArray[np.bool_]) -> None:
    confidence[:, _LIMB_POINTS] = np.minimum(confidence[:, _LIMB_POINTS] / _KNOWN_FROM, 1.0)
