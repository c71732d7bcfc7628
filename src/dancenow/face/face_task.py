"""The face part of a training: which frames show the face, its canvas size, and the phase that trains it after the body."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray

from dancenow.errors import OptionError
from dancenow.face.config import FaceConfig
from dancenow.face.cyclegan_task import CycleGanPhase
from dancenow.face.dataset import FaceDataset, native_canvas_px, resize_canvas, unusable_reason, usable_faces
from dancenow.face.face_state import face_tensors
from dancenow.face.face_track import FaceTrack
from dancenow.face.face_tracking import extract_faces, face_boxes
from dancenow.face.residual_task import RenderFrames, ResidualPhase
from dancenow.face.two_phase_task import BodyThenFace
from dancenow.media.source import VideoInput, VideoSource, open_video
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.pose.pipeline import detect_poses
from dancenow.progress import ProgressCallback
from dancenow.subject.subject import Subject
from dancenow.training.loop import Task
from dancenow.types import FrameStatus, PoseTrack

FaceChoice = Literal["none", "residual", "cyclegan", "auto"]
"""Kind of face network to train; auto: a residual network where the footage shows enough of the face."""


@dataclass(frozen=True, eq=False)
class FaceSource:
    """The source of an unpaired face training: a video and the poses of the person in it."""

    video: VideoSource
    track: PoseTrack

    @classmethod
    def of(cls, video: VideoInput, person: int | None, on_progress: ProgressCallback) -> Self:
        """Detect the person in a video. person: as in `detect_poses`, which also lists the errors."""
        source = open_video(video)
        return cls(source, detect_poses(source, person=person, on_progress=on_progress))


@dataclass(frozen=True, eq=False)
class FaceTaskContext:
    """What a face phase is built from. body_px: side of a body image. render_frames: see `residual_task.RenderFrames`. warn:
    called with the reason when `auto` trains no face.
    """

    config: FaceConfig
    body_px: int
    seed: int
    render_frames: RenderFrames
    perceptual: PerceptualDistance
    device: torch.device
    warn: Callable[[str], None]
    on_progress: ProgressCallback


def add_face_phase(
    body: Task, subject: Subject, kind: FaceChoice, face_source: FaceSource | None, context: FaceTaskContext
) -> Task:
    """Add a face phase to the body's task; return the body's task alone where no face can be trained.

    Raises:
        UserError: a face network was requested by name and cannot be trained, or a CycleGAN without its source video.
    """
    if kind == "none":
        return body
    if kind == "cyclegan" and face_source is None:
        raise OptionError(
            "a cyclegan translates the source's face to the target's: give the source video, too, as --face-source SOURCE."
        )
    measured = (subject.track.status == FrameStatus.MEASURED) & subject.exposure.usable
    in_training = subject.manifest.in_split("train", subject.track.time_s) & measured
    faces, why = _find_faces(subject.source, subject.track, in_training, subject.manifest.name, context)
    if faces is None:
        if kind != "auto":
            raise OptionError(f"{why[:-1]}; use --face none to train without one.")
        context.warn(f"{why[0].upper()}{why[1:]}")
        return body
    rows = usable_faces(faces, in_training, context.config.max_faces)
    faces = resize_canvas(faces, native_canvas_px(faces, context.config.max_canvas_px))
    dataset = FaceDataset.build(subject.source, faces, subject.track.pose, rows, context.on_progress, subject.exposure)
    target_tensors = face_tensors(faces, rows)
    if kind == "cyclegan":
        assert face_source is not None
        source_dataset = _source_faces(face_source, faces, context)
        phase = CycleGanPhase(
            dataset, source_dataset, context.config, seed=context.seed, target_tensors=target_tensors,
            source_sha256=face_source.track.source_sha256, body_px=context.body_px, device=context.device,
        )  # fmt: skip
        return BodyThenFace(body, phase, context.config.budget_fraction)
    residual = ResidualPhase(
        dataset, context.config, seed=context.seed, render_frames=context.render_frames, target_tensors=target_tensors,
        perceptual=context.perceptual, body_px=context.body_px, device=context.device, on_progress=context.on_progress,
    )  # fmt: skip
    return BodyThenFace(body, residual, context.config.budget_fraction)


def _source_faces(face_source: FaceSource, target: FaceTrack, context: FaceTaskContext) -> FaceDataset:
    """The source's faces, on canvases of the target's size."""
    video, track = face_source.video, face_source.track
    measured = track.status == FrameStatus.MEASURED
    found, why = _find_faces(video, track, measured, f"the person in {video.path.name}", context)
    if found is None:
        raise OptionError(f"{why[:-1]}; --face residual does not need the source's face.")
    faces = resize_canvas(found, target.size_px)
    rows = usable_faces(faces, measured, context.config.max_faces)
    return FaceDataset.build(video, faces, track.pose, rows, context.on_progress)


def _find_faces(
    video: VideoSource, track: PoseTrack, allowed: NDArray[np.bool_], person: str, context: FaceTaskContext
) -> tuple[FaceTrack | None, str]:
    """Extract the faces; None and the reason in one sentence if too few of the allowed frames [T] show one."""
    # The poses alone show whether the head is too small or turned away, and cost nothing.
    why = unusable_reason(face_boxes(track), allowed, person)
    if why is not None:
        return None, why
    faces = extract_faces(video, track, on_progress=context.on_progress)
    why = unusable_reason(faces, allowed, person)
    return (faces, "") if why is None else (None, why)
