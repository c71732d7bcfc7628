"""The edn family: the system of Everybody Dance Now (Chan et al., 2019) and its variant on heatmaps, as presets and classes."""

from collections.abc import Mapping
from typing import Any, Final

import torch

from dancenow.execution import Execution
from dancenow.generators.edn.config import EDN_KIND, EdnConfig
from dancenow.generators.edn.dataset import FrameDataset
from dancenow.generators.edn.renderer import EdnRenderer
from dancenow.generators.edn.task import EdnTask, stored_box
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.progress import ProgressCallback
from dancenow.storage.checkpoint import Checkpoint
from dancenow.subject.subject import Subject
from dancenow.subject.target_appearance import Target

PRESETS: Final[dict[str, EdnConfig]] = {"paper": EdnConfig(), "heatmaps": EdnConfig(conditioning="heatmaps")}
"""paper: as published, on pix2pixHD (Wang et al., 2018). heatmaps: the same generator on Gaussian pose tensors of two
consecutive poses, with two discriminators."""


class EdnFamily:
    """See `base.GeneratorFamily`."""

    kind: Final = EDN_KIND
    presets: Final = PRESETS
    training_modules: Final = ("dancenow.generators.edn.task", "dancenow.generators.edn.dataset")
    generates_background: Final = True
    adjustable: Final[tuple[str, ...]] = ("width", "longer_px", "enhance_from")

    def config_from_json(self, data: Mapping[str, Any]) -> EdnConfig:
        """See `base.GeneratorFamily.config_from_json`."""
        return EdnConfig.from_json(data)

    def create_task(
        self,
        subject: Subject,
        config: EdnConfig,
        *,
        seed: int,
        perceptual: PerceptualDistance,
        device: torch.device,
        on_progress: ProgressCallback,
    ) -> EdnTask:
        """See `base.GeneratorFamily.create_task`."""
        target = Target.of_subject(subject)
        box = stored_box(config, target.track.width_px, target.track.height_px)
        frames = FrameDataset.build(subject, box, config.clip_frames, config.max_frames, on_progress=on_progress)
        return EdnTask(frames, config, seed=seed, kept=target.to_checkpoint(EDN_KIND), perceptual=perceptual, device=device)

    def load_renderer(self, checkpoint: Checkpoint, execution: Execution) -> EdnRenderer:
        """See `base.GeneratorFamily.load_renderer`."""
        return EdnRenderer.load(checkpoint, execution)
