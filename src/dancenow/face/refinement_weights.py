"""How strongly the face of each frame is refined: fully in the views that the footage shows, in others not at all.

A face network knows the views that it was trained on. In others it paints the front of a face beside a nose in profile, or on
the back of a head, where the body generator's own head is better. Between the two the weight changes slowly over time, because
a face that appears or disappears from one frame to the next catches the eye.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.face.face_track import FaceTrack, Reason
from dancenow.face.views import PITCH, distances, views_of
from dancenow.types import FloatArray

FULL_UNSEEN_RAD, MAX_UNSEEN_RAD = np.radians(15), np.radians(30)
"""Up to the first angle between a view and those in the footage a refined face is fully shown, from the second on not at all:
unseen views get cheeks and hair next to the head.
"""
FADE_S: Final = 0.07
"""Within this time before a face becomes invisible its refinement is gone, and it takes as long again to fade."""
_SEEN_FRAMES: Final = 2
"""A view counts as seen where at least so many of the stored faces are near: one frame may be a mistake."""
_MIN_SHOWN_S: Final = 0.25
"""A face that would be refined for a shorter time is not: it would only flash."""
_BLOCK: Final = 4096
"""Frames that are compared with those of the footage at once."""
_SURE: Final = 0.5
_MIN_SURE_FRAMES: Final = 5
"""With fewer frames of this landmark confidence a track's pitch is not corrected, see `face_tracking.with_landmarks`."""
_ON_AGAIN: Final = 0.5
"""A face that was not refined is refined again from this weight on."""
_MIN_FOUND_FRACTION: Final = 0.5
"""Fraction of the visible faces that must be found in the source; in a dark or coarse video a missing face means nothing."""


def coverage_weights(faces: FaceTrack, target: FaceTrack) -> FloatArray:
    """Weight in [0,1] of a refined face in each frame [T], by how near the footage's views of the head come to this one.

    faces: any heads, of which only the rotation is used. target: the faces of the footage.
    """
    views, seen = views_of(faces), views_of(target)[target.valid]
    if not len(seen):  # nothing is known about the views in the footage
        return np.ones(len(faces), np.float32)
    if not (_has_true_pitch(faces) and _has_true_pitch(target)):
        views[:, PITCH], seen[:, PITCH] = 0, 0
    rank, nearest = min(_SEEN_FRAMES, len(seen)) - 1, np.empty(len(views), np.float32)
    for stop in range(_BLOCK, len(views) + _BLOCK, _BLOCK):
        rows = slice(max(min(stop, len(views)) - _BLOCK, 0), stop)  # products of fewer rows are rounded differently
        nearest[rows] = np.partition(distances(views[rows], seen), rank, axis=1)[:, rank]
    return np.asarray(np.clip((MAX_UNSEEN_RAD - nearest) / (MAX_UNSEEN_RAD - FULL_UNSEEN_RAD), 0, 1), np.float32)


def _has_true_pitch(faces: FaceTrack) -> bool:
    """Whether landmarks tell the pitch: that of a pose alone is off by 20 degrees, equally in all frames."""
    return int((faces.landmark_confidence > _SURE).sum()) >= _MIN_SURE_FRAMES


def source_weights(faces: FaceTrack, source: FaceTrack) -> FloatArray:
    """Weight in [0,1] of the face in each frame [T] by what the source shows: 0 where it turns away or no face is found there.

    faces: of the retargeted poses, to which the pose alone may give a face where the source shows the back of a head.
    """
    found = ~np.isin(source.reason, (Reason.TURNED, Reason.HIDDEN))
    if faces.valid.any() and found[faces.valid].mean() < _MIN_FOUND_FRACTION:
        return np.ones(len(faces), np.float32)
    return found.astype(np.float32)


def fade_over_time(weight: FloatArray, time_s: NDArray[np.float64]) -> FloatArray:
    """Weights [T] that never exceed `weight` and change over some frames, without switching on and off at a threshold."""
    if not len(weight):
        return weight
    step_s = float(np.median(np.diff(time_s))) if len(time_s) > 1 else FADE_S
    reach = max(1, round(FADE_S / max(step_s, 1e-6)))
    # The smallest weight nearby, then a mean over the same neighborhood, which therefore nowhere exceeds the weight itself.
    steady = _without_flashes(_with_hysteresis(weight), max(2 * reach + 1, round(_MIN_SHOWN_S / max(step_s, 1e-6))))
    low = _windows(steady, reach).min(axis=1)
    kernel = np.hanning(2 * reach + 3)[1:-1].astype(np.float32)
    return np.asarray(_windows(low, reach) @ (kernel / kernel.sum()), np.float32)


def _with_hysteresis(weight: FloatArray) -> FloatArray:
    """Once a weight has fallen to 0, it stays there until it exceeds `_ON_AGAIN`."""
    out, on = weight.copy(), bool(weight[0] > 0)
    for t, value in enumerate(weight):
        on = value > (0 if on else _ON_AGAIN)
        out[t] = value if on else 0
    return out


def _without_flashes(weight: FloatArray, min_frames: int) -> FloatArray:
    """Set stretches of fewer than `min_frames` frames to 0, unless they reach an end: there they may go on."""
    edges = np.diff(np.concatenate([[0], (weight > 0).astype(np.int8), [0]]))
    out = weight.copy()
    for start, stop in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
        if stop - start < min_frames and start > 0 and stop < len(weight):
            out[start:stop] = 0
    return out


def _windows(values: FloatArray, reach: int) -> FloatArray:
    """The values [T,2*reach+1] around each frame; the first and last ones repeat beyond the ends."""
    return np.lib.stride_tricks.sliding_window_view(np.pad(values, reach, mode="edge"), 2 * reach + 1)
