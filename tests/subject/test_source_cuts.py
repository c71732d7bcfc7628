"""The camera of a source with cuts is followed in each shot on its own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dancenow.media.source import VideoSource
from dancenow.progress import ignore_progress
from dancenow.subject.camera import source_camera
from dancenow.subject.camera.trajectory import CameraKind
from helpers.filmed import film


def test_a_pan_after_a_cut_is_followed_and_the_shot_before_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    filmed = film(tmp_path, 60, lambda i: 80 + 10 * np.sin(i / 8), camera_of=lambda i: (0.0 if i < 30 else 0.8 * (i - 30), 0.0))
    track = replace(filmed.track, cuts=(30,))
    camera = source_camera._follow_if_it_moves(VideoSource.open(filmed.video), track, ignore_progress)
    assert camera.kind is CameraKind.TURNING
    np.testing.assert_array_equal(camera.to_reference[:30], np.broadcast_to(np.eye(3), (30, 3, 3)))
    step_px = np.diff(camera.to_reference[30:, 0, 2] / camera.to_reference[30:, 2, 2])
    assert np.median(step_px) == pytest.approx(-0.8, abs=0.15)
