"""`dancenow prepare`: make a subject folder from a video, and say what is wrong with the footage.

The work is `dancenow.subject.prepare.prepare`.
"""

from pathlib import Path
from typing import Annotated, Literal

import tyro


def prepare(
    video: tyro.conf.Positional[Path],
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    track: Path | None = None,
    person: int | None = None,
    consent: Literal["self", "rendered", "licensed"] | None = None,
    person_name: str | None = None,
    licence: str | None = None,
    consent_file: Path | None = None,
    hold_out: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Find the person in VIDEO, recover the background behind them, and keep both in a folder to train on.

    Args:
        video: footage of the person who will dance: one whole person, a still camera, 20 s or more.
        out: the subject folder to make; an older subject folder of that name is replaced, if nothing else is in it.
        track: poses of the person in VIDEO that are known better than detected ones, as `dancenow pose` and the studio write
            them (.npz), such as corrected ones; the person is cut out by the detector all the same.
        person: which person to follow, counted from 1, when there are several; by default the most prominent.
        consent: who is in it: self (you), rendered (nobody real) or licensed (somebody else, under --licence); asked for at a
            terminal. Nothing is trained without; it can be added later with `dancenow consent`.
        person_name: the name of the person in VIDEO.
        licence: SPDX identifier of the footage's licence, such as CC-BY-4.0, to be kept with it.
        consent_file: instead, a JSON or TOML file with kind, person, scope, date, licence and document (a signed paper).
        hold_out: keep the last tenth of footage of 20 s or more from training, to judge a model by.
    """
    from dancenow.cli.consent_options import ask, can_ask, terms
    from dancenow.cli.console import console, live, stderr
    from dancenow.pose.track_io import load_track
    from dancenow.provenance.consent import licence_id
    from dancenow.subject import prepare as subject_prepare

    known = None if track is None else load_track(track)
    record = terms(consent, person_name, licence, consent_file)
    if record is None and licence is None and video.is_file() and can_ask():
        record = ask(video)
    with live() as on_progress:
        made = subject_prepare.prepare(
            video, out, track=known, person=person, licence=licence and licence_id(licence), consent=record, hold_out=hold_out,
            on_progress=on_progress,
        )  # fmt: skip
    manifest, poses = made.manifest, made.track
    for warning in manifest.warnings:
        stderr.print(f"[yellow]warning:[/] {warning}", highlight=False, soft_wrap=True)
    if manifest.consent is None:
        stderr.print(
            f"[yellow]warning:[/] there is no consent on record, and nothing is trained without; add it with"
            f" `dancenow consent {out} --consent ...`.", highlight=False, soft_wrap=True,
        )  # fmt: skip
    console.print(
        f"{out}: {manifest.num_frames} frames, {manifest.width_px}x{manifest.height_px}, {poses.time_s[-1]:.1f} s; person"
        f" found in {(poses.status == 0).mean():.0%}, {manifest.body.height_px:.0f} px tall; background seen"
        f" {made.plate.known.mean():.0%}; {len(manifest.warnings) or 'no'} warning{'s' * (len(manifest.warnings) != 1)}",
        highlight=False,
        soft_wrap=True,
    )
