"""Coverage warnings: which moves are missing from the footage and when, and no warning where everything was filmed."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dancenow.errors import UserError
from dancenow.pose.move_classes import MOVES, which_moves
from dancenow.pose.pose_distance import BLOCK_ROWS, body_poses
from dancenow.report.coverage_plot import draw_coverage_plot
from dancenow.skeleton import INDEX, MIRROR
from dancenow.subject.coverage import ERROR_CURVE, UNCOVERED_DISTANCE, expected_error, measure_coverage
from dancenow.subject.subject import Subject
from dancenow.types import FrameStatus, Pose, PoseTrack
from helpers.bodies import swaying_track

HEIGHT_PX = 400.0
Change = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def changed(track: PoseTrack, rows: slice, change: Change) -> PoseTrack:
    """The track with the places [t,K,2] of some frames changed."""
    xy = track.pose.xy.copy()
    xy[rows] = change(xy[rows])
    return replace(track, pose=Pose(xy, track.pose.confidence, track.pose.depth))


def columns(*parts: str, side: str = "") -> list[int]:
    return [i for name, i in INDEX.items() if name.endswith(parts) and name.startswith(side)]


def arms_overhead(xy: NDArray[np.float32]) -> NDArray[np.float32]:
    xy = xy.copy()
    xy[:, columns("elbow"), 1] = xy[:, columns("nose"), 1]
    xy[:, columns("wrist", "thumb", "index", "pinky"), 1] = xy[:, columns("nose"), 1] - 0.2 * HEIGHT_PX
    return xy


def turned_round(xy: NDArray[np.float32]) -> NDArray[np.float32]:
    middle = xy[:, columns("hip")].mean(axis=1, keepdims=True)
    return np.stack([2 * middle[..., 0] - xy[..., 0], xy[..., 1]], axis=-1)


def squatting(xy: NDArray[np.float32]) -> NDArray[np.float32]:
    xy, legs = xy.copy(), columns("ankle", "heel", "toe")
    upper = [i for i in range(xy.shape[1]) if i not in [*legs, *columns("knee")]]
    xy[:, upper, 1] += 0.22 * HEIGHT_PX
    xy[:, columns("knee", side="left"), 0] += 0.1 * HEIGHT_PX
    xy[:, columns("knee", side="right"), 0] -= 0.1 * HEIGHT_PX
    xy[:, columns("knee"), 1] += 0.05 * HEIGHT_PX
    return xy


def kicking_left(xy: NDArray[np.float32]) -> NDArray[np.float32]:
    xy, foot = xy.copy(), columns("ankle", "heel", "toe", side="left")
    xy[:, foot] += np.array([0.35 * HEIGHT_PX, -0.25 * HEIGHT_PX], np.float32)
    xy[:, columns("knee", side="left")] += np.array([0.16 * HEIGHT_PX, -0.1 * HEIGHT_PX], np.float32)
    return xy


def jumping(xy: NDArray[np.float32]) -> NDArray[np.float32]:
    air = 1 - np.linspace(-1, 1, len(xy)) ** 2
    return np.asarray(xy - np.stack([0 * air, 0.2 * HEIGHT_PX * air], axis=-1)[:, None], np.float32)


def test_the_footage_covers_itself_at_any_position_and_scale() -> None:
    footage = swaying_track(120)
    pose = Pose(0.4 * footage.pose.xy + np.array([500, 300], np.float32), footage.pose.confidence)
    dance = replace(footage, pose=pose, width_px=1920, height_px=1080)
    found = measure_coverage(dance, footage)
    assert found.ranges == ()
    assert found.covered_fraction == 1.0
    assert found.warnings == ()
    # A tenth of a second of the footage counts as one pose, and the arms move meanwhile.
    assert found.distance.max() < 0.04


@pytest.mark.parametrize(
    ("change", "what", "parts"),
    [
        (arms_overhead, "both arms overhead", {"arms"}),
        (turned_round, "back turned", {"arms", "legs", "torso", "head"}),
        (squatting, "deep squat", {"legs"}),
        (kicking_left, "kick to the left", {"legs"}),
    ],
)
def test_missing_moves_are_named_with_time_and_advice(change: Change, what: str, parts: set[str]) -> None:
    footage = swaying_track(240)
    found = measure_coverage(changed(swaying_track(240), slice(90, 150), change), footage)
    assert [each.what for each in found.ranges] == [what]
    assert found.ranges[0].start_s == pytest.approx(3.0, abs=0.25)
    assert found.ranges[0].stop_s == pytest.approx(5.0, abs=0.25)
    film = next(move.film for move in MOVES if move.name == what)
    assert film in found.ranges[0].advice
    far = {name for name, values in found.parts.items() if values[100:140].mean() > UNCOVERED_DISTANCE}
    assert far == parts
    assert what in found.summary
    assert any(what in line and film in line for line in found.warnings)
    # There is no warning about moves in the footage.
    assert measure_coverage(changed(footage, slice(90, 150), change), changed(footage, slice(30, 120), change)).ranges == ()


def test_a_jump_is_detected_from_the_ground_not_the_pose() -> None:
    shown = which_moves(body_poses(changed(swaying_track(120), slice(50, 66), jumping)))
    jump = [move.name for move in MOVES].index("jump")
    assert shown[54:62, jump].all()
    assert not shown[:45, jump].any()
    assert not shown[71:, jump].any()


def test_sides_are_the_persons_own() -> None:
    track = changed(swaying_track(60), slice(0, 60), kicking_left)
    mirrored = Pose(
        (track.pose.xy * np.array([-1, 1], np.float32) + np.array([640, 0], np.float32))[:, MIRROR], track.pose.confidence
    )
    names = [[MOVES[i].name for i in np.flatnonzero(row)] for row in which_moves(body_poses(replace(track, pose=mirrored)))]
    assert all("kick to the right" in each and "kick to the left" not in each for each in names)


def test_missing_frames_are_nan_and_hidden_legs_are_completed() -> None:
    footage, dance = swaying_track(200), swaying_track(200)
    confidence, status = dance.pose.confidence.copy(), dance.status.copy()
    confidence[50:80], status[50:80] = 0, FrameStatus.MISSING
    confidence[120:160, columns("knee", "ankle", "heel", "toe")] = 0
    xy = dance.pose.xy.copy()
    xy[50:80] = 0
    xy[120:160, columns("knee", "ankle", "heel", "toe")] = 9e3
    found = measure_coverage(replace(dance, pose=Pose(xy, confidence), status=status), footage)
    assert np.isnan(found.distance[50:80]).all()
    assert np.isfinite(np.delete(found.distance, slice(50, 80))).all()
    assert (found.nearest[50:80] == -1).all()
    assert found.parts["arms"][125:155].max() < 0.08
    assert found.parts["legs"][125:155].max() < UNCOVERED_DISTANCE
    assert found.distance[:50].max() < 0.05
    assert not found.ranges, "nobody is told to film without legs"
    text = json.dumps(found.to_json(), allow_nan=False)
    assert json.loads(text)["distance"][60] is None


def test_only_training_frames_count() -> None:
    dance = changed(swaying_track(240), slice(90, 150), arms_overhead)
    assert measure_coverage(dance, dance).ranges == ()
    training_frames = dance.time_s < 2.9
    assert [each.what for each in measure_coverage(dance, dance, training_frames=training_frames).ranges] == [
        "both arms overhead"
    ]


def test_distances_do_not_depend_on_the_length_of_the_video() -> None:
    footage, frames = swaying_track(300), 5 * BLOCK_ROWS  # every other frame is compared: three blocks
    whole, part = measure_coverage(swaying_track(frames), footage), measure_coverage(swaying_track(frames // 4), footage)
    inner = slice(0, frames // 4 - 60)
    assert np.allclose(whole.distance[inner], part.distance[inner], atol=2e-3)


def test_the_expected_error_grows_with_the_distance() -> None:
    distance = np.linspace(0, 1, 200)
    assert (np.diff(expected_error(distance)) >= 0).all()
    assert expected_error(np.array([0.0]))[0] == ERROR_CURVE[1][0]
    assert np.isnan(expected_error(np.array([np.nan]))[0])


def test_tracks_without_a_person_are_rejected() -> None:
    nobody = replace(swaying_track(30), pose=Pose(swaying_track(30).pose.xy, np.zeros((30, len(INDEX)), np.float32)))
    with pytest.raises(UserError, match="shoulders"):
        measure_coverage(nobody, swaying_track(30))
    with pytest.raises(UserError, match="no frame of the footage"):
        measure_coverage(swaying_track(30), swaying_track(30), training_frames=np.zeros(30, bool))


def test_the_coverage_plot(tmp_path: Path, drawn_subject: Subject) -> None:
    track = drawn_subject.track
    found = measure_coverage(track, track, training_frames=track.time_s < 0.2)
    out = tmp_path / "new" / "timeline.png"
    draw_coverage_plot(found, drawn_subject.video, out, target_video=drawn_subject.video, title="one danced by another")
    picture = cv2.imread(str(out))
    assert picture is not None
    assert picture.shape[1] == 1680
    with pytest.raises(UserError, match=r"ends in \.png"):
        draw_coverage_plot(found, drawn_subject.video, tmp_path / "timeline.jpg")
