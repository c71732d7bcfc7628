"""`dancenow prepare`: make a subject folder from a video, and say what is wrong with the footage.

The work is `dancenow.data.subject.prepare`.
"""

from pathlib import Path
from typing import Annotated

import tyro


def prepare(
    video: tyro.conf.Positional[Path],
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    person: int | None = None,
    licence: str | None = None,
    hold_out: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Find the person in VIDEO, recover the background behind them, and keep both in a folder to train on.

    Args:
        video: footage of the person who will dance: one whole person, a still camera, 20 s or more.
        out: the subject folder to make; an older subject folder of that name is replaced, if nothing else is in it.
        person: which person to follow, counted from 1, when there are several; by default the most prominent.
        licence: SPDX identifier of the footage's licence, such as CC-BY-4.0, to be kept with it.
        hold_out: keep the last tenth of footage of 20 s or more from training, to judge a model by.
    """
    from dancenow.cli.console import console, live, stderr
    from dancenow.data import subject

    with live() as listen:
        made = subject.prepare(video, out, person=person, licence=licence, hold_out=hold_out, listen=listen)
    manifest, track = made.manifest, made.track
    for warning in manifest.warnings:
        stderr.print(f"[yellow]warning:[/] {warning}", highlight=False, soft_wrap=True)
    console.print(
        f"{out}: {manifest.num_frames} frames, {manifest.width_px}x{manifest.height_px}, {track.time_s[-1]:.1f} s; person"
        f" found in {(track.status == 0).mean():.0%}, {manifest.body.height_px:.0f} px tall; background seen"
        f" {made.plate.known.mean():.0%}; {len(manifest.warnings) or 'no'} warning{'s' * (len(manifest.warnings) != 1)}",
        highlight=False,
        soft_wrap=True,
    )
