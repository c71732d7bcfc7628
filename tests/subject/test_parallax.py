"""Samples of a camera that travels are laid onto each other, so that the median of near things is sharp."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dancenow.media.shots import Shot
from dancenow.media.sink import MaskWriter, VideoWriter
from dancenow.media.source import open_video
from dancenow.storage.checkpoint import load_checkpoint, save_checkpoint
from dancenow.subject.background import parallax, parallax_over_time
from dancenow.subject.background.background_plate import plate_of_samples
from dancenow.subject.background.displacements import Displacements
from dancenow.subject.background.frame_sampling import Sample
from dancenow.subject.background.mosaic import Mosaic, MosaicArea
from dancenow.subject.background.parallax import displacement, far_displacement, follow, move, without_parallax
from dancenow.subject.camera.following import follow_parallax
from dancenow.subject.camera.footage_camera import FootageCamera, load_camera, save_camera
from dancenow.subject.camera.trajectory import CameraTrajectory
from dancenow.subject.target_appearance import Target
from dancenow.types import ImageRGB, Plate
from helpers.drawn_world import dancer_track

Mask = NDArray[np.bool_]
Field = NDArray[np.float32]

HEIGHT, WIDTH = 240, 320
SHIFTS_PX = (-5.0, -3.0, -1.0, 1.0, 3.0, 5.0)
EVERYWHERE = np.ones((HEIGHT, WIDTH), bool)


def texture(seed: int = 0) -> ImageRGB:
    noise = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return np.asarray(((soft - 128) * 5 + 128).clip(0, 255), np.uint8)


def nearer_below(shift_px: float) -> NDArray[np.float32]:
    """A displacement that grows from nothing at the top to `shift_px` at the bottom, as over a floor."""
    by = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    by[..., 0] = np.linspace(0, shift_px, HEIGHT, dtype=np.float32)[:, None]
    return by


def sample(index: int, image: ImageRGB) -> Sample:
    small = (HEIGHT // 2, WIDTH // 2)
    return Sample(index, image, np.full(small, 255, np.uint8), np.ones(small, bool), np.zeros(small, bool))


def error(image: ImageRGB, truth: ImageRGB) -> float:
    inner = slice(24, -24)
    return float(np.abs(image[inner, inner].astype(float) - truth[inner, inner]).mean())


def test_a_displacement_is_found() -> None:
    image, by = texture(), nearer_below(5.0)
    found = displacement(move(image, -by), image, EVERYWHERE)
    assert np.abs(found - by)[40:-24, 40:-40].mean() < 0.5


def test_a_far_displacement_is_found_in_steps() -> None:
    image, by = texture(), nearer_below(30.0)
    found = far_displacement(move(image, -by), image, EVERYWHERE, EVERYWHERE)
    assert found is not None
    once, inner = displacement(move(image, -by), image, EVERYWHERE), (slice(40, -24), slice(40, -40))
    assert np.abs(found - by)[inner].mean() < 0.8 * np.abs(once - by)[inner].mean()


def test_a_displacement_that_makes_pictures_less_alike_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallax, "displacement", lambda *_: np.full((HEIGHT, WIDTH, 2), 9, np.float32))
    assert far_displacement(texture(), texture(), EVERYWHERE, EVERYWHERE) is None


def test_near_things_are_sharp_in_the_plate() -> None:
    truth = texture()
    samples = [sample(i, move(truth, nearer_below(shift))) for i, shift in enumerate(SHIFTS_PX)]
    blurred = plate_of_samples(samples, EVERYWHERE).image_rgb
    kept: list[ImageRGB] = []

    def keep(image: ImageRGB) -> ImageRGB:
        kept.append(image)
        return image

    moved, displacements = without_parallax(list(samples), EVERYWHERE, 10.0, keep)
    sharp = plate_of_samples(moved, EVERYWHERE).image_rgb
    assert len(kept) == len(samples)
    assert displacements is not None
    np.testing.assert_array_equal(displacements.frames, np.arange(len(samples)))
    assert error(sharp, truth) < 0.5 * error(blurred, truth)


def test_people_do_not_pull() -> None:
    """Where the person hides the background, it moves as it does around them."""
    truth, by = texture(), nearer_below(4.0)
    seen = move(truth, -by)
    seen[100:200, 140:180] = texture(1)[100:200, 140:180]
    visible = EVERYWHERE.copy()
    visible[96:204, 136:184] = False
    found = displacement(seen, truth, visible)
    assert np.abs(found - by)[100:200, 140:180].mean() < 1.0


def test_samples_without_parallax_stay_as_they_are() -> None:
    samples = [sample(i, texture()) for i in range(4)]
    assert without_parallax(list(samples), EVERYWHERE, 10.0, lambda image: image) == (samples, None)


def test_a_view_shows_the_parallax_of_its_moment(tmp_path: Path) -> None:
    truth = texture()
    samples = [sample(4 * i, move(truth, nearer_below(shift))) for i, shift in enumerate(SHIFTS_PX)]
    moved, displacements = without_parallax(list(samples), EVERYWHERE, 10.0, lambda image: image)
    trajectory = CameraTrajectory.still(21, WIDTH, HEIGHT)
    mosaic = Mosaic(plate_of_samples(moved, EVERYWHERE), MosaicArea(0, 0, WIDTH, HEIGHT), displacements)
    save_camera(tmp_path, FootageCamera(trajectory, mosaic))
    loaded = load_camera(tmp_path).mosaic
    for each in samples:
        view = loaded.seen_by(np.eye(3), WIDTH, HEIGHT, each.index)
        assert error(view, each.image_rgb) < 0.35 * error(loaded.seen_by(np.eye(3), WIDTH, HEIGHT), each.image_rgb) + 4
    between = loaded.seen_by(np.eye(3), WIDTH, HEIGHT, 10)
    assert error(between, truth) < 4


def test_far_from_any_sample_nothing_is_displaced() -> None:
    by = np.stack([nearer_below(shift) for shift in (4.0, -4.0)]).astype(np.float16)
    displacements = Displacements(np.array([0, 100]), by, 10.0)
    np.testing.assert_allclose(displacements.at(0), by[0])
    np.testing.assert_allclose(displacements.at(5), 0.5 * by[0].astype(np.float32))
    assert not displacements.at(50).any()
    near = Displacements(np.array([0, 8]), by, 10.0)
    np.testing.assert_allclose(near.at(2), 0.5 * by[0].astype(np.float32))


@pytest.mark.parametrize("by", [np.zeros((1, 0, 0, 2)), np.full((1, 4, 4, 2), np.nan)])
def test_damaged_displacements_are_refused(by: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="finite"):
        Displacements(np.array([0]), by.astype(np.float16), 10.0)


def test_a_model_keeps_the_displacements(tmp_path: Path) -> None:
    by = nearer_below(4.0)[None, ::20, ::20].astype(np.float16)
    plate = Plate(texture(), EVERYWHERE)
    mosaic = Mosaic(plate, MosaicArea(0, 0, WIDTH, HEIGHT), Displacements(np.array([3]), by, 12.5))
    track = dancer_track(6, body_px=150.0, size_px=WIDTH)
    camera = FootageCamera(CameraTrajectory.still(6, WIDTH, HEIGHT), mosaic)
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, Target("drawn", plate, track, camera=camera).to_checkpoint("body"))
    kept = Target.of_checkpoint(load_checkpoint(path, "body")).camera
    assert kept is not None
    assert kept.mosaic.displacements is not None
    assert kept.mosaic.displacements.reach_frames == 12.5
    np.testing.assert_array_equal(kept.mosaic.displacements.by, by)


def write_footage(folder: Path, frames: list[ImageRGB]) -> tuple[Path, Path]:
    """A video of the frames at 12 frames per second, and masks of somebody small."""
    video, masks = folder / "travel.mp4", folder / "masks.mkv"
    with VideoWriter(video, WIDTH, HEIGHT, fps=Fraction(12), crf=10) as writer:
        for index, frame in enumerate(frames):
            writer.write(frame, Fraction(index, 12))
    person = np.zeros((HEIGHT, WIDTH), np.uint8)
    person[100:140, 60:70] = 255
    with MaskWriter(masks, WIDTH, HEIGHT) as mask_writer:
        for _ in frames:
            mask_writer.write(person)
    return video, masks


def still_camera(count: int, displacements: Displacements) -> FootageCamera:
    mosaic = Mosaic(Plate(texture(), EVERYWHERE), MosaicArea(0, 0, WIDTH, HEIGHT), displacements)
    return FootageCamera(CameraTrajectory.still(count, WIDTH, HEIGHT), mosaic)


def test_parallax_is_not_smoothed_over_cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that say that nothing moves would even out a jump, also where the first frames of a shot have nobody."""
    count = 14
    video, masks = write_footage(tmp_path, [move(texture(), nearer_below(-5.0 if i < 6 else 5.0)) for i in range(count)])
    camera = still_camera(count, Displacements(np.array([0]), nearer_below(-5.0)[None, ::20, ::20].astype(np.float16), 6.0))
    found = np.ones(count, bool)
    found[6] = False
    far = parallax.far_displacement

    def without_steps(image: ImageRGB, fixed: ImageRGB, shown: Mask, known: Mask, steps: int = 3) -> Field | None:
        return far(image, fixed, shown, known) if steps > 1 else np.zeros((HEIGHT, WIDTH, 2), np.float32)

    monkeypatch.setattr(parallax_over_time, "far_displacement", without_steps)
    monkeypatch.setattr(parallax_over_time, "_NEAR_S", 0.2)
    jumps_px = []
    for shots in ((Shot(0, 6), Shot(6, count)), (Shot(0, count),)):
        source = open_video(video)
        source.__dict__["shots"] = shots
        followed = follow_parallax(source, masks, found, camera).mosaic.displacements
        assert followed is not None
        before, after = (float(followed.at(i)[-8:-4, 8:-8, 0].mean()) for i in (5, 7))
        jumps_px.append(abs(after - before))
    assert jumps_px[0] > 6
    assert jumps_px[1] < 0.6 * jumps_px[0]


