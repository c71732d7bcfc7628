"""`dancenow run`: transfer a dance from one video to the person in another."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from dancenow.cli.options import Dancers, Flag, Maybe, Out, Preset, Scene, normalization, parse_dancers

if TYPE_CHECKING:
    from dancenow.cli.consent_options import KindOption
    from dancenow.media.source import VideoInput
    from dancenow.provenance.consent import Consent


def run(
    source: tyro.conf.Positional[Path],
    target: tyro.conf.Positional[Maybe[Path]] = None,
    *,
    out: Out,
    dancer: Dancers = (),
    budget: str = "10m",
    preset: Preset = "draft",
    normalize: Literal["auto", "none", "paper", "stn", "skeletal", "bones"] = "auto",
    face: Literal["auto", "none", "residual", "cyclegan"] = "auto",
    camera: Literal["still", "follow"] = "still",
    scene: Scene = "target",
    keep: Literal["none", "lower", "upper"] = "none",
    source_person: Maybe[int] = None,
    target_person: Maybe[int] = None,
    consent: Maybe[Literal["self", "rendered", "licensed"]] = None,
    person_name: Maybe[str] = None,
    licence: Maybe[str] = None,
    consent_file: Maybe[Path] = None,
    accept_damaged: Flag = False,
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    report: Flag = True,
) -> None:
    """Make the person in TARGET dance like the person in SOURCE.

    Args:
        source: Video of the dance.
        target: Video of the person who will dance.
            At least 20 s, whole body, filmed from one place.
            Or a folder of `dancenow prepare`, or a model.
            With --dancer leave it out.
        out: The .mp4 file to write; others for a transparent scene.
        dancer: Who dances the part of a person in SOURCE.
            A video, a folder of `dancenow prepare`, or a model.
            Give it once for each person: --dancer 1=me.mp4.
            `dancenow pose --people` shows the numbers.
        budget: Training time (90s, 4m, 1.5h) or images (20000images).
        preset: Model size and training recipe.
            draft: 256 px, for a laptop; copies from pictures of the person.
            draft-fast: the same without pictures, less sharp.
            standard: 512 px, for a GPU.
            hd: 1024 px, for a GPU and 1080p video.
            paper: the body generator of Everybody Dance Now, for a GPU.
            heatmaps: the same networks on Gaussian heatmaps.
        normalize: How to fit the source body to the target body.
            auto: no change for one person in one video; else skeletal if bones
              can be measured, else paper.
            skeletal: every body part, the floor and the camera.
            paper: position and size, as published.
            stn: scale, rotation and position, by a network.
            none: no change.
        face: Face network, trained in the last part of the budget.
            auto: residual if the face can be learned, else none.
            residual: adds detail to the output of the body network.
            cyclegan: turns SOURCE's face into TARGET's.
            none: no face network.
        camera: Where the camera of TARGET moved, look from one place
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
        source_person: Person to follow in SOURCE, counted from 1.
            See `dancenow pose --help`.
        target_person: Person to follow in TARGET, counted from 1.
        consent: Who is in TARGET. Required once per video.
            Asked for if you run this in a terminal.
            self: you.
            rendered: nobody real.
            licensed: another person, under --licence.
        person_name: Name of the person in TARGET.
        licence: SPDX identifier of TARGET's license, such as CC-BY-4.0.
        consent_file: JSON or TOML file instead of the three options above.
            Fields: kind, person, scope, date, licence, document.
        accept_damaged: Use what can be read of a damaged video.
            By default it is an error.
        seed: Random seed.
        device: Where to compute; auto uses the GPU if there is one.
        report: Do not write the report page OUT.report.html.
            It plays source, poses and result in sync.
            It lists the moves that the footage does not cover.
            It states how the result was made.
    """
    from dancenow import pipeline
    from dancenow.cli import console

    # What is wrong with a missing file is explained by `pipeline.run`.
    files = parse_dancers(dancer, target, "TARGET")
    footage = {n: _opened(file) for n, file in files.items()} if isinstance(files, dict) else _opened(files)
    record = _record(footage, target_person, consent, person_name, licence, consent_file)
    with console.live() as on_progress:
        result = pipeline.run(
            source, footage, out,
            budget=budget, preset=preset, normalize=normalization(normalize), face=face, camera=camera, scene=scene, keep=keep,
            source_person=source_person, target_person=target_person, seed=seed, device=device, report=report, consent=record,
            accept_damaged=accept_damaged, warn=console.warn, on_progress=on_progress,
        )  # fmt: skip
    notes = [note for note in result.transfer.notes if note not in result.warnings]
    console.report(result.transfer.video, result.transfer.normalization, *notes)
    if result.report is not None:
        console.report(result.report)


def _opened(file: Path) -> "VideoInput":
    """A video opened once; the name of anything else."""
    from dancenow.media.source import VideoSource

    return VideoSource.open(file) if file.is_file() and file.suffix.lower() != ".safetensors" else file


def _record(
    footage: "VideoInput | dict[int, VideoInput]",
    person: int | None,
    kind: "KindOption",
    name: str | None,
    licence: str | None,
    file: Path | None,
) -> "Consent | dict[int, Consent] | None":
    """Build the consent record from the options, or ask in a terminal for each new video; None to use the stored records."""
    from dancenow.cli.consent_options import ask, can_ask, terms
    from dancenow.errors import ConsentError
    from dancenow.media.source import VideoSource, open_video
    from dancenow.subject.subject_cache import has_video_consent

    record = terms(kind, name, licence, file)
    if record is None and licence is not None:
        raise ConsentError("--licence also needs the person: --consent licensed --person-name NAME --licence ...")
    if not isinstance(footage, dict):
        asks = record is None and can_ask() and isinstance(footage, VideoSource) and not has_video_consent(footage, person)
        return ask(open_video(footage).path) if asks else record
    videos = {n: video for n, video in footage.items() if isinstance(video, VideoSource)}
    if record is not None and len({video.path for video in videos.values()}) > 1:
        raise ConsentError(
            "the consent in the options is of one person, and --dancer names several videos; prepare each with"
            " `dancenow prepare` and its own consent, and give the folders."
        )
    if record is not None or not can_ask():
        return record
    new = {video.path: [n for n in videos if videos[n].path == video.path] for video in videos.values()}
    asked = {path: ask(path) for path, (first, *_) in new.items() if not has_video_consent(videos[first], person)}
    return {n: asked[path] for path, numbers in new.items() if path in asked for n in numbers}
