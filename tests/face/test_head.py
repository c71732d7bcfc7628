"""Head estimation from keypoints: size and rotation of a rotated model, stable crops, and reasons for invalid faces."""

from dataclasses import replace

import numpy as np
import pytest

from dancenow.face.face_track import FaceTrack, Reason
from dancenow.face.face_tracking import face_boxes
from dancenow.face.head import estimate_heads
from dancenow.skeleton import INDEX
from dancenow.types import Pose, PoseTrack
from helpers.faces import HEIGHT_PX, turning


def test_size_and_yaw_of_a_rotating_head() -> None:
    yaw = np.linspace(-3, 3, 61)
    head = estimate_heads(turning(yaw).pose)
    assert np.abs(head.height_px / HEIGHT_PX - 1).max() < 0.08
    assert np.abs(head.yaw - yaw).max() < 0.1
    assert np.linalg.norm(head.center - [200, 100], axis=1).max() < 0.15 * HEIGHT_PX
    nodding = estimate_heads(turning(np.zeros(41), np.linspace(-0.6, 0.6, 41)).pose)
    assert np.abs(nodding.pitch - np.linspace(-0.6, 0.6, 41)).max() < 0.12


def test_the_crop_holds_the_head_with_a_margin() -> None:
    faces = face_boxes(turning(np.zeros(5)), size_px=96)
    top, bottom = (faces.crop(2).to_canvas @ [200, 100 + side * HEIGHT_PX / 2, 1] for side in (-1, 1))
    assert top[1] == pytest.approx(16, abs=4)
    assert bottom[1] == pytest.approx(80, abs=4)


def _shaken(track: PoseTrack, sigma_px: float) -> PoseTrack:
    noise = np.random.default_rng(0).normal(0, sigma_px, track.pose.xy.shape)
    return replace(track, pose=Pose((track.pose.xy + noise).astype(np.float32), track.pose.confidence, track.pose.depth))


def _centres(faces: FaceTrack) -> np.ndarray:
    middle = (faces.size_px - 1) / 2
    return np.array([faces.crop(t).to_frame @ [middle, middle, 1] for t in range(len(faces))])


def test_jitter_is_removed_from_the_crop_without_lag() -> None:
    track = turning(np.zeros(90))
    sway = 40 * np.sin(2 * np.pi * track.time_s / 1.2)
    moved = track.pose.xy + np.stack([sway, np.zeros(90)], axis=1)[:, None].astype(np.float32)
    swaying = replace(track, pose=Pose(moved, track.pose.confidence))
    still, shaken = _centres(face_boxes(swaying)), _centres(face_boxes(_shaken(swaying, 2.0)))
    assert np.abs(still[:, 0] - 200 - sway).max() < 1.0, "the window follows the head's own motion"
    jerk = np.diff(shaken - still, 2, axis=0)
    raw = np.diff(estimate_heads(_shaken(swaying, 2.0).pose).center - estimate_heads(swaying.pose).center, 2, axis=0)
    assert np.abs(jerk).mean() < 0.25 * np.abs(raw).mean()


def test_a_cut_is_as_sharp_in_the_crops_as_in_the_video() -> None:
    track = turning(np.zeros(40))
    jump = np.where(np.arange(40) < 20, 0, 150).astype(np.float32)
    moved = track.pose.xy + np.stack([jump, np.zeros(40)], axis=1)[:, None].astype(np.float32)
    cut = replace(track, pose=Pose(moved, track.pose.confidence), cuts=(20,))
    off_px = _centres(face_boxes(cut))[:, 0] - _centres(face_boxes(track))[:, 0] - jump
    assert np.abs(off_px).max() < 0.5
    uncut = _centres(face_boxes(replace(cut, cuts=())))[:, 0] - _centres(face_boxes(track))[:, 0] - jump
    assert np.abs(uncut).max() > 5, "one shot would have been smoothed"


def test_reasons_turned_too_small_missing_and_hidden() -> None:
    track = turning(np.concatenate([np.zeros(30), np.full(30, np.pi), np.zeros(30)]))
    xy, confidence = track.pose.xy.copy(), track.pose.confidence.copy()
    confidence[75:] = 0
    for side, name in enumerate(("right", "left")):
        xy[:15, INDEX[f"{name}_elbow"]] = [100 + 200 * side, 200]
        for part, at in (("wrist", (0, 45)), ("index", (0, 10)), ("pinky", (8, 12)), ("thumb", (-8, 20))):
            xy[:15, INDEX[f"{name}_{part}"]] = [200 + at[0] + 10 * side, 85 + at[1]]
    faces = face_boxes(replace(track, pose=Pose(xy, confidence)))
    assert (faces.reason[2:13] == Reason.HIDDEN).all()
    assert (faces.reason[18:26] == Reason.OK).all()
    assert (faces.reason[35:55] == Reason.TURNED).all()
    assert (faces.reason[65:75] == Reason.OK).all()
    assert (faces.reason[75:] == Reason.MISSING).all()
    assert (face_boxes(turning(np.zeros(5), height_px=12)).reason == Reason.TOO_SMALL).all()
    assert (face_boxes(turning(np.zeros(5), height_px=20)).reason == Reason.OK).all(), "a head of 20 px is worth it"


def test_a_hand_behind_the_head_does_not_hide_it() -> None:
    track = turning(np.zeros(9))
    xy, depth = track.pose.xy.copy(), np.zeros(track.pose.confidence.shape, np.float32)
    for part, y in (("wrist", 130), ("index", 90), ("pinky", 92), ("thumb", 100)):
        xy[:, INDEX[f"left_{part}"]] = [200, y]
    before = face_boxes(replace(track, pose=Pose(xy, track.pose.confidence, depth)))
    depth[:, INDEX["left_wrist"]] = HEIGHT_PX
    behind = face_boxes(replace(track, pose=Pose(xy, track.pose.confidence, depth)))
    assert before.hidden.min() > 0.15
    assert behind.hidden.max() == 0


def test_a_head_outside_the_frame_is_missing() -> None:
    track = turning(np.zeros(5))
    out = replace(track, pose=Pose(track.pose.xy - np.array([0, 130], np.float32), track.pose.confidence))
    assert (face_boxes(out).reason == Reason.MISSING).all()
