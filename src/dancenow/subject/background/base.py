"""The background of a scene as a function of time, and the simplest ones: a still plate, and nothing."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dancenow.types import ImageRGB, Plate


class Background(Protocol):
    """What is seen behind the people."""

    def at(self, time_s: float) -> ImageRGB:
        """The image uint8 [H,W,3] at a time of the rendered video; the caller does not write to it.

        With a fourth channel, straight alpha, the rendered frames have one, too.
        """

    def known_at(self, time_s: float) -> NDArray[np.bool_]:
        """Where that image was filmed, bool [H,W]; elsewhere it is filled in. The caller does not write to it."""


@dataclass(frozen=True, eq=False)
class StillPlate:
    """A background plate that is the same at all times: the camera stands still."""

    plate: Plate

    def at(self, _time_s: float) -> ImageRGB:
        """See `Background.at`."""
        return self.plate.image_rgb

    def known_at(self, _time_s: float) -> NDArray[np.bool_]:
        """See `Background.known_at`."""
        return self.plate.known


@dataclass(frozen=True)
class NoBackground:
    """Nothing at all: the rendered frames are transparent where nobody is."""

    width_px: int
    height_px: int

    def at(self, _time_s: float) -> NDArray[np.uint8]:
        """See `Background.at`: uint8 [H,W,4], all 0."""
        return np.zeros((self.height_px, self.width_px, 4), np.uint8)

    def known_at(self, _time_s: float) -> NDArray[np.bool_]:
        """See `Background.known_at`."""
        return np.zeros((self.height_px, self.width_px), np.bool_)
