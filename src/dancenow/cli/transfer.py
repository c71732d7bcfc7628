"""`dancenow transfer`: a dance onto the person of a trained model."""

from pathlib import Path
from typing import Annotated, Literal

import tyro


def transfer(
    source: tyro.conf.Positional[Path],
    model: tyro.conf.Positional[Path],
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    normalize: Literal["auto", "none", "paper", "stn", "bones"] = "auto",
    face: Literal["auto", "none", "residual", "cyclegan"] = "auto",
    frames: str = ":",
    person: int | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> None:
    """Make the person of MODEL dance what the dancer in SOURCE dances.

    Args:
        source: video of the dance.
        model: file that `dancenow train` wrote.
        out: the .mp4 to write.
        normalize: how the dancer's body is fitted to the target's: bones (every part, floor and camera), paper (place and
            size, as published), stn (scale, turn and place by a network), none, or auto (bones if depth is sound, or paper).
        face: the network that makes the face: residual, cyclegan, none (the body's network alone), or auto (what MODEL has).
        frames: the part of the dance, as START:END frame numbers, either of them optional.
        person: whom to follow in SOURCE, counted from 1 by size and place (see `dancenow pose --help`).
        device: where to compute; auto takes the GPU if there is one.
    """
    from dancenow import pipeline
    from dancenow.cli.console import live, report

    with live() as on_progress:
        result = pipeline.transfer(
            source,
            model,
            out,
            normalize=normalize,
            face=face,
            frames=_span(frames),
            person=person,
            device=device,
            on_progress=on_progress,
        )
    report(result.video, result.normalization, *result.notes)


def _span(text: str) -> tuple[int, int | None]:
    from dancenow.errors import OptionError

    start, colon, stop = text.partition(":")
    if not colon or not all(part == "" or part.isdecimal() for part in (start, stop)):
        raise OptionError(f"frames {text!r} make no sense; say for example 100:250, 100: or :250.")
    return int(start or 0), int(stop) if stop else None
