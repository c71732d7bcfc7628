"""A face's canvas put back into its frame: no seam, no pumping, and a hand in front of the face stays in front.

Feathering and Poisson blending paste the difference between the new canvas and the one that was cut out, not the canvas: what
did not change stays untouched, to the last bit, at any size of the head.
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
DEFAULT: Final[Method] = "poisson"
RIM_TIME_S: Final = 0.1
"""How long differences between parts of the rim are remembered: what flickers there would be spread over the face."""
_RIM_BLUR: Final = 0.06
"""Of the canvas: colours differ slowly along the rim; hair that lies elsewhere does not, and should not be spread."""
_RIM_NOISE: Final = 0.01
"""Of the logarithm of a colour: deviations below this are no outliers."""
_DARK: Final = 16.0
"""Grey levels added before logarithms are taken: in the dark a level more or less is no difference of light."""
Ramp = tuple[float, float]
RAMP: Final[Ramp] = (0.72, 0.96)
"""How far from the middle of its canvas a face is shown as it is, and from where not at all."""
WHOLE: Final[Ramp] = (0.88, 0.995)
"""The same of what is added to the picture that is there: it has no rim to be hidden, and hair and shoulders gain, too."""


class Blender:
    """Puts face canvases into the frames of one video, in their order; what it remembers keeps colours steady over time.

    faces: the track whose windows the canvases fill. method: a key of `BLENDS`. ramp: as `RAMP`.
    """

    def __init__(self, faces: FaceTrack, method: Method = DEFAULT, rim_time_s: float = RIM_TIME_S, ramp: Ramp = RAMP) -> None:
        self._faces, self._blend, self._rim_time_s, self._ramp = faces, BLENDS[method], rim_time_s, ramp
        self._parts: FloatArray | None = None
        self._at_s = -np.inf

    def blend(self, frame_rgb: ImageRGB, face_rgb: ImageRGB, t: int, pose: Pose | None = None) -> ImageRGB:
        """A new frame uint8 [H,W,3] with face_rgb uint8 [S,S,3] in the window of frame t; outside it nothing changes.

        pose: keypoints [K] of the frame, for the hands that stay in front of the face.
        """
        crop = self._faces.crop(t)
        if face_rgb.shape != (crop.size, crop.size, 3):
            raise ValueError(f"a face must be [{crop.size},{crop.size},3], got {list(face_rgb.shape)}")
        mask = soft_mask(crop.size, self._ramp)
        if pose is not None:
            mask = mask * (1 - hand_mask(pose, float(self._faces.head_px[t]), crop))
        return self._blend(frame_rgb, face_rgb, crop, mask, lambda rim: self._steady(rim, t))

    def _steady(self, rim: FloatArray, t: int) -> FloatArray:
        """A difference whose rim is smoothed along the rim, without what only a part of it has; what is left of differences
        between its parts is remembered, while its median, the colour of the whole, is always the present one.
        """
        rows, columns = _ring(len(rim))
        ring = _without_outliers(_round_smoothed(rim[rows, columns], _RIM_BLUR * len(rim)))
        median = np.median(ring, axis=0)
        parts, now_s = ring - median, float(self._faces.time_s[t])
        if self._parts is not None and self._rim_time_s > 0 and now_s >= self._at_s:
            keep = np.float32(np.exp(-(now_s - self._at_s) / self._rim_time_s))
            parts = keep * self._parts + (1 - keep) * parts
        self._parts, self._at_s = parts, now_s
        out = np.zeros_like(rim)
        out[rows, columns] = median + parts
        return out


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
    change = face_rgb.astype(np.float32) - crop_face(frame_rgb, crop)
    return _add(frame_rgb, change * mask[..., None], crop)


def poisson(frame_rgb: ImageRGB, face_rgb: ImageRGB, crop: Crop, mask: FloatArray, steady: Steady) -> ImageRGB:
    """The face's gradients: its colours are moved so that they meet the frame's along the window's rim.

    Of logarithms, since it is light that drifts: the same factor belongs to a bright wall and to the dark hair before it.
    """
    old, new = crop_face(frame_rgb, crop).astype(np.float32) + _DARK, face_rgb.astype(np.float32) + _DARK
    light = membrane(steady(np.log(new / old)))
    return _add(frame_rgb, (new * np.exp(-light) - old) * mask[..., None], crop)


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
    blended = _cloned(face, np.ascontiguousarray(frame), inside, (x + w // 2, y + h // 2))
    out = frame_rgb.copy()
    out[rows, columns] = np.where(inside[..., None] > 0, blended, frame)
    return out


def _cloned(face: ImageRGB, frame: ImageRGB, inside: NDArray[np.uint8], at: tuple[int, int]) -> ImageRGB:
    """cv2.seamlessClone; that of OpenCV 5.0.0 now and then gives the frame back as it was, and the same call again does not."""
    asked = face.astype(np.int16) - frame
    for _ in range(4):
        blended = np.asarray(cv2.seamlessClone(face.copy(), frame.copy(), inside.copy(), at, cv2.NORMAL_CLONE), np.uint8)
        left = np.diff(blended.astype(np.int16) - frame, axis=1)
        if np.abs(left).mean() >= 0.2 * np.abs(np.diff(asked, axis=1)).mean() or not asked.any():
            break
    return blended


BLENDS: Final[Mapping[Method, Callable[[ImageRGB, ImageRGB, Crop, FloatArray, Steady], ImageRGB]]] = {
    "paste": paste,
    "feather": feather,
    "poisson": poisson,
    "seamless": seamless,
}
"""How a canvas is put into a frame, by name."""


def soft_mask(size_px: int, ramp: Ramp = RAMP) -> FloatArray:
    """float32 [S,S]: 1 on the head, 0 at the canvas's rim, smooth between; a square with round corners. ramp: as `RAMP`."""
    along = np.abs(np.linspace(-1, 1, size_px, dtype=np.float32)) ** 4
    radius = (along[:, None] + along[None]) ** 0.25
    share = np.clip((ramp[1] - radius) / (ramp[1] - ramp[0]), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


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
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), 0.22 * (1 / scale**2 - 1) ** 0.5), np.float32)
    size = (box[1].stop - box[1].start, box[0].stop - box[0].start)
    warped = cv2.warpAffine(canvas, to_box, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.float32)


