"""A body is looked for where it is expected, and whoever is there is taken as they are."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from dancenow.pose.detectors.base import Landmarks
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.pose.tracking import pose_in_box as module
from dancenow.pose.tracking.pose_in_box import find_pose_in_box
from dancenow.types import ImageRGB, Pose
from helpers.bodies import swaying_track

PICTURE = np.zeros((64, 64, 3), np.uint8)


@dataclass
class Detector:
    """Finds one pose everywhere, and remembers where it looked."""

    pose: Pose
    score: float = 0.9
    looked: list[RotatedRect] = field(default_factory=list)

    def landmarks(self, _image: ImageRGB, roi: RotatedRect) -> Landmarks:
        self.looked.append(roi)
        return Landmarks(self.pose, self.score, roi, RotatedRect(1.0, 2.0, 3.0, 0.0), np.zeros((256, 256), np.float32))


@pytest.fixture(autouse=True)
def score_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_person", lambda landmarks, _: landmarks.score > 0.5)


def test_the_square_holds_the_expected_body_and_then_the_body_that_was_found() -> None:
    expected, found = swaying_track().pose[0], swaying_track().pose[9]
    detector = Detector(found)
    assert find_pose_in_box(detector, PICTURE, expected) is found  # type: ignore[arg-type]
    first, second = detector.looked
    unit = np.linalg.inv(np.vstack([first.to_frame, [0, 0, 1]]))
    places = expected.xy @ unit[:2, :2].T + unit[:2, 2]
    assert ((places > 0) & (places < 1)).all()
    assert np.ptp(places, axis=0).max() > 0.3
    assert second == RotatedRect(1.0, 2.0, 3.0, 0.0)


def test_where_nobody_is_or_nobody_is_expected_nobody_is_sighted() -> None:
    expected = swaying_track().pose[0]
    assert find_pose_in_box(Detector(expected, score=0.1), PICTURE, expected) is None  # type: ignore[arg-type]
    unknown = Pose(expected.xy, np.zeros_like(expected.confidence))
    assert find_pose_in_box(Detector(expected), PICTURE, unknown) is None  # type: ignore[arg-type]
