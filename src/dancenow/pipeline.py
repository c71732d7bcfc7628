"""The product on one page: prepare, train, transfer, run. Read this file first to see the architecture.

    source.mp4 ──► detect_poses ──► PoseTrack ──► retarget to the target's body ──► PoseTrack ─┐
                                                                                               ▼
    target.mp4 ──► prepare ──► Subject ──► train ──► model.safetensors ──► Renderer ──► layers, composited into frames
                   (track, masks, background plate)                                            ▼
                                                               face refinement ──► watermark ──► out.mp4, report

Pose tracks are held whole in memory; pixels are streamed, one frame at a time. `execution` is the long form of `device`; its
token stops a call from another thread, which raises `Cancelled`, leaves nothing half-written and keeps finished steps.
"""

from collections.abc import Callable
from pathlib import Path

from dancenow.compatibility import renamed_keywords
from dancenow.execution import Device, Execution
from dancenow.face.refinement import FaceMode
from dancenow.generators.model_cache import cached_model
from dancenow.generators.presets import preset_config
from dancenow.generators.registry import family_of
from dancenow.generators.train_model import train_model
from dancenow.media.integrity import require_complete
from dancenow.media.source import VideoInput, open_video
from dancenow.planned_transfer import TransferOptions, open_transfer
from dancenow.pose.pipeline import detect_poses
from dancenow.pose.retargeting.registry import RetargetingKind
from dancenow.progress import ProgressCallback, ignore_progress, ignore_warning, warn_each
from dancenow.provenance.consent import Consent
from dancenow.provenance.content_credentials import require_signer
from dancenow.rendering.scenes import open_scene, scene_name
from dancenow.rendering.transfer_video import frame_range
from dancenow.rendering.transfer_warnings import source_warnings
from dancenow.report.run_record import RunRecord, Stopwatch, report_path, write_run_report
from dancenow.storage import pretrained
from dancenow.subject.coverage import coverage_if_comparable
from dancenow.subject.prepare import prepare as prepare
from dancenow.subject.subject import Subject
from dancenow.subject.subject_cache import cached_subject, require_video_consent
from dancenow.subject.target_view import CameraMode
from dancenow.training.budget import Budget
from dancenow.types import RunResult, TransferResult


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
        warn: called with one sentence if `face` is auto and no face network can be trained.
        resume: continue the training with its state next to `out`; the budget includes what was spent before.

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
    model: Path,
    out: Path,
    *,
    normalize: RetargetingKind = "auto",
    face: FaceMode = "auto",
    camera: CameraMode = "still",
    scene: str = "target",
    frames: tuple[int, int | None] = (0, None),
    person: int | None = None,
    accept_damaged: bool = False,
    device: Device = "auto",
    execution: Execution | None = None,
    warn: Callable[[str], None] = ignore_warning,
    on_progress: ProgressCallback = ignore_progress,
) -> TransferResult:
    """Make the person of `model` dance the dance of `source`, with the timing and sound of the source, marked as synthetic.

    Args:
        source: video of the dance. model: file that `train` wrote. out: .mp4 file, or as `rendering.output` says for alpha.
        normalize: how the source body is fitted to the target's, see `pose.retargeting.registry`. face: see `face.refinement`.
        camera: where the camera of the target's footage moved: look from one place, or `follow` as that camera did.
        scene: target, source, transparent, a color, or the name of an image or video file, see `rendering.scenes`.
        frames: first frame and end (exclusive) of the wanted part. person: whom to follow in the source, as in `detect_poses`.
        accept_damaged: use what can be read of a damaged source. warn: told at once if the model's training is not finished.

    Raises:
        UserError: a file is missing or damaged, consent or face network is missing, nobody is found, or the part is empty.
    """
    source, execution = open_video(source, accept_damaged=accept_damaged), execution or Execution.auto(device)
    on_progress, options = execution.reporting(on_progress), TransferOptions(normalize, face, camera, scene, person)
    opened = open_transfer(source, model, out, options, frames, execution, warn, on_progress)
    track = detect_poses(source, person=person, masks=opened.scene.masks_of(source), on_progress=on_progress)
    planned = opened.plan(track, on_progress)
    start, stop = frame_range(frames, len(track))
    with planned.images(start, stop) as images:
        return planned.write(images, start, stop, on_progress)


@renamed_keywords(listen="on_progress")
def run(
    source: VideoInput,
    target: VideoInput,
    out: Path,
    *,
    budget: Budget | str = "10m",
    preset: str = "draft",
    normalize: RetargetingKind = "auto",
    face: FaceMode = "auto",
    camera: CameraMode = "still",
    scene: str = "target",
    source_person: int | None = None,
    target_person: int | None = None,
    seed: int = 0,
    device: Device = "auto",
    execution: Execution | None = None,
    report: bool = True,
    consent: Consent | None = None,
    accept_damaged: bool = False,
    warn: Callable[[str], None] = ignore_warning,
    on_progress: ProgressCallback = ignore_progress,
) -> RunResult:
    """Everything from two videos: the person in `target` dances what the person in `source` dances.

    Subjects and models are cached by content; an interrupted training continues. `report`: also write a page next to the video.
    `warn`: called before the training. `consent`: needed the first time `target` is used. `camera`, `scene`: as in `transfer`.

    Raises:
        UserError: as `prepare`, `train` and `transfer`; files and budget are checked before anything long begins.
    """
    budget = Budget.parse(budget) if isinstance(budget, str) else budget
    config, page, execution = preset_config(preset), report_path(out) if report else None, execution or Execution.auto(device)
    source, target = (open_video(video, accept_damaged=accept_damaged) for video in (source, target))
    place = open_scene(scene, camera, out, page, source.path, target.path)
    place.require_suits(target.info, family_of(config).generates_background)
    require_video_consent(target, target_person, consent)
    require_signer()
    on_progress = watch = Stopwatch(execution.reporting(on_progress))
    pretrained.fetch_all(on_progress)
    for video in (source, target):
        require_complete(video, on_progress)
    source_track = detect_poses(source, person=source_person, masks=place.masks_of(source), on_progress=on_progress)
    subject = cached_subject(target, target_person, consent, on_progress)
    covered = coverage_if_comparable(source_track, subject, normalize)
    footage_warnings = (*source_warnings(source, source_person, source_track, subject.track), *subject.manifest.warnings)
    warnings = warn_each((*footage_warnings, *(covered.warnings if covered else ())), warn)
    model, training_warnings = cached_model(
        subject, preset, config, budget=budget, face=face, face_source=source if face == "cyclegan" else None,
        face_person=source_person, seed=seed, execution=execution, warn=warn, on_progress=on_progress,
    )  # fmt: skip
    done = transfer(source, model, out, normalize=normalize, face=face, camera=camera, scene=scene, person=source_person,
                    execution=execution, on_progress=watch)  # fmt: skip
    if page is not None:
        settings = {"preset": preset, "budget": str(budget), "normalize": normalize, "face": face, "seed": str(seed)}
        write_run_report(page, RunRecord(
            source, target, out, model, subject.manifest, source_track, done.target_track, covered, done.normalization,
            done.notes, settings | {"camera": camera, "scene": scene_name(scene), "device": execution.device}, watch.seconds,
        ), on_progress)  # fmt: skip
    return RunResult(done, model, (*warnings, *training_warnings), page)
