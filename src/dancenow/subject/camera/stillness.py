"""Tell a still camera from one that moves, where a screen or a crowd behind the person moves and the camera does not."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.camera.homography import Homography
from dancenow.subject.camera_motion import STILL_TILE_PX, TILES, BackgroundView, blurred, tile_shifts_px

SAMPLES: Final = 32
"""Frames of a video that are compared, evenly spread."""
_STEADY_FRACTION: Final = 0.9
"""Of the frames that show a tile of the background: in so many it has to be in place."""
_MIN_SHOWN_FRACTION: Final = 0.5
"""Of the frames: in so many a tile has to be visible, with edges."""
_MIN_STEADY_TILES, _MIN_STEADY_FRACTION = 6, 0.2
"""Tiles that have to stay in place before a still camera, and the fraction of all that are visible."""
_MIN_QUARTERS: Final = 3
"""Quarters of the frame in which such tiles have to be: a ticker that nobody recognized fills one side."""
_BETTER: Final = 2.0
"""How many times more tiles a still camera has to explain than the one that moves."""


def stands_still(views: list[BackgroundView], to_reference: NDArray[np.float64]) -> bool:
    """Whether frames of a video are explained better by a camera that stands still than by a trajectory.

    A trajectory that follows the picture of a television leaves nothing in place for long; the edge of the set and its
    stand are in place in every frame if the camera stands still. No camera that moves leaves edges of several directions,
    spread over the frame, where they are.

    views: of the frames, reduced. to_reference: px of each view -> px of the reference view [N,3,3], of the trajectory.
    """
    steady, shown = _steady_tiles(views, np.repeat(np.eye(3)[None], len(views), axis=0))
    middle = TILES // 2
    quarters = [part.any() for rows in (steady[:middle], steady[middle:]) for part in (rows[:, :middle], rows[:, middle:])]
    if sum(quarters) < _MIN_QUARTERS or steady.sum() < max(_MIN_STEADY_TILES, _MIN_STEADY_FRACTION * shown.sum()):
        return False
    return bool(steady.sum() > _BETTER * _steady_tiles(views, to_reference)[0].sum())


def _steady_tiles(
    views: list[BackgroundView], to_reference: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which tiles of the reference view are in place in nearly all views, and which are visible in enough of them."""
    moved = [_move(view, homography) for view, homography in zip(views, to_reference, strict=True)]
    usual = _median(np.stack([np.where(visible, gray, np.nan) for gray, visible in moved]))
    shifts_px = np.stack([tile_shifts_px(usual, gray, visible) for gray, visible in moved])
    shown = ~np.isnan(shifts_px)
    in_place = np.where(shown, shifts_px, np.inf) < STILL_TILE_PX
    enough = shown.mean(axis=0) > _MIN_SHOWN_FRACTION
    steady = enough & (in_place.sum(axis=0) >= _STEADY_FRACTION * shown.sum(axis=0))
    return np.asarray(steady), np.asarray(enough)


def _median(stack: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of what is not NaN along the first axis; NaN where all is."""
    ordered = np.sort(stack, axis=0)  # NaN last
    known = (~np.isnan(ordered)).sum(axis=0)
    middle = np.maximum(known - 1, 0) // 2
    return np.asarray(np.take_along_axis(ordered, middle[None], axis=0)[0], np.float32)


def _move(view: BackgroundView, to_reference: Homography) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A view as the reference camera shows it, blurred, and where it shows background."""
    size = (view.gray.shape[1], view.gray.shape[0])
    gray = cv2.warpPerspective(blurred(view.gray), to_reference, size, flags=cv2.INTER_LINEAR)
    inner = cv2.erode(view.background, np.ones((5, 5), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    visible = cv2.warpPerspective(inner, to_reference, size, flags=cv2.INTER_NEAREST)
    return np.asarray(gray, np.float32), np.asarray(visible) > 0
