"""Who is in front of whom: the order of several dancers by the ground under their feet, which does not flicker.

The lower someone stands in the frame, the nearer they are to the camera. A foot in the air says nothing about the ground, so
the lowest foot of a moment counts; and two who stand equally far keep their order until it has clearly changed.
"""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.pose.filtering.local_regression import blocks
from dancenow.rendering.layer import feet_y_px
from dancenow.types import PoseTrack

_JUMP_S: Final = 0.5
"""Time in which one foot at least stands on the ground."""
_SIGMA_S: Final = 0.15
_CLEARLY: Final = 0.015
"""How much lower another one must stand for the order to change, as a fraction of the larger one's height."""

_Array = NDArray[np.float64]


def depth_lines(tracks: Sequence[PoseTrack]) -> _Array:
    """How low in the frame each dancer counts as standing: float64 [N,T] px, the lower the nearer.

    tracks: of the dancers, of equally many frames, in px of the rendered frames. The order of a frame is that of the frame
    before unless it has clearly changed. While somebody is not seen, they count as standing where they were seen last or next.
    """
    ground = np.stack([_ground_line(track) for track in tracks])
    if len(tracks) == 1:
        return ground
    clearly_px = _CLEARLY * max(usual_height_px(track) for track in tracks)
    first = ground[:, 0].argsort(kind="stable")
    for frame in reversed(range(ground.shape[1])):  # who is clearly in front later is so at the beginning, too
        first = _reordered(first, ground[:, frame], clearly_px)
    lines, order = np.empty_like(ground), first
    for frame in range(ground.shape[1]):
        order = _reordered(order, ground[:, frame], clearly_px)
        lines[order, frame] = np.sort(ground[:, frame])
    return lines


def _reordered(order: NDArray[np.intp], ground_px: _Array, clearly_px: float) -> NDArray[np.intp]:
    """An order from far to near, changed only where somebody clearly stands lower than the one in front of them."""
    changed = order.tolist()
    for _ in changed:
        for place in range(len(changed) - 1):
            behind, front = changed[place], changed[place + 1]
            if ground_px[behind] > ground_px[front] + clearly_px:
                changed[place], changed[place + 1] = front, behind
    return np.array(changed, np.intp)


def _ground_line(track: PoseTrack) -> _Array:
    """Where the ground under a dancer is: float64 [T] px."""
    feet = feet_y_px(track.pose)
    line = np.zeros(len(track))
    for shot in track.shots:
        seen = np.flatnonzero(np.isfinite(feet[shot]))
        if len(seen):
            filled = np.interp(np.arange(shot.stop - shot.start), seen, feet[shot][seen])
            lowest = cv2.dilate(filled[:, None], np.ones((round(_JUMP_S * track.fps) | 1, 1), np.uint8))
            smooth = cv2.GaussianBlur(lowest, (1, 0), _SIGMA_S * track.fps, borderType=cv2.BORDER_REPLICATE)
            line[shot] = smooth[:, 0]
    return line


def usual_height_px(track: PoseTrack) -> float:
    """The usual height of a dancer in the frame."""
    tall = []
    for block in blocks(len(track)):
        present, y = track.pose.confidence[block] > 0, track.pose.xy[block, :, 1]
        seen = present.any(axis=1)
        tall.append(np.where(present, y, -np.inf).max(axis=1)[seen] - np.where(present, y, np.inf).min(axis=1)[seen])
    heights_px = np.concatenate(tall)
    return float(np.median(heights_px)) if len(heights_px) else 0.0
