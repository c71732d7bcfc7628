"""Samples for places where somebody else passed by while the person was far away.

Where a person crosses the picture, the samples in which they are farthest from a place are all from the beginning or the end of
the video. Whoever stands there at that time would become part of the background. More samples, from all of the time, tell.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.types import ImageRGB

_FAR: Final = 0.08
"""Distance to the person from which on no shadow at their feet is expected, as a fraction of the longer side."""
_SHORT: Final = 0.4
"""Samples from less than this fraction of the time are few moments."""
_MORE: Final = 2.0
"""How much more of the time the samples of all far places must be from."""
_DIFFERENT_LEVELS: Final = 25
"""Smaller differences are of light that changes."""
_SETTLED_LEVELS: Final = 15
"""Difference of the middle third of all far samples up to which they agree; those of a screen do not."""
_RIM: Final = 0.02
"""What is around a difference is part of whoever passed, too: fraction of the longer side."""


def samples_of_more_moments(
    use: NDArray[np.bool_], clearance: NDArray[np.uint8], numbers: NDArray[np.int64], small: list[ImageRGB]
) -> NDArray[np.bool_]:
    """The samples that each pixel uses, bool [N,h,w]: all far ones where the chosen ones are of one moment and look different.

    use: the chosen ones, bool [N,h,w]. clearance: distance to the person in px, uint8 [N,h,w]. numbers: of the frames, [N].
    small: the samples, uint8 [h,w,3] each.
    """
    side_px = max(clearance.shape[1:])
    far = clearance >= min(round(_FAR * side_px), 254)
    chosen_time, far_time = _time_spanned(use, numbers), _time_spanned(far, numbers)
    total = float(np.ptp(numbers))
    momentary = use.any(axis=0) & (chosen_time < _SHORT * total) & (far_time > _MORE * chosen_time)
    if not momentary.any():
        return use
    difference = np.zeros(clearance.shape[1:], np.float32)
    for rows in np.flatnonzero(momentary.any(axis=1)):
        columns = np.flatnonzero(momentary[rows])
        lines = np.stack([image[rows, columns] for image in small]).astype(np.float32)
        chosen, wide = (_middle_ranks(lines, each[:, rows, columns]) for each in (use, far))
        settled = (wide[2] - wide[0]).max(axis=1) < _SETTLED_LEVELS
        difference[rows, columns] = np.where(settled, np.abs(chosen[1] - wide[1]).max(axis=1), 0)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(_RIM * side_px) + 1,) * 2)
    passed = cv2.blur(difference, (5, 5)) > _DIFFERENT_LEVELS
    changed = (cv2.dilate(passed.astype(np.uint8), disc) > 0) & momentary
    return np.where(changed, far, use) if changed.any() else use


def _time_spanned(use: NDArray[np.bool_], numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """From the first to the last sample that each pixel uses, in frames [h,w]."""
    first, last = np.full(use.shape[1:], -1.0), np.full(use.shape[1:], -1.0)
    for chosen, number in zip(use, numbers.tolist(), strict=True):
        np.copyto(first, number, where=chosen & (first < 0))
        np.copyto(last, number, where=chosen)
    return np.asarray(last - first, np.float64)


def _middle_ranks(values: NDArray[np.float32], use: NDArray[np.bool_]) -> NDArray[np.float32]:
    """What a third, half and two thirds of the used values [N,P,3] of each pixel do not exceed, [3,P,3]. use: bool [N,P]."""
    ordered = np.sort(np.where(use[..., None], values, np.inf), axis=0)
    ranks = np.stack([np.maximum(use.sum(axis=0) - 1, 0) * sixths // 6 for sixths in (2, 3, 4)])
    return np.asarray(np.take_along_axis(ordered, ranks[..., None], axis=0), np.float32)
