"""Layers of the reference view as a moving camera sees them."""

import cv2
import numpy as np

from dancenow.rendering.layer import Layer
from dancenow.subject.camera.homography import Homography, transform
from dancenow.subject.camera.trajectory import crop_through


def move_layer(layer: Layer, to_reference: Homography, size_px: tuple[int, int]) -> Layer:
    """A layer that was generated in the reference view, in a frame of the camera, which has a size (width, height) px.

    to_reference: px of the frame -> px of the reference view.
    """
    to_frame = np.asarray(np.linalg.inv(to_reference), np.float64)
    if layer.crop is not None:
        middle = layer.crop.to_frame @ np.array([(layer.crop.size - 1) / 2] * 2 + [1.0])
        feet_y_px = float(transform(to_frame, np.array([middle[0], layer.feet_y_px]))[1])
        return Layer(layer.rgba, crop_through(layer.crop, to_reference), feet_y_px)
    height, width = layer.rgba.shape[:2]
    rgba = np.asarray(layer.rgba, np.uint8)
    if rgba.shape[2] == 3:  # beyond it lies the background
        rgba = np.dstack([rgba, np.full((height, width), 255, np.uint8)])
    moved = cv2.warpPerspective(rgba, to_frame, size_px, flags=cv2.INTER_LINEAR)
    feet_y_px = float(transform(to_frame, np.array([width / 2, layer.feet_y_px]))[1])
    return Layer(np.asarray(moved, np.uint8), None, feet_y_px)
