"""Descriptors of the body and head in an image that identify a person across poses, and their similarity.

The head is cropped upright at the scale of the body, so that positions in it mean the same in every image. Colors are compared
with the Bhattacharyya coefficient, as in color-based tracking (Comaniciu et al., 2003).
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.metrics.regions import MIN_CONFIDENCE
from dancenow.skeleton import INDEX
from dancenow.types import FloatArray, ImageRGB, Pose

HEAD_SIDE_PX: Final = 128
HEAD_CROP_RATIO: Final = 1.3
"""Side of the head crop relative to the distance from the neck to the midpoint of the ears; it includes the hair."""
MIN_REACH_PX: Final = 6.0
"""A head closer to its neck than this is foreshortened or too small for a meaningful crop."""
_BINS: Final = 10
_LAB_LOW: Final = np.array([0.0, -40.0, -40.0])
_LAB_SPAN: Final = np.array([100.0, 80.0, 80.0])
_ELLIPSE_HALF_AXES: Final = (0.75, 1.0)  # in half distances from neck to ears
_HAIRLINE: Final = -0.2


def gallery_similarity(descriptor: FloatArray, gallery: FloatArray) -> float:
    """Similarity to a person: in [0, 1] for non-negative descriptors, 1 = the same, higher is better.

    The largest cosine similarity between a descriptor [D] and those of the person's own images, gallery [N,D]: it is enough to
    match one of them, from that side and in that light. NaN without a gallery. Compare it with the value of a real image, and
    of another person: dissimilar people reach 0.7 to 0.9.
    """
    if not len(gallery):
        return float("nan")
    return float((_unit(gallery) @ _unit(descriptor)).max())


def head_crop(image_rgb: ImageRGB, pose: Pose) -> ImageRGB | None:
    """Crop the head upright, uint8 [128,128,3], for a pose [K]; None where neck or head is not visible.

    The crop is centered on the midpoint of the ears, its side is 1.3 times their distance from the neck, and the neck is below.
    """
    used = [INDEX["neck"], INDEX["right_ear"], INDEX["left_ear"]]
    neck, *ears = pose.xy[used].astype(np.float64)
    center = (ears[0] + ears[1]) / 2
    reach_px = float(np.linalg.norm(center - neck))
    if pose.confidence[used].min() < MIN_CONFIDENCE or reach_px < MIN_REACH_PX:
        return None
    up = (center - neck) / reach_px
    right = np.array([-up[1], up[0]])
    along = np.linspace(-0.5, 0.5, HEAD_SIDE_PX) * HEAD_CROP_RATIO * reach_px
    at = (center + along[None, :, None] * right - along[:, None, None] * up).astype(np.float32)
    crop = cv2.remap(image_rgb, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return crop.astype(np.uint8, copy=False)


def head_mask() -> NDArray[np.bool_]:
    """Mask of the head in its crop, bool [128,128]: an ellipse, which excludes the background."""
    u, v = _crop_coordinates()
    return (u / _ELLIPSE_HALF_AXES[0]) ** 2 + (v / _ELLIPSE_HALF_AXES[1]) ** 2 < 1


def head_color_histograms(crop_rgb: ImageRGB) -> FloatArray:
    """Color histograms of a head crop, separate for hair and face: float32 [60] of unit length, non-negative.

    The square roots of histograms of L, a and b of CIELAB over the upper and lower part of the ellipse; the cosine similarity
    of two such descriptors is the mean of their six Bhattacharyya coefficients.
    """
    mask, above = head_mask(), _crop_coordinates()[1] < _HAIRLINE
    lab = np.asarray(cv2.cvtColor(crop_rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)
    return _unit(np.concatenate([_color_histograms(lab[mask & part]) for part in (above, ~above)]).ravel())


def concatenate_descriptors(*descriptors: FloatArray) -> FloatArray:
    """Concatenate descriptors [D_i] to unit length: the cosine similarity of the results is the mean of that of the parts."""
    return _unit(np.concatenate([_unit(descriptor.ravel()) for descriptor in descriptors]))


def _crop_coordinates() -> tuple[FloatArray, FloatArray]:
    """u to the right and v down, float32 [1,128] and [128,1], in half distances from neck to ears."""
    along = np.linspace(-HEAD_CROP_RATIO, HEAD_CROP_RATIO, HEAD_SIDE_PX, dtype=np.float32)
    return along[None], along[:, None]


def _color_histograms(lab: FloatArray) -> FloatArray:
    """[3,bins] square roots of soft histograms of colors [N,3]: each color is split between two bins."""
    place = np.clip((lab - _LAB_LOW) / _LAB_SPAN, 0, 1) * (_BINS - 1)
    weight = np.clip(1 - np.abs(place[..., None] - np.arange(_BINS)), 0, None)
    return np.asarray(np.sqrt(weight.mean(axis=0)), np.float32)


def _unit(vectors: FloatArray) -> FloatArray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), np.float32)
