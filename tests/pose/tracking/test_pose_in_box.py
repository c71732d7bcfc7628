"""The detector searches the expected box, and accepts the person found in it."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from dancenow.pose.detectors.base import Landmarks
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.pose.tracking import pose_in_box as module
from dancenow.pose.tracking.pose_in_box import find_pose_in_box
from dancenow.types import ImageRGB, Pose
from helpers.bodies import swaying_track

IMAGE = np.zeros((64, 64, 3), np.uint8)


@dataclass
class Detector:
    """Finds one pose everywhere, and remembers where it searched."""

    pose: Pose
    score: float = 0.9
    searched: list[RotatedRect] = field(default_factory=list)

    def landmarks(self, _image: ImageRGB, roi: RotatedRect) -> Landmarks:
        self.searched.append(roi)
        return Landmarks(self.pose, self.score, roi, RotatedRect(1.0, 2.0, 3.0, 0.0), np.zeros((256, 256), np.float32))


@pytest.fixture(autouse=True)
def score_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_person", lambda landmarks, _: landmarks.score > 0.5)


def test_the_first_crop_contains_the_expected_body_and_the_second_the_detected_one() -> None:
    expected, found = swaying_track().pose[0], swaying_track().pose[9]
    detector = Detector(found)
    assert find_pose_in_box(detector, IMAGE, expected) is found  # type: ignore[arg-type]
    first, second = detector.searched
    unit = np.linalg.inv(np.vstack([first.to_frame, [0, 0, 1]]))
    places = expected.xy @ unit[:2, :2].T + unit[:2, 2]
    assert ((places > 0) & (places < 1)).all()
    assert np.ptp(places, axis=0).max() > 0.3
    assert second == RotatedRect(1.0, 2.0, 3.0, 0.0)


def test_without_a_person_or_an_expected_pose_nothing_is_found() -> None:
    expected = swaying_track().pose[0]
    assert find_pose_in_box(Detector(expected, score=0.1), IMAGE, expected) is None  # type: ignore[arg-type]
    unknown = Pose(expected.xy, np.zeros_like(expected.confidence))
    assert find_pose_in_box(Detector(expected), IMAGE, unknown) is None  # type: ignore[arg-type]
