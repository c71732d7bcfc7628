"""A pair of tiny clips for tests: two identities do the same two seconds of a dance, one as source, one as target.

About 8 s on one core, of which 6 are the two bodies; the very first time Warp compiles its kernels for half a minute more.
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from dancenow.research.studio.clip import Clip, render_clip


@dataclass(frozen=True)
class SmallWorld:
    """source and target dance differently; truth is the source's dance on the target's body in the target's room."""

    source: Clip
    target: Clip
    truth: Clip


def make_small_world(folder: Path, size_px: int = 128, seconds: float = 2.0, fps: Fraction = Fraction(15)) -> SmallWorld:
    """Render the three clips into `folder`.

    Raises:
        UserError: the studio's packages are missing.
    """

    def clip(name: str, identity: str, dance: str, room: str) -> Clip:
        path = folder / f"{name}.mp4"
        return render_clip(identity, dance, room, path, fps=fps, width_px=size_px, height_px=size_px, seconds=seconds)

    return SmallWorld(
        clip("source", "ada", "pulse", "bright"), clip("target", "ben", "spark", "loft"), clip("truth", "ben", "pulse", "loft")
    )