def test_displacements_move_as_the_picture_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measurements that tremble are smoothed along the steps, although the motion accelerates."""
    truth, count = texture(), 16
    shifts_px = np.linspace(-2.5, 2.5, count) ** 3 / 2
    video, masks = write_footage(tmp_path, [move(truth, nearer_below(float(shift))) for shift in shifts_px])
    camera = still_camera(count, Displacements(np.array([0]), nearer_below(1.0)[None, ::20, ::20].astype(np.float16), 6.0))
    far, noise = parallax.far_displacement, np.random.default_rng(0)

    def trembling(image: ImageRGB, fixed: ImageRGB, shown: Mask, known: Mask, steps: int = 3) -> Field | None:
        found = far(image, fixed, shown, known, steps)
        return found if steps == 1 or found is None else found + np.float32(noise.normal(0, 1))

    monkeypatch.setattr(parallax_over_time, "far_displacement", trembling)
    errors_px = []
    for reach_s in (1e-6, 0.3):
        monkeypatch.setattr(parallax_over_time, "_REACH_S", reach_s)
        followed = follow_parallax(open_video(video), masks, np.ones(count, bool), camera).mosaic.displacements
        assert followed is not None
        assert len(followed.frames) == count
        at_bottom = [float(followed.at(i)[-8:-4, 8:-8, 0].mean()) for i in range(count)]
        share = -np.polyfit(shifts_px, at_bottom, 1)[0]  # of the shift at the bottom, in the rows that are compared
        errors_px.append(np.abs(np.diff(at_bottom) + share * np.diff(shifts_px)).mean())
    assert errors_px[1] < 0.5 * errors_px[0]


def test_the_order_in_which_displacements_follow_each_other() -> None:
    x = np.linspace(0, 6, WIDTH, dtype=np.float32)
    first, then = (np.zeros((HEIGHT, WIDTH, 2), np.float32) for _ in range(2))
    first[..., 0], then[..., 0] = x**2 / 3, 5.0
    both = follow(first, then)
    expected = move(move(texture(), first), then)
    assert error(move(texture(), both), expected) < 0.5 * error(move(texture(), first + then), expected)


def test_steep_displacements_are_inverted() -> None:
    """Beside a near railing a displacement grows by 2 px per px: the view still is the film's."""
    ramp = np.clip((np.arange(WIDTH, dtype=np.float32) - 150) * 2, 0, 40)
    by = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    by[..., 0] = ramp
    cells = cv2.resize(by, (48, 36), interpolation=cv2.INTER_AREA)[None].astype(np.float16)
    mosaic = Mosaic(Plate(texture(), EVERYWHERE), MosaicArea(0, 0, WIDTH, HEIGHT), Displacements(np.array([0]), cells, 5.0))
    view = mosaic.seen_by(np.eye(3), WIDTH, HEIGHT, 0)
    assert error(move(view, by)[:, :240], texture()[:, :240]) < 0.25 * error(view[:, :240], texture()[:, :240])


