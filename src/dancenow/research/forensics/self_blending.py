"""Pseudo-fakes from one clip: its own body, changed, pasted back through its matte (self-blended images: Shiohara and
Yamasaki, 2022, made for moving bodies). Both classes then show the same content.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.research.forensics.camera_model import displace
from dancenow.types import FloatArray, ImageRGB

Matte = NDArray[np.uint8]
"""Of the person, uint8 [H,W]."""
BodyChange = Callable[[Sequence[ImageRGB], np.random.Generator], list[ImageRGB]]
"""Changes whole frames; only the body is kept of them."""
_TRACES: Final = ("soften", "resample", "tremble", "blend in time", "denoise", "lattice")
"""Changes that can be seen in the body itself; the others only show at its edge."""


def blend_changed_body(frames: Sequence[ImageRGB], mattes: Sequence[Matte], rng: np.random.Generator) -> list[ImageRGB]:
    """Change the body in one to four random ways and paste it back through a faulty matte."""
    changed = list(frames)
    names = rng.choice(_TRACES, int(rng.integers(1, 3)), replace=False).tolist()
    names += [name for name in BODY_CHANGES if name not in _TRACES and rng.random() < 0.5]
    for name in names:
        changed = BODY_CHANGES[name](changed, rng)
    return paste(changed, frames, mattes, rng)


def blend_trembling_limbs(frames: Sequence[ImageRGB], mattes: Sequence[Matte], rng: np.random.Generator) -> list[ImageRGB]:
    """The body with a smooth displacement that is another one in every frame, as generators misplace limbs."""
    return paste(tremble(frames, rng), frames, mattes, rng)


def paste(
    bodies: Sequence[ImageRGB], around: Sequence[ImageRGB], mattes: Sequence[Matte], rng: np.random.Generator
) -> list[ImageRGB]:
    """Paste bodies over frames through mattes that are too wide or too narrow, soft, displaced, and flicker."""
    grow_px, softness_px = int(rng.integers(-3, 6)), float(rng.uniform(0.4, 3.0))
    offset_px, flicker_px = rng.normal(0, 0.8, 2), float(rng.uniform(0, 0.7))
    out = []
    for body, behind, matte in zip(bodies, around, mattes, strict=True):
        x_px, y_px = offset_px + rng.normal(0, flicker_px, 2)
        moved = cv2.warpAffine(_grow(matte, grow_px), np.array([[1, 0, x_px], [0, 1, y_px]]), matte.shape[::-1])
        soft = cv2.GaussianBlur(moved.astype(np.float32), (0, 0), softness_px)
        alpha = np.asarray(soft, np.float32)[..., None] / 255
        out.append(np.rint(alpha * body + (1 - alpha) * behind).astype(np.uint8))
    return out


def _grow(matte: Matte, px: int) -> Matte:
    square = np.ones((2 * abs(px) + 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate(matte, square) if px > 0 else cv2.erode(matte, square), np.uint8)


def soften(frames: Sequence[ImageRGB], rng: np.random.Generator) -> list[ImageRGB]:
    """Blurred, and often sharpened again."""
    sigma, gain = float(rng.uniform(0.5, 1.3)), float(rng.uniform(0, 1.5)) * (rng.random() < 0.5)
    out = []
    for frame in frames:
        soft = cv2.GaussianBlur(frame, (0, 0), sigma).astype(np.float32)
        out.append(_to_bytes(soft + gain * (soft - cv2.GaussianBlur(soft, (0, 0), 2 * sigma))))
    return out


def resample(frames: Sequence[ImageRGB], rng: np.random.Generator) -> list[ImageRGB]:
    """Made smaller and larger again, by filters that generators use."""
    scale = float(rng.uniform(0.4, 0.95))
    up = int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST, cv2.INTER_LANCZOS4], p=[0.4, 0.4, 0.05, 0.15]))
    size = frames[0].shape[1::-1]
    small = (max(8, round(size[0] * scale)), max(8, round(size[1] * scale)))
    return [
        np.asarray(cv2.resize(cv2.resize(frame, small, interpolation=cv2.INTER_AREA), size, interpolation=up), np.uint8)
        for frame in frames
    ]


def recolor(frames: Sequence[ImageRGB], rng: np.random.Generator) -> list[ImageRGB]:
    """Other light and color."""
    gain, shift = rng.uniform(0.88, 1.12, 3).astype(np.float32), rng.uniform(-10, 10, 3).astype(np.float32)
    return [_to_bytes(frame * gain + shift) for frame in frames]


def warp(frames: Sequence[ImageRGB], rng: np.random.Generator) -> list[ImageRGB]:
    """One smooth displacement for all frames."""
    offset = _smooth_field(frames[0].shape[:2], rng) * np.float32(rng.uniform(1.0, 4.0))
    return [displace(frame, offset) for frame in frames]


def tremble(frames: Sequence[ImageRGB], rng: np.random.Generator) -> list[ImageRGB]:
    """A smooth displacement that is drawn anew for every frame, partly."""
    strength_px, steady = float(rng.uniform(0.4, 2.0)), float(rng.uniform(0.0, 0.7))
    shared = _smooth_field(frames[0].shape[:2], rng)
    fields = (steady * shared + (1 - steady) * _smooth_field(frame.shape[:2], rng) for frame in frames)
    return [displace(frame, field * np.float32(strength_px)) for frame, field in zip(frames, fields, strict=True)]


def blend_in_time(frames: Sequence[ImageRGB], rng: np.random.Generator) -> list[ImageRGB]:
    """Each frame mixed with its neighbors, as a network that averages does."""
    weight = float(rng.uniform(0.15, 0.5))
    before, after = [frames[0], *frames[:-1]], [*frames[1:], frames[-1]]
    return [
        _to_bytes((1 - weight) * frame + weight * 0.5 * (earlier.astype(np.float32) + later))
        for earlier, frame, later in zip(before, frames, after, strict=True)
    ]


def denoise(frames: Sequence[ImageRGB], rng: np.random.Generator) -> list[ImageRGB]:
    """Without noise and fine texture, which networks do not predict."""
    strength = float(rng.uniform(12, 40))
    return [np.asarray(cv2.bilateralFilter(frame, 7, strength, 3), np.uint8) for frame in frames]


def add_lattice(frames: Sequence[ImageRGB], rng: np.random.Generator) -> list[ImageRGB]:
    """The pixels of a grid unequally bright, as upsampling networks leave them (Odena, Dumoulin and Olah, 2016)."""
    stride = int(rng.choice([2, 4, 8]))
    tile = 1 + rng.normal(0, rng.uniform(0.01, 0.06), (stride, stride, 3))
    height, width = frames[0].shape[:2]
    grid = np.tile(tile, (-(-height // stride), -(-width // stride), 1))[:height, :width].astype(np.float32)
    return [_to_bytes(frame * grid) for frame in frames]


BODY_CHANGES: Final[Mapping[str, BodyChange]] = {
    "soften": soften,
    "resample": resample,
    "recolor": recolor,
    "warp": warp,
    "tremble": tremble,
    "blend in time": blend_in_time,
    "denoise": denoise,
    "lattice": add_lattice,
}
"""By name."""


def _smooth_field(shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    """Displacements [H,W,2] of about one px, smooth over an eighth of the frame."""
    coarse = rng.standard_normal((8, 8, 2), np.float32)
    return np.asarray(cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), np.float32)


def _to_bytes(image: NDArray[Any]) -> ImageRGB:
    return np.asarray(np.clip(np.rint(image), 0, 255), np.uint8)


def estimate_matte(image: ImageRGB, empty: ImageRGB, body: NDArray[np.uint8]) -> Matte:
    """The matte of a person before a known empty room: where they differ, near the body that the keypoints draw.

    body: as from `samples.body_map`, of any size.
    """
    height, width = image.shape[:2]
    whole = cv2.resize(body, (width, height), interpolation=cv2.INTER_LINEAR)
    reach = max(3, round(0.02 * height)) | 1
    near = cv2.dilate(whole, np.ones((reach, reach), np.uint8)) > 127
    differs = np.abs(image.astype(np.int16) - empty).max(axis=2) > 18
    solid = cv2.morphologyEx((differs & near).astype(np.uint8) * 255, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    return np.asarray(cv2.medianBlur(solid, 5), np.uint8)
