"""Placing a dance where the source dancer was, in the light there, and the source without its dancer."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from dancenow.errors import InputError
from dancenow.media.sink import MaskWriter
from dancenow.media.source import VideoSource
from dancenow.progress import Progress
from dancenow.rendering.layer import Layer
from dancenow.rendering.light_match import NO_GAIN, match_light, relight
from dancenow.rendering.placement import PlacedCamera
from dancenow.rendering.source_scene import PassedInFront, RemovedDancers, SourceScene
from dancenow.skeleton import INDEX
from dancenow.subject.camera.homography import transform
from dancenow.subject.camera.trajectory import CameraKind, CameraTrajectory, move_track
from dancenow.subject.exposure import Exposure
from dancenow.types import Plate, Pose, PoseTrack
from helpers.drawn_world import dancer_track
from helpers.filmed import HEIGHT, WIDTH, film

FEET = [INDEX[name] for name in ("right_heel", "left_heel", "right_toe", "left_toe")]


def in_other_frame(track: PoseTrack, scale: float, x_px: float, y_px: float) -> PoseTrack:
    xy = (track.pose.xy * scale + [x_px, y_px]).astype(np.float32)
    return replace(track, pose=Pose(xy, track.pose.confidence), width_px=400, height_px=300)


def test_the_dance_is_placed_at_the_source_dancer_with_their_size() -> None:
    dance = dancer_track(40)
    source = in_other_frame(dance, 1.7, 90, 40)
    still = CameraTrajectory.still(40, 400, 300)
    camera = PlacedCamera.fit(dance, source, still)
    shown = camera.show(dance)
    assert camera.frame_px == (shown.width_px, shown.height_px) == (400, 300)
    np.testing.assert_allclose(shown.pose.xy, source.pose.xy, atol=0.6)
    # The inverse, for one frame and one point.
    back = transform(camera.to_reference(float(source.time_s[7])), shown.pose.xy[7].astype(np.float64))
    np.testing.assert_allclose(back, dance.pose.xy[7], atol=1e-3)


def test_another_body_stands_where_the_dancer_stood_while_the_camera_pans() -> None:
    world = in_other_frame(dancer_track(40), 1.7, 90, 40)
    pan = np.tile(np.eye(3), (40, 1, 1))
    pan[:, 0, 2] = 25 * np.sin(np.arange(40) / 3)
    camera = CameraTrajectory(pan, np.ones(40), 0, CameraKind.TURNING, 400, 300)
    source = move_track(world, np.asarray(np.linalg.inv(pan), np.float64))
    other = dancer_track(40, body_px=60.0)
    arms = [index for name, index in INDEX.items() if name.endswith(("elbow", "wrist"))]
    other.pose.xy[:, arms, 0] *= 1.05  # another body
    shown = PlacedCamera.fit(other, source, camera).show(other)
    assert np.abs(shown.pose.xy[:, FEET] - source.pose.xy[:, FEET]).max() < 4
    heights = [np.ptp(track.pose.xy[..., 1], axis=1) for track in (shown, source)]
    np.testing.assert_allclose(heights[0] / heights[1], 1, atol=0.04)


def test_a_person_gets_the_light_of_the_place() -> None:
    place = np.random.default_rng(0).integers(40, 220, (60, 80, 3), np.uint8)
    assert match_light(place, place) == NO_GAIN
    warm = (place * [1.0, 0.85, 0.6]).astype(np.uint8)
    red, green, blue = match_light(place, warm)
    assert red > 0.97
    assert green < 0.95
    assert blue < green
    gray = Layer(np.full((4, 4, 4), 128, np.uint8), None, 0.0)
    relit = relight(gray, (red, green, blue)).rgba
    assert relit[0, 0, 0] > relit[0, 0, 1] > relit[0, 0, 2]
    assert (relit[..., 3] == 128).all()


def test_the_shadow_is_measured_beside_people_who_stay_whose_detected_masks_are_smaller(tmp_path: Path) -> None:
    clip = film(tmp_path, 12, lambda i: 40.0 + 6 * i)
    plate = Plate(clip.room, np.ones((HEIGHT, WIDTH), np.bool_))
    small = tmp_path / "detected.mkv"
    with MaskWriter(small, WIDTH // 2, HEIGHT // 2) as writer:
        for _ in range(12):
            writer.write(np.zeros((HEIGHT // 2, WIDTH // 2), np.uint8))
    person, still = (clip.masks, clip.track), Exposure.constant(12)
    place = RemovedDancers(VideoSource.open(clip.video), [person], lambda _: plate, still, [person], [small, small])
    told: list[Progress] = []
    assert 0 <= place.contact_darkness(told.append) <= 0.5
    assert told[-1].done == 12


def test_the_source_is_shown_without_its_dancer_at_any_time(tmp_path: Path) -> None:
    clip = film(tmp_path, 12, lambda i: 40.0 + 6 * i, noise=1.0)
    plate = Plate(clip.room, np.ones((HEIGHT, WIDTH), np.bool_))
    source = VideoSource.open(clip.video)
    place = RemovedDancers(source, [(clip.masks, clip.track)], lambda _: plate, Exposure.constant(12))
    first = place.at(0.0).copy()
    for time_s in (0.0, 0.2, 0.44, 0.08):
        assert np.abs(place.at(time_s).astype(int) - clip.room).mean() < 2
        assert np.abs(place.at(time_s).astype(int) - clip.room).max() < 40
        assert place.known_at(time_s).shape == (HEIGHT, WIDTH)
    np.testing.assert_array_equal(place.at(0.0), first)
    logo = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    assert PassedInFront(place).at(0.2) is None
    assert PassedInFront(place, logo).at(0.2) is logo


def test_a_source_with_cuts_is_refused(tmp_path: Path) -> None:
    scene = SourceScene(tmp_path / "source.mp4")
    assert scene.masks_of(cast("Any", SimpleNamespace(shots=(1,)))).parent.is_dir()
    with pytest.raises(InputError, match="has 3 shots, and --scene source needs one without cuts"):
        scene.masks_of(cast("Any", SimpleNamespace(shots=(1, 2, 3))))
