"""The camera of a source video, and its dance as a camera that stands still would have seen it."""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.errors import UserError
from dancenow.media.source import VideoSource
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.storage.cache import CacheEntry, cache_entry, cache_key, cached_result
from dancenow.subject.camera.estimation import CameraEstimator
from dancenow.subject.camera.following import follow_camera
from dancenow.subject.camera.person_area import person_area
from dancenow.subject.camera.trajectory import KINDS, CameraKind, CameraTrajectory, load_trajectory, save_trajectory
from dancenow.subject.camera_motion import STILL_FRACTION, BackgroundView, estimate_camera_motions, hide_pixels, reduced_view
from dancenow.subject.overlay_detection.finder import OverlayFinder
from dancenow.subject.target_appearance import Target
from dancenow.types import Frame, FrameStatus, PoseTrack

_SAMPLES: Final = 16
_SIDE_PX: Final = 640


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

    def load() -> CameraTrajectory | None:
        try:
            return load_trajectory(entry.path(".npz"))
        except UserError:
            return None

    def make() -> CameraTrajectory:
        found = _follow_if_it_moves(source, track, on_progress)
        save_trajectory(entry.path(".npz"), found)
        return found

    return cached_result(entry, load, make, sealed=(".npz",), on_progress=on_progress)


def source_camera_warnings(camera: CameraTrajectory) -> tuple[str, ...]:
    """What the user should know about the camera of a source video, one sentence each."""
    if camera.kind is CameraKind.TRAVELING:
        return (
            "The camera of the source travels through the scene, so how far the dancer moves is only estimated; film from one"
            " place.",
        )
    return ()


class _Sampler:
    """Takes some frames of a shot, reduced, without the person."""

    def __init__(self, track: PoseTrack, shot: slice) -> None:
        self.indices = np.unique(np.linspace(shot.start, shot.stop - 1, _SAMPLES).round().astype(int)).tolist()
        self.views: list[BackgroundView] = []
        self._track, self._scale = track, min(1.0, _SIDE_PX / max(track.width_px, track.height_px))

    def take(self, frame: Frame) -> None:
        view = reduced_view(frame.image_rgb, _SIDE_PX)
        self.views.append(hide_pixels(view, person_area(self._track.pose[frame.index], self._scale, view.gray.shape)))

    def moves(self, overlay: NDArray[np.bool_] | None) -> bool:
        """Whether the camera moves between the frames; bars and logos, bool [H,W], stand still whatever it does."""
        views = self.views if overlay is None else [hide_pixels(view, overlay) for view in self.views]
        shifts_px = np.array([motion.shift_px for motion in estimate_camera_motions(views)])
        return bool((shifts_px > STILL_FRACTION * _SIDE_PX).any())  # NaN where nothing is visible


def _follow_if_it_moves(source: VideoSource, track: PoseTrack, on_progress: ProgressCallback) -> CameraTrajectory:
    """Follow the camera in each shot in which some frames show that it moves; most cameras stand still.

    The reference view of a shot is one of its own frames.
    """
    shown = [shot for shot in track.shots if (track.status[shot] == FrameStatus.MEASURED).any()]
    samplers = [_Sampler(track, shot) for shot in shown]
    finder = OverlayFinder(source, None, len(track))
    source.feed(*samplers, finder)
    overlays = finder.find()
    overlay = None if overlays is None else overlays.mask
    moving = [shot for shot, sampler in zip(shown, samplers, strict=True) if sampler.moves(overlay)]
    still = CameraTrajectory.still(len(track), track.width_px, track.height_px)
    if not moving:
        return still
    if not track.cuts:
        return follow_camera(source, track, overlay, on_progress)
    followers = [_ShotFollower(track, shot, overlay, on_progress) for shot in moving]
    source.feed(*followers)
    to_reference, confidence = still.to_reference.copy(), still.confidence.copy()
    found = [follower.estimate() for follower in followers]
    for shot, camera in zip(moving, found, strict=True):
        to_reference[shot], confidence[shot] = camera.to_reference, camera.confidence
    kind = max((camera.kind for camera in found), key=KINDS.index)
    reference = moving[0].start + found[0].reference
    return CameraTrajectory(to_reference, confidence, reference, kind, track.width_px, track.height_px)


class _ShotFollower:
    """Follows the camera in one shot."""

    def __init__(self, track: PoseTrack, shot: slice, overlay: NDArray[np.bool_] | None, on_progress: ProgressCallback) -> None:
        self.indices = range(shot.start, shot.stop)
        self._estimator = CameraEstimator(track.part(shot.start, shot.stop), overlay, on_progress)

    def take(self, frame: Frame) -> None:
        self._estimator.take(replace(frame, index=frame.index - self.indices.start))

    def estimate(self) -> CameraTrajectory:
        return self._estimator.estimate()


def _cache_entry(source: VideoSource, track: PoseTrack) -> CacheEntry:
    person: NDArray[np.int64] = track.pose.xy[:, 0].round().astype(np.int64)
    parameters = {"person": int(np.abs(person).sum()), "frames": len(track)}
    key = cache_key("cameras", inputs=[source.sha256], parameters=parameters, modules=[__name__])
    return cache_entry("cameras", key)
