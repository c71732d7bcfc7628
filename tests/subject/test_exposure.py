"""Exposure that changes is measured against one reference, corrected for the plate and the training, and replayed."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dancenow.errors import UserError
from dancenow.media.source import open_video
from dancenow.subject.background.background_plate import estimate_plate
from dancenow.subject.camera.following import film_background
from dancenow.subject.exposure import Exposure
from dancenow.subject.exposure_measurement import ExposureMeter
from helpers import moving_world
from helpers.filmed import Filmed, film

FRAMES = 90
ALL = np.ones(FRAMES, bool)


def walk(i: int) -> float:
    return 80 + 55 * math.sin(i / 12)


def measured(filmed: Filmed) -> Exposure:
    meter = ExposureMeter(filmed.masks, ALL)
    open_video(filmed.video).feed(meter)
    return meter.exposure()


def largest_ghost(plate: NDArray[np.uint8], expected: NDArray[np.uint8]) -> float:
    """Largest difference in levels after a blur, which removes noise and compression, less the mean difference."""
    difference = cv2.GaussianBlur(plate.astype(np.float32) - expected, (0, 0), 2)
    largest: float = np.abs(difference - difference.mean(axis=(0, 1))).max()
    return largest


def test_a_flickering_lamp_leaves_no_ghost_in_the_plate(tmp_path: Path) -> None:
    filmed = film(tmp_path, FRAMES, walk, gain_of=lambda i: 1 + 0.12 * np.sin(i / 11))
    exposure = measured(filmed)
    gain = exposure.table[:, :, 0]
    relative = gain[:, 1] * (1 + 0.12 * np.sin(np.arange(FRAMES) / 11))
    assert exposure.usable.all()
    assert not exposure.warnings(ALL), "what is corrected needs no remedy"
    assert relative.std() / relative.mean() < 0.02
    steady = estimate_plate(film(tmp_path / "steady", FRAMES, walk).video, filmed.masks, ALL)
    plate = estimate_plate(filmed.video, filmed.masks, ALL)
    assert plate.known.mean() > 0.95
    assert largest_ghost(plate.image_rgb, filmed.room) < largest_ghost(steady.image_rgb, filmed.room) + 2


def test_a_fade_in_is_left_out_where_it_is_too_dark_and_corrected_elsewhere(tmp_path: Path) -> None:
    filmed = film(tmp_path, FRAMES, walk, gain_of=lambda i: min(1.0, i / 30))
    exposure = measured(filmed)
    assert not exposure.usable[:11].any()
    assert exposure.usable[14:].all()
    np.testing.assert_allclose(exposure.table[20, :, 0], 1.5, atol=0.06)
    np.testing.assert_array_equal(exposure.table[40:], Exposure.constant(FRAMES - 40).table)
    plate = estimate_plate(filmed.video, filmed.masks, ALL)
    assert largest_ghost(plate.image_rgb, filmed.room) < 6
    assert "13%" in exposure.warnings(ALL)[0] or "14%" in exposure.warnings(ALL)[0]


def test_black_frames_are_unusable_and_leave_the_others_as_they_are(tmp_path: Path) -> None:
    exposure = measured(film(tmp_path, FRAMES, walk, gain_of=lambda i: 0.01 if 40 <= i < 50 else 1.0))
    assert (~exposure.usable).nonzero()[0].tolist() == list(range(40, 50))
    np.testing.assert_array_equal(exposure.table[exposure.usable], Exposure.constant(FRAMES - 10).table)


@pytest.mark.parametrize("camera", [0.0, 40.0])
def test_steady_light_changes_nothing_whether_the_camera_moves_or_not(tmp_path: Path, camera: float) -> None:
    filmed = film(tmp_path, FRAMES, walk, camera_of=lambda i: (camera * np.sin(i / 20), 0.0))
    assert not measured(filmed).changes


def test_a_pan_that_adapts_its_exposure_leaves_one_even_background(tmp_path: Path) -> None:
    num_frames, motion = 40, moving_world.MOTIONS["pan"]
    gain = 1 + 0.2 * np.sin(np.arange(num_frames) / 6)

    def lit(i: int) -> NDArray[np.uint8]:
        return np.asarray(np.clip(moving_world.scene() * (0.8 * gain[i]), 0, 255), np.uint8)

    masks, every = tmp_path / "masks.mkv", np.ones(num_frames, bool)
    source = open_video(moving_world.film_scene(tmp_path / "pan.mp4", num_frames, motion, masks, lit))
    camera, meter = moving_world.known_trajectory(num_frames, motion, 20), ExposureMeter(masks, every)
    source.feed(meter)
    exposure = meter.exposure(camera)
    relative = exposure.table[:, 1, 0] * gain
    assert exposure.usable.all()
    assert relative.std() / relative.mean() < 0.02

    def unevenness(of: Exposure | None) -> float:
        filmed = film_background(source, masks, every, camera, exposure=of)
        assert filmed is not None
        area, plate = filmed.mosaic.area, filmed.mosaic.plate
        truth = cv2.warpPerspective(
            moving_world.scene(), area.from_frame(motion(20)), (area.width_px, area.height_px), flags=cv2.INTER_LINEAR
        )
        bright = (truth.min(axis=2) > 40) & plate.known
        ratio = plate.image_rgb[bright].astype(np.float32) / truth[bright]
        return float(ratio.std())

    assert unevenness(exposure) < 0.6 * unevenness(None)


def test_a_frame_comes_back_from_the_reference_exposure() -> None:
    table = np.array([[[1.25, -10], [1, 0], [0.8, 6]], [[1, 0], [1, 0], [1, 0]]], np.float32)
    exposure = Exposure(table, np.ones(2, bool))
    image = np.random.default_rng(0).integers(40, 180, (9, 7, 3)).astype(np.uint8)
    corrected = exposure.correct(image, 0)
    assert corrected[..., 0].mean() == pytest.approx(1.25 * image[..., 0].mean() - 10, abs=1)
    assert np.abs(exposure.replay(corrected, 0).astype(int) - image).max() <= 1
    assert exposure.correct(image, 1) is image
    assert exposure.changes
    assert not Exposure.constant(3).changes


def test_it_is_stored_and_a_damaged_file_is_refused(tmp_path: Path) -> None:
    table = np.tile(np.array([1.5, 3], np.float32), (4, 3, 1))
    Exposure(table, np.array([True, True, False, True])).save(tmp_path / "exposure.npz")
    loaded = Exposure.load(tmp_path / "exposure.npz")
    np.testing.assert_array_equal(loaded.table, table)
    assert loaded.usable.tolist() == [True, True, False, True]
    with pytest.raises(ValueError, match="gain"):
        Exposure(-table, loaded.usable)
    with pytest.raises(ValueError, match="frames instead"):
        Exposure(table[:2], loaded.usable)


def test_a_missing_mask_file_is_reported(tmp_path: Path) -> None:
    filmed = film(tmp_path, 3, walk)
    with pytest.raises(UserError, match="does not exist"):
        open_video(filmed.video).feed(ExposureMeter(tmp_path / "none.mkv", np.ones(3, bool)))
