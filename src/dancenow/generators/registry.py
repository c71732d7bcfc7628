"""From recipes and files to what trains and what paints: the one place that knows every kind of model."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from dancenow.execution import Execution
from dancenow.face.face_task import FaceChoice, FaceSource, FaceTaskContext, add_face_phase
from dancenow.face.residual_task import RenderFrames
from dancenow.generators.crop.dataset import CropDataset
from dancenow.generators.crop.task import CropTask
from dancenow.generators.edn.config import EdnConfig
from dancenow.generators.edn.dataset import FrameDataset
from dancenow.generators.edn.task import EdnTask, stored_box
from dancenow.generators.presets import Config
from dancenow.generators.renderers import CropRenderer, EdnRenderer, Renderer
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.pose.pipeline import PosePipeline
from dancenow.progress import ProgressCallback
from dancenow.storage.checkpoint import Checkpoint, load_checkpoint, read_info
from dancenow.subject.subject import Subject
from dancenow.subject.target_appearance import KIND, WHOLE_FRAME_KIND, Target
from dancenow.training.loop import Task
from dancenow.types import ImageRGB

RENDERERS: Final[Mapping[str, Callable[[Checkpoint, Execution], Renderer]]] = {
    KIND: CropRenderer.load,
    WHOLE_FRAME_KIND: EdnRenderer.load,
}
"""Kind of a checkpoint -> what paints with it."""


def load_renderer(model: Path, execution: Execution) -> Renderer:
    """What generates with a trained model, chosen by the file's header alone.

    Raises:
        UserError: the file is missing, damaged, or holds no model that paints.
    """
    return renderer_of(load_model(model), execution)


def load_model(model: Path) -> Checkpoint:
    """A model of any kind that paints.

    Raises:
        UserError: the file is missing, damaged, or holds no model that paints.
    """
    kind = read_info(model).kind
    return load_checkpoint(model, kind if kind in RENDERERS else KIND)


def renderer_of(checkpoint: Checkpoint, execution: Execution) -> Renderer:
    """What generates with a model that is in memory.

    Raises:
        UserError: it was made by a version of dancenow whose networks were others.
    """
    return RENDERERS[checkpoint.info.kind](checkpoint, execution)


def create_task(
    subject: Subject,
    config: Config,
    face: FaceChoice,
    dancer: FaceSource | None,
    *,
    seed: int,
    execution: Execution,
    warn: Callable[[str], None],
    on_progress: ProgressCallback,
) -> Task:
    """What the loop trains: the body, and then the face, see `withface.with_face`.

    Raises:
        UserError: there is too little to learn from, or as `add_face_phase`.
    """
    device = execution.torch_device
    perceptual = PerceptualDistance(depth=config.perceptual_depth)
    body = _body_task(subject, config, seed, perceptual, device, on_progress)
    body_px = config.longer_px if isinstance(config, EdnConfig) else config.generator.canvas_px
    context = FaceTaskContext(config.face, body_px, seed, _painted_by(execution), perceptual, device, warn, on_progress)
    return add_face_phase(body, subject, face, dancer, context)


def _painted_by(execution: Execution) -> RenderFrames:
    """What a face phase learns from: frames of the target's own footage, as a transfer paints them before it steadies."""

    def render(body: Checkpoint, frames: NDArray[np.int64]) -> Iterator[ImageRGB]:
        renderer, poses = RENDERERS[body.info.kind](body, execution), PosePipeline.create()
        track = poses.for_rendering(poses.smooth_jitter(renderer.target.track))
        with closing(renderer.render_frames(track, frames)) as pictures:
            yield from pictures

    return render


def _body_task(
    subject: Subject,
    config: Config,
    seed: int,
    perceptual: PerceptualDistance,
    device: torch.device,
    on_progress: ProgressCallback,
) -> Task:
    """What the loop trains of the body: the frames to learn from, the networks, and what the model keeps of its target."""
    target = Target.of_subject(subject)
    if isinstance(config, EdnConfig):
        box = stored_box(config, target.track.width_px, target.track.height_px)
        frames = FrameDataset.build(subject, box, config.clip_frames, config.max_frames, on_progress=on_progress)
        kept = target.to_checkpoint({}, WHOLE_FRAME_KIND)
        return EdnTask(frames, config, seed=seed, kept=kept, perceptual=perceptual, device=device)
    crops = CropDataset.build(
        subject, config.generator.canvas_px, config.clip_frames, config.max_frames, on_progress=on_progress
    )
    return CropTask(crops, config, seed=seed, kept=target.to_checkpoint({}), perceptual=perceptual, device=device)
