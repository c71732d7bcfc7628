"""Correct shifts that were found on a shrunken picture by the few pixels that they are off in the full one."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.background.shift_proposals import Shifts
from dancenow.types import ImageRGB

_RIM_SAMPLES: Final = 3000
_TRUNCATED: Final = 30.0
"""Largest difference, in levels, that counts when a shift is refined."""


def refine_shifts(
    image_rgb: ImageRGB, known: NDArray[np.bool_], labels: NDArray[np.int32], shifts: Shifts, reach_px: int
) -> Shifts:
    """Correct each shift by up to `reach_px` so that, around the part it fills, the picture resembles itself best."""
    light = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    refined = shifts.copy()
    for number in np.unique(labels[labels > 0]):
        part = (labels == number).astype(np.uint8)
        width_px = max(2 * reach_px + 1, round(0.3 * float(np.sqrt(part.sum()))))
        around = np.argwhere((cv2.dilate(part, np.ones((2 * width_px + 1,) * 2, np.uint8)) > 0) & known)
        around = around[:: max(1, len(around) // _RIM_SAMPLES)]
        moved = around + shifts[number]
        room = ((moved >= reach_px) & (moved < np.array(known.shape) - reach_px)).all(axis=1)
        around, moved = around[room], moved[room]
        usable = known[moved[:, 0], moved[:, 1]]
        around, moved = around[usable], moved[usable]
        if not len(around):
            continue
        own, best = light[around[:, 0], around[:, 1]], np.inf
        for dy in range(-reach_px, reach_px + 1):
            for dx in range(-reach_px, reach_px + 1):
                error = np.abs(light[moved[:, 0] + dy, moved[:, 1] + dx] - own)
                cost = float(np.minimum(error, _TRUNCATED).mean()) + 1e-3 * float(np.hypot(dy, dx))
                if cost < best:
                    best, refined[number] = cost, shifts[number] + (dy, dx)
    return refined
