"""A drawn person whose face is large enough for a face network and who turns away for a while; a minimal training config."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dancenow.face.config import FaceConfig
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.pose.tracking.reidentification import PeopleSurvey
from dancenow.provenance.consent import consent
from dancenow.skeleton import INDEX
from dancenow.subject import prepare as prepare_module
from dancenow.subject.prepare import prepare
from dancenow.subject.subject import Subject
from dancenow.types import Pose, PoseTrack
from helpers import tiny_model
from helpers.drawn_world import dancer_track, drawn_detector, film

FACE = FaceConfig(
    budget_fraction=0.5,
    start="nothing",
    width=4,
    blocks=0,
    discriminator_width=4,
    max_faces=30,
    faces_per_step=2,
    adversarial_from=0.5,
)
TINY = replace(tiny_model.TINY, face=FACE)
SIDE_PX = 256
AWAY = slice(12, 18)
"""Frames in which the person shows the back of the head."""


def large_dancer(num_frames: int, body_px: float = 220.0, phase: float = 0.0) -> PoseTrack:
    """Fills the frame; from behind, left and right of the head change sides."""
    track = dancer_track(num_frames, phase=phase, body_px=body_px, size_px=SIDE_PX)
    xy = track.pose.xy.copy()
    for part in ("eye", "ear"):
        left, right = INDEX[f"left_{part}"], INDEX[f"right_{part}"]
        xy[AWAY, left], xy[AWAY, right] = xy[AWAY, right].copy(), xy[AWAY, left].copy()
    return replace(track, pose=Pose(xy, track.pose.confidence, track.pose.depth))


def other_dancer(num_frames: int) -> PoseTrack:
    """A slightly smaller person at another phase of the dance."""
    return large_dancer(num_frames, 200.0, 1.0)


def small_dancer(num_frames: int) -> PoseTrack:
    """A person whose face is a few pixels high."""
    return large_dancer(num_frames, 70.0)


def cached_subject_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, dancer: object = large_dancer, num_frames: int = 60
) -> Subject:
    """The drawn person as a prepared subject, without pretrained files."""
    assert callable(dancer)
    monkeypatch.setattr(prepare_module, "detect_poses", drawn_detector(dancer))
    monkeypatch.setattr(PeopleSurvey, "counts", [1] * 12)
    video = film(folder / "target.mp4", dancer(num_frames))
    return prepare(video, folder / "subject", consent=consent("rendered"))


def untrained_distance() -> PerceptualDistance:
    """Random weights: no pretrained file is needed."""
    return PerceptualDistance(EfficientNetTrunk(), depth=1)


def noise(shape: tuple[int, ...], seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A noise image, uint8."""
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
