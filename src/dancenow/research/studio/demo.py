"""Recipe of the two clips that are part of the package for `dancenow demo`; running it again gives the same clips.

The target clip is twice as long as the source clip, with other steps and another room, so only the moves are shared.
"""

import shutil
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Final

from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.research.studio.clip import render_clip


@dataclass(frozen=True)
class DemoClip:
    """One clip: identity, dance, room and length."""

    name: str
    identity: str
    dance: str
    room: str
    seconds: float
    crf: int


DEMO_CLIPS: Final = (
    DemoClip("dancer_source.mp4", "ada", "pulse", "bright", 20.0, crf=27),
    DemoClip("dancer_target.mp4", "ben", "spark", "loft", 40.0, crf=27),
)
_NOISE_SEED: Final = 7


def make_demo_assets(folder: Path | None = None, on_progress: ProgressCallback = ignore_progress) -> list[Path]:
    """Render the clips to `folder` (default: the assets of the package) and return their paths.

    Raises:
        UserError: the studio packages are missing, or the folder is not writable.
    """
    target = folder if folder is not None else Path(str(resources.files("dancenow") / "assets"))
    target.mkdir(parents=True, exist_ok=True)
    paths = []
    with tempfile.TemporaryDirectory() as scratch:
        for clip in DEMO_CLIPS:
            clip_files = render_clip(
                clip.identity, clip.dance, clip.room, Path(scratch) / clip.name,
                fps=Fraction(30), seconds=clip.seconds, seed=_NOISE_SEED, crf=clip.crf, preset="slow", on_progress=on_progress,
            )  # fmt: skip
            paths.append(Path(shutil.move(clip_files.video, target / clip.name)))
    return paths
