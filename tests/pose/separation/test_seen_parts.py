"""Whose a pixel is that is in several masks: the mask, the body of the pose and the distance decide."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.separation.seen_parts import seen_parts
from dancenow.types import Pose
from helpers.drawn_world import SIZE_PX, dancer_track, person

POSE = dancer_track(8).pose[3]


def moved(x_px: float) -> Pose:
    return replace(POSE, xy=POSE.xy + np.array([x_px, 0], np.float32))


def masks_of(*poses: Pose) -> list[NDArray[np.uint8]]:
    return [person(pose)[1] for pose in poses]


def test_people_who_are_apart_keep_their_masks() -> None:
    poses = [moved(-35), moved(35)]
    masks = masks_of(*poses)
    for before, after in zip(masks, seen_parts(masks, masks, poses, SIZE_PX, [0, 1]), strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_mask_that_leaks_onto_another_body_is_cut() -> None:
    poses = [moved(-14), moved(14)]
    one, other = masks_of(*poses)
    both = np.maximum(one, other)
    for order in ([0, 1], [1, 0]):
        first, second = seen_parts([both, other], [one, other], poses, SIZE_PX, order)
        only = (other > 0) & (one == 0)
        far = only & (np.arange(SIZE_PX) > poses[1].xy[:, 0].mean())
        assert (second[far] > 200).mean() > 0.98
        assert (first[far] < 60).mean() > 0.98


def test_where_two_bodies_are_the_nearer_one_is_seen() -> None:
    poses = [moved(-3), moved(3)]
    masks = masks_of(*poses)
    overlap = (masks[0] > 0) & (masks[1] > 0)
    for order in ([0, 1], [1, 0]):
        seen = seen_parts(masks, masks, poses, SIZE_PX, order)
        assert seen[order[0]][overlap].mean() > 200 > 60 > seen[order[1]][overlap].mean()
        assert (np.add(*(each.astype(int) for each in seen))[overlap] >= 254).all()
