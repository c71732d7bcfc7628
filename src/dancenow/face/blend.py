"""A face's canvas put back into its frame: no seam, no pumping, and a hand in front of the face stays in front.

Feathering and Poisson blending paste the difference between the new canvas and the one that was cut out, not the canvas: what
did not change stays untouched, to the last bit, at any size of the head.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.face.crop import cut_face
from dancenow.face.hands import hand_mask
from dancenow.face.poisson import membrane
from dancenow.face.track import FaceTrack
from dancenow.types import Crop, FloatArray, ImageRGB, Pose

Method = Literal["paste", "feather", "poisson", "seamless"]
DEFAULT: Final[Method] = "poisson"
RIM_TIME_S: Final = 0.1
"""How long a difference along the rim is remembered: what flickers there faster would be spread over the face."""
RIM_LIMIT: Final = 40.0
"""Grey levels, of 255: a difference along the rim beyond this is not a colour that drifted but another thing."""
_RIM_BLUR: Final = 0.06
"""Of the canvas: colours differ slowly along the rim; hair that lies elsewhere does not, and should not be spread."""
_INNER, _OUTER = 0.72, 0.96


class Blender:
    """Puts face canvases into the frames of one video, in their order; what it remembers keeps colours steady over time.

    faces: the track whose windows the canvases fill. method: a key of `BLENDS`.
    """

    def __init__(self, faces: FaceTrack, method: Method = DEFAULT, rim_time_s: float = RIM_TIME_S) -> None:
        self._faces, self._blend, self._rim_time_s = faces, BLENDS[method], rim_time_s
        self._rim: FloatArray | None = None
        self._rim_at_s = -np.inf

    def blend(self, frame_rgb: ImageRGB, face_rgb: ImageRGB, t: int, pose: Pose | None = None) -> ImageRGB:
        """A new frame uint8 [H,W,3] with face_rgb uint8 [S,S,3] in the window of frame t; outside it nothing changes.

        pose: keypoints [K] of the frame, for the hands that stay in front of the face.
        """
        crop = self._faces.crop(t)
        if face_rgb.shape != (crop.size, crop.size, 3):
            raise ValueError(f"a face must be [{crop.size},{crop.size},3], got {list(face_rgb.shape)}")
        mask = soft_mask(crop.size)
        if pose is not None:
            mask = mask * (1 - hand_mask(pose, float(self._faces.head_px[t]), crop))
        return self._blend(frame_rgb, face_rgb, crop, mask, lambda rim: self._steady(rim, t))

    def _steady(self, rim: FloatArray, t: int) -> FloatArray:
        """The rim's difference, limited, smoothed along the rim and over the time before."""
        rim = _along_rim(np.clip(rim, -RIM_LIMIT, RIM_LIMIT))
        now_s = float(self._faces.time_s[t])
        if self._rim is not None and self._rim_time_s > 0 and now_s >= self._rim_at_s:
            keep = np.float32(np.exp(-(now_s - self._rim_at_s) / self._rim_time_s))
            rim = keep * self._rim + (1 - keep) * rim
        self._rim, self._rim_at_s = rim, now_s
        return rim


Steady = Callable[[FloatArray], FloatArray]


def paste(frame_rgb: ImageRGB, face_rgb: ImageRGB, crop: Crop, _mask: FloatArray, _steady: Steady) -> ImageRGB:
    """The whole window, with a hard edge: what the others are measured against."""
    height, width = frame_rgb.shape[:2]
    low, high = crop.to_frame[:, 2], crop.to_frame @ [crop.size - 1, crop.size - 1, 1]
    (left, top), (right, bottom) = (np.rint(low).astype(int), np.rint(high).astype(int) + 1)
    box = _clipped(left, top, right, bottom, width, height)
    if box is None:
        return frame_rgb.copy()
    rows, columns = box
    out = frame_rgb.copy()
    out[rows, columns] = np.rint(_to_box(face_rgb.astype(np.float32), crop, box)).clip(0, 255)
    return out


def feather(frame_rgb: ImageRGB, face_rgb: ImageRGB, crop: Crop, mask: FloatArray, _steady: Steady) -> ImageRGB:
    """The face through a soft mask."""
    change = face_rgb.astype(np.float32) - cut_face(frame_rgb, crop)
    return _add(frame_rgb, change * mask[..., None], crop)


