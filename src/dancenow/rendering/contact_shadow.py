"""The soft shadow where feet touch the ground, without which a person seems to hover.

The shadow that a model learned is that of its own footage, and where the studio hardly has one, nothing is left of it. The
shadow here is faint, small, and the same in any light: what little light reaches the ground right under a foot.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.skeleton import INDEX
from dancenow.types import Pose

_DARKEST: Final = 0.4
"""How much of the light is missing right under a foot."""
_WIDTH: Final = 0.022
"""Of the dark line under a foot; this and the next are fractions of the person's height."""
_BLUR: Final = 0.01
_LIFTED: Final = 0.1
"""How far above the ground a foot has no shadow."""
_SURE: Final = 0.3


def contact_shadow(pose: Pose, ground_y_px: float, height_px: float, frame_px: tuple[int, int]) -> NDArray[np.uint8] | None:
    """The shadow under the feet of a pose [K] as a black image uint8 [H,W,4] with straight alpha; None if no foot stands.

    ground_y_px: how low in the frame the ground under the person is. height_px: how tall they are. frame_px: width and height;
    everything is in px of the frame.
    """
    dark = np.zeros(frame_px[::-1], np.uint8)
    for side in ("right", "left"):
        ends = [INDEX[f"{side}_heel"], INDEX[f"{side}_toe"]]
        if (pose.confidence[ends] <= _SURE).any():
            continue
        heel, toe = pose.xy[ends]
        lifted = (ground_y_px - float(max(heel[1], toe[1]))) / (_LIFTED * height_px)
        level = round(255 * _DARKEST * float(np.clip(1 - lifted, 0, 1)))
        drawn = np.zeros_like(dark)
        start, end = (point.round().astype(int).tolist() for point in (heel, toe))
        cv2.line(drawn, start, end, level, max(1, round(_WIDTH * height_px)))
        np.maximum(dark, drawn, out=dark)
    if not dark.any():
        return None
    left, top, width, height = cv2.boundingRect(dark)
    sigma_px = max(0.5, _BLUR * height_px)
    pad = int(np.ceil(3 * sigma_px))
    part = np.s_[max(0, top - pad) : top + height + pad, max(0, left - pad) : left + width + pad]
    shadow = np.zeros((*dark.shape, 4), np.uint8)
    # Wider than high: the ground is seen from the side.
    shadow[part][..., 3] = cv2.GaussianBlur(dark[part], (0, 0), 1.6 * sigma_px, sigmaY=sigma_px)
    return shadow
