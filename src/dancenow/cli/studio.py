"""`dancenow studio`: render synthetic dancers with exact poses as ground truth, and the clips of the demo.

The work is in `dancenow.research.studio.clip.render_clip`; needs the `studio` extra.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from dancenow.cli.options import Flag, Maybe, MaybeOut

if TYPE_CHECKING:
    from fractions import Fraction


def studio(
    output: MaybeOut = None,
    identity: str = "ada",
    dance: str = "pulse",
    room: str = "bright",
    bvh: Maybe[Path] = None,
    seconds: Maybe[float] = None,
    start: float = 0.0,
    fps: str = "30",
    size: str = "512x512",
    seed: int = 0,
    sound: Flag = True,
    list: Flag = False,
    demo_assets: Maybe[Path] = None,
) -> None:
    """Render a synthetic dancer with exact poses, masks and an empty background.

    - The same dance on two identities is ground truth for a transfer.

    Args:
        output: The .mp4 file to write.
            The track (.npz), .masks.mkv and .background.png use its name.
        identity: Who dances; --list shows the names.
        dance: Choreography; --list shows the names.
        room: Room and camera; --list shows the names.
        bvh: Motion capture file (BVH) instead of a choreography.
        seconds: Length of the clip; by default the whole dance.
        start: Seconds to skip at the beginning of the dance.
        fps: Frame rate, such as 30 or 30000/1001.
        size: Width and height in px, such as 512x512.
        seed: Random seed of the camera noise and the drums.
        sound: Do not write a soundtrack.
        list: List identities, choreographies and rooms, and exit.
        demo_assets: Render the two example clips of dancenow to this folder, and exit.
    """
    from dancenow.cli.console import console, live
    from dancenow.errors import OptionError
    from dancenow.research.studio.clip import render_clip

    if list:
        _list()
        return
    if demo_assets is not None:
        _render_demo(demo_assets)
        return
    if output is None:
        raise OptionError("give the output file with -o CLIP.mp4, or use --list to list the choices.")
    width_px, height_px = _size(size)
    with live() as on_progress:
        clip = render_clip(
            identity, bvh if bvh is not None else dance, room, output,
            fps=_rate(fps), width_px=width_px, height_px=height_px, seconds=seconds, start_s=start, seed=seed, sound=sound,
            on_progress=on_progress,
        )  # fmt: skip
    console.print(
        f"{clip.video} with {clip.track.name}, {clip.masks.name}, {clip.background.name}", highlight=False, soft_wrap=True
    )


def _list() -> None:
    from dancenow.cli.console import console
    from dancenow.research.studio.choreography import DANCES
    from dancenow.research.studio.identity import IDENTITIES
    from dancenow.research.studio.scene import ROOMS

    console.print(f"identities: {', '.join(IDENTITIES)}")
    for name, choreography in DANCES.items():
        console.print(f"dance {name}: {choreography.seconds:g} s at {choreography.bpm:g} bpm", highlight=False)
    console.print(f"rooms: {', '.join(ROOMS)}")


def _render_demo(folder: Path) -> None:
    from dancenow.cli.console import console, live
    from dancenow.research.studio.demo import make_demo_assets

    with live() as on_progress:
        paths = make_demo_assets(folder, on_progress)
    for path in paths:
        console.print(f"{path}: {path.stat().st_size / 1e6:.2f} MB", highlight=False, soft_wrap=True)


def _size(text: str) -> tuple[int, int]:
    import re

    from dancenow.errors import OptionError

    match = re.fullmatch(r"(\d{1,5})[xX](\d{1,5})", text)
    if match is None:
        raise OptionError(f"cannot read the size {text!r}; write it as 512x512.")
    return int(match[1]), int(match[2])


def _rate(text: str) -> "Fraction":
    from fractions import Fraction

    from dancenow.errors import OptionError

    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise OptionError(f"cannot read the frame rate {text!r}; write it as 30 or 30000/1001.") from error
