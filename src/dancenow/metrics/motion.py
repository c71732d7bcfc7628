"""Temporal metrics: flicker, the color change of a moving point from frame to frame relative to the real video; and stalling,
the fraction of the real video's motion that is missing.

Flicker is the warping error of Lai et al. (ECCV 2018) along the reference's own motion, measured with DIS optical flow (Kroeger
et al., 2016); points occluded in either frame are excluded (Sundaram et al., 2010).
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.types import ImageRGB

MIN_VISIBLE_FRACTION: Final = 0.05
"""Fraction of pixels visible in both frames below which they cannot be compared (a cut)."""
GRID_CELLS: Final = 16
"""Cells along the longer side of an image; it is averaged over each before motion is measured, without noise and detail."""
MIN_ERROR_LEVELS: Final = 0.5
"""Half a gray level: a reference steadier than its rounding error counts as having this error."""


@dataclass(frozen=True, eq=False)
class Motion:
    """Motion from a frame back to the previous one: to_previous float32 [H,W,2] px; visible bool [H,W], seen in both frames."""

    to_previous: NDArray[np.float32]
    visible: NDArray[np.bool_]


def estimate_motion(previous_rgb: ImageRGB, current_rgb: ImageRGB) -> Motion:
    """Estimate the motion between two frames of the same size with DIS optical flow (medium preset, no weights)."""
    gray = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (previous_rgb, current_rgb)]
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    start = np.zeros((2, *gray[0].shape, 2), np.float32)
    back = np.asarray(dis.calc(gray[1], gray[0], start[0]), np.float32)
    forth = np.asarray(dis.calc(gray[0], gray[1], start[1]), np.float32)
    round_trip = back + sample_at_offset(forth, back)
    squared = (back * back).sum(axis=2) + (forth * forth).sum(axis=2)
    consistent = (round_trip * round_trip).sum(axis=2) < 0.01 * squared + 0.5
    height, width = gray[0].shape
    x, y = np.arange(width) + back[..., 0], np.arange(height)[:, None] + back[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return Motion(back, consistent & inside)


def warping_error(previous_rgb: ImageRGB, current_rgb: ImageRGB, along: Motion) -> float:
    """Mean absolute color change along the motion, in levels of 0..255; from 0, lower is steadier; NaN after a cut.

    Mean over visible pixels p of |current(p) - previous(p + to_previous(p))|. In a real video it contains changes of light,
    blur and errors of the flow; compare with the reference by `flicker_ratio`. Source: the temporal stability of Lai et al.
    2018, with absolute instead of squared differences, which are not dominated by one wrong edge.
    """
    if along.visible.mean() < MIN_VISIBLE_FRACTION:
        return float("nan")
    warped = sample_at_offset(previous_rgb.astype(np.float32), along.to_previous)
    difference = np.abs(current_rgb.astype(np.float32) - warped).mean(axis=2)
    return float(difference[along.visible].mean())


def flicker_ratio(errors: NDArray[np.float64], reference_errors: NDArray[np.float64]) -> float:
    """Warping errors [T] relative to the reference's: 1 = as steady as the real video, above = flickers, from 0.

    mean_t e(t) / mean_t e_reference(t), over the frames t where both are known. Lower is better down to 1; below it a result is
    smoother than the real video, as a blurred one is. A result that stands still while the reference moves is not below 1: its
    colors do not follow the motion. But a frozen image errs only as far as the motion goes, and jumps become rarer the longer
    it is frozen, so flicker does not show how long; `stalling` does. NaN if no frame is known.
    """
    valid = np.isfinite(errors) & np.isfinite(reference_errors)
    if not valid.any():
        return float("nan")
    return float(max(errors[valid].mean(), MIN_ERROR_LEVELS) / max(reference_errors[valid].mean(), MIN_ERROR_LEVELS))


def frame_change(previous_rgb: ImageRGB, current_rgb: ImageRGB) -> float:
    """Change of an image from one frame to the next, levels of 0..255: the mean absolute difference of both, averaged over
    squares of a 16th of the longer side, so that it measures moving limbs and neither noise nor sharpness.
    """
    height, width = current_rgb.shape[:2]
    side_px = max(height, width) / GRID_CELLS
    size = max(1, round(width / side_px)), max(1, round(height / side_px))
    before, now = (
        cv2.resize(image.astype(np.float32), size, interpolation=cv2.INTER_AREA) for image in (previous_rgb, current_rgb)
    )
    return float(np.abs(now - before).mean())


def stalling_curve(changes: NDArray[np.float64], reference_changes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fraction of the reference's motion that is missing in each frame [T], relative to its mean motion; NaN where unknown. The
    mean over the known frames is `stalling`.
    """
    valid = np.isfinite(changes) & np.isfinite(reference_changes)
    missing = np.where(valid, np.maximum(reference_changes - changes, 0), np.nan)
    mean = float(reference_changes[valid].mean()) if valid.any() else 0.0
    return np.asarray(missing / mean if mean > 0 else np.where(valid, 0.0, np.nan), np.float64)


def stalling(changes: NDArray[np.float64], reference_changes: NDArray[np.float64]) -> float:
    """Fraction of the reference's motion that the result does not show at its time, from 0 to 1, lower is better.

    sum_t max(0, d_reference(t) - d(t)) / sum_t d_reference(t), with d the `frame_change` between frames: 0 for a result that
    moves whenever the reference does, 1 for a still image; freezing each image for n frames gives about 1 - 1 / n, however far
    it jumps afterwards. Flicker counts as motion, so read it with `flicker_ratio`. NaN if no frame is known. Source: ours.
    """
    curve = stalling_curve(changes, reference_changes)
    known = curve[np.isfinite(curve)]
    return float(known.mean()) if len(known) else float("nan")


def sample_at_offset(image: NDArray[np.float32], offset: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sample `image` [H,W,C] at every pixel plus its offset [H,W,2], bilinear, with repeated edges."""
    height, width = offset.shape[:2]
    x = np.arange(width, dtype=np.float32) + offset[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + offset[..., 1]
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32, copy=False)
