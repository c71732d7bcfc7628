"""Small videos for the tests of subject preparation: a drawn person with a shadow in a patterned, noisy room."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.sink import MaskWriter, VideoWriter
from dancenow.skeleton import INDEX, NUM_KEYPOINTS
from dancenow.types import FrameStatus, ImageRGB, Pose, PoseTrack

WIDTH, HEIGHT, FPS = 160, 120, 25
TALL_PX = 60


@dataclass(frozen=True)
class Filmed:
    """A clip with its ground truth: the empty room, and the track of the person."""

    video: Path
    masks: Path
    room: ImageRGB
    track: PoseTrack


def room() -> ImageRGB:
    """uint8 [H,W,3]: a wall with pictures, a floor with boards."""
    image = np.full((HEIGHT, WIDTH, 3), (170, 175, 180), np.uint8)
    image[85:] = (150, 110, 80)
    for x in range(0, WIDTH, 16):
        cv2.line(image, (x, HEIGHT), (80 + (x - 80) // 2, 85), (110, 75, 50), 1)
    for x in (15, 60, 120):
        cv2.rectangle(image, (x, 12), (x + 18, 34), (120, 60, 90), -1)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.0), np.uint8)  # soft enough for chroma at half the resolution


def _garden() -> ImageRGB:
    """uint8 [H,W,3]: another place."""
    leaves = np.random.default_rng(5).normal(0, 900, (HEIGHT, WIDTH, 1)).astype(np.float32)
    green = np.array([60, 120, 50], np.float32) + cv2.GaussianBlur(leaves, (0, 0), 4)[..., None]
    return np.asarray(np.clip(green, 0, 255), np.uint8)


def film(
    folder: Path,
    num_frames: int,
    x_of: Callable[[int], float | None],
    *,
    camera_of: Callable[[int], tuple[float, float]] = lambda _: (0.0, 0.0),
    noise: float = 2.0,
    light: float = 1.0,
    offset: float = 0.0,
    gain_of: Callable[[int], float] = lambda _: 1.0,
    fps: int = FPS,
    cut_at: int | None = None,
    other_x_of: Callable[[int], float] | None = None,
) -> Filmed:
    """Film the person at `x_of(frame)` px (None: absent), the camera shifted by `camera_of`; from `cut_at` elsewhere.

    light, offset: factor of all levels, and what is added to them. gain_of: further factor for each frame. other_x_of: where a
    second person stands, in no mask.
    """
    rng = np.random.default_rng(0)
    empty = room()
    xy = np.zeros((num_frames, NUM_KEYPOINTS, 2), np.float32)
    confidence = np.zeros((num_frames, NUM_KEYPOINTS), np.float32)
    video, masks = folder / "clip.mp4", folder / "clip.mkv"
    with VideoWriter(video, WIDTH, HEIGHT, fps=Fraction(fps), crf=8) as pictures, MaskWriter(masks, WIDTH, HEIGHT) as mask_file:
        for i in range(num_frames):
            x, (dx, dy) = x_of(i), camera_of(i)
            image, mask = (
                (empty if cut_at is None or i < cut_at else _garden()).astype(np.float32),
                np.zeros((HEIGHT, WIDTH), np.uint8),
            )
            if other_x_of is not None:
                image, _ = _dancer(image, other_x_of(i))
            if x is not None:
                xy[i], confidence[i] = _pose(x), 0.9
                image, mask = _dancer(image, x)
            shift = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
            moved = cv2.warpAffine(image, shift, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
            noisy = gain_of(i) * light * moved + offset + rng.normal(0, noise, moved.shape)
            pictures.write(np.clip(noisy, 0, 255).astype(np.uint8), Fraction(i, fps))
            mask_file.write(np.asarray(cv2.warpAffine(mask, shift, (WIDTH, HEIGHT)), np.uint8))
    status = np.where(confidence[:, 0] > 0, FrameStatus.MEASURED, FrameStatus.MISSING).astype(np.uint8)
    track = PoseTrack(Pose(xy, confidence), np.arange(num_frames) / fps, status, WIDTH, HEIGHT, "drawn", "0" * 64)
    return Filmed(video, masks, empty, track)


def _pose(x: float) -> NDArray[np.float32]:
    """float32 [K,2]: a standing figure, feet at y = 108."""
    level = {"nose": 6, "eye": 5, "ear": 6, "neck": 14, "shoulder": 14, "elbow": 24, "wrist": 34, "thumb": 35, "index": 37,
             "pinky": 36, "hip": 34, "knee": 46, "ankle": 57, "heel": 59, "toe": 60}  # fmt: skip
    xy = np.zeros((NUM_KEYPOINTS, 2), np.float32)
    for name, index in INDEX.items():
        side = -1 if name.startswith("right") else 1 if name.startswith("left") else 0
        xy[index] = (x + 5 * side, HEIGHT - 12 - TALL_PX + level[name.split("_")[-1]])
    return xy


def _dancer(image: NDArray[np.float32], x: float) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """The image with a red figure and its soft shadow, and the figure's mask, which excludes the shadow."""
    feet = HEIGHT - 12
    yy, xx = np.mgrid[:HEIGHT, :WIDTH]
    shadow = 0.5 * np.exp(-(((xx - x) / 7) ** 2) - ((yy - feet) / 2) ** 2)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(mask, (round(x), feet - TALL_PX // 2), (9, TALL_PX // 2), 0, 0, 360, 255, -1)
    shirt = np.where((yy // 6 % 2 == 0)[..., None], np.array([200, 30, 30], np.float32), np.array([240, 80, 80], np.float32))
    return np.where(mask[..., None] > 0, shirt, image * (1 - shadow[..., None])).astype(np.float32), mask
