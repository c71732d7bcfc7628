"""Train a model of a subject with any configuration: checks, task, training loop."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dancenow.errors import TrainingError
from dancenow.execution import Execution
from dancenow.face.face_task import FaceSource
from dancenow.face.refinement import FaceMode
from dancenow.generators.presets import Config
from dancenow.generators.registry import create_task
from dancenow.media.source import VideoInput
from dancenow.progress import ProgressCallback, ignore_progress, ignore_warning
from dancenow.storage import pretrained
from dancenow.storage.atomic_io import require_writable
from dancenow.storage.checkpoint import read_info_or_none
from dancenow.subject.subject import Subject, open_subject
from dancenow.subject.subject_cache import require_consented
from dancenow.training.budget import Budget
from dancenow.training.loop import LoopConfig, state_path, train_loop


def train_model(
    subject: Path | Subject,
    out: Path,
    config: Config,
    *,
    budget: Budget | str,
    face: FaceMode = "none",
    face_source: VideoInput | None = None,
    face_person: int | None = None,
    resume: bool = False,
    seed: int = 0,
    execution: Execution | None = None,
    warn: Callable[[str], None] = ignore_warning,
    on_progress: ProgressCallback = ignore_progress,
) -> Path:
    """Train a model with any configuration; arguments and errors as `pipeline.train`."""
    budget = Budget.parse(budget) if isinstance(budget, str) else budget
    require_writable(out, ".safetensors")
    if not resume:
        _refuse_to_lose(out, budget)
    execution = execution or Execution.auto()
    on_progress = execution.reporting(on_progress)
    opened = open_subject(subject)
    require_consented(opened)
    if execution.precision == "float32":
        config = replace(config, precision="float32", face=replace(config.face, precision="float32"))
    pretrained.path("efficientnet_lite0", on_progress)
    dancer = None if face_source is None else FaceSource.of(face_source, face_person, on_progress)
    task = create_task(opened, config, face, dancer, seed=seed, execution=execution, warn=warn, on_progress=on_progress)
    train_loop(task, out, budget, resume=resume, config=LoopConfig(seed=seed), on_progress=on_progress)
    return out


def _refuse_to_lose(model: Path, budget: Budget) -> None:
    """Raise UserError if an unfinished training of `model` would be overwritten."""
    state = read_info_or_none(state_path(model))
    if state is not None and budget.spent(state.train_seconds, state.images_seen) < 1.0:
        raise TrainingError(
            f"an unfinished training of {model} is there ({state.images_seen} images, {state.train_seconds:.0f} s): go on with"
            f" --resume, or remove {state_path(model).name} to start anew."
        )
