"""The product: from a source and a target video to one video. Read this file to see the architecture.

    source.mp4 -> detect_poses -> PoseTrack -> normalize.fit(source, target) -> PoseTrack -> Painter -> out.mp4
    target.mp4 -> prepare -> Subject -> CropDataset ------> CropTask --> model.safetensors -------^
                                     or FrameDataset -> EdnTask (the paper's own system)
    faces of both -> FaceDataset -> a face phase behind the body --> its face network -> FaceRefiner, between painter and file

Poses are held whole; pixels are streamed, one frame at a time.
"""

import hashlib
import json
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Final, Literal

import torch

import dancenow
from dancenow.compatibility import renamed_keywords
from dancenow.errors import DeviceError, OptionError, OutputError, TrainingError, UserError
from dancenow.execution import spare_threads, torch_threads
from dancenow.face.face_task import Dancer
from dancenow.face.pretrained_init import load_face_base
from dancenow.face.refinement import Face, FaceModel, FaceRefiner, chosen
from dancenow.face.residual_task import FACE_RECIPE
from dancenow.generators.crop.config import CropConfig
from dancenow.generators.crop.pretrained_init import load_base
from dancenow.generators.crop.task import RECIPE
from dancenow.generators.edn.config import EdnConfig
from dancenow.generators.edn.task import RECIPE as PAPER_RECIPE
from dancenow.generators.presets import Config, Preset, preset_config
from dancenow.generators.registry import RENDERERS, create_task, load_model, renderer_of
from dancenow.media.sink import VideoWriter
from dancenow.media.source import probe
from dancenow.pose.conditioning.pose_maps import NUM_CHANNELS
from dancenow.pose.filtering.smoothing import smooth_jitter
from dancenow.pose.pipeline import detect_poses
from dancenow.pose.retargeting.registry import Retargeter, RetargetingKind
from dancenow.prefetch import prefetch
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.provenance.consent import Consent
from dancenow.provenance.content_credentials import require_signer
from dancenow.provenance.content_marking import ContentMarker
from dancenow.rendering.transfer_warnings import transfer_warnings
from dancenow.report import write_report
from dancenow.report.run_record import RunRecord, Stopwatch, describe, report_path
from dancenow.storage import pretrained
from dancenow.storage.atomic_io import cache_dir, require_writable, sha256_of
from dancenow.storage.checkpoint import CheckpointInfo, read_info
from dancenow.subject.coverage import Coverage, coverage
from dancenow.subject.same_camera import fit_videos
from dancenow.subject.subject import Subject
from dancenow.subject.subject_cache import cached_subject_folder, require_consented, require_video_consent
from dancenow.training.budget import Budget
from dancenow.training.loop import LoopConfig, state_path, train_loop
from dancenow.types import PoseTrack

Normalize = RetargetingKind
Device = Literal["auto", "cpu", "cuda"]

SYNTHETIC_NOTE: Final = "Synthetic video: the dance was transferred onto this person by dancenow"


@dataclass(frozen=True)
class TransferResult:
    """What a transfer did: the file, how many frames, what normalization did, and what the user should know.

    target_track: the poses that were painted, in the target's frame, one per frame of the file.
    """

    video: Path
    num_frames: int
    normalization: str
    notes: tuple[str, ...]
    target_track: PoseTrack


@dataclass(frozen=True)
class RunResult:
    """What `run` did: the transfer, the model it made or found, the warnings about the target's footage, the page about it."""

    transfer: TransferResult
    model: Path
    warnings: tuple[str, ...]
    report: Path | None


def ignore_warning(warning: str) -> None:
    """Warnings are in the result, too."""


