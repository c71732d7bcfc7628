"""What one frame is made of: a background and the layers in front of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dancenow.rendering.layer import Layer
from dancenow.subject.background.base import Background


@dataclass(frozen=True, eq=False)
class Scene:
    """A background and any number of layers, in any order: the compositor sorts them by depth.

    overlay: uint8 [H,W,4] with straight alpha, bars and logos in px of the frame that stay in front of everything.
    """

    background: Background
    layers: tuple[Layer, ...] = ()
    overlay: NDArray[np.uint8] | None = None
