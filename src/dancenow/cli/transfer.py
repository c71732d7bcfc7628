"""`dancenow transfer`: transfer a dance to the person of a trained model."""

from pathlib import Path
from typing import Literal

import tyro

from dancenow.cli.options import Dancers, Flag, Maybe, Out, Scene, normalization, parse_dancers


def transfer(
    source: tyro.conf.Positional[Path],
    model: tyro.conf.Positional[Maybe[Path]] = None,
    *,
    out: Out,
    dancer: Dancers = (),
    normalize: Literal["auto", "none", "paper", "stn", "skeletal", "bones"] = "auto",
    face: Literal["auto", "none", "residual", "cyclegan"] = "auto",
    camera: Literal["still", "follow"] = "still",
    scene: Scene = "target",
    keep: Literal["none", "lower", "upper"] = "none",
    frames: str = ":",
    person: Maybe[int] = None,
    accept_damaged: Flag = False,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> None:
    """Make the person of MODEL dance like the person in SOURCE.

    Args:
        source: Video of the dance.
        model: File written by `dancenow train`.
            With --dancer leave it out.
        out: The .mp4 file to write; others for a transparent scene.
        dancer: The model that dances the part of a person in SOURCE.
            Give it once for each person: --dancer 1=me.safetensors.
            `dancenow pose --people` shows the numbers.
        normalize: How to fit the source body to the target body.
            auto: no change for one person in one video; else skeletal if bones
              can be measured, else paper.
            skeletal: every body part, the floor and the camera.
            paper: position and size, as published.
            stn: scale, rotation and position, by a network.
            none: no change.
        face: Face network to use.
            auto: the one that MODEL has.
            residual: adds detail to the output of the body network.
            cyclegan: turns SOURCE's face into MODEL's.
            none: the body network alone.
        camera: Where the camera of MODEL's footage moved, look from one place
            (still), or move as it did (follow).
            follow goes with --scene target only.
        scene: What is around the person.
            target: where their footage was filmed.
            source: SOURCE, in which the person takes the dancer's place.
            transparent: nothing; OUT is then a .mov, a .webm, or a folder of PNGs.
            A color (white, #20a040), or an image or video file.
        keep: Half of the body that stays as it stands in their own footage.
            none: the whole body dances.
            lower: the legs stand in one place.
            upper: trunk, arms and head are held still.
        frames: Part of the dance as START:END frame numbers.
            Either may be left out.
        person: Person to follow in SOURCE, counted from 1.
            See `dancenow pose --help`.
        accept_damaged: Use what can be read of a damaged video.
            By default it is an error.
        device: Where to compute; auto uses the GPU if there is one.
    """
    from dancenow import pipeline
    from dancenow.cli.console import live, report, warn

    warned: list[str] = []

    def warn_early(sentence: str) -> None:
        warn(sentence)
        warned.append(sentence)

    with live() as on_progress:
        result = pipeline.transfer(
            source,
            parse_dancers(dancer, model, "MODEL"),
            out,
            normalize=normalization(normalize),
            face=face,
            camera=camera,
            scene=scene,
            keep=keep,
            frames=_span(frames),
            person=person,
            accept_damaged=accept_damaged,
            device=device,
            warn=warn_early,
            on_progress=on_progress,
        )
    report(result.video, result.normalization, *(note for note in result.notes if note not in warned))


def _span(text: str) -> tuple[int, int | None]:
    from dancenow.errors import OptionError

    start, colon, stop = text.partition(":")
    if not colon or not all(part == "" or part.isdecimal() for part in (start, stop)):
        raise OptionError(f"cannot read the frame range {text!r}; write it as 100:250, 100: or :250.")
    return int(start or 0), int(stop) if stop else None
