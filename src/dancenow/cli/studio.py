"""`dancenow studio`: renders dancers with exact poses, the truth to measure against, and the clips of the demo.

The work is `dancenow.research.studio.clip.render_clip`; needs the `studio` extra.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from fractions import Fraction


def studio(
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    identity: str = "ada",
    dance: str = "pulse",
    room: str = "bright",
    bvh: Path | None = None,
    seconds: float | None = None,
    start: float = 0.0,
    fps: str = "30",
    size: str = "512x512",
    seed: int = 0,
    sound: bool = True,
    list: bool = False,
    demo_assets: Path | None = None,
) -> None:
    """Render a dancer: a video with its exact pose track, its masks and its empty background beside it.

    The same dance on two identities is ground truth for a transfer between them.

    Args:
        output: the video, an .mp4 file; the track (.npz), .masks.mkv and .background.png get the same name.
        identity: who dances; --list names them.
        dance: which choreography; --list names them.
        room: where, and seen by which camera; --list names them.
        bvh: dance this motion capture file instead of a choreography.
        seconds: length of the clip; by default the whole dance.
        start: seconds of the dance to leave out at its beginning.
        fps: frame rate, such as 30 or 30000/1001.
        size: width and height of the picture in px.
        seed: of the camera's noise and the drums; the same seed gives the same clip.
        sound: write a soundtrack in the dance's tempo.
        list: show the identities, choreographies and rooms, and stop.
        demo_assets: render the two clips that dancenow ships into this folder, and stop.
    """
    from dancenow.cli.console import console, live
    from dancenow.errors import OptionError
    from dancenow.research.studio.clip import render_clip
    from dancenow.research.studio.demo import make_demo_assets

    if list:
        _list()
        return
    if demo_assets is not None:
        with live() as on_progress:
            made = make_demo_assets(demo_assets, on_progress)
        for path in made:
            console.print(f"{path}: {path.stat().st_size / 1e6:.2f} MB", highlight=False, soft_wrap=True)
        return
    if output is None:
        raise OptionError("say where the clip goes with -o CLIP.mp4, or use --list to see what there is.")
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
    for name, steps in DANCES.items():
        console.print(f"dance {name}: {steps.seconds:g} s at {steps.bpm:g} beats a minute", highlight=False)
    console.print(f"rooms: {', '.join(ROOMS)}")


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
