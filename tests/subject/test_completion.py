"""Unseen background continues what is around it: lines run through, textures go on, flat walls stay flat."""

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.background.completion import add_structure, complete
from dancenow.subject.background.gradient_blending import Filling, copy_seamlessly, solve_poisson
from dancenow.subject.background.hole_filling import fill_smoothly
from dancenow.subject.background.shift_map import choose_shifts
from dancenow.subject.background.shift_proposals import features_of
from dancenow.subject.background.uniqueness import measure_uniqueness


def hole_of_a_person(height_px: int, width_px: int) -> NDArray[np.bool_]:
    """Known everywhere but in the shape of somebody who stands in the middle."""
    hole = np.zeros((height_px, width_px), np.uint8)
    x, y = width_px // 2, height_px // 2
    cv2.ellipse(hole, (x, y), (width_px // 12, height_px // 3), 0, 0, 360, 1, -1)
    cv2.circle(hole, (x, y - height_px // 3), width_px // 16, 1, -1)
    return np.asarray(hole == 0)


def brick_room(height_px: int = 200, width_px: int = 240) -> NDArray[np.uint8]:
    """A brick wall with a dark skirting board and a gray floor."""
    image = np.full((height_px, width_px, 3), (150, 80, 60), np.uint8)
    for row, top in enumerate(range(0, height_px, 12)):
        image[top : top + 2] = (190, 180, 170)
        image[top : top + 12, (row % 2) * 12 :: 24] = (190, 180, 170)
        image[top : top + 12, (row % 2) * 12 + 1 :: 24] = (190, 180, 170)
    image[150:] = (120, 125, 130)
    image[142:150] = (40, 35, 35)
    return image


def test_bricks_and_the_skirting_board_continue() -> None:
    room = brick_room()
    known = hole_of_a_person(*room.shape[:2])
    damaged = np.where(known[..., None], room, np.uint8(0))
    completed, smooth = complete(damaged, known), fill_smoothly(damaged, known)
    assert np.array_equal(completed[known], room[known])
    hole = ~known
    error, smooth_error = (np.abs(each.astype(int) - room)[hole].mean() for each in (completed, smooth))
    assert error < 0.35 * smooth_error
    board = hole & (np.arange(200)[:, None] >= 144) & (np.arange(200)[:, None] < 148)
    assert completed[board].max(axis=1).mean() < 70, "the board runs through"


def test_the_same_picture_is_completed_in_the_same_way() -> None:
    room = brick_room()
    known = hole_of_a_person(*room.shape[:2])
    assert np.array_equal(complete(room, known), complete(room, known))


def test_a_flat_wall_stays_flat() -> None:
    ramp = np.repeat(np.linspace(90, 160, 200)[None, :, None], 160, axis=0).repeat(3, axis=2).round().astype(np.uint8)
    known = hole_of_a_person(160, 200)
    smooth = fill_smoothly(ramp, known)
    assert add_structure(smooth, known) is not smooth
    assert np.array_equal(add_structure(smooth, known), smooth)
    assert np.array_equal(complete(ramp, known), smooth)


def test_a_slightly_brighter_side_leaves_no_seam() -> None:
    """Copied bricks take on the light of the place they are copied to."""
    light = np.linspace(0.8, 1.1, 240)[None, :, None]
    room = np.clip(brick_room() * light, 0, 255).astype(np.uint8)
    known = hole_of_a_person(*room.shape[:2])
    completed = complete(np.where(known[..., None], room, np.uint8(0)), known)
    wall = ~known & (np.arange(200)[:, None] < 140)
    blurred = [cv2.blur(each, (49, 49)).astype(int) for each in (completed, room)]
    assert np.abs(blurred[0] - blurred[1])[wall].max() < 14


def test_unusual_holes_are_filled() -> None:
    room = brick_room(48, 64)
    nothing, everything = np.zeros((48, 64), bool), np.ones((48, 64), bool)
    assert complete(room, everything) is room
    assert complete(room, nothing) is room
    sliver = everything.copy()
    sliver[:, 30:32] = False
    frame = np.zeros((48, 64), bool)
    frame[20:24, 20:24] = True
    beyond = everything.copy()
    beyond[:, 40:] = False  # as beside a mosaic
    for known in (sliver, frame, beyond):
        completed = complete(np.where(known[..., None], room, np.uint8(0)), known)
        assert np.array_equal(completed[known], room[known])
        assert completed[~known].max(axis=1).min() > 20, "nothing stays black"


def test_blending_solves_its_equation() -> None:
    rng = np.random.default_rng(3)
    hole = np.zeros((40, 50), bool)
    hole[8:32, 10:42] = True
    truth = np.where(hole[..., None], cv2.GaussianBlur(rng.normal(0, 40, (40, 50, 3)), (0, 0), 2), 0).astype(np.float32)
    screen, around = 0.01, np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float32)
    source = -(cv2.filter2D(truth, -1, around) - np.float32(screen) * truth)
    assert np.abs(solve_poisson(source, hole, screen) - truth)[hole].mean() < 0.25 * np.abs(truth[hole]).mean()


def test_what_is_expensive_is_copied_from_elsewhere() -> None:
    """Two shifts fit equally; where one leads to something that must not be copied, the other is taken, or none."""
    known, none = np.ones((40, 60), bool), np.zeros((40, 60), np.float32)
    known[15:25, 25:35] = False
    features = np.zeros((40, 60, 5), np.float32)
    shifts = np.array([(0, 0), (0, -14), (0, 15)], np.int32)
    object_cost, expensive = none.copy(), none + 10
    object_cost[:, :25] = 20
    assert (choose_shifts(features, known, known, shifts, copy_cost=none, texture_cost=expensive)[~known] == 1).all()
    assert (choose_shifts(features, known, known, shifts, copy_cost=object_cost, texture_cost=expensive)[~known] == 2).all()
    assert (choose_shifts(features, known, known, shifts[:2], copy_cost=object_cost, texture_cost=expensive)[~known] == 0).all()


def test_what_a_picture_shows_once_is_unique() -> None:
    room = brick_room()
    cv2.circle(room, (60, 70), 14, (60, 250, 40), -1, cv2.LINE_AA)
    unique = measure_uniqueness(features_of(room), hole_of_a_person(*room.shape[:2]))
    assert unique[62:78, 52:68].mean() > 5 * unique[40:100, 170:220].mean()


def test_what_is_too_smooth_costs_what_it_lacks() -> None:
    """Of two shifts that fit equally, the one that leads to texture is taken where the surroundings have texture."""
    known, none = np.ones((40, 60), bool), np.zeros((40, 60), np.float32)
    known[15:25, 25:35] = False
    features = np.zeros((40, 60, 5), np.float32)
    shifts = np.array([(0, 0), (0, -14), (0, 15)], np.int32)
    texture = none + 10
    texture[:, :25] = 0
    assert (choose_shifts(features, known, known, shifts, copy_cost=none, texture_cost=texture)[~known] == 2).all()


def test_what_was_not_shown_is_not_copied() -> None:
    room = brick_room()
    known = hole_of_a_person(*room.shape[:2])
    shown = np.ones_like(known)
    shown[:, 160:] = False
    room[:, 160:] = room[:, 155:160].mean(axis=1, keepdims=True).astype(np.uint8)
    smooth = fill_smoothly(np.where(known[..., None], room, np.uint8(0)), known)
    filled = add_structure(smooth, known, shown)
    hole = ~known & (np.arange(200)[:, None] < 140)
    truth = brick_room()
    assert np.abs(filled.astype(int) - truth)[hole].mean() < 0.5 * np.abs(smooth.astype(int) - truth)[hole].mean()
    assert np.array_equal(filled[known], room[known])


def test_a_hole_far_from_all_that_was_filmed_is_filled_smoothly() -> None:
    room = np.random.default_rng(0).integers(0, 256, (400, 800, 3)).astype(np.uint8)
    known, shown = np.ones((400, 800), bool), np.zeros((400, 800), bool)
    known[200:220, 300:320] = False
    shown[160:176] = True
    smooth = fill_smoothly(np.where(known[..., None], room, np.uint8(0)), known)
    assert np.array_equal(add_structure(smooth, known, shown), smooth)


def test_an_edge_of_both_fillings_is_no_seam() -> None:
    """Two drawn pictures of one floor, whose edge lies some pixels higher in one of them, meet along the edge."""
    wall, floor, height_px, width_px = 90.0, 190.0, 80, 120
    row = np.arange(height_px)[:, None, None]
    pictures = {
        number: np.broadcast_to(np.where(row < edge, wall, floor), (height_px, width_px, 3)).astype(np.float32)
        for number, edge in enumerate((42, 38))
    }
    hole = np.zeros((height_px, width_px), bool)
    hole[20:60, 20:100] = True
    image = np.broadcast_to(np.where(row < 40, wall, floor), (height_px, width_px, 3)).astype(np.uint8)
    number = np.broadcast_to(np.where(row[..., 0] < 40, 0, 1), (height_px, width_px)).astype(np.int32)
    filling = Filling(np.zeros((height_px, width_px, 2), np.int32), pictures, np.where(hole, number, -1).astype(np.int32))
    off = {
        reach_px: np.abs(copy_seamlessly(image, hole, ~hole, filling, reach_px).astype(int) - image)[25:55, 25:95].max()
        for reach_px in (0, 5)
    }
    assert off[5] <= 1
    assert off[0] > 10, "without that it is taken for a step in brightness"
