"""The camera of a source video, and its dance as a camera that stands still would have seen it."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.errors import UserError
from dancenow.media.source import VideoSource
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.storage.cache import CacheEntry, cache_entry, cache_key
from dancenow.subject.camera.following import follow_camera
from dancenow.subject.camera.person_area import person_area
from dancenow.subject.camera.trajectory import CameraKind, CameraTrajectory, load_trajectory, save_trajectory
from dancenow.subject.camera_motion import BackgroundView, estimate_camera_motions
from dancenow.subject.target_appearance import Target
from dancenow.types import Frame, PoseTrack

_SAMPLES: Final = 16
_SIDE_PX: Final = 640
_STILL_FRACTION: Final = 0.0025
"""Of the longer side: a camera that moves less stands still."""


def source_camera(
    source: VideoSource, track: PoseTrack, target: Target, on_progress: ProgressCallback = ignore_progress
) -> CameraTrajectory:
    """The camera of a source video, cached by its content; of the target's own footage, that of the target.

    track: of the person in the video.

    Raises:
        UserError: the video cannot be read.
    """
    if source.sha256 == target.track.source_sha256:
        if target.camera is None:
            return CameraTrajectory.still(len(track), track.width_px, track.height_px)
        return target.camera.trajectory
    entry = _cache_entry(source, track)
    with entry.in_use():
        try:
            return load_trajectory(entry.path(".npz"))
        except UserError:
            found = _follow_if_it_moves(source, track, on_progress)
            save_trajectory(entry.path(".npz"), found)
            return found


def source_camera_warnings(camera: CameraTrajectory) -> tuple[str, ...]:
    """What the user should know about the camera of a source video, one sentence each."""
    if camera.kind is CameraKind.TRAVELING:
        return (
            "The camera of the source travels through the scene, so how far the dancer moves is only estimated; film from one"
            " place.",
        )
    return ()


class _Sampler:
    """Takes some frames of a video, reduced, without the person."""

    def __init__(self, track: PoseTrack) -> None:
        self.indices = np.unique(np.linspace(0, len(track) - 1, _SAMPLES).round().astype(int)).tolist()
        self.views: list[BackgroundView] = []
        self._track, self._scale = track, min(1.0, _SIDE_PX / max(track.width_px, track.height_px))

    def take(self, frame: Frame) -> None:
        height, width = frame.image_rgb.shape[:2]
        size = max(1, round(width * self._scale)), max(1, round(height * self._scale))
        small = cv2.resize(frame.image_rgb, size, interpolation=cv2.INTER_AREA)
        gray = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        person = person_area(self._track.pose[frame.index], self._scale, gray.shape)
        self.views.append(BackgroundView(gray, np.where(person, 0, 255).astype(np.uint8)))


def _follow_if_it_moves(source: VideoSource, track: PoseTrack, on_progress: ProgressCallback) -> CameraTrajectory:
    """Most cameras stand still, which some frames show."""
    sampler = _Sampler(track)
    source.feed(sampler)
    shifts_px = np.array([motion.shift_px for motion in estimate_camera_motions(sampler.views)])
    if not (shifts_px > _STILL_FRACTION * _SIDE_PX).any():  # NaN where nothing is visible
        return CameraTrajectory.still(len(track), track.width_px, track.height_px)
    return follow_camera(source, track, None, on_progress)


def _cache_entry(source: VideoSource, track: PoseTrack) -> CacheEntry:
    person: NDArray[np.int64] = track.pose.xy[:, 0].round().astype(np.int64)
    parameters = {"person": int(np.abs(person).sum()), "frames": len(track)}
    key = cache_key("cameras", inputs=[source.sha256], parameters=parameters, modules=[__name__])
    return cache_entry("cameras", key)
