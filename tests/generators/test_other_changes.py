"""What changes in the footage beside the person is not learned."""

import torch

from dancenow.generators.crop.dataset import Clip
from dancenow.generators.crop.image_losses import Patch, image_terms, pose_maps
from dancenow.generators.crop.other_changes import without_other_changes
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.skeleton import INDEX, NUM_KEYPOINTS

SIDE_PX = 64
ARM, SCREEN, SHADOW, HOLE = (slice(30, 34), slice(4, 10), slice(52, 60), slice(44, 48))
"""Rows of what differs from the plate in the left and in the right part of the canvas."""
RIGHT, LEFT = slice(48, 60), slice(2, 12)


def clip() -> Clip:
    """A gray room; in the frame an arm that the mask lacks, a screen, a shadow and a hole of the plate."""
    plate = torch.zeros(1, 1, 3, SIDE_PX, SIDE_PX)
    image, known = plate.clone(), torch.ones(1, 1, 1, SIDE_PX, SIDE_PX)
    image[..., ARM, LEFT] = 0.6
    image[..., 0, SCREEN, RIGHT] = 0.5
    image[..., SHADOW, RIGHT] = -0.4
    known[..., HOLE, RIGHT] = 0
    image[..., HOLE, RIGHT] = -0.1
    xy, confidence = torch.zeros(1, 1, NUM_KEYPOINTS, 2), torch.zeros(1, 1, NUM_KEYPOINTS)
    for name, x_px in (("right_elbow", 2.0), ("right_wrist", 11.0)):
        xy[0, 0, INDEX[name]], confidence[0, 0, INDEX[name]] = torch.tensor([x_px, 32.0]), 1.0
    nothing = torch.zeros_like(known)
    return Clip(image, plate, nothing, known, xy, confidence, 0 * confidence, torch.zeros(1, 1, 2, 3))


def test_a_screen_and_holes_become_the_plate_and_shadows_and_the_person_do_not() -> None:
    before = clip()
    after = without_other_changes(before, pose_maps(before, SIDE_PX))
    for rows in (SCREEN, HOLE):
        assert torch.equal(after.plate[..., rows, RIGHT], before.image[..., rows, RIGHT])
    assert (after.known[..., HOLE, RIGHT] == 1).all()
    assert torch.equal(after.plate[..., SHADOW, RIGHT], before.plate[..., SHADOW, RIGHT])
    assert torch.equal(after.plate[..., ARM, LEFT], before.plate[..., ARM, LEFT])
    assert torch.equal(after.image, before.image)


def test_a_shadow_far_from_the_person_costs_nothing_and_a_veil_does() -> None:
    taken = clip()
    maps = pose_maps(taken, SIDE_PX)

    def far(rows: slice) -> float:
        rgba = torch.zeros(1, 1, 4, SIDE_PX, SIDE_PX)
        rgba[..., 3, rows, RIGHT] = 0.5
        perceptual = PerceptualDistance(EfficientNetTrunk(), depth=1)
        return float(image_terms(perceptual, taken, maps, rgba, taken.image, Patch(0, 0, SIDE_PX))["far"])

    assert far(slice(16, 24)) > 100 * abs(far(SHADOW))


def test_near_the_mask_a_hole_stays_free() -> None:
    before = clip()
    before.mask[..., HOLE, RIGHT] = 1
    after = without_other_changes(before, pose_maps(before, SIDE_PX))
    assert torch.equal(after.plate[..., HOLE, RIGHT], before.plate[..., HOLE, RIGHT])
    assert (after.known[..., HOLE, RIGHT] == 0).all()
