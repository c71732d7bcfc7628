"""The same handling for real and synthetic clips: resized, made grainy and encoded alike, so that neither is known by it."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from dancenow.media.sink import VideoWriter
from dancenow.media.source import read_frames
from dancenow.provenance.forensics.samples import runs_of
from dancenow.research.forensics.training import OFFSETS, Evidence
from dancenow.types import ImageRGB, Pose, PoseTrack

QUALITIES: Final = (18, 23, 28, 33)
"""x264's crf, from what is sent out to what is hard to watch."""


@dataclass(frozen=True)
class Encoding:
    """crf: x264's. scale: of the picture's sides. grain: deviation of the noise that is added before, in levels of 255. before:
    the crf of an earlier encoding, as what is uploaded has mostly been encoded before."""

    crf: int
    scale: float = 1.0
    grain: float = 0.0
    before: int | None = None

    @property
    def name(self) -> str:
        """Short and unique."""
        earlier = "" if self.before is None else f" after {self.before}"
        return f"crf {self.crf}{earlier}, {self.scale:g} of the size, grain {self.grain:g}"


def draw_encodings(rng: np.random.Generator, qualities: Sequence[int] = QUALITIES) -> list[Encoding]:
    """One encoding of each quality, in other respects at random."""
    return [
        Encoding(
            crf,
            scale=float(rng.choice([1.0, 1.0, 0.75, 0.5])),
            grain=float(rng.choice([0.0, 1.5, 3.0])),
            before=int(rng.choice([16, 20, 24])) if rng.random() < 0.35 else None,
        )
        for crf in qualities
    ]


def encoded(frames: Sequence[ImageRGB], fps: Fraction, encoding: Encoding, seed: int = 0) -> list[ImageRGB]:
    """What is left of a clip."""
    with tempfile.TemporaryDirectory() as scratch:
        write_encoded(frames, fps, encoding, Path(scratch) / "clip.mp4", seed)
        return [frame.image_rgb for frame in read_frames(Path(scratch) / "clip.mp4")]


def write_encoded(frames: Sequence[ImageRGB], fps: Fraction, encoding: Encoding, path: Path, seed: int = 0) -> None:
    """As `encoded`, to a file."""
    height, width = (max(2, round(side * encoding.scale) // 2 * 2) for side in frames[0].shape[:2])
    if encoding.before is not None:
        frames = encoded(frames, fps, Encoding(encoding.before, 1.0, encoding.grain), seed)
        encoding = replace(encoding, grain=0.0)
    rng = np.random.default_rng(seed)
    with VideoWriter(path, width, height, fps=fps, crf=encoding.crf, repeatable=True) as writer:
        for index, image in enumerate(frames):
            out = grainy(image, encoding.grain, rng) if encoding.grain else image
            if out.shape[:2] != (height, width):
                out = np.asarray(cv2.resize(out, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
            writer.write(out, Fraction(index) / fps)


def grainy(image_rgb: ImageRGB, deviation: float, rng: np.random.Generator) -> ImageRGB:
    """A camera's noise: the same in all channels, another in every picture."""
    noise = rng.standard_normal((*image_rgb.shape[:2], 1), np.float32) * np.float32(deviation)
    return np.clip(np.rint(image_rgb + noise), 0, 255).astype(np.uint8)


def scaled(track: PoseTrack, width_px: int, height_px: int) -> PoseTrack:
    """The track in a frame of another size."""
    ratio = np.array([width_px / track.width_px, height_px / track.height_px], np.float32)
    pose = Pose((track.pose.xy + 0.5) * ratio - 0.5, track.pose.confidence, track.pose.depth * ratio[0])
    return replace(track, pose=pose, width_px=width_px, height_px=height_px)


def evidence_of(
    frames: Sequence[ImageRGB],
    track: PoseTrack,
    fps: Fraction,
    encodings: Sequence[Encoding],
    *,
    family: str,
    group: str,
    clip: str,
    side_px: int,
    looks: int,
    offsets: tuple[int, ...] = OFFSETS,
) -> list[Evidence]:
    """A clip through every encoding, cut into looks of side_px. track: a pose per frame, in its frame px; MISSING where not to
    look. group: of clips that show the same person."""
    made = []
    for number, encoding in enumerate(encodings):
        seen = encoded(frames, fps, encoding, seed=number)
        height, width = seen[0].shape[:2]
        pictures, bodies = runs_of(seen, scaled(track, width, height), side_px, looks, offsets)
        made.append(Evidence(pictures, bodies, family, group, clip))
    return made