def poisson(frame_rgb: ImageRGB, face_rgb: ImageRGB, crop: Crop, mask: FloatArray, steady: Steady) -> ImageRGB:
    """The face's gradients: its colours are moved so that they meet the frame's along the window's rim."""
    change = face_rgb.astype(np.float32) - cut_face(frame_rgb, crop)
    change -= membrane(steady(change))
    return _add(frame_rgb, change * mask[..., None], crop)


def seamless(frame_rgb: ImageRGB, face_rgb: ImageRGB, crop: Crop, mask: FloatArray, _steady: Steady) -> ImageRGB:
    """OpenCV's Poisson solver on the mask's shape: the peer."""
    height, width = frame_rgb.shape[:2]
    box = _box(crop, width, height)
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
    blended = cv2.seamlessClone(face, np.ascontiguousarray(frame), inside, (x + w // 2, y + h // 2), cv2.NORMAL_CLONE)
    out = frame_rgb.copy()
    out[rows, columns] = np.where(inside[..., None] > 0, blended, frame)
    return out


BLENDS: Final[Mapping[Method, Callable[[ImageRGB, ImageRGB, Crop, FloatArray, Steady], ImageRGB]]] = {
    "paste": paste,
    "feather": feather,
    "poisson": poisson,
    "seamless": seamless,
}
"""How a canvas is put into a frame, by name."""


def soft_mask(size_px: int) -> FloatArray:
    """float32 [S,S]: 1 on the head, 0 at the canvas's rim, smooth between; a square with round corners."""
    along = np.abs(np.linspace(-1, 1, size_px, dtype=np.float32)) ** 4
    radius = (along[:, None] + along[None]) ** 0.25
    ramp = np.clip((_OUTER - radius) / (_OUTER - _INNER), 0, 1)
    return np.asarray(ramp * ramp * (3 - 2 * ramp), np.float32)


Box = tuple[slice, slice]


def _box(crop: Crop, width: int, height: int) -> Box | None:
    """Rows and columns of the frame that the window touches; None where it lies outside."""
    low, high = crop.to_frame[:, 2], crop.to_frame @ [crop.size - 1, crop.size - 1, 1]
    left, top = np.floor(low).astype(int)
    right, bottom = np.ceil(high).astype(int) + 1
    return _clipped(left, top, right, bottom, width, height)


def _clipped(left: int, top: int, right: int, bottom: int, width: int, height: int) -> Box | None:
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    return (slice(top, bottom), slice(left, right)) if right > left and bottom > top else None


def _to_box(canvas: FloatArray, crop: Crop, box: Box) -> FloatArray:
    """A canvas at the frame's resolution, in the box; without shimmer where the head is smaller than its canvas."""
    to_box = crop.to_frame - [[0, 0, box[1].start], [0, 0, box[0].start]]
    scale = float(to_box[0, 0])
    if scale < 0.75:
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), 0.35 * (1 / scale**2 - 1) ** 0.5), np.float32)
    size = (box[1].stop - box[1].start, box[0].stop - box[0].start)
    warped = cv2.warpAffine(canvas, to_box, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.float32)


def _add(frame_rgb: ImageRGB, change: FloatArray, crop: Crop) -> ImageRGB:
    """The frame plus a change on the canvas, which must be 0 at its rim."""
    box = _box(crop, frame_rgb.shape[1], frame_rgb.shape[0])
    out = frame_rgb.copy()
    if box is not None:
        changed = out[box].astype(np.float32) + _to_box(change, crop, box)
        out[box] = np.rint(changed).clip(0, 255)
    return out


def _along_rim(values: FloatArray) -> FloatArray:
    """Values [S,S,C] whose outermost pixels are smoothed along the rim, which is a ring; the others are left."""
    size = len(values)
    index = np.arange(size - 1)
    last = np.full(size - 1, size - 1)
    rows = np.concatenate([np.zeros(size - 1, int), index, last, last - index])
    columns = np.concatenate([index, last, last - index, np.zeros(size - 1, int)])
    ring: NDArray[np.float32] = values[rows, columns]
    sigma = _RIM_BLUR * size
    radius = int(3 * sigma) + 1
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    wrapped = np.concatenate([ring[-radius:], ring, ring[:radius]])
    out = values.copy()
    smooth = np.stack([np.convolve(channel, kernel, mode="valid") for channel in wrapped.T], axis=1)
    out[rows, columns] = smooth
    return out
