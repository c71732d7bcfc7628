"""The temporal filter: average each layer with its neighbors in time along their motion, where they agree.

Every frame is generated from its own pose alone, so what the pose leaves open jitters: seams, folds, edges. Averaging along
the motion, as in video denoising (Buades, Lisani and Miladinovic, 2016), removes a part of that. Where limbs cross or the
motion is not found, the neighbors disagree and the frame stays as it is. Nothing is fed back, so nothing drifts.
"""

from collections import abc
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.metrics.motion import sample_at_offset
from dancenow.rendering.layer import Layer

Box = tuple[slice, slice]

WEIGHT: Final = 0.5
"""Weight of either neighbor where it agrees; the layer itself has 1."""
AGREEMENT_LEVELS: Final = 8.0
"""Difference in gray levels at which a third of a neighbor's weight is left."""
_MOTION_PX: Final = 256
"""Longer side at which the motion is estimated."""
_DIFFERENCE_SIGMA_PX: Final = 1.5
_VISIBLE_ALPHA: Final = 0.01
_MIN_ALPHA: Final = np.float32(1e-4)
"""Smallest alpha that colors are divided by."""
_TO_GRAY: Final = np.array([[1 / 3, 1 / 3, 1 / 3, 0]], np.float32)
_MEAN: Final = np.full((1, 4), 1 / 4, np.float32)


@dataclass(frozen=True, eq=False)
class _Frame:
    """A layer as it is compared: the box of what is visible, None if nothing is; premultiplied color and alpha float32 [S,S,4],
    0 outside of the box; and a small gray image uint8."""

    layer: Layer
    box: Box | None
    premultiplied: NDArray[np.float32]
    gray: NDArray[np.uint8]

    @classmethod
    def of(cls, layer: Layer) -> Self:
        rgba = np.asarray(layer.rgba, np.float32)
        premultiplied, light = np.zeros_like(rgba), np.zeros(rgba.shape[:2], np.float32)
        box = _visible_box(rgba[..., 3])
        if box is not None:
            alpha = cv2.extractChannel(rgba[box], 3)
            premultiplied[box] = cv2.multiply(rgba[box], cv2.merge([alpha, alpha, alpha, np.ones_like(alpha)]))
            light[box] = cv2.transform(premultiplied[box], _TO_GRAY)
        small = min(len(rgba), _MOTION_PX)
        if small < len(rgba):
            light = cv2.resize(light, (small, small), interpolation=cv2.INTER_AREA)
        return cls(layer, box, premultiplied, np.asarray(cv2.convertScaleAbs(light, alpha=127.5, beta=127.5), np.uint8))


def filter_temporal(layers: abc.Generator[Layer | None], cuts: Sequence[int] = ()) -> abc.Generator[Layer | None]:
    """Filter the layers of consecutive frames, each with a crop; None where nobody is, which is nobody's neighbor.

    cuts: positions of layers that begin a shot, which are no neighbors of the layer before. Each layer comes out after the next
    one has come in. `layers` is closed with this.
    """
    before: _Frame | None = None
    now: _Frame | None = None
    is_first = True
    estimator = _flow_estimator()
    with closing(layers):
        for position, layer in enumerate(layers):
            after = None if layer is None else _Frame.of(layer)
            is_cut = position in cuts
            if not is_first:
                yield _average(now, (before, None if is_cut else after), estimator)
            before, now, is_first = None if is_cut else now, after, False
        if not is_first:
            yield _average(now, (before,), estimator)


def _average(frame: _Frame | None, neighbors: Sequence[_Frame | None], estimator: cv2.DISOpticalFlow) -> Layer | None:
    """Average a layer with what its neighbors show of the same points, where they agree with it."""
    present = [each for each in neighbors if each is not None]
    if frame is None or frame.box is None or not present:
        return None if frame is None else frame.layer
    box = frame.box
    own, corner = frame.premultiplied[box], np.array([box[1].start, box[0].start], np.float32)
    total, weight = own.copy(), np.ones(own.shape[:2], np.float32)
    for other in present:
        to_other = _estimate_motion(estimator, frame.gray, other.gray, len(frame.premultiplied))[box] + corner
        moved = sample_at_offset(other.premultiplied, to_other)
        change = cv2.GaussianBlur(cv2.transform(cv2.absdiff(moved, own), _MEAN), (0, 0), _DIFFERENCE_SIGMA_PX)
        fraction = np.float32(WEIGHT) * cv2.exp(-np.square(change * np.float32(127.5 / AGREEMENT_LEVELS)))
        cv2.accumulateProduct(moved, cv2.merge([fraction] * 4), total)
        weight += fraction
    alpha = (cv2.extractChannel(total, 3) / weight).clip(0, 1)
    straight = cv2.multiply(total, cv2.merge([1 / (weight * np.maximum(alpha, _MIN_ALPHA))] * 4))
    rgba = np.array(frame.layer.rgba, np.float32)
    rgba[box] = cv2.insertChannel(alpha, np.clip(straight, -1, 1, out=straight), 3)
    return replace(frame.layer, rgba=rgba)


def _visible_box(alpha: NDArray[np.float32]) -> Box | None:
    """Rows and columns around everything visible; None where nothing is."""
    left, top, width, height = cv2.boundingRect((alpha > _VISIBLE_ALPHA).view(np.uint8))
    return (slice(top, top + height), slice(left, left + width)) if width else None


def _flow_estimator() -> cv2.DISOpticalFlow:
    """DIS (Kroeger et al., 2016) without its last refinement, which takes half of its time and does not reduce jitter."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    dis.setVariationalRefinementIterations(0)
    return dis


def _estimate_motion(
    estimator: cv2.DISOpticalFlow, own: NDArray[np.uint8], other: NDArray[np.uint8], side_px: int
) -> NDArray[np.float32]:
    """Offset from every pixel of `own` to its point in `other`, float32 [side,side,2] px."""
    flow = estimator.calc(own, other, np.zeros((*own.shape, 2), np.float32))
    if len(own) != side_px:
        flow = cv2.resize(flow, (side_px, side_px), interpolation=cv2.INTER_LINEAR) * np.float32(side_px / len(own))
    return np.asarray(flow, np.float32)
