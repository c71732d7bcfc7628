"""The face of a training: which frames show it, how large its canvas is, and the phase that learns it after the body."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self

import torch

from dancenow.errors import OptionError
from dancenow.face.cyclegan_task import CyclePhase
from dancenow.face.dataset import FaceDataset, native_canvas_px, resized, usable_faces, why_unusable
from dancenow.face.face_state import tensors_of
from dancenow.face.face_track import FaceTrack
from dancenow.face.face_tracking import extract_faces, face_boxes
from dancenow.face.recipe import FaceRecipe
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
"""What is trained of the face; auto: a residual network where the footage shows enough of it."""


@dataclass(frozen=True, eq=False)
class Dancer:
    """The source of an unpaired training: a video and the poses of whoever dances in it."""

    video: VideoSource
    track: PoseTrack

    @classmethod
    def of(cls, video: VideoInput, person: int | None, on_progress: ProgressCallback) -> Self:
        """Whoever dances in a video; person: as in `detect_poses`, which also says what it raises."""
        source = open_video(video)
        return cls(source, detect_poses(source, person=person, on_progress=on_progress))


@dataclass(frozen=True, eq=False)
class FaceTaskContext:
    """Everything that a face phase is made of. body_px: side of a body's image; paint: see `face.RenderFrames`; warn is
    told why there
    is no face where none was asked for by name."""

    recipe: FaceRecipe
    body_px: int
    seed: int
    render_frames: RenderFrames
    perceptual: PerceptualDistance
    device: torch.device
    warn: Callable[[str], None]
    on_progress: ProgressCallback


def with_face(body: Task, subject: Subject, kind: FaceChoice, dancer: Dancer | None, context: FaceTaskContext) -> Task:
    """The body's training with a face's behind it, or the body's alone where no face can be learnt.

    Raises:
        UserError: a face was asked for by name and cannot be learnt, or a cyclegan without its source.
    """
    if kind == "none":
        return body
    if kind == "cyclegan" and dancer is None:
        raise OptionError(
            "a cyclegan makes one person's face another's: give the dancer's video, too, as --face-source SOURCE."
        )
    learnt = subject.manifest.in_split("train", subject.track.time_s) & (subject.track.status == FrameStatus.MEASURED)
    # By the poses alone: where a face is too small, nothing need look at it.
    why = why_unusable(face_boxes(subject.track), learnt, subject.manifest.name)
    if why is not None:
        if kind != "auto":
            raise OptionError(f"{why[:-1]}; --face none does without.")
        context.warn(f"{why[0].upper()}{why[1:]}")
        return body
    faces = extract_faces(subject.source, subject.track, on_progress=context.on_progress)
    rows = usable_faces(faces, learnt, context.recipe.max_faces)
    faces = resized(faces, native_canvas_px(faces, context.recipe.most_px))
    store = FaceDataset.build(subject.source, faces, subject.track.pose, rows, context.on_progress)
    kept = tensors_of(faces, rows)
    if kind == "cyclegan":
        assert dancer is not None
        other = _faces_of_dancer(dancer, faces, context)
        phase = CyclePhase(
            store, other, context.recipe, seed=context.seed, kept=kept, source_sha256=dancer.track.source_sha256,
            body_px=context.body_px, device=context.device,
        )  # fmt: skip
        return BodyThenFace(body, phase, context.recipe.share)
    residual = ResidualPhase(
        store, context.recipe, seed=context.seed, render_frames=context.render_frames, kept=kept,
        perceptual=context.perceptual, body_px=context.body_px,
        device=context.device, on_progress=context.on_progress,
    )  # fmt: skip
    return BodyThenFace(body, residual, context.recipe.share)


def _faces_of_dancer(dancer: Dancer, target: FaceTrack, context: FaceTaskContext) -> FaceDataset:
    """The source's faces, on the target's canvas."""
    seen = dancer.track.status == FrameStatus.MEASURED
    why = why_unusable(face_boxes(dancer.track), seen, f"the dancer in {dancer.video.path.name}")
    if why is not None:
        raise OptionError(f"{why[:-1]}; --face residual needs no face of theirs.")
    faces = resized(extract_faces(dancer.video, dancer.track, on_progress=context.on_progress), target.size_px)
    rows = usable_faces(faces, seen, context.recipe.max_faces)
    return FaceDataset.build(dancer.video, faces, dancer.track.pose, rows, context.on_progress)
