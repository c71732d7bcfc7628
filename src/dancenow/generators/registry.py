"""From recipes and files to what trains and what paints: the one place that knows every kind of model."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from dancenow.execution import spare_threads, torch_threads
from dancenow.face.face_task import Dancer, FaceWork, Trained, with_face
from dancenow.face.residual_task import Paint
from dancenow.generators.crop.dataset import ClipStore
from dancenow.generators.crop.task import BodyTask
from dancenow.generators.edn.config import PaperConfig
from dancenow.generators.edn.dataset import WholeClipStore
from dancenow.generators.edn.task import PaperTask, stored_box
from dancenow.generators.presets import Config
from dancenow.generators.renderers import CropPainter, Painter, WholeFramePainter
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.pose.filtering.smoothing import calmed
from dancenow.progress import Listener
from dancenow.storage.checkpoint import Checkpoint, load_checkpoint, read_info
from dancenow.subject.subject import Subject
from dancenow.subject.target_appearance import KIND, WHOLE_FRAME_KIND, Target
from dancenow.training.loop import Task
from dancenow.types import ImageRGB

PAINTERS: Final[Mapping[str, Callable[[Checkpoint, torch.device], Painter]]] = {
    KIND: CropPainter.load,
    WHOLE_FRAME_KIND: WholeFramePainter.load,
}
"""Kind of a checkpoint -> what paints with it."""


def load_painter(model: Path, device: torch.device) -> Painter:
    """What generates with a trained model, chosen by the file's header alone.

    Raises:
        UserError: the file is missing, damaged, or holds no model that paints.
    """
    return painter_of(load_model(model), device)


def load_model(model: Path) -> Checkpoint:
    """A model of any kind that paints.

    Raises:
        UserError: the file is missing, damaged, or holds no model that paints.
    """
    kind = read_info(model).kind
    return load_checkpoint(model, kind if kind in PAINTERS else KIND)


def painter_of(checkpoint: Checkpoint, device: torch.device) -> Painter:
    """What generates with a model that is in memory.

    Raises:
        UserError: it was made by a version of dancenow whose networks were others.
    """
    return PAINTERS[checkpoint.info.kind](checkpoint, device)


def task_of(
    subject: Subject,
    config: Config,
    face: Trained,
    dancer: Dancer | None,
    *,
    seed: int,
    device: torch.device,
    warn: Callable[[str], None],
    listen: Listener,
) -> Task:
    """What the loop trains: the body, and then the face, see `withface.with_face`.

    Raises:
        UserError: there is too little to learn from, or as `with_face`.
    """
    perceptual = PerceptualDistance(depth=config.perceptual_depth)
    body = _body_task(subject, config, seed, perceptual, device, listen)
    body_px = config.longer_px if isinstance(config, PaperConfig) else config.generator.canvas_px
    work = FaceWork(config.face, body_px, seed, _painted_by(device), perceptual, device, warn, listen)
    return with_face(body, subject, face, dancer, work)


def _painted_by(device: torch.device) -> Paint:
    """What a face phase learns from: frames of the target's own footage, as a transfer paints them before it steadies."""

    def paint(body: Checkpoint, frames: NDArray[np.int64]) -> Iterator[ImageRGB]:
        painter = PAINTERS[body.info.kind](body, device)
        with torch_threads(spare_threads()), closing(painter.stills(calmed(painter.target.track), frames)) as pictures:
            yield from pictures

    return paint


def _body_task(
    subject: Subject, config: Config, seed: int, perceptual: PerceptualDistance, device: torch.device, listen: Listener
) -> Task:
    """What the loop trains of the body: the frames to learn from, the networks, and what the model keeps of its target."""
    target = Target.of_subject(subject)
    if isinstance(config, PaperConfig):
        box = stored_box(config, target.track.width_px, target.track.height_px)
        frames = WholeClipStore.build(subject, box, config.clip_frames, config.max_frames, listen=listen)
        kept = target.to_checkpoint({}, WHOLE_FRAME_KIND)
        return PaperTask(frames, config, seed=seed, kept=kept, perceptual=perceptual, device=device)
    crops = ClipStore.build(subject, config.generator.canvas_px, config.rollout, config.max_frames, listen=listen)
    return BodyTask(crops, config, seed=seed, kept=target.to_checkpoint({}), perceptual=perceptual, device=device)
