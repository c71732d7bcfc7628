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

from dancenow.rendering.layer import Layer

Box = tuple[slice, slice]

WEIGHT: Final = 0.5
"""Weight of either neighbor where it agrees; the layer itself has 1."""
AGREEMENT_LEVELS: Final = 8.0
"""Difference in gray levels at which a third of a neighbor's weight is left."""
_MOST_COMPARED_PX: Final = 352
"""Side from which the motion, and whether neighbors agree, are estimated at half the size."""
_DIFFERENCE_SIGMA_PX: Final = 1.5
_VISIBLE_ALPHA: Final = 0.03
"""The compositor drops what is less, see `compositor.MIN_ALPHA`."""
_MIN_ALPHA: Final = np.float32(1e-4)
"""Smallest alpha that colors are divided by."""
_TO_GRAY: Final = np.array([[1 / 3, 1 / 3, 1 / 3, 0]], np.float32)
_MEAN: Final = np.full((1, 4), 1 / 4, np.float32)


@dataclass(frozen=True, eq=False)
class _Frame:
    """A layer as it is compared.

    box: of what is visible, None if nothing is. premultiplied: color and alpha float32 [S,S,4], 0 outside of the box. small:
    the same or half as large, [s,s,4]; gray: of it, uint8 [s,s].
    """

    layer: Layer
    box: Box | None
    premultiplied: NDArray[np.float32]
    small: NDArray[np.float32]
    gray: NDArray[np.uint8]

    @classmethod
    def of(cls, layer: Layer) -> Self:
        rgba = np.asarray(layer.rgba, np.float32)
        premultiplied = np.zeros_like(rgba)
        box = _visible_box(np.asarray(cv2.extractChannel(rgba, 3), np.float32))
        if box is not None:
            alpha = cv2.extractChannel(rgba[box], 3)
            premultiplied[box] = cv2.multiply(rgba[box], cv2.merge([alpha, alpha, alpha, np.ones_like(alpha)]))
        small = premultiplied
        if len(rgba) > _MOST_COMPARED_PX and len(rgba) % 2 == 0:
            half = (len(rgba) // 2, len(rgba) // 2)
            small = np.asarray(cv2.resize(premultiplied, half, interpolation=cv2.INTER_AREA), np.float32)
        gray = cv2.convertScaleAbs(cv2.transform(small, _TO_GRAY), alpha=127.5, beta=127.5)
        return cls(layer, box, premultiplied, np.asarray(small, np.float32), np.asarray(gray, np.uint8))


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
    box, times = frame.box, len(frame.premultiplied) // len(frame.small)
    mean, weight = frame.premultiplied[box], np.ones(frame.premultiplied[box].shape[:2], np.float32)
    for other in present:
        small_box = _shrink(box, times)
        flow = _estimate_motion(estimator, frame.gray, other.gray)[small_box]
        to_other = [np.ascontiguousarray(flow[..., axis]) for axis in (0, 1)]
        fraction = _agreement(frame.small[small_box], _moved(other.small, to_other, small_box))
        if times > 1:
            to_other = [_enlarged(plane * times, times, box, small_box) for plane in to_other]
            fraction = _enlarged(fraction, times, box, small_box)
        moved = _moved(other.premultiplied, to_other, box)
        mean = np.asarray(cv2.blendLinear(mean, moved, weight, fraction), np.float32)
        weight += fraction
    alpha = cv2.extractChannel(mean, 3).clip(0, 1)
    straight = cv2.multiply(mean, cv2.merge([1 / np.maximum(alpha, _MIN_ALPHA)] * 4))
    rgba = np.array(frame.layer.rgba, np.float32)
    rgba[box] = cv2.insertChannel(alpha, np.clip(straight, -1, 1, out=straight), 3)
    return replace(frame.layer, rgba=rgba)


def _agreement(own: NDArray[np.float32], moved: NDArray[np.float32]) -> NDArray[np.float32]:
    """The weight of a neighbor [h,w] by what it shows of the same points, both [h,w,4]."""
    change = cv2.GaussianBlur(cv2.transform(cv2.absdiff(moved, own), _MEAN), (0, 0), _DIFFERENCE_SIGMA_PX)
    return np.asarray(np.float32(WEIGHT) * cv2.exp(-np.square(change * np.float32(127.5 / AGREEMENT_LEVELS))), np.float32)


def _moved(image: NDArray[np.float32], to_other: Sequence[NDArray[np.float32]], box: Box) -> NDArray[np.float32]:
    """An image [S,S,4] looked up at an offset from each px of the box: to the right and down, [h,w] px."""
    x, y = np.arange(box[1].start, box[1].stop, dtype=np.float32), np.arange(box[0].start, box[0].stop, dtype=np.float32)
    moved = cv2.remap(image, to_other[0] + x, to_other[1] + y[:, None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def _shrink(box: Box, times: int) -> Box:
    """The box around a box in an image that is `times` smaller."""
    return tuple(slice(side.start // times, -(-side.stop // times)) for side in box)  # type: ignore[return-value]


def _enlarged(plane: NDArray[np.float32], times: int, box: Box, small_box: Box) -> NDArray[np.float32]:
    """A plane of `small_box` for the box."""
    larger = cv2.resize(plane, None, fx=times, fy=times, interpolation=cv2.INTER_LINEAR)
    rows, columns = (
        slice(side.start - small.start * times, side.stop - small.start * times)
        for side, small in zip(box, small_box, strict=True)
    )
    return np.ascontiguousarray(larger[rows, columns], np.float32)


def _visible_box(alpha: NDArray[np.float32]) -> Box | None:
    """Rows and columns around everything visible; None where nothing is."""
    left, top, width, height = cv2.boundingRect((alpha > _VISIBLE_ALPHA).view(np.uint8))
    return (slice(top, top + height), slice(left, left + width)) if width else None


def _flow_estimator() -> cv2.DISOpticalFlow:
    """DIS (Kroeger et al., 2016) without its last refinement, which takes half of its time and does not reduce jitter."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    dis.setVariationalRefinementIterations(0)
    return dis


def _estimate_motion(estimator: cv2.DISOpticalFlow, own: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Offset from every pixel of `own` to its point in `other`, float32 [s,s,2] px."""
    return np.asarray(estimator.calc(own, other, np.zeros((*own.shape, 2), np.float32)), np.float32)
