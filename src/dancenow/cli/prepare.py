"""`dancenow prepare`: make a subject folder from a video and report problems of the footage.

The work is in `dancenow.subject.prepare.prepare`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from dancenow.cli.options import Flag, Maybe, Out

if TYPE_CHECKING:
    from dancenow.subject.subject import Subject


def prepare(
    video: tyro.conf.Positional[Path],
    out: Out,
    track: Maybe[Path] = None,
    person: Maybe[int] = None,
    consent: Maybe[Literal["self", "rendered", "licensed"]] = None,
    person_name: Maybe[str] = None,
    licence: Maybe[str] = None,
    consent_file: Maybe[Path] = None,
    hold_out: Flag = False,
    accept_damaged: Flag = False,
    overlays: Literal["keep", "ignore"] = "keep",
) -> None:
    """Track the person in VIDEO and estimate the background, for training.

    Args:
        video: Footage of the person who will dance.
            One person, whole body, from one place, at least 20 s.
        out: The subject folder to write.
            An older subject folder of that name is replaced.
            A folder with other files in it is not.
        track: Pose track (.npz) to use instead of detected poses.
            As written by `dancenow pose` or `dancenow studio`.
            The person mask still comes from the detector.
        person: Person to follow, counted from 1.
            By default the most prominent one.
        consent: Who is in VIDEO. Training requires it.
            Asked for if you run this in a terminal.
            It can be added later with `dancenow consent`.
            self: you.
            rendered: nobody real.
            licensed: another person, under --licence.
        person_name: Name of the person in VIDEO.
        licence: SPDX identifier of the license, such as CC-BY-4.0.
        consent_file: JSON or TOML file instead of the three options above.
            Fields: kind, person, scope, date, licence, document.
        hold_out: Keep the last tenth of the footage for evaluation.
            For footage of at least 20 s.
        accept_damaged: Use what can be read of a damaged video.
            By default it is an error.
        overlays: What to do with bars, borders, captions and logos.
            keep: leave them out of the background, put them back.
            ignore: take them for a part of the scene.
    """
    from dancenow.cli.consent_options import ask, can_ask, terms
    from dancenow.cli.console import live
    from dancenow.pose.track_io import load_track
    from dancenow.provenance.consent import licence_id
    from dancenow.subject import prepare as subject_prepare

    known = None if track is None else load_track(track)
    record = terms(consent, person_name, licence, consent_file)
    if record is None and licence is None and video.is_file() and can_ask():
        record = ask(video)
    with live() as on_progress:
        prepared = subject_prepare.prepare(
            video, out, track=known, person=person, licence=licence and licence_id(licence), consent=record, hold_out=hold_out,
            accept_damaged=accept_damaged, overlays=overlays, on_progress=on_progress,
        )  # fmt: skip
    _report(prepared, out)


def _report(prepared: "Subject", out: Path) -> None:
    """Print the warnings, and in a line what was found."""
    from dancenow.cli.console import console, stderr

    manifest, poses = prepared.manifest, prepared.track
    for warning in manifest.warnings:
        stderr.print(f"[yellow]warning:[/] {warning}", highlight=False, soft_wrap=True)
    if manifest.consent is None:
        stderr.print(
            f"[yellow]warning:[/] no consent on record, which training requires; add it with"
            f" `dancenow consent {out} --consent ...`.", highlight=False, soft_wrap=True,
        )  # fmt: skip
    if prepared.overlays is not None:
        console.print(f"found in the picture: {prepared.overlays}; kept as it is, in front of the dance.", highlight=False)
    console.print(
        f"{out}: {manifest.num_frames} frames, {manifest.width_px}x{manifest.height_px}, {poses.time_s[-1]:.1f} s; person"
        f" found in {(poses.status == 0).mean():.0%}, {manifest.body.height_px:.0f} px tall; background seen"
        f" {prepared.plate.known.mean():.0%}{_about_camera(prepared)};"
        f" {len(manifest.warnings) or 'no'} warning{'s' * (len(manifest.warnings) != 1)}",
        highlight=False,
        soft_wrap=True,
    )


def _about_camera(subject: "Subject") -> str:
    """That the camera moves, and how much background it saw; nothing for a camera that stands still."""
    if subject.camera is None:
        return ""
    area = subject.camera.mosaic.area
    return f", {area.width_px}x{area.height_px} px of it by a moving camera"
