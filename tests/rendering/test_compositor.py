"""The compositor: one layer as exactly as without shortcuts, several in depth order, and the layers that it takes."""

import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dancenow.pose.person_crop import window
from dancenow.rendering.compositor import MIN_ALPHA, composite
from dancenow.rendering.layer import Layer, feet_y_px
from dancenow.rendering.scene import Scene
from dancenow.skeleton import INDEX, NUM_KEYPOINTS
from dancenow.subject.background.base import StillPlate
from dancenow.types import Crop, ImageRGB, Plate, Pose

SIDE = 64


def plate() -> Plate:
    image_rgb = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    return Plate(image_rgb, np.ones((90, 120), np.bool_))


def painted(x0: int, y0: int, x1: int, y1: int) -> NDArray[np.float32]:
    """A canvas of noise with soft alpha in a box, and a veil everywhere."""
    rgba = np.random.default_rng(1).uniform(-1, 1, (SIDE, SIDE, 4)).astype(np.float32)
    rgba[..., 3] = 0.02
    rgba[y0:y1, x0:x1, 3] = np.random.default_rng(2).uniform(0.5, 1, (y1 - y0, x1 - x0))
    return rgba


def over_all(rgba: NDArray[np.float32], crop: Crop, behind: ImageRGB) -> NDArray[np.float64]:
    """The same without saving anything: the whole canvas over the whole frame, in float64."""
    alpha = np.clip((rgba[..., 3:].astype(np.float64) - MIN_ALPHA) / (1 - 2 * MIN_ALPHA), 0, 1)
    premultiplied = np.concatenate([(rgba[..., :3] + 1) * 127.5 * alpha, alpha], axis=2).astype(np.float32)
    shrink = 1 / math.sqrt(abs(float(np.linalg.det(crop.to_frame[:, :2]))))
    if shrink > 1.5:
        premultiplied = cv2.GaussianBlur(premultiplied, (0, 0), 0.4 * math.sqrt(shrink**2 - 1)).astype(np.float32)
    size = (behind.shape[1], behind.shape[0])
    whole = cv2.warpAffine(premultiplied, crop.to_frame, size, flags=cv2.INTER_CUBIC).astype(np.float64)
    corners = np.array([[-0.5, -0.5], [crop.size - 0.5, crop.size - 0.5]]) @ crop.to_frame[:, :2].T + crop.to_frame[:, 2]
    y, x = np.mgrid[: behind.shape[0], : behind.shape[1]]
    is_inside = (x >= np.floor(corners[0, 0])) & (x <= np.ceil(corners[1, 0]))
    whole[~(is_inside & (y >= np.floor(corners[0, 1])) & (y <= np.ceil(corners[1, 1])))] = 0  # the window's own limits
    return np.asarray(np.clip(whole[..., :3] + behind * (1 - np.clip(whole[..., 3:], 0, 1)), 0, 255))


@pytest.mark.parametrize("box", [(20, 10, 40, 60), (0, 0, 64, 64), (0, 30, 5, 34), (63, 63, 64, 64)])
@pytest.mark.parametrize(
    ("centre", "side_px"), [((60.0, 45.0), 80.0), ((61.3, 44.7), 33.3), ((5.0, 80.0), 70.0), ((119.0, 1.0), 20.0)]
)
def test_a_canvas_over_the_plate_is_what_it_would_be_without_leaving_anything_out(
    box: tuple[int, int, int, int], centre: tuple[float, float], side_px: float
) -> None:
    crop, behind = window(np.array(centre), side_px, SIDE), plate()
    made = composite(Scene(StillPlate(behind), (Layer(painted(*box), crop, 0.0),)), 0.0)
    expected = over_all(painted(*box), crop, behind.image_rgb)
    assert np.abs(made - expected).max() < 1.0
    assert (made != behind.image_rgb).any() or (np.abs(expected - behind.image_rgb) < 1).all()


def test_a_veil_and_a_window_beside_the_frame_leave_the_plate_as_it_is() -> None:
    veil = np.full((SIDE, SIDE, 4), 0.02, np.float32)
    inside, beside = (window(np.array([x, 45.0]), 80.0, SIDE) for x in (60.0, 500.0))
    for layer in (Layer(veil, inside, 0.0), Layer(painted(0, 0, 64, 64), beside, 0.0)):
        np.testing.assert_array_equal(composite(Scene(StillPlate(plate()), (layer,)), 0.0), plate().image_rgb)


