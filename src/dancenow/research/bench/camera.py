"""Moving cameras with ground truth: a rendered pair, filmed by hand, panning and zooming, as target and as source.

A model is trained on footage of each camera and performs a dance; the truth is the same dance on the target's body, seen from
the reference view. Then the model of the tripod performs the dance as each camera filmed it. What a camera costs is the
difference from the tripod.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from dancenow import pipeline
from dancenow.errors import UserError
from dancenow.evaluation.frame_metrics import region_to_tensor
from dancenow.generators.train_model import train_model
from dancenow.media.source import read_frames
from dancenow.metrics.images import ssim_map
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.metrics.regions import person_box
from dancenow.pose.track_io import load_track
from dancenow.progress import ProgressCallback
from dancenow.provenance.consent import consent
from dancenow.research.bench.jobs import Job, Record, run_jobs
from dancenow.research.bench.methods import our_config
from dancenow.research.bench.results import Result, Size
from dancenow.research.bench.sizes import CAMERA, CameraSize
from dancenow.research.bench.virtual_camera import Motion, camera_motions, film, points_through, through
from dancenow.research.studio.clip import Clip
from dancenow.storage.atomic_io import cache_dir
from dancenow.storage.code_digest import code_digest
from dancenow.subject.camera.homography import corner_shift_px
from dancenow.subject.camera.trajectory import CameraTrajectory
from dancenow.subject.prepare import prepare
from dancenow.subject.subject import Subject
from dancenow.training.budget import Budget
from dancenow.training.loop import state_path

METRICS: Final = {"SSIM": "higher", "perceptual": "lower", "corner error px": "lower"}
"""SSIM and perceptual distance in the person's box. corner error px: median over frames of the corner that is farthest off."""
TRIPOD: Final = "tripod"


def bench_camera(size: Size, on_progress: ProgressCallback, only: Sequence[str] = ()) -> Result:
    """Measure every camera in both roles; only: as in `jobs.run_jobs`.

    Raises:
        UserError: the studio's packages are missing, or the cache cannot be written to.
    """
    sized = CAMERA[size]
    names = camera_motions(sized.test_set.video_format.size_px)
    jobs = [
        Job("camera", {"camera": name, "role": role, "size": size}, partial(measure, sized, name), sized.expected_s)
        for role, measure in (("target", _as_target), ("source", _as_source))
        for name in names
    ]
    records = run_jobs("camera", jobs, on_progress, only)
    return Result.from_records("camera", size, (0,), {**asdict(sized), "metrics": METRICS}, records, summarize(records))


