"""Flicker: how much a moving point changes its colour from frame to frame, beyond what it does in the real video; and its
opposite, stalling: how much of the real video's motion is not there.

The warping error of Lai et al. (ECCV 2018) along the reference's own motion, which DIS optical flow (Kroeger et al., 2016)
measures; points that are hidden in either frame are left out (Sundaram et al., 2010).
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.types import ImageRGB

MIN_VISIBLE: Final = 0.05
"""With a smaller share of the pixels visible in both frames (a cut), there is nothing to compare."""
COARSE: Final = 16
"""Squares along a picture's longer side: over each it is averaged before motion is looked for, without noise and detail."""
FLOOR_LEVELS: Final = 0.5
"""Half a grey level: a reference steadier than its rounding counts as this steady."""


@dataclass(frozen=True, eq=False)
class Motion:
    """From one frame back to the one before: to_previous float32 [H,W,2] px; visible bool [H,W], seen in both frames."""

    to_previous: NDArray[np.float32]
    visible: NDArray[np.bool_]


def motion(previous_rgb: ImageRGB, current_rgb: ImageRGB) -> Motion:
    """The motion between two frames of the same size, with DIS at its medium preset, no weights."""
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (previous_rgb, current_rgb)]
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    start = np.zeros((2, *grey[0].shape, 2), np.float32)
    back = np.asarray(dis.calc(grey[1], grey[0], start[0]), np.float32)
    forth = np.asarray(dis.calc(grey[0], grey[1], start[1]), np.float32)
    there_and_back = back + sampled(forth, back)
    squared = (back * back).sum(axis=2) + (forth * forth).sum(axis=2)
    consistent = (there_and_back * there_and_back).sum(axis=2) < 0.01 * squared + 0.5
    height, width = grey[0].shape
    x, y = np.arange(width) + back[..., 0], np.arange(height)[:, None] + back[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return Motion(back, consistent & inside)


def warping_error(previous_rgb: ImageRGB, current_rgb: ImageRGB, along: Motion) -> float:
    """Mean absolute change of colour along the motion, in levels of 0..255; from 0, lower is steadier; NaN after a cut.

    Mean over visible pixels p of |current(p) - previous(p + to_previous(p))|. Of a real video it holds light, blur and the
    errors of the flow; compare with the reference's by `flicker_ratio`. Source: the temporal stability of Lai et al.
    2018, with absolute instead of squared differences, which one wrong edge does not rule.
    """
    if along.visible.mean() < MIN_VISIBLE:
        return float("nan")
    warped = sampled(previous_rgb.astype(np.float32), along.to_previous)
    change = np.abs(current_rgb.astype(np.float32) - warped).mean(axis=2)
    return float(change[along.visible].mean())


def flicker_ratio(errors: NDArray[np.float64], reference_errors: NDArray[np.float64]) -> float:
    """Warping errors [T] relative to the reference's: 1 = as steady as the real video, above = flickers, from 0.

    mean_t e(t) / mean_t e_reference(t), over the frames t where both are known. Lower is better down to 1; below it a result
    is smoother than the real video, as a blurred one is. What stands still while the reference moves is not below
    1: its colours do not follow the motion. But a held picture errs only as far as the motion goes, and jumps become rarer
    the longer it is held, so flicker does not say how long: `stalling` is made for that. NaN if no frame is known.
    """
    both = np.isfinite(errors) & np.isfinite(reference_errors)
    if not both.any():
        return float("nan")
    return float(max(errors[both].mean(), FLOOR_LEVELS) / max(reference_errors[both].mean(), FLOOR_LEVELS))


def change(previous_rgb: ImageRGB, current_rgb: ImageRGB) -> float:
    """How much a picture changes from one frame to the next, levels of 0..255: the mean absolute difference of both, averaged
    over squares of a 16th of the longer side, so that limbs count and neither noise nor sharpness does."""
    height, width = current_rgb.shape[:2]
    side_px = max(height, width) / COARSE
    size = max(1, round(width / side_px)), max(1, round(height / side_px))
    before, now = (
        cv2.resize(image.astype(np.float32), size, interpolation=cv2.INTER_AREA) for image in (previous_rgb, current_rgb)
    )
    return float(np.abs(now - before).mean())


def stalling_curve(changes: NDArray[np.float64], reference_changes: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of the reference's motion is missing in each frame [T], as a share of its motion in a mean frame; NaN where
    unknown. The mean over the known frames is `stalling`."""
    both = np.isfinite(changes) & np.isfinite(reference_changes)
    missing = np.where(both, np.maximum(reference_changes - changes, 0), np.nan)
    mean = float(reference_changes[both].mean()) if both.any() else 0.0
    return np.asarray(missing / mean if mean > 0 else np.where(both, 0.0, np.nan), np.float64)


def stalling(changes: NDArray[np.float64], reference_changes: NDArray[np.float64]) -> float:
    """The share of the reference's motion that the result does not show at its time, from 0 to 1, lower is better.

    sum_t max(0, d_reference(t) - d(t)) / sum_t d_reference(t), with d the `change` between frames: 0 for a result that moves
    whenever the reference does, 1 for a still; each picture held for n frames gives about 1 - 1 / n, however far it jumps
    afterwards. What flickers moves, so read it beside `flicker_ratio`. NaN if no frame is known. Source: ours.
    """
    curve = stalling_curve(changes, reference_changes)
    known = curve[np.isfinite(curve)]
    return float(known.mean()) if len(known) else float("nan")


def sampled(image: NDArray[np.float32], offset: NDArray[np.float32]) -> NDArray[np.float32]:
    """`image` [H,W,C] at every pixel plus its offset [H,W,2], bilinear, the edge repeated."""
    height, width = offset.shape[:2]
    x = np.arange(width, dtype=np.float32) + offset[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + offset[..., 1]
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32, copy=False)
