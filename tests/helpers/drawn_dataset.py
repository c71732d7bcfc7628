"""A complete dataset within two seconds: written by `make`, with drawn people instead of rendered ones."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dancenow.media.sink import MaskWriter, VideoWriter
from dancenow.pose.track_io import save_track
from dancenow.research.dataset import make
from dancenow.research.dataset.plan import DatasetConfig
from dancenow.research.studio.choreography import Choreography
from dancenow.research.studio.clip import Clip
from dancenow.storage.atomic_io import sha256_of
from dancenow.types import PoseTrack
from helpers.drawn_world import dancer_track, person, room

SMALL = DatasetConfig(identities=4, dances=3, seconds=2.0, size_px=128, fps="24", seed=2, split_fractions=(0.5, 0.25, 0.25))
"""The smallest dataset with every part of every protocol."""


def draw_instead_of_rendering(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Replace the renderer: the index of a person sets the body size, the tempo of a dance its phase.

    Returns a list to which every rendered video is appended.
    """
    rendered: list[Path] = []

    def render_performance(body: int, dance: float, _room: object, output: Path, **options: Any) -> Clip:
        rendered.append(output)
        clip, fps, size_px = Clip(output), options["fps"], options["width_px"]
        assert fps == 24, "the drawn dancer moves at 24 frames a second"
        track = dancer_track(48, phase=dance, body_px=70.0 + 4 * body, size_px=size_px)
        with (
            VideoWriter(output, size_px, size_px, fps=fps, repeatable=options["repeatable"]) as video,
            MaskWriter(clip.masks, size_px, size_px) as masks,
        ):
            for index in range(len(track)):
                image, mask = person(track.pose[index], size_px)
                image[:8, : 8 * (1 + body)] = 40  # a different corner mark in each person's room
                video.write(image, Fraction(index) / fps)
                masks.write(mask)
        save_track(clip.track, PoseTrack(**{**vars(track), "source_sha256": sha256_of(output)}))
        background = room(size_px)
        background[:8, : 8 * (1 + body)] = 40
        cv2.imwrite(str(clip.background), np.ascontiguousarray(background[..., ::-1]))
        return clip

    def tempo(dance: Choreography, _fps: float, _seconds: float) -> float:
        return dance.bpm

    def body(_config: DatasetConfig, identity: int) -> int:
        return identity

    def solve(moves: float, _body: int) -> float:
        return moves

    for name, stand_in in (("render_performance", render_performance), ("perform", tempo), ("solve", solve), ("_body", body)):
        monkeypatch.setattr(make, name, stand_in)
    return rendered
