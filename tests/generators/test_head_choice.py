"""The picture that shows a head looks where the head looks, also where a detector does not tell everything about the head."""

import numpy as np
import pytest
import torch

from dancenow.generators.references.body_parts import HEAD, BodyParts
from dancenow.generators.references.part_matching import part_distances, part_features
from dancenow.skeleton import INDEX, NUM_KEYPOINTS
from dancenow.types import Pose
from helpers.drawn_world import dancer_track

BASE = dancer_track(2).pose[0]
DEGREES = (0, 45, 90, 135, 180, 225, 270, 315)


def turned(degrees: float, missing: tuple[str, ...] = (), tilt_px: float = 0.0) -> Pose:
    """The dancer, turned about the vertical. missing: keypoints that were not found. tilt_px: how much lower one ear is."""
    angle, middle = np.deg2rad(degrees), BASE.xy[INDEX["neck"], 0]
    x, z = BASE.xy[:, 0] - middle, np.zeros(NUM_KEYPOINTS)
    for name, depth_px in (("nose", -8.0), ("right_eye", -7.0), ("left_eye", -7.0)):
        z[INDEX[name]] = depth_px
    xy = BASE.xy.copy()
    xy[:, 0] = middle + x * np.cos(angle) + z * np.sin(angle)
    xy[INDEX["left_ear"], 1] += tilt_px
    depth, confidence = (z * np.cos(angle) - x * np.sin(angle)).astype(np.float32), np.ones(NUM_KEYPOINTS, np.float32)
    for name in missing:
        xy[INDEX[name]], depth[INDEX[name]], confidence[INDEX[name]] = 0, 0, 0
    return Pose(xy.astype(np.float32), confidence, depth)


def parts_of(poses: list[Pose]) -> BodyParts:
    arrays = (np.stack([getattr(pose, name) for pose in poses]) for name in ("xy", "confidence", "depth"))
    return BodyParts.of(*(torch.from_numpy(each) for each in arrays))


def distances(wanted: Pose, pictures: list[Pose]) -> np.ndarray:
    features = (part_features(parts_of(poses)) for poses in ([wanted], pictures))
    found: np.ndarray = part_distances(*features)[0, HEAD].numpy()
    return found


@pytest.mark.parametrize("degrees", DEGREES)
def test_a_head_is_shown_by_a_picture_that_looks_the_same_way(degrees: int) -> None:
    found = distances(turned(degrees + 10), [turned(each) for each in DEGREES])
    assert DEGREES[int(found.argmin())] == degrees


@pytest.mark.parametrize(
    ("degrees", "missing"),
    [(0, ("right_ear", "left_ear")), (180, ("nose", "right_eye", "left_eye")), (90, ("left_ear",))],
)
def test_a_head_of_which_little_is_known_looks_where_the_trunk_does(degrees: int, missing: tuple[str, ...]) -> None:
    found = distances(turned(degrees, missing), [turned(each) for each in DEGREES])
    assert abs(DEGREES[int(found.argmin())] - degrees) <= 45


def test_of_two_heads_that_look_the_same_way_the_one_with_the_same_tilt_is_shown() -> None:
    upright, tilted = distances(turned(0, tilt_px=4), [turned(0), turned(0, tilt_px=5)])
    assert tilted < upright
