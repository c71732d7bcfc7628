"""OpenPose folders are written in OpenPose's format, and common variants are read."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dancenow.errors import UserError
from dancenow.pose.openpose_json import read_openpose, write_openpose
from dancenow.skeleton import INDEX, NUM_OPENPOSE
from dancenow.types import FrameStatus, Pose, PoseTrack

Standing = Callable[[float, float, float], Pose]


def _people_file(folder: Path, number: int, *people: list[float]) -> None:
    content = {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": person} for person in people]}
    (folder / f"clip_{number:012d}_keypoints.json").write_text(json.dumps(content))


def _flat(pose: Pose) -> list[float]:
    xyc = np.concatenate([pose.xy, pose.confidence[:, None]], axis=1)[:NUM_OPENPOSE]
    return [float(x) for x in xyc.ravel()]


def _read(folder: Path) -> PoseTrack:
    return read_openpose(folder, 640, 520, Fraction(30))


def test_a_written_folder_can_be_read_back(swaying: Callable[..., PoseTrack], tmp_path: Path) -> None:
    track = swaying(12)
    write_openpose(tmp_path / "json", track)
    again = _read(tmp_path / "json")
    np.testing.assert_allclose(again.pose.xy[:, :NUM_OPENPOSE], track.pose.xy[:, :NUM_OPENPOSE], atol=1e-3)
    assert not again.pose.confidence[:, NUM_OPENPOSE:].any(), "OpenPose's 18 points have no feet and hands"
    assert len(again) == 12
    assert again.fps == pytest.approx(30)
    first = json.loads(min((tmp_path / "json").iterdir()).read_text())
    assert len(first["people"][0]["pose_keypoints_2d"]) == 3 * NUM_OPENPOSE


def test_body_25_keypoints_are_mapped_to_the_right_indices(tmp_path: Path) -> None:
    _people_file(tmp_path, 0, [v for i in range(25) for v in (100.0 + i, 50.0, 0.5)])
    pose = _read(tmp_path).pose[0]
    for name, place in {"neck": 1, "right_hip": 9, "left_ankle": 14, "left_ear": 18, "left_toe": 19, "right_heel": 24}.items():
        assert pose.xy[INDEX[name], 0] == 100 + place


def test_absent_frames_and_keypoints_are_marked_missing(standing: Standing, tmp_path: Path) -> None:
    person = _flat(standing(300, 260, 400))
    person[:3] = [0, 0, 0]
    for number in (7, 8, 10):
        _people_file(tmp_path, number, person)
    _people_file(tmp_path, 11)
    track = _read(tmp_path)
    assert track.status.tolist() == [FrameStatus.MEASURED, FrameStatus.MEASURED, FrameStatus.MISSING, FrameStatus.MEASURED,
                                     FrameStatus.MISSING]  # fmt: skip
    assert track.pose.confidence[0, INDEX["nose"]] == 0


def test_the_largest_of_several_people_is_followed(standing: Standing, tmp_path: Path) -> None:
    for number in range(5):
        # The person steps back and becomes the smaller one.
        person, other = standing(200 + 5 * number, 260, 400 - 60 * number), standing(500, 260, 300)
        _people_file(tmp_path, number, _flat(other), _flat(person))
    assert _read(tmp_path).pose.xy[:, INDEX["neck"], 0].tolist() == pytest.approx([200, 205, 210, 215, 220])


def test_bad_input_is_one_sentence(swaying: Callable[..., PoseTrack], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no OpenPose JSON files"):
        _read(tmp_path)
    _people_file(tmp_path, 0)
    with pytest.raises(UserError, match="nobody is in any"):
        _read(tmp_path)
    _people_file(tmp_path, 0, [0.5] * 54)
    with pytest.raises(UserError, match="--keypoint_scale 0"):
        _read(tmp_path)
    _people_file(tmp_path, 0, [1.0] * 51)
    with pytest.raises(UserError, match="18 or 25 keypoints"):
        _read(tmp_path)
    (tmp_path / "clip_000000000000_keypoints.json").write_text('{"people": [')
    with pytest.raises(UserError, match="is damaged"):
        _read(tmp_path)
    with pytest.raises(UserError, match="not empty"):
        write_openpose(tmp_path, swaying(3))
    assert list(tmp_path.iterdir()), "nothing of the user's was removed"
