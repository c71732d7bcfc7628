"""Train a model of a subject with any configuration: checks, task of body and face, training loop."""

from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dancenow.errors import TrainingError
from dancenow.execution import Execution
from dancenow.face.face_task import FaceChoice, FaceSource, FaceTaskContext, add_face_phase
from dancenow.face.refinement import FaceMode
from dancenow.face.residual_task import RenderFrames
from dancenow.generators.base import FamilyConfig
from dancenow.generators.registry import family_of, renderer_of
from dancenow.media.source import VideoInput
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.pose.pipeline import PosePipeline
from dancenow.progress import ProgressCallback, ignore_progress, ignore_warning
from dancenow.provenance.stored_pictures import stored_pictures_note
from dancenow.rendering.renderer import render_frames
from dancenow.storage import pretrained
from dancenow.storage.atomic_io import require_writable
from dancenow.storage.cache import only_writer
from dancenow.storage.checkpoint import Checkpoint, read_info_or_none
from dancenow.subject.subject import Subject, open_subject
from dancenow.subject.subject_cache import require_consented
from dancenow.training.budget import Budget
from dancenow.training.distributed import rank
from dancenow.training.loop import Clock, LoopConfig, Task, state_path, train_loop
from dancenow.types import ImageRGB


def train_model(
    subject: Path | Subject,
    out: Path,
    config: FamilyConfig,
    *,
    budget: Budget | str,
    face: FaceMode = "none",
    face_source: VideoInput | None = None,
    face_person: int | None = None,
    resume: bool = False,
    seed: int = 0,
    execution: Execution | None = None,
    on_start: Callable[[Checkpoint], None] | None = None,
    warn: Callable[[str], None] = ignore_warning,
    on_progress: ProgressCallback = ignore_progress,
) -> Path:
    """Train a model with any configuration; arguments and errors as `pipeline.train`.

    on_start: called before the first step with the model from which the training starts, if that has pretrained weights.
    """
    budget = Budget.parse(budget) if isinstance(budget, str) else budget
    require_writable(out, ".safetensors")
    if not resume:
        _refuse_to_lose(out, budget)
    execution = execution or Execution.auto()
    on_progress = execution.reporting(on_progress)
    opened = open_subject(subject)
    require_consented(opened)
    if execution.precision == "float32":
        config = _in_float32(config)
    pretrained.path("efficientnet_lite0", on_progress)
    source_face = None if face_source is None else FaceSource.of(face_source, face_person, on_progress)
    with only_writer(out) if rank() == 0 else nullcontext():
        task = create_task(
            opened, config, face, source_face, seed=seed, execution=execution, warn=warn, on_progress=on_progress
        )
        if on_start is not None and config.is_pretrained and not resume:
            on_start(task.model(Clock()))
        model = train_loop(task, out, budget, resume=resume, config=LoopConfig(seed=seed), on_progress=on_progress)
    if note := stored_pictures_note(model.info):
        warn(note)
    return out


def create_task(
    subject: Subject,
    config: FamilyConfig,
    face: FaceChoice,
    source_face: FaceSource | None,
    *,
    seed: int,
    execution: Execution,
    warn: Callable[[str], None],
    on_progress: ProgressCallback,
) -> Task:
    """Build what the loop trains: the body by its family, then the face, see `face_task.add_face_phase`.

    Raises:
        UserError: there is too little footage to train on, or as `add_face_phase`.
    """
    device, perceptual = execution.torch_device, PerceptualDistance(depth=config.perceptual_depth)
    family = family_of(config)
    body = family.create_task(subject, config, seed=seed, perceptual=perceptual, device=device, on_progress=on_progress)
    render = _footage_renderer(execution)
    context = FaceTaskContext(config.face, config.body_px, seed, render, perceptual, device, warn, on_progress)
    return add_face_phase(body, subject, face, source_face, context)


def _footage_renderer(execution: Execution) -> RenderFrames:
    """What the face is trained on: frames of the target's own footage as a transfer renders them, but without the temporal
    filter."""

    def render(body: Checkpoint, frames: NDArray[np.int64]) -> Iterator[ImageRGB]:
        renderer, poses = renderer_of(body, execution), PosePipeline.create()
        track = poses.for_rendering(renderer.target.track)
        with closing(render_frames(renderer, renderer.target.view("follow"), track, frames)) as images:
            yield from images

    return render


def _in_float32(config: Any) -> FamilyConfig:
    """The configuration with all networks trained in float32."""
    changed: FamilyConfig = replace(config, precision="float32", face=replace(config.face, precision="float32"))
    return changed


def _refuse_to_lose(model: Path, budget: Budget) -> None:
    """Raise UserError if an unfinished training of `model` would be overwritten."""
    state = read_info_or_none(state_path(model))
    if state is not None and budget.spent(state.train_seconds, state.images_seen) < 1.0:
        raise TrainingError(
            f"an unfinished training of {model} is there ({state.images_seen} images, {state.train_seconds:.0f} s): go on with"
            f" --resume, or remove {state_path(model).name} to start again."
        )
