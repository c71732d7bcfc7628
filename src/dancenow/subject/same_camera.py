"""Detect whether two videos were filmed by one camera that did not move: then positions in both frames correspond.

Poses cannot show this; the backgrounds can. Each background is estimated from a few frames without the person, and one is
aligned with the other by `camera_motion`.
"""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.source import VideoSource
from dancenow.metrics.regions import person_box
from dancenow.pose.retargeting.registry import BY_CAMERA, Retargeter, RetargetingKind, current_kind, fit_retargeter
from dancenow.pose.retargeting.shots import CameraViews
from dancenow.subject.camera.trajectory import CameraTrajectory
from dancenow.subject.camera_motion import BackgroundView, estimate_camera_motion, is_still
from dancenow.types import FrameStatus, ImageRGB, Plate, PoseTrack

_NUM_FRAMES: Final = 9
_SPAN_S: Final = 12.0
"""Time from the first detection over which frames are sampled: the whole video would have to be decoded otherwise."""
_SIDE_PX: Final = 640
_SAME_ASPECT: Final = 0.01
_MIN_COMMON: Final = 0.2
"""Fraction of the frame that two backgrounds must both show to be compared."""
_DIFFERENT_LEVELS, _MAX_DIFFERENT = 20, 0.1
"""Levels by which a pixel of another view differs, and the fraction that one view may have: .14 after a zoom in a room of few
edges, under .001 where the camera stands still."""
_SAME_CAMERA_FRACTION: Final = 0.02
"""Fraction of the longer side by which a corner may have moved: someone touched the tripod."""


def background_view(source: VideoSource, track: PoseTrack) -> BackgroundView:
    """Estimate the background of a video in gray: the median of a few frames, each without the box of the person in `track`.

    Raises:
        UserError: the video cannot be read.
    """
    return background_views(source, track, [slice(0, len(track))])[0]


def background_views(
    source: VideoSource, track: PoseTrack, shots: Sequence[slice], camera: CameraTrajectory | None = None
) -> list[BackgroundView]:
    """`background_view` of each of the shots, which are in order, in one pass; in the reference view of a camera that moves.

    track: in px of the source's frames. Raises as `background_view`.
    """
    wanted = [_sampled(track, shot) for shot in shots]
    grays: list[list[NDArray[np.float32]]] = [[] for _ in shots]
    of_frame = {index: number for number, frames in enumerate(wanted) for index in frames}
    for frame in source.frames_at(of_frame):
        box = person_box(track.pose[frame.index], track.width_px, track.height_px)
        gray = cv2.cvtColor(frame.image_rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
        if box is not None:
            box.crop(gray)[:] = np.nan
        if camera is not None and not camera.is_still:
            gray = _in_reference_view(gray, camera.to_reference[frame.index])
        small = cv2.resize(gray, _reduced_size(frame.image_rgb), interpolation=cv2.INTER_AREA)
        grays[of_frame[frame.index]].append(np.asarray(small, np.float32))
    empty = np.zeros((track.height_px, track.width_px), np.uint8)
    return [_median_view(each) if each else BackgroundView(empty, empty) for each in grays]


def _in_reference_view(gray: NDArray[np.float32], to_reference: NDArray[np.float64]) -> NDArray[np.float32]:
    """Background [H,W] of a frame as the camera's reference view shows it; NaN where the frame does not."""
    size = gray.shape[1], gray.shape[0]
    moved = cv2.warpPerspective(gray, to_reference, size, flags=cv2.INTER_LINEAR, borderValue=(np.nan,))
    return np.asarray(moved, np.float32)


def _sampled(track: PoseTrack, shot: slice) -> list[int]:
    """Numbers of a few frames of a shot that show the person."""
    measured = shot.start + np.flatnonzero(track.status[shot] == FrameStatus.MEASURED)
    if not len(measured):
        return []
    measured = measured[track.time_s[measured] <= track.time_s[measured[0]] + _SPAN_S]
    return [int(i) for i in measured[np.unique(np.linspace(0, len(measured) - 1, _NUM_FRAMES).round().astype(int))]]


def _median_view(grays: list[NDArray[np.float32]]) -> BackgroundView:
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
    if is_still(a, b) or is_still(b, a):  # one may show other people or things besides
        return True
    shifts_px = [estimate_camera_motion(one, other).shift_px for one, other in ((a, b), (b, a))]
    return None if np.isnan(shifts_px).any() else max(shifts_px) < _SAME_CAMERA_FRACTION * max(width_a, height_a)


def is_same_camera(source: VideoSource, source_track: PoseTrack, plate: Plate) -> bool | None:
    """`same_camera` of a source video and the background plate of a target.

    Raises:
        UserError: the video cannot be read.
    """
    return same_camera(background_view(source, source_track), background_view_of_plate(plate))


def fit_videos(
    kind: RetargetingKind,
    source: VideoSource,
    source_track: PoseTrack,
    track: PoseTrack,
    plate: Plate,
    camera: CameraTrajectory | None = None,
    shots: Sequence[BackgroundView] | None = None,
) -> Retargeter:
    """Fit a retargeter from the person in a source video to a target with that track and background plate.

    The videos are compared only for methods that depend on the camera; of a source with cuts, the shots are compared too.
    source_track: in px of the source's frames. camera: of the source; if it moves, the person is fitted in its reference view.
    shots: the background of each shot, if it is known already.

    Raises:
        UserError: the video cannot be read, or as `fit_retargeter`.
    """
    kind = current_kind(kind)
    dance = source_track if camera is None else camera.to_world(source_track)
    if kind == "none" or not (kind in BY_CAMERA or dance.cuts):
        return fit_retargeter(kind, dance, track)
    if shots is None:
        shots = background_views(source, source_track, dance.shots, camera)
    of_shot = group_views(shots)
    by_target = background_view_of_plate(plate)
    same = tuple(same_camera(shots[of_shot.index(view)], by_target) for view in range(max(of_shot) + 1))
    return fit_retargeter(kind, dance, track, same[0], CameraViews(of_shot, same))


def group_views(backgrounds: Sequence[BackgroundView]) -> tuple[int, ...]:
    """The number of the view that each of the backgrounds shows, from 0; each view is that of the first shot that shows it."""
    first: list[BackgroundView] = []
    numbers = []
    for background in backgrounds:
        same = (number for number, other in enumerate(first) if is_same_view(other, background))
        number = next(same, len(first))
        if number == len(first):
            first.append(background)
        numbers.append(number)
    return tuple(numbers)


def is_same_view(a: BackgroundView, b: BackgroundView) -> bool:
    """Whether two backgrounds of one video are the same picture: aligned, as far as there are edges, and hardly different."""
    if a.gray.shape != b.gray.shape or same_camera(a, b) is False:
        return False
    both = (a.background > 0) & (b.background > 0)
    if both.mean() < _MIN_COMMON:
        return False
    difference = (a.gray.astype(np.int16) - b.gray)[both]
    return float((np.abs(difference - np.median(difference)) > _DIFFERENT_LEVELS).mean()) < _MAX_DIFFERENT


def _reduced_size(image_rgb: ImageRGB) -> tuple[int, int]:
    height, width = image_rgb.shape[:2]
    scale = min(1.0, _SIDE_PX / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
