"""Videos of the drawn person for the forensic classifier: unchanged, and with a blurred body."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from dancenow.errors import UserError
from dancenow.media.sink import VideoWriter
from dancenow.media.source import VideoInput, open_video
from dancenow.provenance.forensics.network import ForensicConfig
from dancenow.research.forensics.training import ForensicRecipe
from dancenow.types import ImageRGB, PoseTrack
from helpers.drawn_world import FPS, dancer_track, person

TINY_RECIPE = ForensicRecipe(
    ForensicConfig(crop_px=96, width=8),
    pairs_per_step=4,
    crop_px=64,
    learning_rate=4e-3,
    augment_prob=0.0,
    precision="float32",
)


def drawn(track: PoseTrack, *, blurred: bool) -> list[ImageRGB]:
    """Frames of the track; with blurred=True the body is out of focus."""
    frames = []
    for index in range(len(track)):
        image, mask = person(track.pose[index], track.width_px)
        if blurred:
            near = cv2.dilate(mask, np.ones((9, 9)))[..., None] > 0
            image = np.where(near, cv2.GaussianBlur(image, (0, 0), 2.5), image).astype(np.uint8)
        frames.append(image)
    return frames


def write_test_video(path: Path, *, blurred: bool, phase: float = 0.0, num_frames: int = 40) -> Path:
    """Write a video of the drawn person."""
    track = dancer_track(num_frames, phase)
    with VideoWriter(path, track.width_px, track.height_px, fps=Fraction(FPS)) as writer:
        for index, image in enumerate(drawn(track, blurred=blurred)):
            writer.write(image, Fraction(index, FPS))
    return path


def sparse_detector(video: VideoInput, *, every: int = 1, **_: Any) -> PoseTrack:
    """A replacement for `detect_poses` that returns the drawn poses, and finds nobody in a video named empty."""
    source = open_video(video)
    if "empty" in source.path.name:
        raise UserError(f"nobody was found in {source}.")
    track = dancer_track(source.info.num_frames or 0)
    part = slice(None, None, every)
    return PoseTrack(track.pose[part], track.time_s[part], track.status[part], track.width_px, track.height_px, "drawn", "")
