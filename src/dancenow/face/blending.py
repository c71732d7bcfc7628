"""Blend a generated face canvas into its frame: without a seam or brightness changes, and with hands kept in front of the face.

Feathering and Poisson blending paste the difference between the new canvas and the original crop, not the canvas. What did not
change stays bit-identical at any size of the head.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.face.face_crop import crop_face
from dancenow.face.face_track import FaceTrack
from dancenow.face.hand_occlusion import hand_mask
from dancenow.face.poisson import membrane
from dancenow.types import Crop, FloatArray, ImageRGB, Pose

Method = Literal["paste", "feather", "poisson", "seamless"]
DEFAULT_METHOD: Final[Method] = "poisson"
RIM_TIME_CONSTANT_S: Final = 0.1
"""Time constant of the filter on differences between parts of the rim: their flicker would spread over the face."""
_RIM_BLUR_FRACTION: Final = 0.06
"""Fraction of the canvas: color differences vary slowly along the rim; displaced hair does not, and must not spread."""
_RIM_NOISE: Final = 0.01
"""In log color: deviations below this are not outliers."""
_LOG_OFFSET: Final = 16.0
"""Gray levels added before the logarithm: in dark areas one level is not a difference in lighting."""
Ramp = tuple[float, float]
DEFAULT_RAMP: Final[Ramp] = (0.72, 0.96)
"""Distance from the canvas center up to which a face is fully opaque, and from which it is transparent."""
WIDE_RAMP: Final[Ramp] = (0.88, 0.995)
"""The same for a residual added to the existing image: it has no rim to hide, and improves hair and shoulders, too."""


class Blender:
    """Blends face canvases into the frames of one video, in order; its state keeps colors stable over time.

    faces: the track whose crops the canvases fill. method: a key of `BLEND_METHODS`. ramp: as `DEFAULT_RAMP`.
    """

    def __init__(
        self,
        faces: FaceTrack,
        method: Method = DEFAULT_METHOD,
        rim_time_s: float = RIM_TIME_CONSTANT_S,
        ramp: Ramp = DEFAULT_RAMP,
    ) -> None:
        self._faces, self._blend, self._rim_time_s, self._ramp = faces, BLEND_METHODS[method], rim_time_s, ramp
        self._parts: FloatArray | None = None
        self._at_s = -np.inf

    def blend(
        self, frame_rgb: ImageRGB, face_rgb: ImageRGB, t: int, pose: Pose | None = None, within: FloatArray | None = None
    ) -> ImageRGB:
        """Return a new frame uint8 [H,W,3] with face_rgb uint8 [S,S,3] in the crop of frame t; nothing changes outside it.

        pose: keypoints [K] of the frame, used to keep hands in front of the face. within: float32 [S,S] in [0,1], how strongly
        each pixel of the canvas may change, see `face.head_mask`.
        """
        crop = self._faces.crop(t)
        if face_rgb.shape != (crop.size, crop.size, 3):
            raise ValueError(f"a face must be [{crop.size},{crop.size},3], got {list(face_rgb.shape)}")
        mask = feather_mask(crop.size, self._ramp)
        if within is not None:
            mask = mask * within
        if pose is not None:
            mask = mask * (1 - hand_mask(pose, float(self._faces.head_px[t]), crop))
        return self._blend(frame_rgb, face_rgb, crop, mask, lambda rim: self._filter_rim(rim, t))

    def _filter_rim(self, rim: FloatArray, t: int) -> FloatArray:
        """Smooth a difference along the rim and remove outliers. Differences between parts of the rim are filtered over time;
        the median, which is the overall color, is always the current one.
        """
        rows, columns = _rim_pixels(len(rim))
        ring = _clip_outliers(_circular_gaussian(rim[rows, columns], _RIM_BLUR_FRACTION * len(rim)))
        median = np.median(ring, axis=0)
        parts, now_s = ring - median, float(self._faces.time_s[t])
        if self._parts is not None and self._rim_time_s > 0 and now_s >= self._at_s:
            keep = np.float32(np.exp(-(now_s - self._at_s) / self._rim_time_s))
            parts = keep * self._parts + (1 - keep) * parts
        self._parts, self._at_s = parts, now_s
        out = np.zeros_like(rim)
        out[rows, columns] = median + parts
        return out


RimFilter = Callable[[FloatArray], FloatArray]


def paste(frame_rgb: ImageRGB, face_rgb: ImageRGB, crop: Crop, _mask: FloatArray, _filter_rim: RimFilter) -> ImageRGB:
    """Paste the whole crop with a hard edge: the baseline for comparison."""
    height, width = frame_rgb.shape[:2]
    low, high = crop.to_frame[:, 2], crop.to_frame @ [crop.size - 1, crop.size - 1, 1]
    (left, top), (right, bottom) = (np.rint(low).astype(int), np.rint(high).astype(int) + 1)
    box = _clip_box(left, top, right, bottom, width, height)
    if box is None:
        return frame_rgb.copy()
    rows, columns = box
    out = frame_rgb.copy()
    out[rows, columns] = np.rint(_to_box(face_rgb.astype(np.float32), crop, box)).clip(0, 255)
    return out


def feather(frame_rgb: ImageRGB, face_rgb: ImageRGB, crop: Crop, mask: FloatArray, _filter_rim: RimFilter) -> ImageRGB:
    """Blend the face with a soft mask."""
    change = face_rgb.astype(np.float32) - crop_face(frame_rgb, crop)
    return _add_on_canvas(frame_rgb, change * mask[..., None], crop)


def poisson(frame_rgb: ImageRGB, face_rgb: ImageRGB, crop: Crop, mask: FloatArray, filter_rim: RimFilter) -> ImageRGB:
    """Blend the face's gradients: its colors shift so that they match the frame along the rim of the crop.

    It works on logarithms because lighting drifts: the same factor applies to a bright wall and to dark hair in front of it.
    """
    old, new = crop_face(frame_rgb, crop).astype(np.float32) + _LOG_OFFSET, face_rgb.astype(np.float32) + _LOG_OFFSET
    light = membrane(filter_rim(np.log(new / old)))
    return _add_on_canvas(frame_rgb, (new * np.exp(-light) - old) * mask[..., None], crop)


def seamless(frame_rgb: ImageRGB, face_rgb: ImageRGB, crop: Crop, mask: FloatArray, _filter_rim: RimFilter) -> ImageRGB:
    """Blend with OpenCV's Poisson solver on the shape of the mask, for comparison."""
    height, width = frame_rgb.shape[:2]
    box = _frame_box(crop, width, height)
    if box is None:
        return frame_rgb.copy()
    rows, columns = box
    frame = frame_rgb[rows, columns]
    inside = (_to_box(mask, crop, box) > 0.02).astype(np.uint8) * 255
    inside[[0, -1]] = inside[:, [0, -1]] = 0
    if not inside.any():
        return frame_rgb.copy()
    face = np.rint(_to_box(face_rgb.astype(np.float32), crop, box)).clip(0, 255).astype(np.uint8)
    x, y, w, h = cv2.boundingRect(inside)
    blended = _seamless_clone(face, np.ascontiguousarray(frame), inside, (x + w // 2, y + h // 2))
    out = frame_rgb.copy()
    out[rows, columns] = np.where(inside[..., None] > 0, blended, frame)
    return out


def _seamless_clone(face: ImageRGB, frame: ImageRGB, inside: NDArray[np.uint8], at: tuple[int, int]) -> ImageRGB:
    """Call cv2.seamlessClone; that of OpenCV 5.0.0 sometimes returns the frame unchanged, and a second identical call does
    not.
    """
    asked = face.astype(np.int16) - frame
    for _ in range(4):
        blended = np.asarray(cv2.seamlessClone(face.copy(), frame.copy(), inside.copy(), at, cv2.NORMAL_CLONE), np.uint8)
        left = np.diff(blended.astype(np.int16) - frame, axis=1)
        if np.abs(left).mean() >= 0.2 * np.abs(np.diff(asked, axis=1)).mean() or not asked.any():
            break
    return blended


BLEND_METHODS: Final[Mapping[Method, Callable[[ImageRGB, ImageRGB, Crop, FloatArray, RimFilter], ImageRGB]]] = {
    "paste": paste,
    "feather": feather,
    "poisson": poisson,
    "seamless": seamless,
}
"""Blending functions by name."""


def feather_mask(size_px: int, ramp: Ramp = DEFAULT_RAMP) -> FloatArray:
    """Soft mask, float32 [S,S]: 1 on the head, 0 at the rim of the canvas, smooth between; a rounded square. ramp: as
    `DEFAULT_RAMP`.
    """
    along = np.abs(np.linspace(-1, 1, size_px, dtype=np.float32)) ** 4
    radius = (along[:, None] + along[None]) ** 0.25
    opacity = np.clip((ramp[1] - radius) / (ramp[1] - ramp[0]), 0, 1)
    return np.asarray(opacity * opacity * (3 - 2 * opacity), np.float32)


Box = tuple[slice, slice]


def _frame_box(crop: Crop, width: int, height: int) -> Box | None:
    """Rows and columns of the frame that the crop touches; None where it lies outside."""
    low, high = crop.to_frame[:, 2], crop.to_frame @ [crop.size - 1, crop.size - 1, 1]
    left, top = np.floor(low).astype(int)
    right, bottom = np.ceil(high).astype(int) + 1
    return _clip_box(left, top, right, bottom, width, height)


def _clip_box(left: int, top: int, right: int, bottom: int, width: int, height: int) -> Box | None:
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    return (slice(top, bottom), slice(left, right)) if right > left and bottom > top else None


def _to_box(canvas: FloatArray, crop: Crop, box: Box) -> FloatArray:
    """Resample a canvas to the frame's resolution inside the box, without aliasing where the head is smaller than its
    canvas.
    """
    to_box = crop.to_frame - [[0, 0, box[1].start], [0, 0, box[0].start]]
    scale = float(to_box[0, 0])
    if scale < 0.75:
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), 0.22 * (1 / scale**2 - 1) ** 0.5), np.float32)
    size = (box[1].stop - box[1].start, box[0].stop - box[0].start)
    warped = cv2.warpAffine(canvas, to_box, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.float32)


