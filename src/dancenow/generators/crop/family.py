"""The crop family: color and alpha in a square that follows the person, composited onto the background plate."""

from collections.abc import Mapping
from typing import Any, Final

import torch

from dancenow.execution import Execution
from dancenow.generators.crop.config import CROP_KIND, CropConfig
from dancenow.generators.crop.dataset import CropDataset
from dancenow.generators.crop.presets import PRESETS
from dancenow.generators.crop.renderer import CropRenderer
from dancenow.generators.crop.task import CropTask
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.progress import ProgressCallback
from dancenow.storage.checkpoint import Checkpoint
from dancenow.subject.subject import Subject
from dancenow.subject.target_appearance import Target


class CropFamily:
    """See `base.GeneratorFamily`."""

    kind: Final = CROP_KIND
    presets: Final = PRESETS
    training_modules: Final = ("dancenow.generators.crop.task", "dancenow.generators.crop.dataset")
    generates_background: Final = False
    adjustable: Final[tuple[str, ...]] = ()

    def config_from_json(self, data: Mapping[str, Any]) -> CropConfig:
        """See `base.GeneratorFamily.config_from_json`."""
        return CropConfig.from_json(data)

    def create_task(
        self,
        subject: Subject,
        config: CropConfig,
        *,
        seed: int,
        perceptual: PerceptualDistance,
        device: torch.device,
        on_progress: ProgressCallback,
    ) -> CropTask:
        """See `base.GeneratorFamily.create_task`."""
        crops = CropDataset.build(
            subject, config.generator.canvas_px, config.clip_frames, config.max_frames, on_progress=on_progress
        )
        kept = Target.of_subject(subject).to_checkpoint(CROP_KIND)
        return CropTask(crops, config, seed=seed, kept=kept, perceptual=perceptual, device=device)

    def load_renderer(self, checkpoint: Checkpoint, execution: Execution) -> CropRenderer:
        """See `base.GeneratorFamily.load_renderer`."""
        return CropRenderer.load(checkpoint, execution)
