"""The recipe of the two clips that the package ships for `dancenow demo`: run it again and the same clips come out.

The target dances twice as long as the source, other steps in another room, so that nothing but the moves is shared.
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
    """One shipped clip: who dances what, where, and for how long."""

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
    """Render the shipped clips into `folder` (default: the package's own assets) and return their paths.

    Raises:
        UserError: the studio's packages are missing, or the folder cannot be written to.
    """
    target = folder if folder is not None else Path(str(resources.files("dancenow") / "assets"))
    target.mkdir(parents=True, exist_ok=True)
    made = []
    with tempfile.TemporaryDirectory() as scratch:
        for clip in DEMO_CLIPS:
            rendered = render_clip(
                clip.identity, clip.dance, clip.room, Path(scratch) / clip.name,
                fps=Fraction(30), seconds=clip.seconds, seed=_NOISE_SEED, crf=clip.crf, preset="slow", on_progress=on_progress,
            )  # fmt: skip
            made.append(Path(shutil.move(rendered.video, target / clip.name)))
    return made
