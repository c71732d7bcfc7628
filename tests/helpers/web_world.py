"""The drawn world for jobs of the web page: small videos, a tiny model, no detector, everything in this process."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from dancenow import pipeline
from dancenow.generators.references.config import PRESETS
from dancenow.media.source import VideoInput, open_video
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.pose.detectors.base import Landmarks
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.pose.pipeline import PosePipeline
from dancenow.pose.tracking.reidentification import Detection, PeopleSurvey
from dancenow.skeleton import INDEX
from dancenow.types import Pose, PoseTrack
from dancenow.web import check_step
from helpers.drawn_world import (
    SIZE_PX,
    dancer_track,
    drawn_detector,
    film,
    film_two,
    people_detector,
    stand_in_for_the_detector,
)
from helpers.tiny_model import TINY, smaller_dancer

DUET_FRAMES: Final = 30
"""Videos of so many frames show the two people of the duet."""


def draw_instead_of_detecting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let check and video steps of jobs see drawn people alone, with a cache in `folder`."""
    monkeypatch.setenv("DANCENOW_CACHE", str(folder / "cache"))
    monkeypatch.setenv("DANCENOW_HOME", str(folder / "home"))
    stand_in_for_the_detector(monkeypatch)
    for module in (pipeline, check_step):
        monkeypatch.setattr(module, "detect_poses", detect_in_source)
        monkeypatch.setattr(module, "detect_people", people_detector(detect_in_source))
    monkeypatch.setattr(PosePipeline, "people_counts", lambda _, video, *__: [2 if _is_duet(video) else 1])
    monkeypatch.setattr(PeopleSurvey, "detections", property(lambda survey: [_duet_detections()] if survey else []))
    monkeypatch.setitem(PRESETS, "draft", TINY)
    monkeypatch.setattr("dancenow.storage.pretrained.path", lambda *_: folder)  # no trained weights are needed here
    trunk = PerceptualDistance(EfficientNetTrunk(), depth=1)
    monkeypatch.setattr("dancenow.generators.train_model.PerceptualDistance", lambda **_: trunk)


def film_duet(path: Path) -> Path:
    """The video of a dance of two people side by side."""
    return film_two(path, duet_dancer(1), duet_dancer(2))


def duet_dancer(number: int, num_frames: int = DUET_FRAMES) -> PoseTrack:
    """The left or the right dancer of the duet."""
    track = dancer_track(num_frames, phase=float(number), body_px=50.0)
    xy = track.pose.xy.copy()
    xy[..., 0] += (-24 if number == 1 else 24) - 0.5 * (xy[:, INDEX["neck"], 0] - SIZE_PX / 2)[:, None]
    return replace(track, pose=Pose(xy, track.pose.confidence))


def _is_duet(video: VideoInput) -> bool:
    return open_video(video).info.num_frames == DUET_FRAMES


def detect_in_source(video: VideoInput, *, person: int | None = None, **options: Any) -> PoseTrack:
    """The poses of a drawn dance, in place of `detect_poses`."""
    track_of = partial(duet_dancer, person or 1) if _is_duet(video) else smaller_dancer
    return drawn_detector(track_of)(video, person=person, **options)


def _duet_detections() -> list[Detection]:
    """Both people of the duet in its first frame."""
    nothing, roi = np.zeros((1, 1), np.float32), RotatedRect(0.0, 0.0, 1.0, 0.0)
    return [Detection(0.0, Landmarks(duet_dancer(n).pose[0], 1.0, roi, roi, nothing), nothing, 1.0) for n in (1, 2)]


def drawn_videos(folder: Path) -> tuple[Path, Path]:
    """The videos of the dance and of the person."""
    return film(folder / "dance.mp4", smaller_dancer(36)), film(folder / "me.mp4", dancer_track(60))
