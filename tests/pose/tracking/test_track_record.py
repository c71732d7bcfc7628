"""What is measured is recorded as it came, also beyond the poses that are held as objects."""

import numpy as np
import pytest

from dancenow.pose.tracking import track_record
from dancenow.pose.tracking.track_record import TrackRecord
from dancenow.skeleton import NUM_KEYPOINTS
from dancenow.types import FrameStatus, Pose


@pytest.mark.parametrize("frames", [1, 5, 6, 17])
def test_poses_times_and_status_come_back(frames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track_record, "_BLOCK", 5)
    rng, record = np.random.default_rng(0), TrackRecord()
    xy = rng.normal(0, 100, (frames, NUM_KEYPOINTS, 2)).astype(np.float32)
    confidence = rng.uniform(0.1, 1, xy.shape[:2]).astype(np.float32)
    for index in range(frames):
        record.add(index / 30, None if index % 4 == 3 else Pose(xy[index], confidence[index]))
    pose, times_s, status = record.arrays()
    missing = np.arange(frames) % 4 == 3
    xy[missing], confidence[missing] = 0, 0
    np.testing.assert_array_equal(pose.xy, xy)
    np.testing.assert_array_equal(pose.confidence, confidence)
    np.testing.assert_array_equal(times_s, np.arange(frames) / 30)
    np.testing.assert_array_equal(status, np.where(missing, FrameStatus.MISSING, FrameStatus.MEASURED))
    assert len(record) == frames
    assert record.measured == (~missing).sum()
