"""The networks on real and rendered clips, if available: accuracy, and which person is followed.

Set DANCENOW_DATA to a folder with synthetic/NAME.mp4 and .npz (exact keypoints) and real/NAME.mp4 to run them.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from dancenow.media.source import read_masks
from dancenow.pose.pipeline import detect_poses
from dancenow.skeleton import INDEX, KEYPOINTS
from dancenow.types import FrameStatus

DATA = Path(os.environ.get("DANCENOW_DATA", "absent"))
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not DATA.is_dir(), reason="DANCENOW_DATA names no folder of clips")]


def test_keypoints_of_rendered_people_are_accurate_to_about_one_percent_of_height(tmp_path: Path) -> None:
    with np.load(DATA / "synthetic" / "jesse_id0.npz", allow_pickle=False) as truth:
        labels, exact = list(truth["labels"]), truth["kp2d"]
    track = detect_poses(DATA / "synthetic" / "jesse_id0.mp4", use_cache=False, masks=tmp_path / "masks.mkv")
    common = [name for name in KEYPOINTS if name in labels]
    off_px = track.pose.xy[:, [INDEX[n] for n in common]] - exact[:, [labels.index(n) for n in common]]
    height_px = np.ptp(exact[..., 1], axis=1)
    assert (np.linalg.norm(off_px, axis=-1) / height_px[:, None]).mean() < 0.0115
    assert (track.status == FrameStatus.MEASURED).all()
    # The body's own keypoints lie in the mask, the corners of the image do not.
    for index, mask in enumerate(read_masks(tmp_path / "masks.mkv")):
        x, y = exact[index, [labels.index("left_hip"), labels.index("right_shoulder")]].mean(axis=0).astype(int)
        assert mask[y, x] > 127
        assert mask[0, 0] == 0


def test_only_one_of_several_successive_people_is_followed() -> None:
    track = detect_poses(DATA / "real" / "intel_one_by_one.mp4", use_cache=False)
    detected = np.flatnonzero(track.status != FrameStatus.MISSING)
    assert len(detected) > 200
    assert len(detected) == detected[-1] - detected[0] + 1, "one visit of one person"
