"""Mattes follow the person where the detector's mask does not: gaps, fine parts, coarse edges; and never a shadow."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dancenow.media.sink import MaskWriter, VideoWriter
from dancenow.media.source import VideoSource, read_masks
from dancenow.subject.background.mosaic import Mosaic
from dancenow.subject.camera.footage_camera import FootageCamera
from dancenow.subject.camera.trajectory import CameraKind, CameraTrajectory
from dancenow.subject.matte.near_background import NearBackground
from dancenow.subject.matte.refined_masks import filmed_background, refine_masks
from dancenow.subject.matte.refinement import refine_matte
from dancenow.types import ImageRGB, Plate

HEIGHT, WIDTH = 480, 360
DETECTOR_PX = 4
"""A px of a detector's mask is about this large where a person is 400 px tall."""


def scene() -> Plate:
    """A wall with pictures and a floor, with a little texture."""
    image = np.full((HEIGHT, WIDTH, 3), (185, 180, 170), np.uint8)
    image[380:] = (130, 105, 80)
    for x in range(20, WIDTH, 90):
        cv2.rectangle(image, (x, 40), (x + 40, 120), (90, 120, 150), -1)
    rough = np.random.default_rng(0).normal(0, 4, (HEIGHT, WIDTH, 1))
    return Plate(np.clip(image + rough, 0, 255).astype(np.uint8), np.ones((HEIGHT, WIDTH), bool))


