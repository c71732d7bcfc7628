"""Film a rendered clip once more with a camera that moves: every homography is known."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.sink import VideoWriter
from dancenow.media.source import VideoSource
from dancenow.subject.camera.homography import Homography, transform

Motion = Callable[[float], Homography]
"""Time in seconds -> px of the clip -> px of the moving camera's frame."""

FILMED_FRACTION: Final = 0.84
"""Side of the filmed frame relative to the clip's: the rest is room for the motion."""
_FOCAL_SIDES: Final = 1.2
"""Focal length in sides of the clip, that of a phone."""
_TILT_DEG: Final = 0.9
"""The camera looks down a little, so that the feet stay in its frame."""
_PERIOD_S: Final = 5.0
"""Of pan and zoom. Dance and footage last whole periods: on average, the cameras look where the tripod does."""


def filmed_px(size_px: int) -> int:
    """Side of the filmed frame of a square clip, even."""
    return round(size_px * FILMED_FRACTION / 2) * 2


def view(size_px: int, pan_deg: float = 0.0, tilt_deg: float = 0.0, roll_deg: float = 0.0, zoom: float = 1.0) -> Homography:
    """A camera in the place of the clip's that looks elsewhere."""
    focal_px, middle, own = _FOCAL_SIDES * size_px, (size_px - 1) / 2, (filmed_px(size_px) - 1) / 2
    turn = cv2.Rodrigues(np.radians([tilt_deg + _TILT_DEG, pan_deg, roll_deg]))[0]
    clip = np.array([[focal_px, 0, middle], [0, focal_px, middle], [0, 0, 1.0]])
    filmed = np.array([[focal_px * zoom, 0, own], [0, focal_px * zoom, own], [0, 0, 1.0]])
    return np.asarray(filmed @ turn @ np.linalg.inv(clip), np.float64)


def camera_motions(size_px: int) -> dict[str, Motion]:
    """The motions that are measured, by name."""

    def shake(time_s: float) -> Homography:
        """Sums of sines, as a hand sways and trembles: about a degree, up to 4 times a second."""
        pan, tilt, roll = (
            sum(amplitude * np.sin(2 * np.pi * hertz * time_s + phase + axis) for amplitude, hertz, phase in _SWAY)
            for axis in range(3)
        )
        return view(size_px, pan, tilt, 0.6 * roll)

    return {
        "tripod": lambda _: view(size_px),
        "hand-held": shake,
        "pan": lambda time_s: view(size_px, pan_deg=3.5 * np.sin(2 * np.pi * time_s / _PERIOD_S)),
        "zoom": lambda time_s: view(size_px, zoom=1.01 - 0.05 * np.cos(2 * np.pi * time_s / _PERIOD_S)),
    }


_SWAY: Final = ((0.7, 0.35, 0.0), (0.35, 1.1, 1.3), (0.12, 3.7, 0.4))
"""Degrees, 1/s, phase."""


def film(clip: Path, out: Path, motion: Motion) -> Path:
    """Film a square clip with a moving camera. Raises UserError if it cannot be read."""
    source = VideoSource.open(clip)
    side = filmed_px(source.info.width_px)
    with VideoWriter(out, side, side, fps=Fraction(source.info.fps), crf=12) as writer:
        for frame in source.frames():
            writer.write(through(frame.image_rgb, motion(float(frame.time_s))), frame.time_s)
    return out


def through(image: NDArray[np.uint8], homography: Homography) -> NDArray[np.uint8]:
    """A square image as the camera sees it."""
    side = filmed_px(image.shape[0])
    return np.asarray(cv2.warpPerspective(image, homography, (side, side), flags=cv2.INTER_CUBIC), np.uint8)


def points_through(points_px: NDArray[np.float32], homography: Homography) -> NDArray[np.float32]:
    """Points [...,2] of the clip, in the filmed frame."""
    return transform(homography, points_px).astype(np.float32)
