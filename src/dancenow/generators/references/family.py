"""The references family: the crop family with pictures of the person to copy from."""

from collections.abc import Mapping
from typing import Any, Final

import torch

from dancenow.execution import Execution
from dancenow.generators.crop.dataset import CropDataset
from dancenow.generators.references.config import PRESETS, REFERENCES_KIND, ReferenceConfig
from dancenow.generators.references.reference_selection import build_reference_set, selected_frames
from dancenow.generators.references.renderer import ReferenceRenderer
from dancenow.generators.references.task import ReferenceTask
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.progress import ProgressCallback
from dancenow.storage.checkpoint import Checkpoint
from dancenow.subject.subject import Subject
from dancenow.subject.target_appearance import Target


class ReferenceFamily:
    """See `base.GeneratorFamily`."""

    kind: Final = REFERENCES_KIND
    presets: Final = PRESETS
    training_modules: Final = ("dancenow.generators.references.task", "dancenow.generators.references.reference_selection")
    generates_background: Final = False
    adjustable: Final[tuple[str, ...]] = ()

    def config_from_json(self, data: Mapping[str, Any]) -> ReferenceConfig:
        """See `base.GeneratorFamily.config_from_json`."""
        return ReferenceConfig.from_json(data)

    def create_task(
        self,
        subject: Subject,
        config: ReferenceConfig,
        *,
        seed: int,
        perceptual: PerceptualDistance,
        device: torch.device,
        on_progress: ProgressCallback,
    ) -> ReferenceTask:
        """See `base.GeneratorFamily.create_task`."""
        length, max_frames = config.clip_frames, config.max_frames
        crops = CropDataset.build(subject, config.generator.canvas_px, length, max_frames, on_progress=on_progress)
        frames = selected_frames(subject, length, max_frames)
        references = build_reference_set(subject, crops, frames, config.references, on_progress)
        kept = Target.of_subject(subject).to_checkpoint(REFERENCES_KIND)
        return ReferenceTask(
            crops, config, references, subject.track.time_s[frames], seed=seed, kept=kept, perceptual=perceptual, device=device
        )

    def load_renderer(self, checkpoint: Checkpoint, execution: Execution) -> ReferenceRenderer:
        """See `base.GeneratorFamily.load_renderer`."""
        return ReferenceRenderer.load(checkpoint, execution)
