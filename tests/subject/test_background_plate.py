"""The background comes back without the person: where they moved away, where they stand, and with an unsteady hand."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dancenow.errors import UserError
from dancenow.media.sink import MaskWriter
from dancenow.media.source import read_masks
from dancenow.progress import Progress
from dancenow.subject.background.background_plate import (
    _estimate_light,
    _fill_holes,
    average_masked_ranks,
    estimate_plate,
    masked_ranks,
    plate_of_samples,
)
from dancenow.subject.background.frame_sampling import Sample
from dancenow.subject.background.hole_filling import fill_smoothly
from dancenow.subject.background.shadow_removal import FullLight, remove_shadow
from dancenow.types import FrameStatus, Plate
from helpers.filmed import WIDTH, Filmed, film

ALL = np.ones(300, bool)


def error_of(plate: Plate, filmed: Filmed) -> NDArray[np.int64]:
    return np.asarray(np.abs(plate.image_rgb.astype(np.int64) - filmed.room).max(axis=2))


def test_a_dancer_who_moves_leaves_no_ghost(tmp_path: Path) -> None:
    filmed = film(tmp_path, 80, lambda i: 80 + 55 * np.sin(i / 12))
    plate = estimate_plate(filmed.video, filmed.masks, ALL)
    assert plate.known.mean() > 0.97
    assert np.percentile(error_of(plate, filmed)[plate.known], 99.9) < 14
    assert error_of(plate, filmed)[plate.known].mean() < 3


def test_a_short_step_aside_is_enough(tmp_path: Path) -> None:
    filmed = film(tmp_path, 200, lambda i: 130 if 100 <= i < 110 else 40)
    plate = estimate_plate(filmed.video, filmed.masks, ALL)
    assert plate.known.mean() > 0.97
    assert np.percentile(error_of(plate, filmed), 99) < 14


def test_where_a_dancer_always_stands_is_unknown_and_the_room_continues(tmp_path: Path) -> None:
    filmed = film(tmp_path, 60, lambda i: 80 + 2 * np.sin(i / 5))
    plate = estimate_plate(filmed.video, filmed.masks, ALL)
    assert not plate.known[60:100, 78:83].any()
    assert plate.known[:, :40].all()
    assert plate.known[:, 120:].all()
    hole = plate.image_rgb[50:108, 74:87].astype(int)
    assert np.abs(hole - (200, 30, 30)).sum(axis=2).min() > 150, "nothing of the red figure is left"
    error = error_of(plate, filmed)[50:108, 74:87]
    assert error.mean() < 8, "and the line between wall and floor runs through"
    assert np.percentile(error, 99) < 30


def test_somebody_who_comes_when_the_dancer_is_far_away_leaves_no_ghost(tmp_path: Path) -> None:
    """The samples farthest from the dancer are all of the time at which the other person stands there."""
    filmed = film(tmp_path, 120, lambda i: 25 + i, other_x_of=lambda i: 25 if i >= 95 else 400)
    plate = estimate_plate(filmed.video, filmed.masks, ALL)
    left = error_of(plate, filmed)[40:110, 10:45]
    assert np.percentile(left, 99) < 14
    assert np.percentile(error_of(plate, filmed)[plate.known], 99) < 14


def test_frames_in_which_the_person_was_overlooked_do_no_harm(tmp_path: Path) -> None:
    filmed = film(tmp_path, 90, lambda i: 30 + i)
    with_gaps = film(tmp_path / "gaps", 90, lambda i: None if i % 30 == 7 else 30 + i)
    plate = estimate_plate(filmed.video, with_gaps.masks, ALL)
    assert np.percentile(error_of(plate, filmed)[plate.known], 99.9) < 14


def test_a_long_loss_of_a_person_in_view_paints_no_ghost(tmp_path: Path) -> None:
    def place(i: int) -> float:
        return 120 if 25 <= i < 80 else 30 + 0.4 * i

    filmed = film(tmp_path, 100, place)
    lost = film(tmp_path / "lost", 100, lambda i: None if 25 <= i < 80 else place(i))
    plate = estimate_plate(filmed.video, lost.masks, lost.track.status == FrameStatus.MEASURED)
    assert np.percentile(error_of(plate, filmed)[plate.known], 99.9) < 14
    trusting = estimate_plate(filmed.video, lost.masks, ALL)
    assert np.percentile(error_of(trusting, filmed)[trusting.known], 99) > 50, "so the loss is one that matters"
    assert estimate_plate(filmed.video, filmed.masks, ~ALL).known.mean() > 0.9, "with nothing else, all frames are used"


def test_an_unsteady_hand_gives_a_sharp_plate(tmp_path: Path) -> None:
    filmed = film(tmp_path, 81, lambda i: 30 + i, camera_of=lambda i: (4 * np.sin(i / 9), 2 * np.cos(i / 7)))
    plate = estimate_plate(filmed.video, filmed.masks, ALL)
    # The plate is seen from where the camera was in the middle; anywhere, the edges must be as sharp as the room's.
    sharp = np.abs(np.diff(filmed.room[8:40, 10:150].astype(int), axis=1)).max()
    got = np.sort(np.abs(np.diff(plate.image_rgb[8:40, 10:150].astype(int), axis=1)).max(axis=2).ravel())[-60:]
    assert np.median(got) > 0.45 * sharp


def test_masks_may_be_smaller_than_the_frame(tmp_path: Path) -> None:
    filmed = film(tmp_path, 60, lambda i: 30 + 1.6 * i)
    with MaskWriter(tmp_path / "small.mkv", WIDTH // 2, 60) as writer:
        for mask in read_masks(filmed.masks):
            writer.write(np.ascontiguousarray(mask[::2, ::2]))
    plate = estimate_plate(filmed.video, tmp_path / "small.mkv", ALL)
    assert np.percentile(error_of(plate, filmed)[plate.known], 99.9) < 14


def test_progress_ends_at_its_total(tmp_path: Path) -> None:
    filmed = film(tmp_path, 30, lambda i: 30 + 3 * i)
    events: list[Progress] = []
    estimate_plate(filmed.video, filmed.masks, ALL, on_progress=events.append)
    assert events[-1].done == events[-1].total


def test_a_missing_mask_file_is_said(tmp_path: Path) -> None:
    filmed = film(tmp_path, 3, lambda _: 50)
    with pytest.raises(UserError, match="does not exist"):
        estimate_plate(filmed.video, tmp_path / "none.mkv", ALL)


def test_filling_is_a_membrane() -> None:
    ramp = np.repeat(np.linspace(40, 200, 64)[None, :, None], 48, axis=0).repeat(3, axis=2).round().astype(np.uint8)
    known = np.ones((48, 64), bool)
    known[10:40, 12:50] = False
    damaged = ramp.copy()
    damaged[~known] = 0
    filled = fill_smoothly(damaged, known)
    assert np.array_equal(filled[known], ramp[known])
    assert np.abs(filled.astype(int) - ramp).max() <= 4


def test_the_floor_between_the_legs_keeps_its_boards_and_loses_its_shadow() -> None:
    room = np.full((64, 96, 3), 120, np.uint8)
    room[:, ::8] = 60  # boards
    known = np.ones((64, 96), bool)
    known[20:50, 30:66] = False
    shaded = room.copy()
    shaded[16:54, 26:70] -= 40  # which reaches further than the hole
    images, bare = [], np.ones((8, 64, 96), bool)
    for index in range(8):  # somebody sways over the hole, and hides one half of it or the other
        left = 30 if index % 2 else 48
        image = shaded.copy()
        image[20:50, left : left + 18] = (250, 20, 20)
        bare[index, 20:50, left : left + 18] = False
        images.append(image)
    median = np.where(known[..., None], room, 0).astype(np.uint8)
    filled = _fill_holes(median, known, images, bare)
    assert np.array_equal(filled[known], room[known])
    assert np.abs(filled.astype(int) - room).max() < 8
    smooth = fill_smoothly(median, known)
    assert np.abs(smooth.astype(int) - room)[~known].max() > 40, "which a smooth filling does not know"


@pytest.mark.parametrize("fringe", [40, 220])
def test_what_looks_like_the_surroundings_counts_close_to_the_person(fringe: int) -> None:
    """Most samples show the edge of a leg, dark or light, beside the hole: a median would keep it."""
    room = np.full((64, 96, 3), 120, np.uint8)
    room[:, ::8] = 90  # boards
    known = np.ones((64, 96), bool)
    known[20:50, 30:66] = False
    images = [room.copy() for _ in range(10)]
    for image in images[:7]:
        image[20:50, 40:56] = fringe
    median = np.where(known[..., None], room, 0).astype(np.uint8)
    filled = _fill_holes(median, known, images, np.ones((10, 64, 96), bool))
    assert np.abs(filled.astype(int) - room).max() < 8


def test_a_shadow_that_mostly_lies_there_is_lit_and_what_is_painted_darker_is_not() -> None:
    rng = np.random.default_rng(0)
    floor = np.full((60, 80, 3), (120, 110, 90), np.float32)
    floor[:, 40:] = (40, 60, 100)  # another carpet
    shadow = np.zeros((60, 80), bool)
    shadow[20:40, 30:60] = True
    shade = np.where(shadow, np.float32(0.6), 1)[..., None]
    bright = np.clip(floor + 3 + rng.normal(0, 1, floor.shape), 0, 255).astype(np.uint8)
    bright[50:, :20] = (200, 60, 60)  # something red that a mask missed
    seen = np.ones(shadow.shape, bool)
    seen[:, 70:] = False
    bright[5:15, 5:15] = (140, 128, 105)  # a pale sleeve far from the feet
    feet = np.zeros_like(seen)
    feet[35:45, 50:55] = True
    lit = remove_shadow(np.rint(floor * shade).astype(np.uint8), FullLight(bright, seen, feet)).astype(int)
    error = np.abs(lit - floor).max(axis=2)
    inner = shadow & ~(cv2.dilate((~shadow).astype(np.uint8), np.ones((9, 9))) > 0)
    assert error[inner].max() < 8
    assert error[~(cv2.dilate(shadow.astype(np.uint8), np.ones((9, 9))) > 0)].max() < 5
    assert remove_shadow(bright, FullLight(bright, ~np.ones_like(seen), feet)) is bright, (
        "where nothing is known nothing changes"
    )


def test_a_dancer_who_hardly_moves_leaves_no_shadow() -> None:
    """Their shadow falls to the left, and only now and then do they step so far that the floor there is lit."""
    rng = np.random.default_rng(1)
    room = np.full((240, 320, 3), (150, 140, 120), np.uint8)
    images, bare, feet = [], np.ones((40, 120, 160), bool), np.zeros((40, 120, 160), bool)
    for i in range(40):
        at = 80 if i % 8 == 0 else 240 + int(rng.integers(-3, 4))
        image = room.astype(np.float32) + rng.normal(0, 1.5, room.shape)
        image[110:150, max(at - 120, 0) : at] *= 0.6
        images.append(np.clip(image, 0, 255).astype(np.uint8))
        bare[i, :75, at // 2 - 8 : at // 2 + 8] = False
        feet[i, 60:75, at // 2 - 16 : at // 2 + 16] = True
    median, known = masked_ranks(images, np.ones_like(bare))
    band = np.s_[114:146, 124:216]
    assert np.abs(median[band].astype(int) - room[band]).mean() > 40
    small = [np.asarray(cv2.resize(image, (160, 120), interpolation=cv2.INTER_AREA), np.uint8) for image in images]
    light, _ = _estimate_light(small, bare, feet)
    lit = remove_shadow(median, light)
    assert np.abs(lit[band].astype(int) - room[band]).mean() < 4
    assert known.all()


def test_ranks_of_several_groups_are_those_of_each_alone() -> None:
    rng = np.random.default_rng(2)
    images = list(rng.integers(0, 256, (7, 30, 44, 3), np.uint8))
    use, groups = rng.random((7, 15, 22)) < 0.4, ((40, 50, 60), (10,), (92, 98))
    together, known = average_masked_ranks(images, use, groups)
    for found, percents in zip(together, groups, strict=True):
        alone, known_alone = masked_ranks(images, use, percents)
        np.testing.assert_array_equal(found, alone)
        np.testing.assert_array_equal(known, known_alone)
    assert 0 < known.mean() < 1


def test_the_dark_rim_of_a_picture_does_not_glow_where_somebody_stands_on_it() -> None:
    floor = np.full((96, 128, 3), 150, np.uint8)
    floor[:, ::16] = 140
    floor[-4:] = 5
    area = np.ones((96, 128), np.bool_)
    area[-4:] = False
    clearance = np.full((48, 64), 40, np.uint8)
    clearance[20:, 24:40] = 0  # somebody stands there, up to the rim, in all samples
    bare, feet = np.ones((48, 64), np.bool_), np.zeros((48, 64), np.bool_)
    bare[20:44, 26:38] = False
    plate = plate_of_samples([Sample(i, floor, clearance, bare, feet) for i in range(6)], area)
    assert not plate.known[-4:].any()
    inside = plate.image_rgb[40:92, 40:88].astype(int)
    assert inside.max() < 165
    assert inside.min() > 125
