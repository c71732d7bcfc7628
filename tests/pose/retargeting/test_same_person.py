"""A video retargeted to itself keeps its poses, with exact keypoints and with noisy ones; another person does not."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from dancenow.pose.retargeting.base import IdentityRetargeter
from dancenow.pose.retargeting.registry import RetargetingKind, fit_retargeter, load_retargeter
from dancenow.pose.retargeting.same_person import is_same_person
from dancenow.skeleton import INDEX
from dancenow.types import Pose, PoseTrack
from helpers.stick_dancers import Camera, dance, without

VIDEO = "a" * 64


def part_of(track: PoseTrack, start: int, stop: int) -> PoseTrack:
    rows = slice(start, stop)
    return replace(track, pose=track.pose[rows], time_s=track.time_s[rows], status=track.status[rows], source_sha256=VIDEO)


def noisy(track: PoseTrack, seed: int = 0) -> PoseTrack:
    """The track as if it were detected: jitter in place and depth, and a hand that is not always visible."""
    rng = np.random.default_rng(seed)
    xy = track.pose.xy + rng.normal(0, 1.0, track.pose.xy.shape)
    depth = track.pose.depth + rng.normal(0, 15.0, track.pose.depth.shape)
    pose = Pose(xy.astype(np.float32), track.pose.confidence, depth.astype(np.float32))
    return without(replace(track, pose=pose), [INDEX["left_index"]], slice(20, 40))


@pytest.mark.parametrize("kind", get_args(RetargetingKind))
@pytest.mark.parametrize("jump_m", [0.0, 0.3])
def test_every_retargeter_keeps_the_poses_of_a_track_retargeted_to_itself(kind: RetargetingKind, jump_m: float) -> None:
    for track in (dance(1.7, jump_m=jump_m), noisy(dance(1.7, jump_m=jump_m))):
        mapped = fit_retargeter(kind, track, track, same_camera=True)(track.pose)
        visible = track.pose.confidence > 0
        distance_px = np.linalg.norm(mapped.xy - track.pose.xy, axis=-1)[visible].mean()
        # The skeletal map smooths residuals, which removes most jitter with a mean of 1.25 px.
        assert distance_px < (1.25 if kind == "skeletal" else 0.01)


@pytest.mark.parametrize("same_camera", [None, True, False])
def test_auto_keeps_the_poses_of_one_video_whose_camera_and_person_move(same_camera: bool | None) -> None:
    track = noisy(dance(1.7, 120, z_m=(3.5, 6.5)))
    shaking_px = 12 * np.sin(np.arange(120) / 5)[:, None, None]
    shaken = replace(track, pose=replace(track.pose, xy=(track.pose.xy + shaking_px).astype(np.float32)))
    first, second = part_of(shaken, 0, 60), part_of(shaken, 60, 120)
    for source, target in ((first, second), (second, first), (shaken, shaken)):
        fitted = fit_retargeter("auto", source, target, same_camera)
        assert isinstance(load_retargeter(fitted.to_json()), IdentityRetargeter)
        np.testing.assert_array_equal(fitted(source.pose).xy, source.pose.xy)


def test_a_second_detection_of_a_copied_video_is_recognized_without_its_digest() -> None:
    track = dance(1.7)
    again = replace(noisy(track), source_sha256="b" * 64)
    assert is_same_person(replace(track, source_sha256=VIDEO), again)


def test_another_person_in_the_video_is_not_the_same() -> None:
    track = replace(dance(1.7, x_m=-0.5), source_sha256=VIDEO)
    assert not is_same_person(track, replace(dance(1.7, x_m=0.5), source_sha256=VIDEO))
    assert not is_same_person(track, replace(dance(1.4, x_m=-0.5), source_sha256=VIDEO))


def test_another_video_or_another_frame_size_is_not_the_same() -> None:
    early, late = part_of(dance(1.7, 120), 0, 60), part_of(dance(1.7, 120), 60, 120)
    assert not is_same_person(early, replace(late, source_sha256="b" * 64))
    assert not is_same_person(early, part_of(dance(1.7, 120, camera=Camera(1280, 960, 1400.0)), 0, 60))