def square(color: float, x_px: float, feet_px: float) -> Layer:
    """An opaque square of one gray, 40 px wide."""
    rgba = np.full((SIDE, SIDE, 4), color, np.float32)
    rgba[..., 3] = 1
    return Layer(rgba, window(np.array([x_px, 45.0]), 40.0, SIDE), feet_px)


def test_the_nearer_of_two_people_hides_the_farther_one() -> None:
    far, near = square(-1.0, 50.0, 60.0), square(1.0, 70.0, 80.0)
    for layers in ((far, near), (near, far)):
        image = composite(Scene(StillPlate(plate()), layers), 0.0)
        assert image[45, 40].max() == 0
        assert image[45, 60].min() == 255  # both are here
        assert image[45, 80].min() == 255
        np.testing.assert_array_equal(image[45, 100], plate().image_rgb[45, 100])


def test_whole_frames_blend_by_their_alpha_and_opaque_ones_hide_everything_behind() -> None:
    rgba = np.full((90, 120, 4), 200, np.uint8)
    rgba[:, :60, 3], rgba[:, 60:, 3] = 0, 255
    image = composite(Scene(StillPlate(plate()), (Layer(rgba, None, 50.0),)), 0.0)
    np.testing.assert_array_equal(image[:, :60], plate().image_rgb[:, :60])
    assert (image[:, 60:] == 200).all()
    opaque = Layer(np.full((90, 120, 3), 7, np.uint8), None, 70.0)
    image = composite(Scene(StillPlate(plate()), (square(1.0, 70.0, 80.0), opaque, square(-1.0, 20.0, 60.0))), 0.0)
    assert (image[45, 20] == 7).all()
    assert (image[45, 70] == 255).all()


def test_neither_the_background_nor_a_layer_is_written_to() -> None:
    behind, opaque = plate(), np.full((90, 120, 3), 7, np.uint8)
    composite(Scene(StillPlate(behind), (square(1.0, 50.0, 60.0),)), 0.0)
    np.testing.assert_array_equal(behind.image_rgb, plate().image_rgb)
    composite(Scene(StillPlate(behind), (Layer(opaque, None, 0.0), square(1.0, 50.0, 60.0))), 0.0)
    assert (opaque == 7).all()


def test_a_scene_without_layers_is_its_background() -> None:
    np.testing.assert_array_equal(composite(Scene(StillPlate(plate())), 0.0), plate().image_rgb)


def test_the_depth_of_a_person_is_the_lowest_foot() -> None:
    xy, confidence = np.zeros((3, NUM_KEYPOINTS, 2), np.float32), np.zeros((3, NUM_KEYPOINTS), np.float32)
    xy[:, INDEX["left_heel"], 1], xy[:, INDEX["nose"], 1], xy[:, INDEX["left_wrist"], 1] = 80, 20, 95
    confidence[0] = 1
    confidence[1, [INDEX["nose"], INDEX["left_wrist"]]] = 1
    np.testing.assert_array_equal(feet_y_px(Pose(xy, confidence)), [80, 95, -np.inf])


def test_layers_of_other_shapes_are_refused() -> None:
    crop = window(np.array([60.0, 45.0]), 80.0, SIDE)
    for rgba, at in (
        (np.zeros((8, 8, 4), np.float32), crop),
        (np.zeros((8, 8, 4), np.float32), None),
        (np.zeros((8, 8), np.uint8), None),
    ):
        with pytest.raises(ValueError, match="a layer with a crop must be"):
            Layer(rgba, at, 0.0)


def test_an_overlay_stays_in_front_of_everything_bit_for_bit() -> None:
    overlay = np.random.default_rng(3).integers(0, 256, (90, 120, 4), np.uint8)
    overlay[..., 3] = 0
    overlay[:20, :, 3] = 255
    overlay[60:, 50:, 3] = 128
    person = Layer(np.full((90, 120, 4), 200, np.uint8), None, 0.0)
    without = composite(Scene(StillPlate(plate()), (person,)), 0.0)
    image = composite(Scene(StillPlate(plate()), (person,), overlay), 0.0)
    np.testing.assert_array_equal(image[:20], overlay[:20, :, :3])
    np.testing.assert_array_equal(image[20:60], without[20:60])
    half = (overlay[60:, 50:, :3].astype(float) + without[60:, 50:]) / 2
    assert np.abs(image[60:, 50:] - half).max() <= 1.5
