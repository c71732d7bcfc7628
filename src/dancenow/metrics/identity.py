"""Whose body and head a picture shows: descriptions that stay with a person through poses, and how alike two of them are.

The head is cut out upright at the size of its body, so that places in it mean the same in every picture; colours are compared
by the Bhattacharyya coefficient, as people are told apart in colour-based tracking (Comaniciu et al., 2003).
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.metrics.regions import MIN_CONFIDENCE
from dancenow.skeleton import INDEX
from dancenow.types import FloatArray, ImageRGB, Pose

HEAD_SIDE_PX: Final = 128
HEAD_REACH: Final = 1.3
"""Side of the head's window, in distances from the neck to the middle of the ears: hair belongs to it."""
MIN_REACH_PX: Final = 6.0
"""A head nearer to its neck than this is foreshortened or too small: its window would be arbitrary."""
_BINS: Final = 10
_LAB_LOW: Final = np.array([0.0, -40.0, -40.0])
_LAB_SPAN: Final = np.array([100.0, 80.0, 80.0])
_HALF_AXES: Final = (0.75, 1.0)  # of the head, in half distances from neck to ears
_HAIRLINE: Final = -0.2


def similarity(description: FloatArray, gallery: FloatArray) -> float:
    """How like a person somebody looks: in [0, 1] for descriptions that are not negative, 1 = the same, higher is better.

    The largest cosine of the angle between a description [D] and those of the person's own pictures, gallery [N,D]: someone
    looks like a person who looks like any picture of theirs, from that side and in that light. NaN without a gallery.
    Read it beside the same figure of a true picture, and against that of another person: unlike people reach 0.7 to 0.9.
    """
    if not len(gallery):
        return float("nan")
    return float((_unit(gallery) @ _unit(description)).max())


def head_window(image_rgb: ImageRGB, pose: Pose) -> ImageRGB | None:
    """The head, upright, uint8 [128,128,3], of a pose [K]; None where neck or head cannot be seen.

    The window lies around the middle of the ears, its side is 1.3 times their distance from the neck, and the neck is below.
    """
    used = [INDEX["neck"], INDEX["right_ear"], INDEX["left_ear"]]
    neck, *ears = pose.xy[used].astype(np.float64)
    centre = (ears[0] + ears[1]) / 2
    reach_px = float(np.linalg.norm(centre - neck))
    if pose.confidence[used].min() < MIN_CONFIDENCE or reach_px < MIN_REACH_PX:
        return None
    up = (centre - neck) / reach_px
    right = np.array([-up[1], up[0]])
    along = np.linspace(-0.5, 0.5, HEAD_SIDE_PX) * HEAD_REACH * reach_px
    at = (centre + along[None, :, None] * right - along[:, None, None] * up).astype(np.float32)
    window = cv2.remap(image_rgb, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return window.astype(np.uint8, copy=False)


def head_mask() -> NDArray[np.bool_]:
    """Where in a head's window the head is, bool [128,128]: an ellipse, so that the wall behind says nothing."""
    u, v = _places()
    return (u / _HALF_AXES[0]) ** 2 + (v / _HALF_AXES[1]) ** 2 < 1


def head_colours(window_rgb: ImageRGB) -> FloatArray:
    """Colours of a head's window, hair and face apart: float32 [60] of unit length, never negative.

    The square roots of histograms of L, a and b of CIELAB over the ellipse's upper and lower part; the cosine of two such
    descriptions is the mean of their six Bhattacharyya coefficients.
    """
    mask, above = head_mask(), _places()[1] < _HAIRLINE
    lab = np.asarray(cv2.cvtColor(window_rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)
    return _unit(np.concatenate([_histograms(lab[mask & part]) for part in (above, ~above)]).ravel())


def joined(*descriptions: FloatArray) -> FloatArray:
    """Several descriptions [D_i] as one of unit length: the cosine of two joined ones is the mean of the parts' cosines."""
    return _unit(np.concatenate([_unit(description.ravel()) for description in descriptions]))


def _places() -> tuple[FloatArray, FloatArray]:
    """u to the right and v down, float32 [1,128] and [128,1], in half distances from neck to ears."""
    along = np.linspace(-HEAD_REACH, HEAD_REACH, HEAD_SIDE_PX, dtype=np.float32)
    return along[None], along[:, None]


def _histograms(lab: FloatArray) -> FloatArray:
    """[3,bins] square roots of the soft histograms of colours [N,3]: a colour is shared by two bins."""
    place = np.clip((lab - _LAB_LOW) / _LAB_SPAN, 0, 1) * (_BINS - 1)
    weight = np.clip(1 - np.abs(place[..., None] - np.arange(_BINS)), 0, None)
    return np.asarray(np.sqrt(weight.mean(axis=0)), np.float32)


def _unit(vectors: FloatArray) -> FloatArray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), np.float32)
