"""Detect whether two videos were filmed by one camera that did not move: then positions in both frames correspond.

Poses cannot show this; the backgrounds can. Each background is estimated from a few frames without the person, and one is
aligned with the other by `camera_motion`.
"""

from typing import Final

import cv2
import numpy as np

from dancenow.media.source import VideoSource
from dancenow.metrics.regions import person_box
from dancenow.pose.retargeting.registry import BY_CAMERA, Retargeter, RetargetingKind, current_kind, fit_retargeter
from dancenow.subject.camera_motion import BackgroundView, estimate_camera_motion
from dancenow.types import FrameStatus, ImageRGB, Plate, PoseTrack

_NUM_FRAMES: Final = 9
_SPAN_S: Final = 12.0
"""Time from the first detection over which frames are sampled: the whole video would have to be decoded otherwise."""
_SIDE_PX: Final = 640
_SAME_ASPECT: Final = 0.01
_SAME_CAMERA_FRACTION: Final = 0.02
"""Fraction of the longer side by which a corner may have moved: someone touched the tripod."""


def background_view(source: VideoSource, track: PoseTrack) -> BackgroundView:
    """Estimate the background of a video in gray: the median of a few frames, each without the box of the person in `track`.

    Raises:
        UserError: the video cannot be read.
    """
    measured = np.flatnonzero(track.status == FrameStatus.MEASURED)
    if not len(measured):
        empty = np.zeros((track.height_px, track.width_px), np.uint8)
        return BackgroundView(empty, empty)
    measured = measured[track.time_s[measured] <= track.time_s[measured[0]] + _SPAN_S]
    wanted = measured[np.unique(np.linspace(0, len(measured) - 1, _NUM_FRAMES).round().astype(int))]
    grays = []
    for frame in source.frames_at(wanted.tolist()):
        box = person_box(track.pose[frame.index], track.width_px, track.height_px)
        gray = cv2.cvtColor(frame.image_rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
        if box is not None:
            box.crop(gray)[:] = np.nan
        grays.append(cv2.resize(gray, _reduced_size(frame.image_rgb), interpolation=cv2.INTER_AREA))
    stack = np.sort(np.stack(grays), axis=0)  # NaN last
    known = np.isfinite(stack).sum(axis=0)
    median = np.take_along_axis(stack, np.maximum(known - 1, 0)[None] // 2, axis=0)[0]
    return BackgroundView(np.nan_to_num(median).round().astype(np.uint8), (known > 0).astype(np.uint8) * 255)


def background_view_of_plate(plate: Plate) -> BackgroundView:
    """The view of an existing background plate."""
    size = _reduced_size(plate.image_rgb)
    gray = cv2.resize(cv2.cvtColor(plate.image_rgb, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
    known = cv2.resize(plate.known.astype(np.uint8) * 255, size, interpolation=cv2.INTER_NEAREST)
    return BackgroundView(np.asarray(gray, np.uint8), np.asarray(known, np.uint8))


def same_camera(a: BackgroundView, b: BackgroundView) -> bool | None:
    """Whether both show one place from one position; None where too little is visible to tell, as in front of a plain wall."""
    (height_a, width_a), (height_b, width_b) = a.gray.shape, b.gray.shape
    if abs(np.log(width_a / height_a) - np.log(width_b / height_b)) > _SAME_ASPECT:
        return False
    if a.gray.shape != b.gray.shape:
        gray, background = (
            cv2.resize(each, (width_a, height_a), interpolation=cv2.INTER_NEAREST) for each in (b.gray, b.background)
        )
        b = BackgroundView(np.asarray(gray, np.uint8), np.asarray(background, np.uint8))
    shifts_px = [estimate_camera_motion(one, other).shift_px for one, other in ((a, b), (b, a))]
    return None if np.isnan(shifts_px).any() else max(shifts_px) < _SAME_CAMERA_FRACTION * max(width_a, height_a)


def is_same_camera(source: VideoSource, source_track: PoseTrack, plate: Plate) -> bool | None:
    """`same_camera` of a source video and the background plate of a target.

    Raises:
        UserError: the video cannot be read.
    """
    return same_camera(background_view(source, source_track), background_view_of_plate(plate))


def fit_videos(
    kind: RetargetingKind, source: VideoSource, source_track: PoseTrack, track: PoseTrack, plate: Plate
) -> Retargeter:
    """Fit a retargeter from the person in a source video to a target with that track and background plate.

    The videos are compared only for methods that depend on the camera.

    Raises:
        UserError: the video cannot be read, or as `fit_retargeter`.
    """
    kind = current_kind(kind)
    return fit_retargeter(kind, source_track, track, is_same_camera(source, source_track, plate) if kind in BY_CAMERA else None)


def _reduced_size(image_rgb: ImageRGB) -> tuple[int, int]:
    height, width = image_rgb.shape[:2]
    scale = min(1.0, _SIDE_PX / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
