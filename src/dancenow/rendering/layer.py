"""One person in one frame, ready to be composited: image, alpha, place and depth order."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.filtering.local_regression import blocks
from dancenow.skeleton import INDEX
from dancenow.types import Crop, ImageRGB, Pose

_FEET: Final = [index for name, index in INDEX.items() if name.endswith(("ankle", "heel", "toe"))]


@dataclass(frozen=True, eq=False)
class Layer:
    """A person, or a whole frame with a person in it.

    rgba: on the canvas of `crop`, float32 [S,S,4] with color in [-1,1] and straight alpha in [0,1]. Without a crop it covers
    the whole frame: uint8 [H,W,4] with straight alpha, or uint8 [H,W,3], which is opaque. feet_y_px: how low in the frame the
    person stands, in frame px: the lower, the nearer to the camera. retouch: changes the frame once this layer is in it and
    before nearer ones are, such as the face; None to leave it.
    """

    rgba: NDArray[np.float32] | NDArray[np.uint8]
    crop: Crop | None
    feet_y_px: float
    retouch: Callable[[ImageRGB], ImageRGB] | None = None

    def __post_init__(self) -> None:
        shape, dtype = self.rgba.shape, self.rgba.dtype
        if self.crop is not None:
            valid = dtype == np.float32 and shape == (self.crop.size, self.crop.size, 4)
        else:
            valid = dtype == np.uint8 and len(shape) == 3 and shape[2] in (3, 4)
        if not valid:
            raise ValueError(
                f"a layer with a crop must be float32 [S,S,4], one without uint8 [H,W,3] or [H,W,4], got {dtype} {list(shape)}"
            )

    @property
    def is_opaque(self) -> bool:
        """Whether it hides everything behind it."""
        return bool(self.rgba.shape[2] == 3)


def feet_y_px(poses: Pose) -> NDArray[np.float64]:
    """The lowest foot of each pose [T,K], or its lowest keypoint if no foot is present: float64 [T] px, -inf if nothing is."""
    lowest = np.empty(len(poses))
    for block in blocks(len(poses)):
        present = poses.confidence[block] > 0
        feet = np.zeros_like(present)
        feet[:, _FEET] = present[:, _FEET]
        used = np.where(feet.any(axis=1, keepdims=True), feet, present)
        lowest[block] = np.where(used, poses.xy[block, :, 1], -np.inf).max(axis=1)
    return lowest
