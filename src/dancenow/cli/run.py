"""`dancenow run`: two videos in, one video out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

if TYPE_CHECKING:
    from dancenow.cli.consent_options import KindOption
    from dancenow.provenance.consent import Consent


def run(
    source: tyro.conf.Positional[Path],
    target: tyro.conf.Positional[Path],
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    budget: str = "10m",
    preset: Literal["draft", "standard", "hd", "paper", "heatmaps"] = "draft",
    normalize: Literal["auto", "none", "paper", "stn", "bones"] = "auto",
    face: Literal["auto", "none", "residual", "cyclegan"] = "auto",
    source_person: int | None = None,
    target_person: int | None = None,
    consent: Literal["self", "rendered", "licensed"] | None = None,
    person_name: str | None = None,
    licence: str | None = None,
    consent_file: Path | None = None,
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    report: bool = True,
) -> None:
    """Make the person in TARGET dance what the dancer in SOURCE dances.

    Args:
        source: video of the dance.
        target: video of the person who is to dance it: 20 s or more, whole body, still camera.
        out: the .mp4 to write.
        budget: how long to train: 90s, 4m, 1.5h, or 20000images.
        preset: draft (256 px, a laptop), standard (512 px, a GPU) or hd (1024 px, a GPU, for 1080p video); for comparison,
            paper (the body generator of Everybody Dance Now, for a GPU) or heatmaps (the same networks on Gaussian heatmaps).
        normalize: how the dancer's body is fitted to the target's: bones (every part, floor and camera), paper (place and
            size, as published), stn (scale, turn and place by a network), none, or auto (bones if depth is sound, or paper).
        face: the network that makes the face, trained in the last part of the budget: residual (adds detail to what the body's
            network paints), cyclegan (makes SOURCE's face TARGET's), none, or auto (residual if the face can be learnt).
        source_person: whom to follow in SOURCE, counted from 1 by size and place (see `dancenow pose --help`).
        target_person: whom to follow in TARGET.
        consent: who is in TARGET: self (you), rendered (nobody real) or licensed (somebody else, under --licence); asked for at
            a terminal, and needed once per video.
        person_name: the name of the person in TARGET.
        licence: SPDX identifier of TARGET's licence, such as CC-BY-4.0.
        consent_file: instead, a JSON or TOML file with kind, person, scope, date, licence and document (a signed paper).
        seed: of everything random.
        device: where to compute; auto takes the GPU if there is one.
        report: also write a page about the result beside it, OUT.report.html: source, pose and result in step, the moves that
            the footage does not cover, and how it was made.
    """
    from dancenow import pipeline
    from dancenow.cli import console

    record = _record(target, target_person, consent, person_name, licence, consent_file)
    with console.live() as on_progress:
        result = pipeline.run(
            source, target, out,
            budget=budget, preset=preset, normalize=normalize, face=face, source_person=source_person,
            target_person=target_person, seed=seed, device=device, report=report, consent=record, warn=console.warn,
            on_progress=on_progress,
        )  # fmt: skip
    console.report(result.transfer.video, result.transfer.normalization, *result.transfer.notes)
    if result.report is not None:
        console.report(result.report)


def _record(
    target: Path, person: int | None, kind: "KindOption", name: str | None, licence: str | None, file: Path | None
) -> "Consent | None":
    """The consent that the options make, or the answers of whoever sits at the terminal; None to take what is kept."""
    from dancenow.cli.consent_options import ask, can_ask, terms
    from dancenow.errors import ConsentError
    from dancenow.subject.subject_cache import has_video_consent

    record = terms(kind, name, licence, file)
    if record is None and licence is not None:
        raise ConsentError("say whose licence it is, too: --consent licensed --person-name NAME --licence ...")
    if record is None and can_ask() and target.is_file() and not has_video_consent(target, person):
        return ask(target)
    return record
