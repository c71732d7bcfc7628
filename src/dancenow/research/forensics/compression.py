"""Hold by hand, thin out, resize, add grain and encode real and synthesized clips in the same ways, so that what happens to a
video after it was made is no clue to the class.
"""

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
from dancenow.provenance.forensics.samples import extract_runs
from dancenow.research.forensics.camera_model import hold_by_hand
from dancenow.research.forensics.training import OFFSETS, ClipSamples
from dancenow.types import ImageRGB, Pose, PoseTrack

CRFS: Final = (18, 23, 28, 33)
"""x264 CRF, from high quality to barely watchable."""


@dataclass(frozen=True)
class Encoding:
    """crf: of x264. scale: of the image sides. grain: standard deviation of the noise added first, in levels of 255.
    earlier_crf: CRF of a preceding encoding, since most uploaded videos have been encoded before. every: keep every nth frame.
    hand_held: moved as by a hand."""

    crf: int
    scale: float = 1.0
    grain: float = 0.0
    earlier_crf: int | None = None
    every: int = 1
    hand_held: bool = False

    @property
    def name(self) -> str:
        """Short and unique."""
        earlier = "" if self.earlier_crf is None else f" after {self.earlier_crf}"
        rate = "" if self.every == 1 else f", every {self.every}"
        hand = ", by hand" if self.hand_held else ""
        return f"crf {self.crf}{earlier}, {self.scale:g} of the size, grain {self.grain:g}{rate}{hand}"


def draw_encodings(rng: np.random.Generator, crfs: Sequence[int] = CRFS) -> list[Encoding]:
    """One encoding per CRF; the rest is random."""
    return [
        Encoding(
            crf,
            scale=float(rng.choice([1.0, 1.0, 0.75, 0.5])),
            grain=float(rng.choice([0.0, 1.5, 3.0])),
            earlier_crf=int(rng.choice([16, 20, 24, 28])) if rng.random() < 0.5 else None,
            every=int(rng.choice([1, 1, 1, 2])),
            hand_held=bool(rng.random() < 0.3),
        )
        for crf in crfs
    ]


def encode_decode(frames: Sequence[ImageRGB], fps: Fraction, encoding: Encoding, seed: int = 0) -> list[ImageRGB]:
    """Encode a clip and decode it again."""
    with tempfile.TemporaryDirectory() as scratch:
        write_encoded(frames, fps, encoding, Path(scratch) / "clip.mp4", seed)
        return [frame.image_rgb for frame in read_frames(Path(scratch) / "clip.mp4")]


def write_encoded(frames: Sequence[ImageRGB], fps: Fraction, encoding: Encoding, path: Path, seed: int = 0) -> None:
    """Like `encode_decode`, but keep the file."""
    height, width = (max(2, round(side * encoding.scale) // 2 * 2) for side in frames[0].shape[:2])
    if encoding.hand_held:
        frames = hold_by_hand(frames, np.random.default_rng((seed, 1)))
    frames, fps = frames[:: encoding.every], fps / encoding.every
    if encoding.earlier_crf is not None:
        frames = encode_decode(frames, fps, Encoding(encoding.earlier_crf, 1.0, encoding.grain), seed)
        encoding = replace(encoding, grain=0.0)
    rng = np.random.default_rng(seed)
    with VideoWriter(path, width, height, fps=fps, crf=encoding.crf, repeatable=True) as writer:
        for index, image in enumerate(frames):
            out = add_grain(image, encoding.grain, rng) if encoding.grain else image
            if out.shape[:2] != (height, width):
                out = np.asarray(cv2.resize(out, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
            writer.write(out, Fraction(index) / fps)


def add_grain(image_rgb: ImageRGB, deviation: float, rng: np.random.Generator) -> ImageRGB:
    """Add sensor noise: equal in all channels, different in each frame."""
    noise = rng.standard_normal((*image_rgb.shape[:2], 1), np.float32) * np.float32(deviation)
    return np.clip(np.rint(image_rgb + noise), 0, 255).astype(np.uint8)


def scale_track(track: PoseTrack, width_px: int, height_px: int) -> PoseTrack:
    """Scale a track to another frame size."""
    ratio = np.array([width_px / track.width_px, height_px / track.height_px], np.float32)
    pose = Pose((track.pose.xy + 0.5) * ratio - 0.5, track.pose.confidence, track.pose.depth * ratio[0])
    return replace(track, pose=pose, width_px=width_px, height_px=height_px)


def thin_out(track: PoseTrack, every: int) -> PoseTrack:
    """Every nth pose of a track."""
    part = slice(None, None, every)
    return replace(track, pose=track.pose[part], time_s=track.time_s[part], status=track.status[part])


def extract_samples(
    frames: Sequence[ImageRGB],
    track: PoseTrack,
    fps: Fraction,
    encodings: Sequence[Encoding],
    *,
    family: str,
    group: str,
    clip: str,
    side_px: int,
    num_samples: int,
    offsets: tuple[int, ...] = OFFSETS,
) -> list[ClipSamples]:
    """Pass a clip through each encoding and extract samples of side_px. track: a pose per frame, in frame px; MISSING frames
    are not sampled. group: shared by clips of the same person."""
    extracted = []
    for index, encoding in enumerate(encodings):
        decoded = encode_decode(frames, fps, encoding, seed=index)
        height, width = decoded[0].shape[:2]
        shown = scale_track(thin_out(track, encoding.every), width, height)
        images, bodies = extract_runs(decoded, shown, side_px, num_samples, offsets)
        extracted.append(ClipSamples(images, bodies, family, group, clip))
    return extracted