def test_displacements_out_of_reach_are_completed() -> None:
    by = np.stack([nearer_below(shift)[::20, ::20] for shift in (4.0, -4.0)]).astype(np.float16)
    few, many = Displacements(np.array([50, 52]), by, 10.0), Displacements(np.array([0, 45, 90]), np.stack([by[0]] * 3), 10.0)
    both = few.completed(many)
    assert both.frames.tolist() == [0, 50, 52, 90]
    np.testing.assert_array_equal(both.at(90), by[0])
    assert few.completed(Displacements(np.array([45]), by[:1], 10.0)) is few


def test_the_parallax_of_frames_without_a_sample_is_measured(tmp_path: Path) -> None:
    """The camera goes to the right and the near part with it; only the first half of the frames is sampled."""
    truth, count = texture(), 24
    shifts_px = np.linspace(-6.0, 6.0, count)
    frames = [move(truth, nearer_below(float(shift))) for shift in shifts_px]
    video, masks = write_footage(tmp_path, frames)
    sampled = [sample(i, frames[i]) for i in range(0, count // 2, 2)]
    moved, displacements = without_parallax(list(sampled), EVERYWHERE, 6.0, lambda image: image)
    mosaic = Mosaic(plate_of_samples(moved, EVERYWHERE), MosaicArea(0, 0, WIDTH, HEIGHT), displacements)
    camera = FootageCamera(CameraTrajectory.still(count, WIDTH, HEIGHT), mosaic)
    found = np.ones(count, bool)
    found[5] = False
    followed = follow_parallax(open_video(video), masks, found, camera).mosaic
    assert followed.displacements is not None
    assert followed.displacements.frames.tolist() == [i for i in range(count) if i != 5]
    for index in (5, 14, 22):
        view, before = (each.seen_by(np.eye(3), WIDTH, HEIGHT, index) for each in (followed, mosaic))
        assert error(view, frames[index]) < 12
        assert index == 5 or error(view, frames[index]) < 0.5 * error(before, frames[index])
    still = replace(camera, mosaic=replace(mosaic, displacements=None))
    assert follow_parallax(open_video(video), masks, found, still) is still


def test_displacements_that_make_it_worse_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the flow errs, as among things that look the same, the homographies count."""
    samples = [sample(i, move(texture(), nearer_below(shift))) for i, shift in enumerate((-1.0, 0.0, 0.5, 1.0))]
    wrong = iter(np.linspace(-9, 9, 64))
    monkeypatch.setattr(parallax, "displacement", lambda *_: np.full((HEIGHT, WIDTH, 2), next(wrong), np.float32))
    assert without_parallax(list(samples), EVERYWHERE, 10.0, lambda image: image) == (samples, None)