def _add_on_canvas(frame_rgb: ImageRGB, change: FloatArray, crop: Crop) -> ImageRGB:
    """Add a change on the canvas, which must be 0 at its rim, to the frame."""
    box = _frame_box(crop, frame_rgb.shape[1], frame_rgb.shape[0])
    out = frame_rgb.copy()
    if box is not None:
        changed = out[box].astype(np.float32) + _to_box(change, crop, box)
        out[box] = np.rint(changed).clip(0, 255)
    return out


def _rim_pixels(size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the outermost pixels of a canvas, in order around it."""
    index = np.arange(size - 1)
    first, last = np.zeros(size - 1, np.int64), np.full(size - 1, size - 1)
    return np.concatenate([first, index, last, last - index]), np.concatenate([index, last, last - index, first])


def _circular_gaussian(ring: FloatArray, sigma: float) -> FloatArray:
    """Gaussian filter of values [N,C] along a closed ring."""
    radius = int(3 * sigma) + 1
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    wrapped = np.concatenate([ring[-radius:], ring, ring[:radius]])
    return np.stack([np.convolve(channel, kernel, mode="valid") for channel in wrapped.T], axis=1).astype(np.float32)


def _clip_outliers(ring: FloatArray) -> FloatArray:
    """Clip values [N,C] to three deviations (estimated from the median) around the ring's median: a drifted color affects the
    whole rim; a displaced arm affects a part of it, and would spread over the face.
    """
    median = np.median(ring, axis=0)
    spread = 1.48 * np.median(np.abs(ring - median), axis=0) + _RIM_NOISE
    return np.clip(ring, median - 3 * spread, median + 3 * spread).astype(np.float32)