@renamed_keywords(listen="on_progress")
def train(
    subject: Path,
    out: Path,
    *,
    budget: Budget | str = "10m",
    preset: Preset = "draft",
    width: float | None = None,
    longer_px: int | None = None,
    enhance_from: float | None = None,
    face: Face = "auto",
    face_source: Path | None = None,
    face_person: int | None = None,
    resume: bool = False,
    seed: int = 0,
    device: Device = "auto",
    warn: Callable[[str], None] = ignore_warning,
    on_progress: ProgressCallback = ignore_progress,
) -> Path:
    """Train a model of the person in a subject folder by a preset.

    Args:
        subject: folder that `prepare` made; or a rendered dataset or shards of one, with the `identity` of whom to train, by
            `protocol` (see `research.dataset.protocol`).
        out: the model's .safetensors file; a preview picture and the state of the training are kept beside it.
        budget: how long to train (`90s`, `4m`, `1.5h`), or how many images to see (`20000images`).
        width, longer_px, enhance_from: other sizes of a whole-frame preset and its enhancer, see `preset_config`.
        face: the face network that is trained in the last part of the budget, see `withface.Trained`.
        face_source, face_person: of a cyclegan: the dancer's video, and whom to follow in it, as in `detect_poses`.
        warn: called with the sentence that says why there is no face network, where `face` is auto.
        resume: go on with the training whose state lies beside `out`; the budget counts what was spent before.

    Raises:
        UserError: bad footage, budget or file; nothing to resume, or an unfinished training that would be lost; a face that is
            asked for by name and cannot be learnt.
    """
    config = preset_config(preset, width, longer_px, enhance_from)
    require_writable(out, ".safetensors")
    return train_with(
        subject, out, config, budget=budget, face=face, face_source=face_source, face_person=face_person, resume=resume,
        seed=seed, device=device, warn=warn, on_progress=on_progress,
    )  # fmt: skip


def train_with(
    subject: Path,
    out: Path,
    config: Config,
    *,
    budget: Budget | str,
    face: Face = "none",
    face_source: Path | None = None,
    face_person: int | None = None,
    resume: bool = False,
    seed: int = 0,
    device: Device = "auto",
    warn: Callable[[str], None] = ignore_warning,
    on_progress: ProgressCallback = ignore_progress,
) -> Path:
    """`train` by any recipe, as benchmarks need it."""
    budget = Budget.parse(budget) if isinstance(budget, str) else budget
    require_writable(out, ".safetensors")
    if not resume:
        _refuse_to_lose(out, budget)
    opened, place = Subject.open(subject), torch_device(device)
    require_consented(opened)
    pretrained.path("efficientnet_lite0", on_progress)
    dancer = None if face_source is None else Dancer.of(face_source, face_person, on_progress)
    task = create_task(opened, config, face, dancer, seed=seed, device=place, warn=warn, on_progress=on_progress)
    train_loop(task, out, budget, resume=resume, config=LoopConfig(seed=seed), on_progress=on_progress)
    return out


@renamed_keywords(listen="on_progress")
def transfer(
    source: Path,
    model: Path,
    out: Path,
    *,
    normalize: Normalize = "auto",
    face: Face = "auto",
    frames: tuple[int, int | None] = (0, None),
    person: int | None = None,
    device: Device = "auto",
    on_progress: ProgressCallback = ignore_progress,
) -> TransferResult:
    """Make the person of `model` dance the dance of `source`, with the source's timing and sound.

    Every result carries an invisible mark and signed Content Credentials, see `marker`.

    Args:
        source: video of the dancer. model: file that `train` wrote. out: .mp4 file, which appears when it is complete.
        normalize: how the dancer's body is fitted to the target's, see `pose.retargeting.registry`.
        face: which face network of the model makes the faces, see `refine.Face`.
        frames: first frame and end (exclusive) of the part of the dance that is wanted.
        person: whom to follow in the source, as in `detect_poses`.

    Raises:
        UserError: a file is missing or damaged, the model carries no consent or it was withdrawn, nobody dances in the
            source, the part is empty, or the model lacks the face network that is asked for.
    """
    info, place = probe(source), torch_device(device)
    require_other(out, source, model)
    require_writable(out, ".mp4")
    checkpoint = load_model(model)
    renderer = renderer_of(checkpoint, place)
    face_model = chosen(FaceModel.load(checkpoint, place), face, model, sha256_of(source))
    target, marker = renderer.target, ContentMarker.of(model, source)
    source_track = detect_poses(source, person=person, on_progress=on_progress)
    retargeter = fit_videos(normalize, source, source_track, target.track, target.plate)
    start, stop = _part(frames, len(source_track))
    times_s = [Fraction(float(t)).limit_denominator(1_000_000) for t in source_track.time_s]
    target_track = _as_painted(source_track, retargeter, target.track)
    refiner = (
        None if face_model is None else FaceRefiner.of_dance(face_model, source_track, target_track, source, place, on_progress)
    )
    with (
        VideoWriter(
            out,
            target_track.width_px,
            target_track.height_px,
            fps=info.fps,
            sound_from=source,
            sound_range_s=(times_s[start], times_s[stop] if stop < len(source_track) else None),
            metadata={"comment": SYNTHETIC_NOTE, "encoder": f"dancenow {dancenow.__version__}"},
            finish=marker.finish,
        ) as writer,
        torch_threads(spare_threads()),
        closing(renderer.render(target_track, start, stop)) as images,
        nullcontext(images) if refiner is None else prefetch(refiner.refine(images, start, stop)) as faced,
    ):
        for i, image in enumerate(faced, start=start):
            writer.write(marker.mark(image), times_s[i])
            on_progress(Progress("generating", i + 1 - start, stop - start))
    notes = (
        *transfer_warnings(source_track, target_track.pose, target),
        *([] if refiner is None else refiner.notes(start, stop)),
        *marker.notes,
    )
    return TransferResult(out, stop - start, str(retargeter), notes, _cut(target_track, start, stop))


