"""True clips made into something that no camera films, by hand: what no generator of ours does is learnt from these.

Who only learns from known generators finds only these; traces that all of a kind leave can be made without any (as blends are
found by learning from blends of a picture with itself: Shiohara and Yamasaki, 2022).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.types import ImageRGB

Pretended = tuple[list[ImageRGB], NDArray[np.int64]]
"""Frames, and which of the true ones each of them shows."""
Pretence = Callable[[Sequence[ImageRGB], np.random.Generator], Pretended]
_SHOWN, _SHOWN_SHARES = (1, 2, 3), (0.6, 0.3, 0.1)
_JUMP: Final = (5, 13)
"""Frames that are left out, or gone back: more than what a video of few frames a second leaves out."""
_STRIDES: Final = (2, 4, 8)
_SHRUNK: Final = (0.45, 0.95)


def out_of_order(frames: Sequence[ImageRGB], rng: np.random.Generator) -> Pretended:
    """As many frames, each shown once to three times, with jumps to and fro between: no pair moves as a film does. Backwards
    is no sign, and short runs forwards are true."""
    index: list[int] = []
    at = int(rng.integers(len(frames)))
    while len(index) < len(frames):
        index += [at % len(frames)] * int(rng.choice(_SHOWN, p=_SHOWN_SHARES))
        at += int(rng.choice([-1, 1])) * int(rng.integers(*_JUMP))
    index = index[: len(frames)]
    return [frames[i] for i in index], np.array(index)


def through_a_lattice(frames: Sequence[ImageRGB], rng: np.random.Generator) -> Pretended:
    """Frames made smaller and larger again by filters that treat the pixels of a lattice unequally, as networks do that grow
    their pictures (checkerboards: Odena, Dumoulin and Olah, 2016), with noise that stands still or dances in it."""
    stride = int(rng.choice(_STRIDES))
    phases = 1 + rng.normal(0, rng.uniform(0.03, 0.3), (stride, stride, 3))
    still, dancing = rng.uniform(0, 25), rng.uniform(0, 25) * (rng.random() < 0.5)
    size = frames[0].shape[1::-1]
    scale = rng.uniform(*_SHRUNK)
    width, height = (round(side * scale) for side in size)
    lattice, grain = _tiled(phases, height, width), _coarse(rng, height, width, stride)
    shown = []
    for frame in frames:
        small = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        detail = np.abs(small - cv2.GaussianBlur(small, (0, 0), 3)).mean(axis=2, keepdims=True) / 16
        noise = still * grain + dancing * _coarse(rng, height, width, stride)
        out = small * lattice + noise * np.clip(0.15 + detail, 0, 1)
        large = cv2.resize(np.clip(out, 0, 255), size, interpolation=cv2.INTER_CUBIC)
        shown.append(np.clip(np.rint(large), 0, 255).astype(np.uint8))
    return shown, np.arange(len(frames))


PRETENCES: Final[Mapping[str, Pretence]] = {"out of order": out_of_order, "through a lattice": through_a_lattice}
"""By the name of the family that they make."""


def _tiled(tile: NDArray[np.float64], height: int, width: int) -> NDArray[np.float32]:
    rows, columns = -(-height // tile.shape[0]), -(-width // tile.shape[1])
    return np.tile(tile, (rows, columns, 1))[:height, :width].astype(np.float32)


def _coarse(rng: np.random.Generator, height: int, width: int, stride: int) -> NDArray[np.float32]:
    """Coloured noise, as coarse as half a lattice cell: deviation 1."""
    small = rng.standard_normal((-(-2 * height // stride), -(-2 * width // stride), 3), np.float32)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