def _add(frame_rgb: ImageRGB, change: FloatArray, crop: Crop) -> ImageRGB:
    """The frame plus a change on the canvas, which must be 0 at its rim."""
    box = _box(crop, frame_rgb.shape[1], frame_rgb.shape[0])
    out = frame_rgb.copy()
    if box is not None:
        changed = out[box].astype(np.float32) + _to_box(change, crop, box)
        out[box] = np.rint(changed).clip(0, 255)
    return out


def _ring(size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of a canvas's outermost pixels, once round."""
    index = np.arange(size - 1)
    first, last = np.zeros(size - 1, np.int64), np.full(size - 1, size - 1)
    return np.concatenate([first, index, last, last - index]), np.concatenate([index, last, last - index, first])


def _round_smoothed(ring: FloatArray, sigma: float) -> FloatArray:
    """A Gaussian mean of values [N,C] along a ring."""
    radius = int(3 * sigma) + 1
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    wrapped = np.concatenate([ring[-radius:], ring, ring[:radius]])
    return np.stack([np.convolve(channel, kernel, mode="valid") for channel in wrapped.T], axis=1).astype(np.float32)


def _without_outliers(ring: FloatArray) -> FloatArray:
    """Values [N,C] brought within three deviations (by the median's) of the ring's median: a colour that drifted is everywhere
    on the rim; an arm that was drawn elsewhere is not, and would be spread over the face."""
    median = np.median(ring, axis=0)
    spread = 1.48 * np.median(np.abs(ring - median), axis=0) + _RIM_NOISE
    return np.clip(ring, median - 3 * spread, median + 3 * spread).astype(np.float32)
