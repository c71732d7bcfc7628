"""How strongly the face of each frame is refined: fully in the views that the footage shows, in others not at all.

A face network knows the views that it was trained on. In others it paints the front of a face beside a nose in profile, or on
the back of a head, where the body generator's own head is better. Between the two the weight changes slowly over time, because
a face that appears or disappears from one frame to the next catches the eye.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.face.face_track import YAW, FaceTrack, Reason
from dancenow.types import FloatArray

FULL_UNSEEN_RAD, MAX_UNSEEN_RAD = np.radians(15), np.radians(30)
"""Up to the first angle between a view and those in the footage a refined face is fully shown, from the second on not at all:
unseen views get cheeks and hair next to the head.
"""
_ANGLE_SCALES: Final = np.array([1.0, 1.5, 0.7], np.float32)
"""How much yaw, pitch and roll change a view: a nod foreshortens the whole face, a tilt only rotates it."""
FADE_S: Final = 0.07
"""Within this time before a face becomes invisible its refinement is gone, and it takes as long again to fade."""
_SEEN_FRACTION: Final = 0.03
_MAX_SEEN_FRAMES: Final = 5
"""A view counts as seen where this fraction of the stored faces, and at most this number, is near: one frame may be a
mistake.
"""
_ON_AGAIN: Final = 0.5
"""A face that was not refined is refined again from this weight on."""
_MIN_FOUND_FRACTION: Final = 0.5
"""Fraction of the visible faces that must be found in the source; in a dark or coarse video a missing face means nothing."""


def coverage_weights(faces: FaceTrack, target: FaceTrack) -> FloatArray:
    """Weight in [0,1] of a refined face in each frame [T], by how near the footage's views of the head come to this one.

    faces: any heads, of which only the rotation is used. target: the faces of the footage.
    """
    seen = target.expression[target.valid, YAW:] * _ANGLE_SCALES
    if not len(seen):  # nothing is known about the views in the footage
        return np.ones(len(faces), np.float32)
    count = int(np.clip(_SEEN_FRACTION * len(seen), 1, _MAX_SEEN_FRAMES))
    off = np.linalg.norm((faces.expression[:, YAW:] * _ANGLE_SCALES)[:, None] - seen[None], axis=2)
    nearest = np.partition(off, count - 1, axis=1)[:, count - 1]
    return np.asarray(np.clip((MAX_UNSEEN_RAD - nearest) / (MAX_UNSEEN_RAD - FULL_UNSEEN_RAD), 0, 1), np.float32)


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
    low = _windows(_with_hysteresis(weight), reach).min(axis=1)
    kernel = np.hanning(2 * reach + 3)[1:-1].astype(np.float32)
    return np.asarray(_windows(low, reach) @ (kernel / kernel.sum()), np.float32)


def _with_hysteresis(weight: FloatArray) -> FloatArray:
    """Once a weight has fallen to 0, it stays there until it exceeds `_ON_AGAIN`."""
    out, on = weight.copy(), bool(weight[0] > 0)
    for t, value in enumerate(weight):
        on = value > (0 if on else _ON_AGAIN)
        out[t] = value if on else 0
    return out


def _windows(values: FloatArray, reach: int) -> FloatArray:
    """The values [T,2*reach+1] around each frame; the first and last ones repeat beyond the ends."""
    return np.lib.stride_tricks.sliding_window_view(np.pad(values, reach, mode="edge"), 2 * reach + 1)
