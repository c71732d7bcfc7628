"""Footage of a moving camera: its background is a mosaic, its person stands on fixed ground, its camera can be replayed."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from dancenow import pipeline
from dancenow.generators.crop.dataset import CropDataset
from dancenow.generators.edn.dataset import FrameDataset
from dancenow.media.source import read_frames
from dancenow.pose.letterbox import Letterbox
from dancenow.subject.camera.trajectory import CameraKind
from dancenow.subject.subject import Subject
from helpers.moving_world import HEIGHT, MOTIONS, SCENE_HEIGHT, SCENE_WIDTH, WIDTH, make_moving_subject, scene


@pytest.fixture
def panned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    return make_moving_subject(tmp_path, monkeypatch, MOTIONS["pan"])


@pytest.mark.parametrize("name", ["shake", "pan", "zoom"])
def test_the_mosaic_is_the_empty_scene(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = make_moving_subject(tmp_path, monkeypatch, MOTIONS[name])
    camera = subject.camera
    assert camera is not None
    assert camera.trajectory.kind is CameraKind.TURNING
    assert not [warning for warning in subject.manifest.warnings if "camera" in warning or "scene" in warning]
    area = camera.mosaic.area
    truth = cv2.warpPerspective(
        scene(), area.from_frame(MOTIONS[name](camera.trajectory.reference)), (area.width_px, area.height_px)
    )
    known = camera.mosaic.plate.known
    inside = cv2.warpPerspective(
        np.ones((SCENE_HEIGHT, SCENE_WIDTH), np.uint8), area.from_frame(MOTIONS[name](camera.trajectory.reference)),
        (area.width_px, area.height_px),
    )  # fmt: skip
    error = np.abs(camera.mosaic.plate.image_rgb.astype(float) - truth).mean(axis=2)[known & (inside > 0)]
    assert known.mean() > 0.5
    assert error.mean() < 4


def test_the_subject_is_read_as_it_was_written(panned: Subject) -> None:
    again = Subject.open(panned.folder)
    assert again.camera is not None
    assert panned.camera is not None
    np.testing.assert_array_equal(again.camera.mosaic.plate.image_rgb, panned.camera.mosaic.plate.image_rgb)
    np.testing.assert_array_equal(again.world_track.pose.xy, panned.world_track.pose.xy)


def test_a_pan_that_follows_nobody_is_taken_out_of_the_track(panned: Subject) -> None:
    feet_px = panned.world_track.pose.xy[:, -8:, 1]
    assert np.ptp(feet_px.max(axis=1)) < 2
    assert np.ptp(panned.track.pose.xy[..., 0]) > np.ptp(panned.world_track.pose.xy[..., 0]) + 40


def test_crops_and_poses_of_moving_footage_fit(panned: Subject) -> None:
    dataset = CropDataset.build(panned, 96, 2)
    masks = dataset.mask.astype(np.float32) / 255
    for index in range(0, len(masks), 7):
        at = dataset.pose.xy[index].round().astype(int)
        assert masks[index][at[:, 1], at[:, 0]].mean() > 0.9, index


def test_whole_frames_are_seen_from_the_reference_view(panned: Subject) -> None:
    dataset = FrameDataset.build(panned, Letterbox.of_frame(WIDTH, HEIGHT, 128), 2, 40)
    spread = dataset.image.astype(np.float32).std(axis=0).mean(axis=2)
    assert np.median(spread) < 6  # the room stands still


@pytest.mark.slow
def test_the_camera_is_replayed_or_stands_still(panned: Subject, tmp_path: Path) -> None:
    model = pipeline.train(panned.folder, tmp_path / "model.safetensors", budget="4images", face="none")
    results = {}
    for camera in ("still", "follow"):
        out = tmp_path / f"{camera}.mp4"
        pipeline.transfer(panned.video, model, out, normalize="none", camera=camera)
        results[camera] = np.stack([frame.image_rgb for frame in read_frames(out)]).astype(np.float32)
    footage = np.stack([frame.image_rgb for frame in panned.read_frames()]).astype(np.float32)
    masks = np.stack(list(panned.read_masks()))
    away = np.stack([cv2.dilate(mask, np.ones((31, 31), np.uint8)) == 0 for mask in masks])
    away[:, :4], away[:, -4:], away[:, :, :4], away[:, :, -4:] = False, False, False, False
    error = np.square(results["follow"] - footage).mean(axis=-1)[away].mean()
    assert 10 * np.log10(255**2 / error) > 28
    assert np.median(results["still"].std(axis=0)) < 2
    assert np.median(results["follow"].std(axis=0)) > 10
