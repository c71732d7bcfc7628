"""Pseudo-fakes made from real clips by image processing, so that the classifier generalizes to unseen generators.

A classifier trained on known generators finds only those. Artifacts that a whole class of generators shares can be made without
any of them, as self-blended images do for face swaps (Shiohara and Yamasaki, 2022).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.research.forensics.self_blending import Matte, blend_changed_body, blend_trembling_limbs
from dancenow.types import ImageRGB

PseudoFake = tuple[list[ImageRGB], NDArray[np.int64]]
"""Frames, and the index of the real frame that each one shows."""
PseudoFakeMethod = Callable[[Sequence[ImageRGB], Sequence[Matte], np.random.Generator], PseudoFake]
"""From the frames and the mattes of the person in them."""
_REPEATS, _REPEAT_PROBS = (1, 2, 3), (0.6, 0.3, 0.1)
_JUMP_FRAMES: Final = (7, 14)
"""Range of the jumps, in frames: longer than the steps between frames of a video with a low frame rate."""
_STRIDES: Final = (2, 4, 8)
_SCALE_RANGE: Final = (0.45, 0.95)


def shuffle_frames(frames: Sequence[ImageRGB], _mattes: Sequence[Matte], rng: np.random.Generator) -> PseudoFake:
    """The same number of frames, each shown one to three times, with jumps forwards and backwards between them, so that no pair
    moves as in a real video. Playing backwards alone is no clue, and short forward runs look real."""
    index: list[int] = []
    at = int(rng.integers(len(frames)))
    while len(index) < len(frames):
        index += [at % len(frames)] * int(rng.choice(_REPEATS, p=_REPEAT_PROBS))
        at += int(rng.choice([-1, 1])) * int(rng.integers(*_JUMP_FRAMES))
    index = index[: len(frames)]
    return [frames[i] for i in index], np.array(index)


def add_upsampling_artifacts(frames: Sequence[ImageRGB], _mattes: Sequence[Matte], rng: np.random.Generator) -> PseudoFake:
    """Downsample and upsample frames with filters that treat the pixels of a grid unequally, as upsampling networks do
    (checkerboard artifacts: Odena, Dumoulin and Olah, 2016), and add static or flickering noise."""
    stride = int(rng.choice(_STRIDES))
    gains = 1 + rng.normal(0, rng.uniform(0.03, 0.3), (stride, stride, 3))
    static, flicker = rng.uniform(0, 25), rng.uniform(0, 25) * (rng.random() < 0.5)
    size = frames[0].shape[1::-1]
    scale = rng.uniform(*_SCALE_RANGE)
    width, height = (round(side * scale) for side in size)
    grid, grain = _tile(gains, height, width), _coarse_noise(rng, height, width, stride)
    processed = []
    for frame in frames:
        small = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        detail = np.abs(small - cv2.GaussianBlur(small, (0, 0), 3)).mean(axis=2, keepdims=True) / 16
        noise = static * grain + flicker * _coarse_noise(rng, height, width, stride)
        out = small * grid + noise * np.clip(0.15 + detail, 0, 1)
        large = cv2.resize(np.clip(out, 0, 255), size, interpolation=cv2.INTER_CUBIC)
        processed.append(np.clip(np.rint(large), 0, 255).astype(np.uint8))
    return processed, np.arange(len(frames))


def blend_body(frames: Sequence[ImageRGB], mattes: Sequence[Matte], rng: np.random.Generator) -> PseudoFake:
    """The person's own body, changed and pasted back."""
    return blend_changed_body(frames, mattes, rng), np.arange(len(frames))


def move_limbs(frames: Sequence[ImageRGB], mattes: Sequence[Matte], rng: np.random.Generator) -> PseudoFake:
    """The person's own body with limbs that tremble."""
    return blend_trembling_limbs(frames, mattes, rng), np.arange(len(frames))


PSEUDO_FAKES: Final[Mapping[str, PseudoFakeMethod]] = {
    "out of order": shuffle_frames,
    "through a lattice": add_upsampling_artifacts,
    "self-blended": blend_body,
    "trembling limbs": move_limbs,
}
"""Methods by the name of the family they produce."""


def _tile(tile: NDArray[np.float64], height: int, width: int) -> NDArray[np.float32]:
    rows, columns = -(-height // tile.shape[0]), -(-width // tile.shape[1])
    return np.tile(tile, (rows, columns, 1))[:height, :width].astype(np.float32)


def _coarse_noise(rng: np.random.Generator, height: int, width: int, stride: int) -> NDArray[np.float32]:
    """Color noise with a standard deviation of 1 and a scale of half a grid cell."""
    small = rng.standard_normal((-(-2 * height // stride), -(-2 * width // stride), 3), np.float32)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
