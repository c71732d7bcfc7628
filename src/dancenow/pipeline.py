"""The product on one page: prepare, train, transfer, run. Read this file first to see the architecture.

    source.mp4 ──► detect_poses ──► PoseTrack ──► retarget to the target's body ──► PoseTrack ─┐
                                                                                               ▼
    target.mp4 ──► prepare ──► Subject ──► train ──► model.safetensors ──► Renderer ──► layers, composited into frames
                   (track, masks, background plate)                                            ▼
                                                               face refinement ──► watermark ──► out.mp4, report

Pose tracks are held whole in memory; pixels are streamed, one frame at a time. `execution` is the long form of `device`; its
token stops a call from another thread, which raises `Cancelled`, leaves nothing half-written and keeps finished steps.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from dancenow.compatibility import renamed_keywords
from dancenow.execution import Device, Execution
from dancenow.face.refinement import FaceMode
from dancenow.first_look import first_look, first_look_path
from dancenow.generators.cast_member import CastMember, given_to
from dancenow.generators.model_cache import ModelSettings
from dancenow.generators.performer import Cast, label_by_person, open_cast
from dancenow.generators.presets import preset_config
from dancenow.generators.train_model import train_model
from dancenow.media.integrity import require_complete
from dancenow.media.source import VideoInput, VideoSource, open_video
from dancenow.planned_transfer import TransferOptions, open_transfer
from dancenow.pose.people_tracks import detect_people
from dancenow.pose.pipeline import detect_poses
from dancenow.pose.retargeting.kept_half import KeptHalf
from dancenow.pose.retargeting.registry import RetargetingKind
from dancenow.progress import ProgressCallback, ignore_progress, ignore_warning, warn_each
from dancenow.provenance.consent import Consent
from dancenow.provenance.content_credentials import require_signer
from dancenow.rendering.scene_choice import SceneChoice
from dancenow.rendering.scenes import open_scene, scene_name
from dancenow.rendering.transfer_video import frame_range
from dancenow.report.run_record import DancerRecord, RunRecord, Stopwatch, report_path, write_run_report
from dancenow.storage import pretrained
from dancenow.subject.prepare import prepare as prepare
from dancenow.subject.subject import Subject
from dancenow.subject.target_view import CameraMode
from dancenow.training.budget import Budget
from dancenow.types import PoseTrack, RunResult, TransferResult


@renamed_keywords(listen="on_progress")
def train(
    subject: Path | Subject,
    out: Path,
    *,
    budget: Budget | str = "10m",
    preset: str = "draft",
    width: float | None = None, longer_px: int | None = None, enhance_from: float | None = None,
    face: FaceMode = "auto", face_source: VideoInput | None = None, face_person: int | None = None,
    resume: bool = False, seed: int = 0,
    device: Device = "auto",
    execution: Execution | None = None,
    warn: Callable[[str], None] = ignore_warning,
    on_progress: ProgressCallback = ignore_progress,
) -> Path:  # fmt: skip
    """Train a model of the person in a subject folder.

    Args:
        subject: folder that `prepare` wrote. out: the .safetensors file; a preview and the training state lie next to it.
        budget: how long to train (`90s`, `4m`, `1.5h`), or how many images to see (`20000images`).
        width, longer_px, enhance_from: other sizes of a whole-frame preset, see `preset_config`. face: see `face.face_task`.
        face_source, face_person: for a cyclegan: the source video, and the person to follow in it, as in `detect_poses`.
        warn: told if no face network can be trained. resume: continue with the state next to `out`, within the same budget.

    Raises:
        UserError: bad footage, budget or file; nothing to resume; an unfinished training or a face network would be missing.
    """
    config = preset_config(preset, width, longer_px, enhance_from)
    return train_model(
        subject, out, config, budget=budget, face=face, face_source=face_source, face_person=face_person, resume=resume,
        seed=seed, execution=execution or Execution.auto(device), warn=warn, on_progress=on_progress,
    )  # fmt: skip


@renamed_keywords(listen="on_progress")
def transfer(
    source: VideoInput,
    model: Path | Mapping[int, Path],
    out: Path,
    *,
    normalize: RetargetingKind = "auto", face: FaceMode = "auto", camera: CameraMode = "still", scene: str = "target",
    frames: tuple[int, int | None] = (0, None), person: int | None = None, keep: KeptHalf = "none",
    accept_damaged: bool = False,
    device: Device = "auto",
    execution: Execution | None = None,
    warn: Callable[[str], None] = ignore_warning,
    on_progress: ProgressCallback = ignore_progress,
) -> TransferResult:  # fmt: skip
    """Make the person of `model` dance the dance of `source`, with the timing and sound of the source, marked as synthetic.

    Args:
        source: video of the dance. out: .mp4 file, or as `rendering.output` says for alpha.
        model: file that `train` wrote; for several dancers, one for the number of each person of the source who is danced.
        normalize: how the source body is fitted to the target's, see `pose.retargeting.registry`. keep: half of it that stands.
        face: see `face.refinement`. camera: where that of the target moved: look from one place, or `follow` as it did.
        scene: target (the first dancer's), source, transparent, a color, or an image or video file, see `rendering.scenes`.
        frames: first frame and end (exclusive) of the wanted part. person: whom to follow in the source, as in `detect_poses`.
        accept_damaged: use what can be read of a damaged source. warn: told at once if the model's training is not finished.

    Raises:
        UserError: a file is missing or damaged, consent or face network is missing, nobody is found, or the part is empty.
    """
    source, execution = open_video(source, accept_damaged=accept_damaged), execution or Execution.auto(device)
    on_progress, cast = execution.reporting(on_progress), open_cast(model, person)
    options = TransferOptions(normalize, face, camera, scene, keep)
    opened = open_transfer(source, cast, out, options, frames, execution, warn, on_progress)
    tracks, others = follow(source, cast, opened.scene, on_progress)
    planned = opened.plan(tracks, on_progress, others)
    del tracks, others  # of a long video as large as what is planned
    start, stop = frame_range(frames, planned.num_frames)
    with planned.images(start, stop) as images:
        return planned.write(images, start, stop, on_progress)


def follow(
    source: VideoSource, cast: Cast[Any], place: SceneChoice, on_progress: ProgressCallback
) -> tuple[Cast[PoseTrack], dict[int, PoseTrack]]:
    """The poses of everyone who is danced, and of those beside them who stay in the scene."""
    masks = {n: place.masks_of(source, n) for n in cast}
    beside = place.find_beside(source, [*cast], on_progress)
    numbered = {n: masks[asked] for asked, n in beside.numbers.items() if n is not None}
    numbered |= {n: place.masks_of(source, n) for n in beside.others}
    if len(numbered) < 2:
        return {n: detect_poses(source, person=n, masks=masks[n], on_progress=on_progress) for n in cast}, {}
    found = detect_people(source, numbered, on_progress)
    danced = {asked: found[n] for asked, n in beside.numbers.items() if n is not None}
    return danced, {n: found[n] for n in beside.others}


@renamed_keywords(listen="on_progress")
def run(
    source: VideoInput,
    target: VideoInput | Mapping[int, VideoInput],
    out: Path,
    *,
    budget: Budget | str = "10m", preset: str = "draft",
    normalize: RetargetingKind = "auto", face: FaceMode = "auto", camera: CameraMode = "still", scene: str = "target",
    source_person: int | None = None, target_person: int | Mapping[int, int | None] | None = None, keep: KeptHalf = "none",
    seed: int = 0, device: Device = "auto",
    execution: Execution | None = None,
    report: bool = True,
    consent: Consent | Mapping[int, Consent] | None = None,
    accept_damaged: bool = False,
    warn: Callable[[str], None] = ignore_warning,
    on_progress: ProgressCallback = ignore_progress,
) -> RunResult:  # fmt: skip
    """Everything from two videos: the person in `target` dances what the person in `source` dances.

    `target`: a video, subject folder or model; for several dancers, one for each person's number in the source. Subjects and
    models are cached by content; an interrupted training continues. `report`: also write a page next to the video. `warn`:
    called before the training. `consent`: of new videos, or by number; so is `target_person`, whom to follow in them. `camera`,
    `scene`: as in `transfer`.

    Raises:
        UserError: as `prepare`, `train` and `transfer`; files and budget are checked before anything long begins.
    """
    budget, config = Budget.parse(budget) if isinstance(budget, str) else budget, preset_config(preset)
    page, execution = report_path(out) if report else None, execution or Execution.auto(device)
    source, who = open_video(source, accept_damaged=accept_damaged), open_cast(target, source_person)
    cast = {n: CastMember.open(each, given_to(n, target_person), given_to(n, consent), accept_damaged)
            for n, each in who.items()}  # fmt: skip
    place = open_scene(scene, camera, out, page, source.path, *(member.path for member in cast.values()))
    on_progress = watch = Stopwatch(execution.reporting(on_progress))
    for member in cast.values():
        member.require_usable(place, config, on_progress, is_alone=len(cast) == 1)
    require_signer()
    pretrained.fetch_all(on_progress)
    require_complete(source, on_progress)
    tracks, _ = follow(source, cast, place, on_progress)
    cast = {n: member.prepare(on_progress) for n, member in cast.items()}
    covered = {n: member.coverage(tracks[n], normalize) for n, member in cast.items()}
    warnings = warn_each(label_by_person({n: cast[n].warnings(source, n, tracks[n], covered[n]) for n in cast}), warn)
    dance = partial(transfer, source, normalize=normalize, camera=camera, scene=scene, keep=keep, execution=execution,
                    on_progress=watch)  # fmt: skip
    look = first_look(dance, tracks[None], float(source.info.fps), out, warn) if None in cast and out.suffix else None
    settings = {n: ModelSettings(preset, config, budget, seed, face, source, n) for n in cast}
    trained = {n: member.train(settings[n], execution, look, warn, on_progress) for n, member in cast.items()}
    models = {n: model for n, (model, _) in trained.items()}
    numbered = {n: model for n, model in models.items() if n is not None}
    done = dance(numbered or models[None], out, face=face)
    first_look_path(out).unlink(missing_ok=True)
    if page is not None:
        options = {"preset": preset, "budget": str(budget), "normalize": normalize, "face": face, "seed": str(seed)}
        options |= {"camera": camera, "scene": scene_name(scene), "keep": keep, "device": execution.device}
        dancers = [DancerRecord(n, cast[n].path, models[n], cast[n].manifest, tracks[n], shown, covered[n])
                   for n, shown in zip(cast, done.target_tracks, strict=True)]  # fmt: skip
        write_run_report(
            page, RunRecord(source, out, dancers, done.normalization, done.notes, options, watch.seconds), on_progress
        )
    return RunResult(
        done, tuple(models.values()), (*warnings, *label_by_person({n: told for n, (_, told) in trained.items()})), page
    )