def summarize(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Per role and camera the scores, and the difference in SSIM from the tripod."""
    summary: dict[str, Any] = {}
    for role in ("target", "source"):
        own = {record["camera"]: record["scores"] for record in records if record["role"] == role}
        for name, scores in own.items():
            change = round(scores["SSIM"] - own[TRIPOD]["SSIM"], 5) if TRIPOD in own else None
            summary.setdefault(role, {})[name] = {**scores, "SSIM against tripod": change}
    return summary


def _as_target(sized: CameraSize, name: str, folder: Path, on_progress: ProgressCallback) -> Record:
    """Train on the footage of a camera, and perform the dance that a tripod filmed."""
    subject, model, error_px = _train(sized, name, on_progress)
    dance = _film_dance(sized, TRIPOD, on_progress)
    out = folder / "result.mp4"
    pipeline.transfer(dance, model, out, on_progress=on_progress)
    return {"scores": {**_score(sized, out, _reference_view(sized, name, subject), on_progress), "corner error px": error_px}}


def _as_source(sized: CameraSize, name: str, folder: Path, on_progress: ProgressCallback) -> Record:
    """Let the model of the tripod perform the dance that a camera filmed."""
    subject, model, _ = _train(sized, TRIPOD, on_progress)
    dance = _film_dance(sized, name, on_progress)
    out = folder / "result.mp4"
    done = pipeline.transfer(dance, model, out, on_progress=on_progress)
    scores = _score(sized, out, _reference_view(sized, TRIPOD, subject), on_progress)
    return {"scores": scores, "notes": [*done.notes]}


def _train(sized: CameraSize, name: str, on_progress: ProgressCallback) -> tuple[Subject, Path, float]:
    """The subject and model of a camera's footage, cached for the other roles; and the error of its trajectory."""
    motion = _motion(sized, name)
    footage = _filmed(sized.test_set.clip(sized.test_set.cases[0].footage, on_progress), name, motion)
    folder = cache_dir("bench/filmed") / f"{footage.stem}-{code_digest(__name__)[:12]}"
    try:
        subject = Subject.open(folder)
    except UserError:
        subject = prepare(footage, folder, consent=consent("rendered"), on_progress=on_progress)
    model = folder.with_name(f"{folder.name}-{sized.ours}-{sized.budget}.safetensors")
    if not model.is_file() or state_path(model).is_file():
        train_model(
            subject, model, our_config(sized.ours), budget=Budget.parse(sized.budget), face="none",
            resume=state_path(model).is_file(), on_progress=on_progress,
        )  # fmt: skip
        state_path(model).unlink(missing_ok=True)
    return subject, model, trajectory_error_px(subject, motion)


def _filmed(clip: Clip, name: str, motion: Motion) -> Path:
    """A rendered clip as a moving camera films it, cached."""
    path = cache_dir("bench/filmed") / f"{clip.video.stem}-{name}-{code_digest(film.__module__)[:12]}.mp4"
    return path if path.is_file() else film(clip.video, path, motion)


def trajectory_error_px(subject: Subject, motion: Motion) -> float:
    """Median over the frames of how far the worst corner is from where it belongs, in px of the frame."""
    track = subject.track
    still = CameraTrajectory.still(len(track), track.width_px, track.height_px)
    camera = still if subject.camera is None else subject.camera.trajectory
    views = np.stack([motion(time_s) for time_s in track.time_s.tolist()])
    truth = views @ np.linalg.inv(views[camera.reference])  # px of the reference view -> px of each frame
    return round(float(np.median(corner_shift_px(truth @ camera.to_reference, track.width_px, track.height_px))), 4)


def _film_dance(sized: CameraSize, name: str, on_progress: ProgressCallback) -> Path:
    return _filmed(sized.test_set.clip(sized.test_set.cases[0].dances[0], on_progress), name, _motion(sized, name))


def _motion(sized: CameraSize, name: str) -> Motion:
    return camera_motions(sized.test_set.video_format.size_px)[name]


def _reference_view(sized: CameraSize, name: str, subject: Subject) -> NDArray[np.float64]:
    """px of the rendered clip -> px of the reference view of the subject's camera."""
    reference = 0 if subject.camera is None else subject.camera.trajectory.reference
    return _motion(sized, name)(float(subject.track.time_s[reference]))


def _score(sized: CameraSize, out: Path, to_view: NDArray[np.float64], on_progress: ProgressCallback) -> dict[str, float]:
    """Compare a result with the truth as it looks from the reference view."""
    case = sized.test_set.cases[0]
    truth = sized.test_set.clip(case.truth(case.dances[0]), on_progress)
    track, distance = load_track(truth.track), PerceptualDistance().eval()
    pose = replace(track.pose, xy=points_through(track.pose.xy, to_view))
    similar: list[float] = []
    perceptual: list[float] = []
    for result, true in zip(read_frames(out), read_frames(truth.video), strict=False):
        image, wanted = result.image_rgb, through(true.image_rgb, to_view)
        box = person_box(pose[true.index], image.shape[1], image.shape[0])
        if box is None:
            continue
        similar.append(float(box.crop(ssim_map(image, wanted)).mean()))
        if true.index % sized.every == 0:
            with torch.inference_mode():
                images = (region_to_tensor(box.crop(each), "person") for each in (image, wanted))
                perceptual.append(float(distance(*images)))
    return {"SSIM": round(float(np.mean(similar)), 5), "perceptual": round(float(np.mean(perceptual)), 5)}