def figure() -> NDArray[np.float32]:
    """Alpha of a person with a gap between the arm and the trunk, thin strands of hair, and a wide skirt."""
    big = np.zeros((4 * HEIGHT, 4 * WIDTH), np.uint8)

    def part(*points: tuple[int, int]) -> None:
        cv2.fillPoly(big, [4 * np.array(points, np.int32)], 255)

    cv2.circle(big, (4 * 180, 4 * 80), 4 * 34, 255, -1)
    part((160, 105), (200, 105), (225, 130), (215, 250), (145, 250), (135, 130))
    part((135, 130), (148, 130), (122, 190), (146, 240), (136, 248), (104, 190))  # the elbow points away from the trunk
    part((145, 240), (215, 240), (250, 330), (110, 330))
    part((150, 320), (170, 320), (168, 430), (145, 430))
    part((190, 320), (212, 320), (218, 430), (195, 430))
    for x in (150, 158, 204, 212):
        cv2.line(big, (4 * x, 4 * 90), (4 * (x + (x - 180) // 4), 4 * 140), 255, 5)
    small = cv2.resize(big, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return np.asarray(small * np.float32(1 / 255), np.float32)


def detector_mask(alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
    """What a detector makes of it: coarse, with the gap closed and the hem of the skirt missing."""
    closed = cv2.morphologyEx(alpha, cv2.MORPH_CLOSE, np.ones((23, 23), np.uint8))
    closed[312:332, :150] = alpha[312:332, :150] * (np.arange(150) > 128)
    coarse = cv2.resize(closed, (WIDTH // DETECTOR_PX, HEIGHT // DETECTOR_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(np.rint(255 * cv2.GaussianBlur(coarse, (0, 0), 0.7)), np.uint8)


def photo(
    plate: Plate, alpha: NDArray[np.float32], *, light: float = 1.0, color: tuple[int, int, int] = (150, 40, 60)
) -> ImageRGB:
    """The person with a dark head in front of the plate, with noise."""
    person = np.full((HEIGHT, WIDTH, 3), color, np.float32)
    person[:140] = (60, 40, 35)
    image = person * alpha[..., None] + plate.image_rgb * (1 - alpha[..., None])
    noise = np.random.default_rng(1).normal(0, 2, image.shape)
    return np.asarray(np.clip(image * light + noise, 0, 255), np.uint8)


EVERYWHERE = (slice(None), slice(None))


def error(matte: NDArray[np.uint8], alpha: NDArray[np.float32], part: tuple[slice, slice] = EVERYWHERE) -> float:
    return float(np.abs(matte / 255 - alpha)[part].sum())


def enlarged(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(mask, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR), np.uint8)


GAP = (slice(150, 235), slice(112, 146))
HEM = (slice(306, 336), slice(100, 150))
HAIR = (slice(96, 145), slice(136, 226))


@pytest.mark.parametrize("light", [1.0, 0.85, 1.1])
def test_edges_gaps_hair_and_hem_are_right_in_any_light(light: float) -> None:
    plate, alpha = scene(), figure()
    detected = detector_mask(alpha)
    matte = refine_matte(photo(plate, alpha, light=light), detected, plate)
    coarse = enlarged(detected)
    assert matte.shape == alpha.shape
    assert error(matte, alpha) < 0.3 * error(coarse, alpha)
    for part in (GAP, HEM, HAIR):
        assert error(matte, alpha, part) < 0.5 * error(coarse, alpha, part)
    assert matte[:, :60].max() == matte[:, 300:].max() == 0


def test_a_shadow_is_not_part_of_the_person() -> None:
    plate, alpha = scene(), figure()
    shadow = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.ellipse(shadow, (210, 432), (90, 14), 0, 0, 360, 1.0, -1)
    shaded = plate.image_rgb * (1 - 0.4 * cv2.GaussianBlur(shadow, (0, 0), 3))[..., None]
    matte = refine_matte(photo(Plate(shaded.astype(np.uint8), plate.known), alpha), detector_mask(alpha), plate)
    assert (matte[420:450] > 60).sum() < 1.3 * (alpha[420:450] > 0.25).sum()
    assert matte[425:440, 240:].max() < 60


def test_a_person_in_the_colors_of_the_wall_is_not_cut_open() -> None:
    plate, alpha = scene(), figure()
    detected = detector_mask(alpha)
    matte = refine_matte(photo(plate, alpha, color=(184, 179, 171)), detected, plate)
    inside = (cv2.erode(alpha, np.ones((15, 15), np.uint8)) > 0.99) & (enlarged(detected) > 250)
    assert matte[inside].min() > 200


@pytest.mark.parametrize("known", [True, False])
def test_a_wrong_or_unknown_background_does_little_harm(known: bool) -> None:
    """The camera has turned, so that the plate is of another place."""
    plate, alpha = scene(), figure()
    other = Plate(np.ascontiguousarray(np.roll(plate.image_rgb[::-1], 45, axis=1)), np.full((HEIGHT, WIDTH), known))
    detected = detector_mask(alpha)
    matte = refine_matte(photo(plate, alpha), detected, other)
    assert error(matte, alpha) < error(enlarged(detected), alpha)


@pytest.mark.parametrize("box", [(0, 0, 0, 0), (100, 100, 108, 110), (0, 0, WIDTH, HEIGHT), (0, 300, 90, HEIGHT)])
def test_any_mask_gives_a_matte(box: tuple[int, int, int, int]) -> None:
    plate = scene()
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = 255
    assert refine_matte(plate.image_rgb, mask, plate).shape == (HEIGHT, WIDTH)


def test_the_background_beside_a_person_who_sways_becomes_known(tmp_path: Path) -> None:
    plate, alpha = scene(), figure()
    known = cv2.dilate(alpha, np.ones((61, 61), np.uint8)) < 0.5
    masks = tmp_path / "masks.mkv"
    places = [round(10 * np.sin(i / 3)) for i in range(24)]
    with MaskWriter(masks, WIDTH // 2, HEIGHT // 2) as writer:
        for x in places:
            moved = np.roll(alpha, x, axis=1) * np.float32(255)
            writer.write(np.asarray(cv2.resize(moved, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA), np.uint8))
    near = NearBackground(masks, range(24))
    with VideoWriter(tmp_path / "video.mp4", WIDTH, HEIGHT, fps=Fraction(25), crf=12) as video:
        for i, x in enumerate(places):
            video.write(photo(plate, np.roll(alpha, x, axis=1)), Fraction(i, 25))
    source = VideoSource.open(tmp_path / "video.mp4")
    source.feed(near)
    completed = near.complete(Plate(np.where(known[..., None], plate.image_rgb, 0).astype(np.uint8), known))
    found = completed.known & ~known
    assert found.sum() > 0.4 * (~known & (alpha < 0.01)).sum()
    assert np.abs(completed.image_rgb.astype(int) - plate.image_rgb)[found].mean() < 8
    refine_masks(source, masks, lambda _: completed)
    refined = list(read_masks(masks))
    assert len(refined) == 24
    assert np.mean([error(each, np.roll(alpha, x, axis=1)) for each, x in zip(refined, places, strict=True)]) < 700


def test_a_moving_camera_gives_each_frame_its_own_background() -> None:
    plate, alpha = scene(), figure()
    to_reference = np.stack([np.eye(3), np.array([[1.0, 0, 12], [0, 1, 0], [0, 0, 1]]), np.eye(3)])
    trajectory = CameraTrajectory(to_reference, np.array([1.0, 0.9, 0.0]), 0, CameraKind.TURNING, WIDTH, HEIGHT)
    background_of = filmed_background(FootageCamera(trajectory, Mosaic.of_plate(plate)))
    seen = background_of(1)
    assert np.array_equal(seen.image_rgb[:, : WIDTH - 12], plate.image_rgb[:, 12:])
    assert not background_of(2).known.any()
    turned = np.ascontiguousarray(np.roll(alpha, -12, axis=1))
    matte = refine_matte(photo(seen, turned), detector_mask(turned), seen)
    assert error(matte, turned) < 0.3 * error(enlarged(detector_mask(turned)), turned)
