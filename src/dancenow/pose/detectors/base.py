"""The interface of a pose detector, and what it returns: person candidates, and one person's keypoints with a soft mask.

A new detector implements `PoseDetector` and adds one entry to `pose.detectors.registry`; tracking, filtering and everything
behind them use this interface alone.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.pose.detectors.regions import RotatedRect, pixels_to_unit, sigmoid
from dancenow.types import FloatArray, ImageRGB, Pose, PoseTrack


@dataclass(frozen=True)
class Candidate:
    """A possible person: the square region to look for landmarks in, and the detector's score in [0,1]."""

    roi: RotatedRect
    score: float


@dataclass(frozen=True, eq=False)
class Landmarks:
    """One person in one frame.

    pose: [K], its depth in px of the frame. score: that a person fills the region, in [0,1]. roi: the region that was
    searched; next_roi: the region of the body that was found, to be searched in the next frame. mask_logits: float32 [M,M]
    over `roi`.
    """

    pose: Pose
    score: float
    roi: RotatedRect
    next_roi: RotatedRect
    mask_logits: FloatArray

    def mask(self, width_px: int, height_px: int, frame_width_px: int) -> NDArray[np.uint8]:
        """Soft mask uint8 [height_px,width_px], 255 = person, of the frame scaled from frame_width_px to width_px."""
        scale = width_px / frame_width_px
        to_small = self.roi.to_frame * scale
        to_small[:, 2] += (scale - 1) / 2  # pixel centers are at integers
        to_small = to_small @ pixels_to_unit(len(self.mask_logits))
        soft = (255 * sigmoid(self.mask_logits)).astype(np.uint8)
        warped = cv2.warpAffine(soft, to_small, (width_px, height_px), flags=cv2.INTER_LINEAR)
        return np.asarray(warped, np.uint8)


@runtime_checkable
class PoseDetector(Protocol):
    """Detects people in single images, and knows its own systematic errors. One instance serves one thread.

    Creating one is cheap: weights are loaded at the first image, so that cached tracks can be used without them.
    """

    @property
    def name(self) -> str:
        """What measures, such as "blazepose-full/4". It is stored in tracks; what they were cached under is their code."""
        ...

    @property
    def correction_lag_s(self) -> float:
        """Seconds of later frames that `correct_bias` uses for a frame; 0 for a detector without correction."""
        ...

    def detect(self, image_rgb: ImageRGB, window: RotatedRect | None = None, min_score: float = 0.5) -> list[Candidate]:
        """Person candidates in `window` (the whole image if None) that score more than `min_score`, best first.

        Raises:
            UserError: the weights are not available.
        """
        ...

    def landmarks(self, image_rgb: ImageRGB, roi: RotatedRect) -> Landmarks:
        """Keypoints and mask of the person who fills `roi`, whether or not there is one: check `score`.

        Raises:
            UserError: the weights are not available.
        """
        ...

    def correct_bias(self, repaired: PoseTrack, measured: PoseTrack) -> PoseTrack:
        """Remove the detector's systematic errors from a track after `smoothing.repair`; `measured` is the same track before.

        Confidence and status stay. A detector without known errors returns `repaired`.
        """
        ...
