"""The crop contains the whole person, moves smoothly, and can be undone."""

import numpy as np
import pytest

from dancenow.metrics.images import sharpness
from dancenow.pose.person_crop import crop_image, crop_image_softly, track_crop, window
from dancenow.skeleton import INDEX
from dancenow.types import Pose
from helpers.drawn_world import dancer_track


def test_every_keypoint_is_inside_with_a_margin() -> None:
    track = dancer_track(120)
    for index, crop in enumerate(track_crop(track.pose, track.time_s, 64)):
        xy = crop.apply(track.pose[index]).xy
        assert xy.min() > 2
        assert xy.max() < 61


def test_a_jump_is_inside_the_crop() -> None:
    track = dancer_track(120)
    xy = track.pose.xy.copy()
    xy[60:] += np.array([300, -120], np.float32)
    leaping = Pose(xy, track.pose.confidence)
    for index, crop in enumerate(track_crop(leaping, track.time_s, 64)):
        on_canvas = crop.apply(leaping[index]).xy
        assert on_canvas.min() > -0.5
        assert on_canvas.max() < 63.5


def test_keypoint_jitter_hardly_moves_the_crop() -> None:
    track = dancer_track(120)
    noise = np.random.default_rng(0).normal(0, 1.0, track.pose.xy.shape).astype(np.float32)
    noisy = Pose(track.pose.xy + noise, track.pose.confidence)
    clean = np.stack([c.to_canvas for c in track_crop(track.pose, track.time_s, 64)])
    shaken = np.stack([c.to_canvas for c in track_crop(noisy, track.time_s, 64)])
    jerk = np.abs(np.diff(shaken - clean, axis=0)[..., 2]).mean()
    assert jerk < 0.1


def test_frames_without_keypoints_get_a_crop() -> None:
    track = dancer_track(60)
    confidence = track.pose.confidence.copy()
    confidence[20:25] = 0
    crops = track_crop(Pose(track.pose.xy, confidence), track.time_s, 64)
    assert len(crops) == 60
    assert np.isfinite(crops[22].to_canvas).all()


@pytest.mark.parametrize("unseen", [("knee", "ankle", "heel", "toe"), ("ankle", "heel", "toe")])
def test_a_body_that_the_frame_cuts_off_is_followed_to_its_edge(unseen: tuple[str, ...]) -> None:
    track = dancer_track(40)
    confidence = track.pose.confidence.copy()
    hidden = [INDEX[f"{side}_{name}"] for side in ("right", "left") for name in unseen]
    confidence[:, hidden] = 0
    lowest = track.pose.xy[:, confidence[0] > 0, 1].max()
    bottom_px = float(lowest) + 0.3 * (float(track.pose.xy[..., 1].max()) - float(lowest))
    for crop in track_crop(Pose(track.pose.xy, confidence), track.time_s, 64, bottom_px=bottom_px):
        y = crop.to_canvas[1, 1] * bottom_px + crop.to_canvas[1, 2]
        assert 61 < y <= 64


def test_whole_bodies_are_cropped_as_if_there_was_no_frame() -> None:
    track = dancer_track(40)
    free = track_crop(track.pose, track.time_s, 64)
    framed = track_crop(track.pose, track.time_s, 64, bottom_px=float(track.height_px))
    np.testing.assert_array_equal([c.to_canvas for c in framed], [c.to_canvas for c in free])


def test_crops_of_some_frames_are_those_of_the_track() -> None:
    track = dancer_track(20)
    crops = track_crop(track.pose, track.time_s, 64)
    for some, numbers in ((crops[4:9], range(4, 9)), (crops[np.array([2, 11])], (2, 11))):
        np.testing.assert_array_equal([c.to_canvas for c in some], [crops[i].to_canvas for i in numbers])
    with pytest.raises(IndexError):
        crops[20]


def test_to_frame_undoes_to_canvas() -> None:
    track = dancer_track(10)
    crop = track_crop(track.pose, track.time_s, 64)[5]
    xy = crop.apply(track.pose[5]).xy
    back = xy @ crop.to_frame[:, :2].T + crop.to_frame[:, 2]
    np.testing.assert_allclose(back, track.pose.xy[5], atol=1e-3)


@pytest.mark.parametrize("side_px", [70.0, 150.0])
def test_a_crop_keeps_fine_detail(side_px: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (160, 160, 3)).astype(np.uint8)
    crop = window(np.array([80.0, 79.6]), side_px, 64)
    assert sharpness(crop_image(image, crop)) > 1.3 * sharpness(crop_image_softly(image, crop))


def test_detail_finer_than_the_canvas_becomes_gray() -> None:
    checks = np.where(np.indices((160, 160)).sum(axis=0)[..., None] % 2 == 0, 64, 192).repeat(3, axis=2).astype(np.uint8)
    crop = crop_image(checks, window(np.array([80.0, 79.6]), 150.0, 64))
    assert np.abs(crop[8:-8, 8:-8].astype(int) - 128).max() < 40
