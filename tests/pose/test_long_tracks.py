"""A track that is worked on in blocks comes out as in one piece, to the last bit."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from dancenow.pose.filtering import local_regression, smoothing
from dancenow.pose.pipeline import PosePipeline
from dancenow.pose.retargeting import camera_model, head_views, skeletal
from dancenow.pose.retargeting.registry import fit_retargeter, retarget
from dancenow.types import FrameStatus, Pose, PoseTrack
from helpers.drawn_world import dancer_track

_USERS = (camera_model, head_views, skeletal, smoothing, local_regression)


def _detected(frames: int, seed: int, body_px: float) -> PoseTrack:
    """With jitter, doubt and gaps."""
    rng, track = np.random.default_rng(seed), dancer_track(frames, phase=seed, body_px=body_px)
    xy = track.pose.xy + rng.normal(0, 0.5, track.pose.xy.shape)
    confidence = rng.uniform(0.3, 1, xy.shape[:2])
    confidence[40:50, 4], confidence[90:97] = 0, 0
    status = np.where(confidence.any(axis=1), FrameStatus.MEASURED, FrameStatus.MISSING).astype(np.uint8)
    xy[confidence == 0] = 0
    pose = Pose(xy.astype(np.float32), confidence.astype(np.float32), rng.normal(0, 3, xy.shape[:2]).astype(np.float32))
    return replace(track, pose=pose, status=status, source_sha256=str(seed) * 64)


def _planned() -> tuple[PoseTrack, PoseTrack]:
    pipeline = PosePipeline.create()
    dance, footage = (pipeline.smooth(_detected(150 + seed, seed, body_px)) for seed, body_px in ((1, 84.0), (2, 70.0)))
    moved = retarget(dance, fit_retargeter("skeletal", dance, footage), footage)
    return dance, head_views.turn_heads(moved, footage)[0]


def test_filtering_and_retargeting_in_small_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = _planned()

    def small(count: int, size: int = 64) -> Iterator[slice]:
        yield from (slice(start, min(start + min(size, 64), count)) for start in range(0, count, min(size, 64)))

    for module in _USERS:
        monkeypatch.setattr(module, "blocks", small)
    for found, whole in zip(_planned(), expected, strict=True):
        for name in ("xy", "confidence", "depth"):
            np.testing.assert_array_equal(getattr(found.pose, name), getattr(whole.pose, name))
        np.testing.assert_array_equal(found.status, whole.status)