@renamed_keywords(listen="on_progress")
def run(
    source: Path,
    target: Path,
    out: Path,
    *,
    budget: Budget | str = "10m",
    preset: Preset = "draft",
    normalize: Normalize = "auto",
    face: Face = "auto",
    source_person: int | None = None,
    target_person: int | None = None,
    seed: int = 0,
    device: Device = "auto",
    report: bool = True,
    consent: Consent | None = None,
    warn: Callable[[str], None] = ignore_warning,
    on_progress: ProgressCallback = ignore_progress,
) -> RunResult:
    """Everything from two videos: the person in `target` dances what the dancer in `source` dances.

    What was done before for the same videos and settings is taken from the cache; an interrupted training goes on. Beside
    the video a page about it is written, `out` with the ending .report.html, unless `report` is False. `warn` is called with
    each of the result's warnings before the training begins: what is wrong with the footage, and which moves it lacks.
    `consent` is that of the person in `target`, and needed the first time that this video is used.

    Raises:
        UserError: as `prepare`, `train` and `transfer`; files and budget are checked before anything long begins.
    """
    budget = Budget.parse(budget) if isinstance(budget, str) else budget
    page = report_path(out) if report else None
    preset_config(preset)
    torch_device(device)
    _require_files(source, target, out, page)
    require_video_consent(target, target_person, consent)
    require_signer()
    on_progress = watch = Stopwatch(on_progress)
    for name in pretrained.TABLE:
        pretrained.path(name, on_progress)
    # The dancer first: a source that nobody dances in should not cost a training.
    source_track = detect_poses(source, person=source_person, on_progress=on_progress)
    subject = Subject.open(cached_subject_folder(target, target_person, consent, on_progress))
    covered = _coverage(source_track, subject, normalize)
    warnings = (*subject.manifest.warnings, *(() if covered is None else covered.warnings))
    dancer = source_track.source_sha256 if face == "cyclegan" else None
    model = _model_path(subject.folder, preset, budget, seed, face, dancer)
    if not _is_trained(model, budget, subject):
        training = partial(
            train, subject.folder, model, budget=budget, preset=preset, face=face, face_source=source if dancer else None,
            face_person=source_person, seed=seed, device=device, on_progress=on_progress,
        )  # fmt: skip
        warnings = _train_and_tell(training, model, warnings, warn)
    done = transfer(
        source, model, out, normalize=normalize, face=face, person=source_person, device=device, on_progress=on_progress
    )
    if page is not None:
        settings = {"preset": preset, "budget": str(budget), "normalize": normalize, "face": face, "seed": str(seed)}
        record = RunRecord(
            source, target, out, model, subject.manifest, source_track, done.target_track, covered, done.normalization,
            done.notes,
            settings | {"device": device}, watch.seconds,
        )  # fmt: skip
        write_report(page, describe(record), on_progress=on_progress)
    return RunResult(done, model, warnings, page)


def _require_files(source: Path, target: Path, out: Path, page: Path | None) -> None:
    """What a run reads can be read, and what it writes can be written and overwrites nothing of it."""
    probe(source)
    probe(target)
    require_other(out, source, target)
    require_writable(out, ".mp4")
    if page is not None:
        require_writable(page)


