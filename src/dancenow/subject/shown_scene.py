"""Where the frames of a video show the scene: not under overlays, nor at their rim if the camera moves.

The first and last rows and columns are darker in some films. A still camera's background is as dark there; a moving camera's is
put together from other frames, so a generator would learn the dark rows, and what lies beyond them, as a shadow.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_MIN_RIM_PX: Final = 3
_RIM: Final = 0.01
"""Of the shorter side of a frame: codecs, stabilizers and the edge of a bar, which is soft, spoil the border of a picture."""


def rim_px(width_px: int, height_px: int) -> int:
    """How wide the rim of frames is."""
    side = min(width_px, height_px)
    return min(max(_MIN_RIM_PX, round(_RIM * side)), side // 4)


def map_shown_scene(
    width_px: int, height_px: int, overlay: NDArray[np.bool_] | None, *, moves: bool
) -> NDArray[np.uint8] | None:
    """Where frames show the scene, 255, and where not, 0: uint8 [H,W]; None if they do everywhere.

    overlay: bool [H,W], where bars, captions or logos hide it. moves: the camera does.
    """
    if overlay is None and not moves:
        return None
    shown = np.full((height_px, width_px), 255, np.uint8)
    if overlay is not None:
        shown[overlay] = 0
    if moves:
        rim = rim_px(width_px, height_px)
        shown[:rim], shown[-rim:], shown[:, :rim], shown[:, -rim:] = 0, 0, 0, 0
    return shown
