"""Small clips for tests: two identities in two seconds of a dance, one as source, one as target.

Rendering takes about 8 s on one core, 6 of them for the two bodies; the first time Warp compiles its kernels for half a minute.
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from dancenow.research.studio.clip import Clip, render_clip


@dataclass(frozen=True)
class TransferClips:
    """source and target show different dances; truth is the source's dance by the target's body in the target's room."""

    source: Clip
    target: Clip
    truth: Clip


def render_transfer_clips(
    folder: Path, size_px: int = 128, seconds: float = 2.0, fps: Fraction = Fraction(15)
) -> TransferClips:
    """Render the three clips to `folder`.

    Raises:
        UserError: the studio packages are missing.
    """

    def clip(name: str, identity: str, dance: str, room: str) -> Clip:
        path = folder / f"{name}.mp4"
        return render_clip(identity, dance, room, path, fps=fps, width_px=size_px, height_px=size_px, seconds=seconds)

    return TransferClips(
        clip("source", "ada", "pulse", "bright"), clip("target", "ben", "spark", "loft"), clip("truth", "ben", "pulse", "loft")
    )