def _train_and_tell(
    training: Callable[..., Path], model: Path, warnings: tuple[str, ...], warn: Callable[[str], None]
) -> tuple[str, ...]:
    """Train, or go on with it, when the user has heard the warnings; returns them and those that the training had."""
    for warning in warnings:
        warn(warning)
    faceless: list[str] = []
    training(resume=_read_or_none(state_path(model)) is not None, warn=faceless.append)
    for warning in faceless:
        warn(warning)
    state_path(model).unlink(missing_ok=True)
    return (*warnings, *faceless)


def _coverage(source_track: PoseTrack, subject: Subject, normalize: Normalize) -> Coverage | None:
    """How much of the dance the footage covers; a body that cannot be compared is no reason to stop."""
    learnt = subject.manifest.in_split("train", subject.track.time_s)
    try:
        return coverage(source_track, subject.track, normalize=normalize, learnt=learnt)
    except UserError:
        return None


def torch_device(device: Device) -> torch.device:
    """`auto` is the GPU where torch sees one.

    Raises:
        UserError: `cuda` is asked for and not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("torch sees no CUDA device here; use --device cpu or install a torch built for CUDA.")
    return torch.device(device)


def require_other(out: Path, *inputs: Path) -> None:
    """Raises UserError if writing `out` would overwrite something that is read."""
    for path in inputs:
        if out.exists() and path.exists() and out.samefile(path):
            raise OutputError(f"the output {out} is also an input; give the output another name.")


def _refuse_to_lose(model: Path, budget: Budget) -> None:
    """An interrupted training is worth more than a repeated command line."""
    state = _read_or_none(state_path(model))
    if state is not None and budget.spent(state.train_seconds, state.images_seen) < 1.0:
        raise TrainingError(
            f"an unfinished training of {model} is there ({state.images_seen} images, {state.train_seconds:.0f} s): go on with"
            f" --resume, or remove {state_path(model).name} to start anew."
        )


def _model_path(subject: Path, preset: Preset, budget: Budget, seed: int, face: Face, dancer_sha256: str | None) -> Path:
    """Where the cache keeps the model of these settings; another recipe under the same name has another place."""
    config = preset_config(preset)
    version = PAPER_RECIPE if isinstance(config, EdnConfig) else RECIPE
    base = load_base().sha256 if isinstance(config, CropConfig) and config.start == "base" else None
    faces = [face, FACE_RECIPE, load_face_base().sha256 if config.face.start == "base" else None, dancer_sha256]
    recipe = json.dumps([config.to_json(), NUM_CHANNELS, version, subject.name, str(budget), seed, base, faces])
    digest = hashlib.sha256(recipe.encode()).hexdigest()
    return cache_dir("models") / f"{preset}-{str(budget).replace(' ', '')}-{digest[:24]}.safetensors"


def _is_trained(model: Path, budget: Budget, subject: Subject) -> bool:
    """Whether the model is there and whole, and was trained under the consent that counts now."""
    info, consent = _read_or_none(model), subject.manifest.consent
    if info is None or info.kind not in RENDERERS or consent is None:
        return False
    return info.subject.get("consent_sha256") == consent.sha256 and budget.spent(info.train_seconds, info.images_seen) >= 1.0


def _read_or_none(path: Path) -> CheckpointInfo | None:
    """What a file in the cache is; one that is damaged is made anew, not complained of."""
    try:
        return read_info(path)
    except UserError:
        return None


def _as_painted(source_track: PoseTrack, retargeter: Retargeter, target: PoseTrack) -> PoseTrack:
    """A detected dance in the target's frame, calmed."""
    return smooth_jitter(
        replace(source_track, pose=retargeter(source_track.pose), width_px=target.width_px, height_px=target.height_px)
    )


def _cut(track: PoseTrack, start: int, stop: int) -> PoseTrack:
    """A part of a track, with times from its first frame."""
    time_s = track.time_s[start:stop] - track.time_s[start]
    return replace(track, pose=track.pose[start:stop], time_s=time_s, status=track.status[start:stop])


def _part(frames: tuple[int, int | None], count: int) -> tuple[int, int]:
    start, stop = frames[0], count if frames[1] is None else min(frames[1], count)
    if not 0 <= start < stop:
        raise OptionError(f"frames {frames[0]}:{frames[1] or ''} are not in the source, which has {count} frames.")
    return start, stop
