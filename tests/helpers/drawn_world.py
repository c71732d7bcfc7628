"""A small drawn world: a drawn person with exact poses and masks, so that tests need no detector."""

import resource
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dancenow.media.sink import MaskWriter, VideoWriter
from dancenow.media.source import VideoInput, VideoSource, open_video
from dancenow.pose.tracking.reidentification import PeopleSurvey
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.provenance.consent import consent
from dancenow.skeleton import INDEX, LIMBS, NUM_KEYPOINTS
from dancenow.subject import prepare as prepare_module
from dancenow.subject.prepare import prepare
from dancenow.subject.subject import Subject
from dancenow.types import ImageRGB, Pose, PoseTrack

SIZE_PX = 128
FPS = 24
STANDING = {
    "nose": (0, -0.88), "neck": (0, -0.72), "right_shoulder": (-0.13, -0.7), "left_shoulder": (0.13, -0.7),
    "right_elbow": (-0.2, -0.55), "left_elbow": (0.2, -0.55), "right_wrist": (-0.22, -0.4), "left_wrist": (0.22, -0.4),
    "right_hip": (-0.08, -0.42), "left_hip": (0.08, -0.42), "right_knee": (-0.09, -0.22), "left_knee": (0.09, -0.22),
    "right_ankle": (-0.1, -0.04), "left_ankle": (0.1, -0.04), "right_eye": (-0.03, -0.91), "left_eye": (0.03, -0.91),
    "right_ear": (-0.06, -0.9), "left_ear": (0.06, -0.9), "right_heel": (-0.1, 0), "left_heel": (0.1, 0),
    "right_toe": (-0.14, 0), "left_toe": (0.14, 0), "right_thumb": (-0.2, -0.37), "left_thumb": (0.2, -0.37),
    "right_index": (-0.22, -0.35), "left_index": (0.22, -0.35), "right_pinky": (-0.24, -0.37), "left_pinky": (0.24, -0.37),
}  # fmt: skip
"""x to the right of the center and y below the ground, in body heights."""


def dancer_track(num_frames: int = 60, phase: float = 0.0, body_px: float = 84.0, size_px: int = SIZE_PX) -> PoseTrack:
    """A track: the arms swing, the hips sway, the person walks from side to side."""
    time_s = np.arange(num_frames) / FPS
    xy = np.zeros((num_frames, NUM_KEYPOINTS, 2))
    for name, at in STANDING.items():
        xy[:, INDEX[name]] = at
    swing = np.sin(2 * np.pi * time_s / 1.5 + phase)
    for side, sign in (("right", -1.0), ("left", 1.0)):
        for part, reach in (("elbow", 0.12), ("wrist", 0.3), ("thumb", 0.32), ("index", 0.34), ("pinky", 0.34)):
            xy[:, INDEX[f"{side}_{part}"], 1] -= reach * np.clip(sign * swing, 0, None)
        xy[:, INDEX[f"{side}_knee"], 0] += 0.04 * sign * np.abs(swing)
    xy *= body_px
    xy[..., 0] += size_px / 2 + (0.18 * size_px * np.sin(2 * np.pi * time_s / 2.5 + phase))[:, None]
    xy[..., 1] += 0.9 * size_px
    pose = Pose(xy.astype(np.float32), np.ones(xy.shape[:2], np.float32))
    return PoseTrack(pose, time_s, np.zeros(num_frames, np.uint8), size_px, size_px, "drawn/1", "0" * 64)


def room(size_px: int = SIZE_PX) -> ImageRGB:
    """A wall with a window and a floor."""
    image = np.full((size_px, size_px, 3), (150, 160, 175), np.uint8)
    image[int(0.8 * size_px) :] = (120, 90, 60)
    cv2.rectangle(image, (size_px // 10, size_px // 10), (size_px // 3, size_px // 3), (210, 225, 240), -1)
    return image


def person(pose: Pose, size_px: int = SIZE_PX) -> tuple[ImageRGB, NDArray[np.uint8]]:
    """The drawn person in front of the room, and the mask."""
    image, mask = room(size_px), np.zeros((size_px, size_px), np.uint8)
    width = max(2, size_px // 18)
    for index, (start, end) in enumerate(LIMBS):
        ends = [tuple(round(float(v)) for v in pose.xy[i]) for i in (start, end)]
        color = (40 + 7 * index, 200 - 6 * index, 60 + (53 * index) % 150)
        cv2.line(image, ends[0], ends[1], color, width, cv2.LINE_AA)
        cv2.line(mask, ends[0], ends[1], 255, width)
    return image, mask


def film_two(path: Path, first: PoseTrack, nearer: PoseTrack) -> Path:
    """Write two tracks as one video, the second in front."""
    with VideoWriter(path, first.width_px, first.height_px, fps=Fraction(FPS)) as writer:
        for index in range(len(first)):
            image = person(first.pose[index])[0].copy()
            front, mask = person(nearer.pose[index])
            image[mask > 0] = front[mask > 0]
            writer.write(image, Fraction(index, FPS))
    return path


def film(path: Path, track: PoseTrack, sound_from: Path | None = None) -> Path:
    """Write the track as a video."""
    with VideoWriter(path, track.width_px, track.height_px, fps=Fraction(FPS), sound_from=sound_from) as writer:
        for index in range(len(track)):
            writer.write(person(track.pose[index], track.width_px)[0], Fraction(index, FPS))
    return path


def drawn_detector(track_of: Callable[[int], PoseTrack]) -> Callable[..., PoseTrack]:
    """A replacement for `detect_poses` that returns the exact poses of the videos that `film` writes."""

    def detect(
        video: VideoInput,
        *,
        person: int | None = None,
        masks: Path | None = None,
        use_cache: bool = True,
        survey: PeopleSurvey | None = None,
        accept_damaged: bool = False,
        on_progress: ProgressCallback = ignore_progress,
    ) -> PoseTrack:
        del person, use_cache, survey, accept_damaged, on_progress
        source = open_video(video)
        track = track_of(source.info.num_frames or 0)
        if masks is not None:
            with MaskWriter(masks, track.width_px, track.height_px) as writer:
                for index in range(len(track)):
                    writer.write(globals()["person"](track.pose[index], track.width_px)[1])
        fields = {**vars(track), "source_sha256": source.sha256}
        return PoseTrack(**fields)

    return detect


def people_detector(detect: Callable[..., PoseTrack]) -> Callable[..., dict[int, PoseTrack]]:
    """A replacement for `detect_people` made of one for `detect_poses`."""

    def detect_people(source: VideoSource, masks: Mapping[int, Path | None], *_: object) -> dict[int, PoseTrack]:
        numbers = sorted(masks, reverse=True)
        return {number: detect(source, person=number, masks=masks[number]) for number in numbers}

    return detect_people


def stand_in_for_the_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `prepare` detect the drawn person only, without the pretrained files."""
    monkeypatch.setattr(prepare_module, "detect_poses", drawn_detector(dancer_track))
    monkeypatch.setattr(PeopleSurvey, "counts", [1] * 12)


def make_subject(folder: Path, monkeypatch: pytest.MonkeyPatch, num_frames: int = 60) -> Subject:
    """A prepared subject folder of the drawn person."""
    stand_in_for_the_detector(monkeypatch)
    video = film(folder / "target.mp4", dancer_track(num_frames))
    return prepare(video, folder / "subject", consent=consent("rendered"))


def peak_kb() -> int:
    """Peak memory of this process; VmHWM is reset with each program, whereas ru_maxrss includes the parent's."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    peaks = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
    return peaks[0] if peaks else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
