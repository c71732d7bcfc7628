"""Identity similarity: descriptors distinguish people, not poses, and a mixture is less similar the more it has of another
person.
"""

import cv2
import numpy as np
import pytest
import torch

from dancenow.evaluation.identity_similarity import IdentityEncoder, IdentitySimilarity, PersonDescriptor, PersonGallery
from dancenow.evaluation.metric_summary import identity_metrics
from dancenow.metrics.identity import (
    HEAD_SIDE_PX,
    concatenate_descriptors,
    gallery_similarity,
    head_color_histograms,
    head_crop,
    head_mask,
)
from dancenow.metrics.perceptual import EfficientNetTrunk
from dancenow.skeleton import INDEX
from dancenow.types import ImageRGB, Pose
from helpers.drawn_world import dancer_track, person


def head(tilt_deg: float = 0.0, hair: tuple[int, int, int] = (30, 20, 20), scale: float = 1.0) -> tuple[ImageRGB, Pose]:
    """A face under hair on a green wall, turned in the image plane, and its keypoints."""
    side, reach = 200, 50 * scale
    image = np.full((side, side, 3), (60, 160, 60), np.uint8)
    turn = np.deg2rad(tilt_deg)
    up = np.array([np.sin(turn), -np.cos(turn)])
    right = np.array([-up[1], up[0]])
    ears = np.array([100.0, 100.0])
    for offset, axes, colour in ((0.0, (0.34, 0.46), (220, 170, 140)), (0.25, (0.34, 0.24), hair)):
        centre = ears + offset * reach * up
        size = tuple(round(2 * 16 * axis * reach) for axis in axes)
        place = tuple(round(16 * float(v)) for v in centre)
        half = (size[0] // 2, size[1] // 2)
        cv2.ellipse(image, place, half, tilt_deg, 0, 360, colour, -1, cv2.LINE_AA, 4)
    xy = np.tile((ears - reach * up).astype(np.float32), (len(INDEX), 1))
    xy[INDEX["right_ear"]], xy[INDEX["left_ear"]] = ears - 0.3 * reach * right, ears + 0.3 * reach * right
    return image, Pose(xy.astype(np.float32), np.full(len(INDEX), 0.9, np.float32))


def window(tilt_deg: float = 0.0, hair: tuple[int, int, int] = (30, 20, 20), scale: float = 1.0) -> ImageRGB:
    found = head_crop(*head(tilt_deg, hair, scale))
    assert found is not None
    return found


def test_similarity_is_the_cosine_with_the_nearest_gallery_image() -> None:
    gallery = np.array([[1, 0, 0], [0, 2, 0]], np.float32)
    assert gallery_similarity(np.array([0, 5, 0], np.float32), gallery) == pytest.approx(1)
    assert gallery_similarity(np.array([3, 4, 0], np.float32), gallery) == pytest.approx(0.8)
    assert gallery_similarity(np.array([0, 0, 1], np.float32), gallery) == 0
    assert np.isnan(gallery_similarity(np.array([0, 0, 1], np.float32), gallery[:0]))


def test_concatenated_descriptors_have_equal_weight() -> None:
    a, b, c = (np.array(v, np.float32) for v in ([3, 4], [100, 0, 0], [0, 7, 0]))
    assert gallery_similarity(concatenate_descriptors(a, b), concatenate_descriptors(a, c)[None]) == pytest.approx(0.5)


def test_the_head_crop_is_upright_and_of_one_size() -> None:
    upright = window()
    assert upright.shape == (HEAD_SIDE_PX, HEAD_SIDE_PX, 3)
    for other in (window(tilt_deg=50), window(scale=0.6)):
        apart = np.abs(other.astype(int) - upright).max(axis=2)[head_mask()]
        assert (apart > 40).mean() < 0.06


def test_head_colors_separate_hair_and_face_at_any_tilt() -> None:
    gallery = head_color_histograms(window())[None]
    tilted, blond = head_color_histograms(window(tilt_deg=35)), head_color_histograms(window(hair=(220, 190, 90)))
    assert np.linalg.norm(gallery) == pytest.approx(1, abs=1e-5)
    assert gallery_similarity(gallery[0], gallery) == pytest.approx(1, abs=1e-5)
    assert gallery_similarity(tilted, gallery) > 0.97
    assert gallery_similarity(blond, gallery) < 0.9


def test_a_head_that_is_not_visible_has_no_crop() -> None:
    image, pose = head()
    confidence = pose.confidence.copy()
    confidence[INDEX["left_ear"]] = 0.1
    assert head_crop(image, Pose(pose.xy, confidence)) is None
    assert head_crop(image, Pose(np.full_like(pose.xy, 50), pose.confidence)) is None


@pytest.fixture(scope="module")
def encoder() -> IdentityEncoder:
    """With a trunk of random weights, so that colors decide."""
    torch.manual_seed(0)
    trunk = EfficientNetTrunk()
    for parameter in trunk.parameters():
        if parameter.ndim == 4:
            torch.nn.init.kaiming_normal_(parameter)
    return IdentityEncoder(trunk)


def descriptors(encoder: IdentityEncoder, recolour: bool) -> list[PersonDescriptor]:
    """The drawn dancer in four poses, or somebody in other clothes who dances the same."""
    track, found = dancer_track(40, size_px=192, body_px=150), []
    for t in range(0, 40, 10):
        image, _ = person(track.pose[t], 192)
        found.append(encoder.describe(image[..., ::-1].copy() if recolour else image, track.pose[t]))
    return found


def test_a_person_is_most_similar_to_themselves_in_another_pose(encoder: IdentityEncoder) -> None:
    own, others = descriptors(encoder, False), descriptors(encoder, True)
    me, somebody = PersonGallery(own[:2]), PersonGallery(others[:2])
    for descriptor in own[2:]:
        assert me.compare(descriptor).body > somebody.compare(descriptor).body + 0.05
        assert me.compare(descriptor).face > somebody.compare(descriptor).face
    assert me.compare(own[0]).body == pytest.approx(1, abs=1e-5)


def test_identity_falls_with_every_image_of_another_person(encoder: IdentityEncoder) -> None:
    own, others = descriptors(encoder, False), descriptors(encoder, True)
    me, somebody = PersonGallery(own), PersonGallery(others)
    values = []
    for swapped in range(5):
        mixed = others[:swapped] + own[swapped:]
        figures = identity_metrics([me.compare(p) for p in mixed], [somebody.compare(p) for p in mixed])
        by_name = {(figure.name, figure.region): figure.value for figure in figures}
        values.append(
            [by_name["identity", "body"], by_name["identity margin", "body"], -by_name["identity of the source", "body"]]
        )
    assert (np.diff(values, axis=0) < 0).all()
    assert values[0][1] > 0 > values[-1][1]


def test_without_a_source_there_are_only_metrics_of_the_target() -> None:
    figures = identity_metrics([IdentitySimilarity(0.9, float("nan")), IdentitySimilarity(0.7, 0.5)], None)
    assert [(figure.name, figure.region) for figure in figures] == [("identity", "body"), ("identity", "face")]
    assert [figure.value for figure in figures] == pytest.approx([0.8, 0.5])


def test_similarity_is_nan_without_a_person(encoder: IdentityEncoder) -> None:
    track = dancer_track(1)
    absent = Pose(track.pose.xy[0], np.zeros_like(track.pose.confidence[0]))
    descriptor = encoder.describe(person(track.pose[0])[0], absent)
    assert descriptor.body is None
    assert descriptor.face is None
    similarity = PersonGallery([descriptor]).compare(descriptor)
    assert np.isnan([similarity.body, similarity.face]).all()
