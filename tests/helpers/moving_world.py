"""A drawn person in a place that is filmed by a camera which turns and zooms, with everything known exactly."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dancenow import pipeline
from dancenow.media.sink import MaskWriter, VideoWriter
from dancenow.media.source import VideoInput, open_video
from dancenow.pose.tracking.reidentification import PeopleSurvey
from dancenow.provenance.consent import consent
from dancenow.skeleton import LIMBS
from dancenow.subject import prepare as prepare_module
from dancenow.subject.camera.trajectory import CameraKind, CameraTrajectory, move_track
from dancenow.subject.prepare import prepare
from dancenow.subject.subject import Subject
from dancenow.types import ImageRGB, Pose, PoseTrack
from helpers.drawn_world import FPS, dancer_track

WIDTH, HEIGHT = 320, 240
SCENE_WIDTH, SCENE_HEIGHT = 800, 480
BODY_PX = 150.0
Motion = Callable[[int], NDArray[np.float64]]
"""Frame number -> homography float64 [3,3], px of the scene -> px of the frame."""


def scene(seed: int = 0) -> ImageRGB:
    """A place larger than a frame: uint8 [480,800,3], with texture and lines."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(60, 200, (24, 40, 3)).astype(np.float32)
    image = cv2.resize(coarse, (SCENE_WIDTH, SCENE_HEIGHT), interpolation=cv2.INTER_CUBIC)
    for _ in range(60):
        (x, y), (w, h) = rng.integers(0, [780, 460]).tolist(), rng.integers(8, 60, 2).tolist()
        cv2.rectangle(image, (x, y), (x + w, y + h), rng.uniform(20, 235, 3).tolist(), -1)
    return np.asarray(np.clip(cv2.GaussianBlur(image, (0, 0), 0.8), 0, 255), np.uint8)


def look(pan_deg: float = 0.0, tilt_deg: float = 0.0, zoom: float = 1.0, roll_deg: float = 0.0) -> NDArray[np.float64]:
    """px of the scene -> px of a frame of a camera that turns and zooms in place."""
    focal_px = 400.0
    turn = cv2.Rodrigues(np.radians([tilt_deg, pan_deg, roll_deg]))[0]
    wide = np.array([[focal_px, 0, SCENE_WIDTH / 2], [0, focal_px, SCENE_HEIGHT / 2], [0, 0, 1.0]])
    narrow = np.array([[focal_px * zoom, 0, WIDTH / 2], [0, focal_px * zoom, HEIGHT / 2], [0, 0, 1.0]])
    return np.asarray(narrow @ turn @ np.linalg.inv(wide), np.float64)


_SHAKE_DEG = np.cumsum(np.random.default_rng(3).normal(0, 0.12, (200, 3)), axis=0)
MOTIONS: dict[str, Motion] = {
    "shake": lambda i: look(_SHAKE_DEG[i, 0], _SHAKE_DEG[i, 1], roll_deg=_SHAKE_DEG[i, 2]),
    "pan": lambda i: look(pan_deg=-14 + 0.7 * i),
    "tilt": lambda i: look(tilt_deg=5 * np.sin(i / 8)),
    "zoom": lambda i: look(zoom=1 + 0.012 * i),
}


def known_trajectory(num_frames: int, motion: Motion, reference: int) -> CameraTrajectory:
    """The camera of a motion, exactly."""
    to_reference = np.stack([motion(reference) @ np.linalg.inv(motion(i)) for i in range(num_frames)])
    return CameraTrajectory(to_reference, np.ones(num_frames), reference, CameraKind.TURNING, WIDTH, HEIGHT)


def dance_in_scene(num_frames: int) -> PoseTrack:
    """The dancer of `drawn_world`, in px of the scene."""
    track = dancer_track(num_frames, body_px=BODY_PX)
    low_px = track.pose.xy[..., 1].max()
    xy = track.pose.xy + np.array([SCENE_WIDTH / 2 - 64, 340 - low_px], np.float32)
    return PoseTrack(**{**vars(track), "pose": Pose(xy, track.pose.confidence), "width_px": WIDTH, "height_px": HEIGHT})


def filmed_track(num_frames: int, motion: Motion) -> PoseTrack:
    """The dance, in px of the frames."""
    return move_track(dance_in_scene(num_frames), np.stack([motion(i) for i in range(num_frames)]))


def film_scene(
    path: Path, num_frames: int, motion: Motion, masks: Path | None = None, place: Callable[[int], ImageRGB] | None = None
) -> Path:
    """Film the dance. place: the scene in each frame; by default `scene()`."""
    empty, track = scene(), dance_in_scene(num_frames)
    with VideoWriter(path, WIDTH, HEIGHT, fps=Fraction(FPS), crf=10) as writer:
        for index in range(num_frames):
            image = _draw(empty if place is None else place(index), track.pose[index])[0]
            writer.write(_seen(image, motion(index)), Fraction(index, FPS))
    if masks is not None:
        write_masks(masks, num_frames, motion)
    return path


def write_masks(path: Path, num_frames: int, motion: Motion) -> None:
    """The exact masks of `film_scene`."""
    empty, track = scene(), dance_in_scene(num_frames)
    with MaskWriter(path, WIDTH, HEIGHT) as writer:
        for index in range(num_frames):
            writer.write(_seen(_draw(empty, track.pose[index])[1], motion(index)))


def make_moving_subject(folder: Path, monkeypatch: pytest.MonkeyPatch, motion: Motion, num_frames: int = 40) -> Subject:
    """A subject folder of the dance, prepared from its video; only the detector is replaced."""

    def detect(video: VideoInput, *, masks: Path | None = None, **_: object) -> PoseTrack:
        if masks is not None:
            write_masks(masks, num_frames, motion)
        return PoseTrack(**{**vars(filmed_track(num_frames, motion)), "source_sha256": open_video(video).sha256})

    for module in (prepare_module, pipeline):
        monkeypatch.setattr(module, "detect_poses", detect)
    monkeypatch.setattr(PeopleSurvey, "counts", [1] * 12)
    monkeypatch.setattr(prepare_module, "require_enough_footage", lambda *_: None)
    return prepare(film_scene(folder / "target.mp4", num_frames, motion), folder / "subject", consent=consent("rendered"))


def _draw(image: ImageRGB, pose: Pose) -> tuple[ImageRGB, NDArray[np.uint8]]:
    image, mask = image.copy(), np.zeros(image.shape[:2], np.uint8)
    for index, (start, end) in enumerate(LIMBS):
        ends = [tuple(round(float(v)) for v in pose.xy[i]) for i in (start, end)]
        color = (40 + 7 * index, 200 - 6 * index, 60 + (53 * index) % 150)
        cv2.line(image, ends[0], ends[1], color, 9, cv2.LINE_AA)
        cv2.line(mask, ends[0], ends[1], 255, 11)
    return image, mask


def _seen(image: NDArray[np.uint8], matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.asarray(cv2.warpPerspective(image, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR), np.uint8)
